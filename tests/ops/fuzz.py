"""Do very many random graphs mean the same everywhere? `make fuzz`: 20,000, on every target.

    python tests/ops/fuzz.py --seed 17              # one again, alone
    python tests/ops/fuzz.py --count 500 --seed 3000

What fails is printed with its seed and its graph; of the code as it is, a seed makes the same graph always.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import torch
from graph_checks import SANITIZED, TARGETS, Checked, Target, check_graphs
from random_calls import CALLS
from random_graphs import refused

from firmnet.frontends.torch.rules import RULES
from firmnet.ops import OPS

COUNT = 20_000
BATCH = 100


@dataclass(frozen=True)
class Batch:
    """What came of some seeds, in CPU seconds of this process and those that it started."""

    seeds: Sequence[int]
    checked: Checked
    refused: Counter[str]
    cpu_s: float


def checked_batch(seeds: Sequence[int], targets: Sequence[Target]) -> Batch:
    """In a process of its own, whose programs nobody keeps."""
    torch.set_num_threads(1)
    refused.clear()
    before = _cpu_s()
    with tempfile.TemporaryDirectory(prefix="firmnet-fuzz-") as cache:
        os.environ["FIRMNET_CACHE"] = cache
        checked = check_graphs(seeds, [targets])
    return Batch(seeds, checked, Counter(refused), _cpu_s() - before)


def main() -> int:
    arguments = _arguments()
    count = arguments.count or (COUNT if arguments.seed is None else 1)
    targets = (SANITIZED,) if arguments.sanitize else TARGETS
    first, begun = arguments.seed or 0, time.monotonic()
    batches = [range(at, min(at + BATCH, first + count)) for at in range(first, first + count, BATCH)]
    done: list[Batch] = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(arguments.jobs, len(batches)), mp_context=spawn) as pool:
        for future in as_completed([pool.submit(checked_batch, seeds, targets) for seeds in batches]):
            done.append(future.result())
            _tell(done, count, time.monotonic() - begun)
    return _summary(done, count, targets)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, help=f"how many graphs ({COUNT:,}; with --seed alone, 1)")
    parser.add_argument("--seed", type=int, help="the first")
    parser.add_argument("--sanitize", action="store_true", help="on this machine alone, every access watched")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    return parser.parse_args()


def _tell(done: list[Batch], count: int, elapsed_s: float) -> None:
    if done[-1].checked.failures:
        print(f"\n{done[-1].checked.told()}\n", flush=True)
    finished = sum(len(batch.seeds) for batch in done)
    failed = sum(len(batch.checked.failures) for batch in done)
    print(f"{finished:,} of {count:,} graphs, {failed} failed, {elapsed_s:,.0f} s", flush=True)


def _summary(done: list[Batch], count: int, targets: Sequence[Target]) -> int:
    """Prints what was reached; the exit code."""
    failed = sorted(seed for batch in done for seed in batch.checked.failures)
    seconds = 1000 * sum(batch.cpu_s for batch in done) / count
    print(f"\n{count:,} graphs on {', '.join(t.name for t in targets)}; {seconds:,.0f} CPU seconds per 1,000")
    if count >= COUNT // 10:
        print(f"calls that nothing drew: {_missing(CALLS, (batch.checked.calls for batch in done))}")
        print(f"ops that no graph had: {_missing(OPS, (batch.checked.ops for batch in done))}")
    print(f"operators without a generator: {_missing(RULES, [{f'aten.{name}' for name in CALLS}])}")
    refusals = sum((batch.refused for batch in done), Counter[str]())
    for what, times in refusals.most_common(10):
        print(f"refused {times} times: {what}")
    print(f"failed: {', '.join(map(str, failed)) or 'none'}")
    return 1 if failed else 0


def _missing(wanted: Iterable[str], found: Iterable[set[str]]) -> str:
    return ", ".join(sorted({*wanted}.difference(*found))) or "none"


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    sys.exit(main())
