"""How does a benchmark try one network after the other? Several at a time, each told of when it has ended."""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol, TypeVar

from firmnet.api import Deployment
from firmnet.screen import Screen


class Trial(Protocol):
    """`refused`: why a network is not taken, "" otherwise; `wrong`: the verdict that was not right."""

    @property
    def name(self) -> str: ...

    @property
    def refused(self) -> str: ...

    @property
    def wrong(self) -> str: ...


Network = TypeVar("Network")
Ended = TypeVar("Ended", bound=Trial)


def asked_for(about: str | None, what: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """`k`, a pattern of networks whose `what` has it, `jobs`, `json`; `about`: the benchmark's docstring."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("-k", default="", metavar="PATTERN", help=f"networks whose {what} has it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def all_tried(
    attempt: Callable[[Network], Ended], chosen: Iterable[Network], jobs: int, screen: Screen
) -> list[Ended]:
    """What `attempt` says of each, in their order."""
    tried = []
    with ProcessPoolExecutor(jobs) as pool:
        for each in pool.map(attempt, chosen):
            tried.append(each)
            screen.line(f"{each.name}: {each.refused or each.wrong or 'bit-exact'}")
    return tried


def wrong_verdicts(deployment: Deployment) -> str:
    """What host and emulated core, every layer compared, find wrong; "" for nothing."""
    verdicts = [deployment.verify(device=device, layers=True) for device in ("host", "core")]
    return "; ".join(verdict.sentence() for verdict in verdicts if not verdict.ok)
