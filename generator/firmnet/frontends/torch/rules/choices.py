"""How do PyTorch's comparisons read, where the largest value is, and what is chosen by a mask?"""

from collections.abc import Callable, Mapping

import numpy as np

from ....ir import Tensor
from ....ops.argmax import ArgmaxAttrs
from ....ops.compare import CompareAttrs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import reshaped
from .arithmetic import Operand, from_aten_add, from_aten_mul, from_aten_sub
from .pooling import from_aten_amax, from_aten_amin

FAR_BELOW, NOTHING = -1e4, 18.0
"""What only ever keeps a softmax away from a value, and how far below the least does: e^-18 is 2e-8."""

MIRRORED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}
"""What a relation is with its sides exchanged."""


def from_aten_argmax(b: Builder, x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Of equal values the first; without dim, of all values in a row."""
    if dim is None or not x.shape:
        flat = reshaped(b, x, (x.size,))
        place = b.add("argmax", ArgmaxAttrs(0), flat)
        return reshaped(b, place, (1,) * len(x.shape) if keepdim else ())
    axis = dim % len(x.shape)
    places = b.add("argmax", ArgmaxAttrs(axis), x)
    return places if keepdim else reshaped(b, places, (*x.shape[:axis], *x.shape[axis + 1 :]))


def from_aten_max_dim(b: Builder, x: Tensor, dim: int, keepdim: bool = False) -> list[Tensor]:
    """The largest values, and where they are."""
    return [from_aten_amax(b, x, dim, keepdim), from_aten_argmax(b, x, dim, keepdim)]


def from_aten_min_dim(b: Builder, x: Tensor, dim: int, keepdim: bool = False) -> list[Tensor]:
    """Of the negative values the largest, negative again, and where they are."""
    most, place = from_aten_max_dim(b, affine(b, x, -1.0, 0.0), dim, keepdim)
    return [affine(b, most, -1.0, 0.0), place]


def _comparison(relation: str) -> Rule:
    def rule(b: Builder, x: Value | float, other: Value | float) -> Tensor:
        if not isinstance(x, Tensor):
            assert isinstance(other, Tensor)
            return _compared(b, MIRRORED[relation], other, x)
        return _compared(b, relation, x, other)

    return rule


def _compared(b: Builder, relation: str, x: Tensor, other: Value | float) -> Tensor:
    """1 where the relation holds, else 0. Of two tensors the difference is compared with 0."""
    if isinstance(other, np.ndarray) and other.size == 1 and other.ndim <= len(x.shape):
        other = float(other.ravel()[0])
    if isinstance(other, int | float):
        return b.add("compare", CompareAttrs(relation, float(other)), x)  # type: ignore[arg-type]
    difference = from_aten_sub(b, x, other)
    return b.add("compare", CompareAttrs(relation, 0.0), difference)  # type: ignore[arg-type]


def _true(b: Builder, x: Value) -> Value:
    """1 where a value is not 0."""
    return b.add("compare", CompareAttrs("ne", 0.0), x) if isinstance(x, Tensor) else np.not_equal(x, 0) * 1.0


def from_aten_not(b: Builder, x: Tensor) -> Tensor:
    return b.add("compare", CompareAttrs("eq", 0.0), x)


def _of_truths(least: float) -> Callable[[Builder, Value, Value], Tensor]:
    """1 where more than so many of two are true, of which one may be constant."""

    def rule(b: Builder, x: Value, other: Value) -> Tensor:
        count = from_aten_add(b, _true(b, x), _true(b, other))
        return b.add("compare", CompareAttrs("gt", least), count)

    return rule


def from_aten_where(b: Builder, condition: Value, x: Value | float, other: Value | float) -> Tensor:
    """x where the condition holds, else other: each weighed by a mask of 1 and 0, and added."""
    x, other = _within_reach(b, x, other), _within_reach(b, other, x)
    if not all(isinstance(each, Tensor) or np.isfinite(each).all() for each in (x, other)):
        raise Unsupported(
            "a mask that puts infinity: put a finite number, a little below what else may be there"
        )
    if isinstance(condition, Tensor):
        keep, drop = condition, from_aten_not(b, condition)
        return _sum(b, _weighed(b, x, keep), _weighed(b, other, drop))
    mask = np.asarray(condition != 0, np.float64)
    if isinstance(x, Tensor) and not isinstance(other, Tensor):
        return affine(b, x, mask, np.where(mask, 0.0, other))
    if isinstance(other, Tensor) and not isinstance(x, Tensor):
        return affine(b, other, 1 - mask, np.where(mask, x, 0.0))
    return _sum(b, _weighed(b, x, mask), _weighed(b, other, 1 - mask))


def from_aten_add_of_masks(b: Builder, x: Operand, other: Operand, alpha: float = 1) -> Tensor:
    """x + alpha · other, of which a constant may keep a softmax away from some values."""
    if isinstance(x, np.ndarray) and alpha == 1:
        x, other = other, x
    if (
        b.readers != {"softmax"}
        or not isinstance(other, np.ndarray)
        or not (alpha * other <= FAR_BELOW).any()
    ):
        return from_aten_add(b, x, other, alpha)
    assert isinstance(x, Tensor)
    kept = alpha * other > FAR_BELOW
    shifted = from_aten_add(b, x, np.where(kept, alpha * other, 0.0))
    return from_aten_where(b, kept, shifted, FAR_BELOW)


def _within_reach(b: Builder, value: Value | float, beside: Value | float) -> Value | float:
    """A number that keeps a softmax away: as far below the least of the others as makes it nothing.

    With the number itself as their least value, steps of 8 or 16 bits would be as wide as all the others.
    """
    far = not isinstance(value, Tensor) and np.size(value) > 0 and np.max(value) <= FAR_BELOW
    if b.readers != {"softmax"} or not far or not isinstance(beside, Tensor):
        return value
    return affine(b, from_aten_amin(b, beside, (), True), 1.0, -NOTHING)


def from_aten_masked_fill(b: Builder, x: Value, mask: Value, value: Value | float) -> Tensor:
    return from_aten_where(b, mask, value, x)


def _weighed(b: Builder, x: Value | float, mask: Value) -> Tensor | None:
    """None: nothing is left of it."""
    if not isinstance(x, Tensor) and not np.any(x):
        return None
    return from_aten_mul(b, x, mask)


def _sum(b: Builder, x: Tensor | None, other: Tensor | None) -> Tensor:
    if x is None or other is None:
        (only,) = [each for each in (x, other) if each is not None]
        return only
    return from_aten_add(b, x, other)


RULES: Mapping[str, Rule] = {
    "aten.add.Tensor": from_aten_add_of_masks,
    "aten.argmax.default": from_aten_argmax,
    "aten.max.dim": from_aten_max_dim,
    "aten.min.dim": from_aten_min_dim,
    **{
        f"aten.{relation}.{kind}": _comparison(relation)
        for relation in MIRRORED
        for kind in ("Scalar", "Tensor")
    },
    "aten.logical_not.default": from_aten_not,
    "aten.logical_and.default": _of_truths(1.5),
    "aten.logical_or.default": _of_truths(0.5),
    "aten.where.self": from_aten_where,
    "aten.where.ScalarOther": from_aten_where,
    "aten.where.ScalarSelf": from_aten_where,
    "aten.masked_fill.Scalar": from_aten_masked_fill,
    "aten.masked_fill.Tensor": from_aten_masked_fill,
}
