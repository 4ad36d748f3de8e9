"""How many flipped bits does verify find, by the part of the firmware they are in? Prints the table.

    python benchmarks/bitflips.py [FLIPS]

Builds the digits network for the emulated board, flips one seeded bit at a time in what the build put into
flash, boots each image in QEMU and verifies it. Named: the sentence has the byte's address. Refused: the
image does not boot, does not answer, or MicroPython fails. One that is verified would be a fault.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import firmnet

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from flipping import all_told, flips  # noqa: E402

OUTCOMES = ("named", "refused", "verified")


def main(count: int) -> None:
    with TemporaryDirectory(prefix="firmnet-") as folder:
        deployment = firmnet.compile(f"{ROOT}/examples/digits.py:model", board="netduinoplus2", name="digits")
        deployment.build(f"{folder}/digits", emulate=True)
        assert deployment.artifact is not None
        began = time.monotonic()
        results = list(all_told(deployment.artifact, flips(deployment.artifact, count)))
    table = Counter((result.flip.part.removeprefix("of "), result.how) for result in results)
    print(f"{'part of the firmware':40}", *(f"{how:>9}" for how in OUTCOMES))
    for part in sorted({part for part, _ in table}):
        print(f"{part:40}", *(f"{table[part, how]:9}" for how in OUTCOMES))
    print(f"{'all':40}", *(f"{sum(result.how == how for result in results):9}" for how in OUTCOMES))
    print(f"{count} flips in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
