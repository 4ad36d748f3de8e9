"""Of what are random calls made? Of values that are there already, seeded constants and plain options."""

import random
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from firmnet.ir import Array, Shape

INFINITE = float("inf")
PLACES = -1
"""In place of a number of rows: whole numbers that are returned, and nothing else."""


class Misfit(Exception):
    """No value there is fits this call."""


@dataclass(frozen=True)
class At:
    """An activation: the value of this number; PyTorch is given it as `dtype`."""

    number: int
    dtype: torch.dtype = torch.float64

    def __repr__(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True)
class Constant:
    """A seeded constant: noise; or positive; or with `below`, whole numbers from 0 on; or of two truths."""

    shape: Shape
    seed: int
    positive: bool = False
    below: int = 0
    truths: bool = False

    @cached_property
    def array(self) -> Array:
        rng = np.random.default_rng(self.seed)
        if self.below or self.truths:
            places = rng.integers(0, self.below or 2, self.shape)
            return np.asarray(places.astype(bool) if self.truths else places)
        values = rng.normal(size=self.shape)
        return np.asarray(np.abs(values) + 0.2 if self.positive else values)

    def __repr__(self) -> str:
        kind = "positive" if self.positive else "truths" if self.truths else "constant"
        return f"below_{self.below}{self.shape}" if self.below else f"{kind}{self.shape}"


@dataclass(frozen=True)
class Known:
    """What is known of a value: its shape, and between what it lies.

    `rows`: it holds whole numbers, which name so many rows of a table and are nothing else. `truths`: it is
    what a comparison says. `masked`: infinity keeps a softmax away from some of it, and nothing else reads
    it.
    """

    shape: Shape
    low: float
    high: float
    rows: int = 0
    truths: bool = False
    masked: bool = False


Wanted = Callable[[Known], bool]


class Draw(random.Random):
    """The chance that makes a graph, and what the graph holds so far."""

    def __init__(self, seed: int | str) -> None:
        super().__init__(seed)
        self.known: list[Known] = []
        self.inputs = 0
        """How many of these are inputs."""

    def maybe(self, chance: float) -> bool:
        return self.random() < chance

    def activation(self, wanted: Wanted = lambda known: True) -> tuple[At, Shape]:
        """A value, the latest that fits as a rule; raises Misfit where none does."""
        fit = [i for i, known in enumerate(self.known) if not (known.rows or known.masked) and wanted(known)]
        if not fit:
            raise Misfit
        at = fit[-1] if self.maybe(0.7) else self.choice(fit)
        return At(at), self.known[at].shape

    def ranked(self, *ranks: int) -> tuple[At, Shape]:
        return self.activation(lambda known: len(known.shape) in ranks)

    def spatial(self, rank: int) -> tuple[At, Shape]:
        """A line, an image or a volume: (1, channels, …)."""
        return self.activation(lambda known: len(known.shape) == rank and known.shape[0] == 1)

    def given(self, rank: int) -> tuple[At, Shape]:
        """An input: a line, an image or a volume."""
        fit = [i for i, known in enumerate(self.known[: self.inputs]) if len(known.shape) == rank]
        if not fit or self.known[fit[0]].shape[0] != 1 or self.known[fit[0]].rows:
            raise Misfit
        return At(fit[0]), self.known[fit[0]].shape

    def names_of_rows(self) -> tuple[At, int]:
        """Whole numbers, and of how many rows."""
        fit = [i for i, known in enumerate(self.known) if known.rows > 0]
        if not fit:
            raise Misfit
        return At(fit[0], torch.int64), self.known[fit[0]].rows

    def other(self, shape: Shape, least: float = -INFINITE) -> At:
        """Another value that repeats over one of this shape, or it over that, or both over each other."""
        return self.activation(lambda known: known.low >= least and _repeats(known.shape, shape))[0]

    def truths_over(self, shape: Shape) -> At:
        """What a comparison says, that repeats over a value of this shape or the other way round."""
        at, _ = self.activation(lambda known: known.truths and _repeats(known.shape, shape))
        return At(at.number, torch.bool)

    def constant(self, *shape: int, positive: bool = False) -> Constant:
        return Constant(shape, self.randrange(1 << 30), positive)

    def places(self, below: int, *shape: int) -> Constant:
        """Indices."""
        return Constant(shape, self.randrange(1 << 30), below=below)

    def over(self, shape: Shape, positive: bool = False) -> Constant:
        """A constant that repeats over a value of this shape."""
        kept = shape[self.randint(0, len(shape)) :]
        return self.constant(*(n if self.maybe(0.7) else 1 for n in kept), positive=positive)

    def number(self) -> float:
        return self.choice([-2.0, -1.0, -0.3, 0.25, 0.5, 1.0, 3.0])

    def axis(self, shape: Shape) -> int:
        if not shape:
            raise Misfit
        axis = self.randrange(len(shape))
        return axis - len(shape) if self.maybe(0.3) else axis

    def axes(self, shape: Shape) -> list[int]:
        if not shape:
            raise Misfit
        chosen = self.sample(range(len(shape)), self.randint(1, len(shape)))
        return [axis - len(shape) if self.maybe(0.3) else axis for axis in chosen]

    def each(self, count: int, choices: Sequence[int]) -> list[int]:
        """An option per axis."""
        return [self.choice(choices) for _ in range(count)]


Generator = Callable[[Draw], tuple[Any, ...]]
"""The arguments of a call, of which a last dict are keywords; raises Misfit where nothing there fits."""
Call = Callable[..., At]
"""Calls an operator with these arguments: its first output; raises Misfit where it is refused."""
Phrase = Callable[[Draw, Call], At]
"""Several calls that belong together."""


@dataclass(frozen=True)
class Family:
    """Operators without "aten." and how each is called, and phrases; `weight`: how often beside others.

    `leaps`: those of which rounding may make anything else, so that they read nothing that lies at an edge.
    """

    calls: Mapping[str, Generator]
    phrases: Mapping[str, Phrase] = field(default_factory=dict)
    weight: int = 4
    leaps: Container[str] = ()

    @property
    def names(self) -> list[str]:
        return [*self.calls, *self.phrases]


def alone(d: Draw) -> tuple[Any, ...]:
    """Of an activation and nothing else."""
    return (d.activation()[0],)


def _repeats(a: Shape, b: Shape) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True
