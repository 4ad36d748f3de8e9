"""Which faults of firmware, board and line does verify find, by what, and in how long? Prints the table.

    python benchmarks/harness.py [INFERENCES]

Builds a small network for the emulated board, then spoils one thing at a time (tests/harness.py says how) and
verifies. None may be verified that is wrong, and none may take longer than its timeouts. At the end so many
inferences (10,000) run over a line that damages one frame in a hundred, and every output is compared.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from harness import LIMIT_S, all_told, endured, harness  # noqa: E402


def main(inferences: int) -> None:
    with TemporaryDirectory(prefix="firmnet-") as folder:
        bench = harness(Path(folder))
        print(f"{'fault':36} {'outcome':10} {'by':24} {'s':>5}  layer or step")
        rows, began = [], time.monotonic()
        for told in all_told(bench):
            rows.append(told)
            print(f"{told.fault:36} {told.how:10} {told.by:24} {told.seconds:5.1f}  {told.where}", flush=True)
        wrong, unnamed = sum(told.how == "VERIFIED" for told in rows), sum(not told.by for told in rows)
        late = ", ".join(told.fault for told in rows if told.seconds > LIMIT_S) or "none"
        print(
            f"{len(rows)} faults in {time.monotonic() - began:.0f} s; verified though wrong: {wrong}; "
            f"not named: {unnamed}; past {LIMIT_S:g} s: {late}"
        )
        found = endured(bench.artifact, inferences)
        print(
            f"{found.inferences:,} inferences, {found.damaged:,} of {found.frames:,} frames damaged: "
            f"{found.wrong} wrong accepted, {found.resends:,} asked again, "
            f"{found.inferences / found.seconds:.0f} inferences/s ({found.seconds:.0f} s)"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
