"""How deep is the stack under run() on cores that cannot be seen in `firmnet profile` of one network alone?

    python benchmarks/stack.py [-k PATTERN] [CORE …]

Runs rows of the op matrix, one model each, in the simulator, by default on Cortex-M0+, M7, M33: as planned,
and on cores with DSP instructions within the least RAM too, where a limit may choose plain C. Prints the
deepest rows of every core; ends with 1 where one is deeper than the plan reserves (plan.STACK_BYTES).
"""

import argparse
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "ops")]

from matrix_rows import ROWS  # noqa: E402

from firmnet.plan import STACK_BYTES, least  # noqa: E402
from firmnet.profile import profile_graph  # noqa: E402
from firmnet.targets import Isa, isa  # noqa: E402

CORES = ("cortex-m0plus", "cortex-m7", "cortex-m33")
SHOWN = 8
"""Rows of each core, the deepest first."""
Depth = tuple[int, str, str]
"""Bytes of stack, the row, and the kernel that ran it."""


def depth(number: int, core: str, tight: bool) -> Depth:
    """Of one row, by its number; `tight`: in the least RAM that it can do with."""
    row = ROWS[number]
    limit = least(row.graph, isa=isa(core)).ram_bytes if tight else None
    seen = profile_graph(row.graph, core, ram_limit_bytes=limit)
    return seen.stack_bytes, row.id, ", ".join(layer.kernel for layer in seen.layers)


def runs(core: str, pattern: str) -> Iterator[tuple[int, str, bool]]:
    ways = [False] if isa(core) < Isa.DSP else [False, True]
    for number, row in enumerate(ROWS):
        if re.search(pattern, row.id):
            yield from ((number, core, tight) for tight in ways)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="The stack under run(), over rows of the op matrix.")
    parser.add_argument("-k", dest="pattern", default="", help="rows whose name matches this expression")
    parser.add_argument("cores", nargs="*", default=CORES, metavar="CORE")
    asked = parser.parse_args(arguments)
    deepest = 0
    with ProcessPoolExecutor(2) as workers:
        for core in asked.cores:
            found = sorted(workers.map(depth, *zip(*runs(core, asked.pattern), strict=True)), reverse=True)
            print(f"{core}: {len(found)} runs, {STACK_BYTES[isa(core)]} bytes reserved", flush=True)
            for taken, row, kernel in found[:SHOWN]:
                print(f"  {taken:4} {row} ({kernel})", flush=True)
            deepest = max(deepest, found[0][0] - STACK_BYTES[isa(core)])
    return int(deepest > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
