"""What does the person at the terminal see? Steps with progress bars, aligned tables, one sentence per error.

Prose goes to stdout, or to stderr when stdout is promised to a machine (`--json`). Bars are drawn on stderr
and only on a terminal, and leave nothing behind: a step leaves one line with its seconds and what came of it.
"""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

NAME_WIDTH = 10


@dataclass
class Stage:
    """One running step: tell it how far it is, and set `summary` before its end."""

    bars: Progress
    task: TaskID
    summary: str = ""

    def advance(self, done: int, total: int | None = None) -> None:
        self.bars.update(self.task, completed=done, total=total)

    def note(self, text: str, done: int) -> None:
        """Show what is going on inside the step, and how much is done of a total nobody knows."""
        self.bars.update(self.task, completed=done, note=text)


@dataclass(frozen=True)
class Screen:
    """Everything the command line prints goes through one of these."""

    json: bool = False
    prose: Console = field(init=False)
    errors: Console = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prose", _console(stderr=self.json))
        object.__setattr__(self, "errors", _console(stderr=True))

    def line(self, text: str = "", style: str = "") -> None:
        """One line of prose, never wrapped: people pipe it to grep."""
        self.prose.print(Text(text, style=style))

    def warning(self, text: str) -> None:
        self.errors.print(Text.assemble(("warning: ", "bold yellow"), text))

    def error(self, text: str) -> None:
        self.errors.print(Text.assemble(("error: ", "bold red"), text))

    def result(self, data: Any) -> None:
        """The machine's copy of what a command found out; printed with `--json` only."""
        if self.json:
            print(json.dumps(_plain(data), indent=2), flush=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as they need; those that hold only numbers stand to the right."""
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        right = [all(_is_number(row[i]) for row in rows) for i in range(len(heads))]
        for row, style in [(heads, "dim"), *((row, "") for row in rows)]:
            cells = [f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in zip(row, widths, right, strict=True)]
            self.line("  ".join(cells).rstrip(), style)

    @contextmanager
    def step(self, name: str) -> Iterator[Stage]:
        """Show `name` as running; once it is over print how long it took and its summary.

        A step that raises leaves no line.
        """
        bars = Progress(
            SpinnerColumn("line"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=self.errors,
            transient=True,
            disable=not self.errors.is_terminal,
        )
        began = time.monotonic()
        with bars:
            step = Stage(bars, bars.add_task(name, total=None, note=""))
            yield step
        self.line(f"{time.monotonic() - began:6.1f} s  {name:<{NAME_WIDTH}}{step.summary}".rstrip())

    def choose(self, heading: str, choices: Sequence[str]) -> int | None:
        """Which of the choices the person at the terminal wants, from 0; None: none, or nobody is there."""
        if self.json or not (sys.stdin and sys.stdin.isatty() and self.errors.is_terminal):
            return None
        self.errors.print(Text(heading))
        for number, choice in enumerate(choices, 1):
            self.errors.print(Text(f"  {number}  {choice}"))
        while True:
            try:
                said = self.errors.input(f"which one? (1-{len(choices)}, Enter for none) ").strip()
            except EOFError:
                return None
            if not said:
                return None
            if said.isdecimal() and 1 <= int(said) <= len(choices):
                return int(said) - 1

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """A spinner for a short wait that needs no line of its own."""
        return self.errors.status(text, spinner="line")

    @contextmanager
    def steps(self) -> Iterator["Steps"]:
        """For work that says itself what it begins: each beginning ends the step before."""
        with ExitStack() as running:
            yield Steps(self, running)


@dataclass
class Steps:
    """Steps one after the other; see Screen.steps."""

    screen: Screen
    running: ExitStack
    step: Stage | None = None

    def begin(self, name: str) -> None:
        self.running.close()
        self.step = self.running.enter_context(self.screen.step(name))

    def advance(self, done: int, total: int | None = None) -> None:
        if self.step:
            self.step.advance(done, total)


def _plain(value: Any) -> Any:
    """Data as JSON knows it: dataclasses as objects; paths and the numbers "inf" and "nan" as text."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _console(stderr: bool) -> Console:
    return Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)


def _is_number(cell: str) -> bool:
    return (
        cell in ("", "-")
        or cell.replace(",", "").lstrip("-").replace(".", "", 1).isdigit()
        or cell in ("inf", "-inf")
    )
