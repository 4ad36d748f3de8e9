"""Of what are the calls of operators made? Of activations, seeded constants and plain options."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from firmnet.ir import Array, Shape

Call = tuple[str, Shape, tuple[Any, ...]]
"""Operator without "aten.", the input's shape, arguments; a mapping at their end has those that are named."""
Refused = tuple[str, Shape, tuple[Any, ...], str]
"""The same, and a pattern of the reason."""


@dataclass(frozen=True)
class Values:
    """A seeded constant argument."""

    shape: Shape
    positive: bool = False

    @property
    def array(self) -> Array:
        rng = np.random.default_rng(sum(self.shape))
        values = rng.normal(size=self.shape)
        return np.abs(values) + 0.1 if self.positive else values


@dataclass(frozen=True)
class Indices:
    """A constant argument of whole numbers; frontends give rules all constants in float64."""

    places: tuple[Any, ...]

    @property
    def array(self) -> Array:
        return np.array(self.places)


X = "the input"
Y = "another activation: relu(X)"
IMAGE = (1, 4, 9, 8)
W333 = Values((6, 4, 3, 3))
NORM = (Values((4,)), None, Values((4,)), Values((4,), positive=True))
