"""clamp: y = min(max(x, lo), hi) by table: relu, relu6, hardtanh where no layer before absorbed them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .casework import activation
from .spec import Case, register
from .tables import TableOp
from .weighted import clamped


@dataclass(frozen=True)
class ClampAttrs:
    """Real bounds (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


def from_aten_clamp(b: Builder, x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    lo, hi = (None if bound is None or not np.isfinite(bound) else float(bound) for bound in (min, max))
    if lo is not None and hi is not None and lo > hi:
        raise Unsupported(f"clamp with min {lo} above max {hi}: swap them")
    return x if lo is None and hi is None else b.add("clamp", ClampAttrs(lo, hi), x)


def from_aten_relu(b: Builder, x: Tensor) -> Tensor:
    return from_aten_clamp(b, x, 0.0)


def from_aten_relu6(b: Builder, x: Tensor) -> Tensor:
    return from_aten_clamp(b, x, 0.0, 6.0)


def from_aten_hardtanh(b: Builder, x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return from_aten_clamp(b, x, min_val, max_val)


def from_aten_clamp_max(b: Builder, x: Tensor, max: float) -> Tensor:
    return from_aten_clamp(b, x, None, max)


def from_aten_threshold(b: Builder, x: Tensor, threshold: float, value: float) -> Tensor:
    if threshold != value:
        raise Unsupported(
            f"threshold {threshold:g} with another value, {value:g}: give it the threshold as its value"
        )
    return from_aten_clamp(b, x, threshold)


def from_aten_maximum(b: Builder, x: Tensor | Array, other: Tensor | Array) -> Tensor:
    return from_aten_clamp(b, *_activation_and_bound("maximum", x, other))


def from_aten_minimum(b: Builder, x: Tensor | Array, other: Tensor | Array) -> Tensor:
    return from_aten_clamp_max(b, *_activation_and_bound("minimum", x, other))


def _activation_and_bound(name: str, x: Tensor | Array, other: Tensor | Array) -> tuple[Tensor, float]:
    activation, bound = (x, other) if isinstance(x, Tensor) else (other, x)
    if not isinstance(activation, Tensor) or isinstance(bound, Tensor):
        raise Unsupported(f"{name} of two activations: firmnet has that with a constant number only")
    if np.ptp(bound):
        raise Unsupported(f"{name} with a constant per element: only one number is supported")
    return activation, float(bound.flat[0])


class Clamp(TableOp):
    name = "clamp"
    attrs = ClampAttrs
    sources = {
        "aten.relu.default": from_aten_relu,
        "aten.relu6.default": from_aten_relu6,
        "aten.hardtanh.default": from_aten_hardtanh,
        "aten.clamp.default": from_aten_clamp,
        "aten.clamp.Tensor": from_aten_clamp,
        "aten.clip.default": from_aten_clamp,
        "aten.clip.Tensor": from_aten_clamp,
        "aten.clamp_min.default": from_aten_clamp,
        "aten.clamp_min.Tensor": from_aten_clamp,
        "aten.clamp_max.Tensor": from_aten_clamp_max,
        "aten.threshold.default": from_aten_threshold,
        "aten.maximum.default": from_aten_maximum,
        "aten.minimum.default": from_aten_minimum,
        "aten.clamp_max.default": from_aten_clamp_max,
    }
    clamps = True

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return clamped(inputs[0], call.attrs.lo, call.attrs.hi)

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, Shape, ClampAttrs, float, int]] = [
            ("relu_5x3", (1, 5, 3), ClampAttrs(0.0), 0.05, 3),
            ("relu_own_range", (1, 3, 5, 2), ClampAttrs(0.0), 0.02, -128),
            ("relu6_saturates", (1, 37), ClampAttrs(0.0, 6.0), 0.015, 0),
            ("hardtanh", (1, 7, 1, 3), ClampAttrs(-1.0, 1.0), 1 / 127, 0),
            ("one_value", (1, 1), ClampAttrs(0.0), 0.05, 3),
            ("relu_33x17", (1, 33, 17, 3), ClampAttrs(0.0), 0.05, 3),
            ("leading_3x1", (3, 1), ClampAttrs(0.0), 0.05, 3),
            ("below_2", (1, 9), ClampAttrs(hi=2.0), 0.05, 3),
        ]
        for label, shape, attrs, scale, zero_point in rows:
            yield Case(
                label, Call(attrs, (activation("x", shape),), activation("y", shape, scale, zero_point))
            )


register(Clamp())
