"""Does every row of the op matrix compute the same on every core? `make rows`: too much for each test run.

    python tests/ops/every_row.py cortex-m55 --op conv2d    # on one core, of one op

By the kernel that the core's own code takes. In the tests all rows run on a Cortex-M4, and on each of these
cores one row of each kernel, or of every third.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is run alone

from compiler_warnings import WARNINGS
from forced import wrong_ones
from matrix_rows import ROWS, ops_of, rows_of
from other_cores import OTHER_CORES, OtherCore

from firmnet.devices import core
from firmnet.devices.runner import Model, Runner
from firmnet.errors import UserError
from firmnet.targets import Isa

AT_ONCE = 60
"""Rows in one image: the flash of the smallest of the machines holds no more of the largest."""


def wrong_rows(other: OtherCore, op: str) -> tuple[str, str, int, list[str]]:
    """The core's name, the op, how many rows ran, and which do not give what the oracle says."""

    def build(models: list[Model]) -> Runner:
        return core.image(models, other.machine, cflags=(*WARNINGS, *other.cflags))

    ways = [(row, row.ways[0] if other.isa is Isa.DSP else row.plain) for row in rows_of(op)]
    parts = [ways[begin : begin + AT_ONCE] for begin in range(0, len(ways), AT_ONCE)]
    return other.name, op, len(ways), [wrong for part in parts for wrong in wrong_ones(part, [], build)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="every row of the op matrix on every core")
    parser.add_argument("core", nargs="*", help=f"of {', '.join(OTHER_CORES)}; all without one")
    parser.add_argument("--op", action="append", choices=ops_of(ROWS))
    parser.add_argument("--jobs", type=int, default=None)
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.core if name not in OTHER_CORES]:
        parser.error(f"no core {unknown[0]!r}: there are {', '.join(OTHER_CORES)}")
    cores, ops = given.core or [*OTHER_CORES], given.op or ops_of(ROWS)
    for name in cores:
        try:
            OTHER_CORES[name].require()
        except UserError as error:
            parser.error(f"{name}: {error}")
    jobs = [(OTHER_CORES[name], op) for name in cores for op in ops]
    rows, wrong = dict.fromkeys(cores, 0), 0
    with ProcessPoolExecutor(given.jobs) as pool:
        for name, op, count, found in pool.map(wrong_rows, *zip(*jobs, strict=True)):
            rows[name] += count
            wrong += len(found)
            for row in found:
                print(f"{name}: {row} is wrong", flush=True)
            if op == ops[-1]:
                print(f"{name:12} {rows[name]:5,} rows", flush=True)
    print(f"{wrong} wrong" if wrong else "all bit-exact")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
