"""Do very many random graphs mean the same everywhere? `make fuzz`: 20,000 of each kind, on every target.

    python tests/ops/fuzz.py --sequences --seed 17          # one again, alone
    python tests/ops/fuzz.py --general --count 500 --seed 3000

General graphs are of any calls. Sequence graphs surely walk, attend, remember or are made streams besides;
their outputs and states are compared after every step. What fails is printed with its seed and its graph; of
the code as it is, a seed makes the same graph always.
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
from graph_checks import SANITIZED, TARGETS, Checked, Drawn, Target, check_graphs
from random_calls import CALLS
from random_graphs import random_graph, refused
from random_sequences import random_sequence

from firmnet.frontends.torch.rules import RULES
from firmnet.ops import OPS

COUNT = 20_000
BATCH = 100
DRAWN: dict[str, Drawn] = {"general": random_graph, "sequence": random_sequence}


@dataclass(frozen=True)
class Batch:
    """What came of some seeds, in CPU seconds of this process and those that it started."""

    kind: str
    seeds: Sequence[int]
    checked: Checked
    refused: Counter[str]
    cpu_s: float


def checked_batch(kind: str, seeds: Sequence[int], targets: Sequence[Target]) -> Batch:
    """In a process of its own, whose programs nobody keeps."""
    torch.set_num_threads(1)
    refused.clear()
    before = _cpu_s()
    with tempfile.TemporaryDirectory(prefix="firmnet-fuzz-") as cache:
        os.environ["FIRMNET_CACHE"] = cache
        checked = check_graphs(seeds, [targets], DRAWN[kind])
    return Batch(kind, seeds, checked, Counter(refused), _cpu_s() - before)


def main() -> int:
    arguments = _arguments()
    count = arguments.count or (COUNT if arguments.seed is None else 1)
    targets = (SANITIZED,) if arguments.sanitize else TARGETS
    first, begun = arguments.seed or 0, time.monotonic()
    kinds = [kind for kind in DRAWN if kind in arguments.kinds] or [*DRAWN]
    starts = range(first, first + count, BATCH)
    batches = [(kind, range(at, min(at + BATCH, first + count))) for at in starts for kind in kinds]
    done: list[Batch] = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(arguments.jobs, len(batches)), mp_context=spawn) as pool:
        for future in as_completed([pool.submit(checked_batch, *batch, targets) for batch in batches]):
            done.append(future.result())
            _tell(done, count * len(kinds), time.monotonic() - begun)
    for kind in kinds:
        _summary(kind, [batch for batch in done if batch.kind == kind], count, targets)
    return 1 if any(batch.checked.failures for batch in done) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, help=f"how many of a kind ({COUNT:,}; with --seed alone, 1)")
    parser.add_argument("--seed", type=int, help="the first")
    for kind in DRAWN:
        option = {"general": "--general", "sequence": "--sequences"}[kind]
        parser.add_argument(
            option, dest="kinds", action="append_const", const=kind, help=f"only {kind} graphs"
        )
    parser.set_defaults(kinds=[])
    parser.add_argument("--sanitize", action="store_true", help="on this machine alone, every access watched")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    return parser.parse_args()


def _tell(done: list[Batch], count: int, elapsed_s: float) -> None:
    if done[-1].checked.failures:
        print(f"\n{done[-1].checked.told()}\n", flush=True)
    finished = sum(len(batch.seeds) for batch in done)
    failed = sum(len(batch.checked.failures) for batch in done)
    print(f"{finished:,} of {count:,} graphs, {failed} failed, {elapsed_s:,.0f} s", flush=True)


def _summary(kind: str, done: list[Batch], count: int, targets: Sequence[Target]) -> None:
    """Prints what was reached."""
    failed = sorted(seed for batch in done for seed in batch.checked.failures)
    seconds = 1000 * sum(batch.cpu_s for batch in done) / count
    where = ", ".join(target.name for target in targets)
    print(f"\n{count:,} {kind} graphs on {where}; {seconds:,.0f} CPU seconds per 1,000")
    kinds = sum((batch.checked.kinds for batch in done), Counter[str]())
    print("with " + ", ".join(f"{what} {times:,}" for what, times in sorted(kinds.items())))
    if count >= COUNT // 10:
        print(f"calls that nothing drew: {_missing(CALLS, (batch.checked.calls for batch in done))}")
        print(f"ops that no graph had: {_missing(OPS, (batch.checked.ops for batch in done))}")
    print(f"operators without a generator: {_missing(RULES, [{f'aten.{name}' for name in CALLS}])}")
    refusals = sum((batch.refused for batch in done), Counter[str]())
    for what, times in refusals.most_common(10):
        print(f"refused {times} times: {what}")
    print(f"failed: {', '.join(map(str, failed)) or 'none'}")


def _missing(wanted: Iterable[str], found: Iterable[set[str]]) -> str:
    return ", ".join(sorted({*wanted}.difference(*found))) or "none"


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    sys.exit(main())
