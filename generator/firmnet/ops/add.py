"""add: y = clamp(a + b) of two activations of one shape: two 16-bit multipliers and one rounded shift."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import MAX_SHIFT, clamp_bounds
from .batch_norm import affine
from .builder import Builder
from .casework import activation
from .concat import broadcast_shape, expanded
from .spec import Case, Constants, Op, Stripe, register
from .stripes import same_rows
from .weighted import clamped

MULTIPLIER_MAX = 2**15 - 1


@dataclass(frozen=True)
class AddAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


Value = Tensor | Array | float


def from_aten_add(b: Builder, x: Value, other: Value, alpha: float = 1) -> Tensor:
    """x + alpha · other; a constant becomes a shift, which a layer before takes into its bias."""
    if not isinstance(other, Tensor):
        assert isinstance(x, Tensor)
        return affine(b, x, 1.0, alpha * np.asarray(other))
    if not isinstance(x, Tensor):
        return affine(b, other, alpha, x)
    shape = broadcast_shape("add", x.shape, other.shape)
    scaled = other if alpha == 1 else affine(b, other, alpha, 0.0)
    return b.add("add", AddAttrs(), expanded(b, x, shape), expanded(b, scaled, shape))


def from_aten_sub(b: Builder, x: Value, other: Value, alpha: float = 1) -> Tensor:
    return from_aten_add(b, x, other, -alpha)


def from_aten_rsub(b: Builder, x: Value, other: Value, alpha: float = 1) -> Tensor:
    return from_aten_sub(b, other, x, alpha)


class Add(Op):
    name = "add"
    attrs = AddAttrs
    sources = {
        "aten.add.Tensor": from_aten_add,
        "aten.add.Scalar": from_aten_add,
        "aten.sub.Tensor": from_aten_sub,
        "aten.sub.Scalar": from_aten_sub,
        "aten.subtract.Tensor": from_aten_sub,
        "aten.rsub.Tensor": from_aten_rsub,
        "aten.rsub.Scalar": from_aten_rsub,
    }
    clamps = True

    def shape(self, attrs: AddAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if a != b:
            raise ValueError(f"add needs two equal shapes, got {a} and {b}: broadcasting is not supported")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(a + b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: AddAttrs, order: Shape) -> AddAttrs:
        return attrs

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        return (
            0,
            0,
        )

    def prepare(self, call: Call) -> Constants:
        """|a·ma| + |b·mb| + |bias| < 2·2^22 + 2·2^22 + 2^29 + 2^21: far from the end of int32."""
        (a, b), y = call.inputs, call.output
        scales = np.array([a.scale, b.scale]) / y.scale
        shift = next((s for s in range(MAX_SHIFT, 0, -1) if round(scales.max() * 2**s) <= MULTIPLIER_MAX), 0)
        if not shift:
            raise ValueError(f"layer {y.name!r}: the output range is far too small for its inputs")
        ma, mb = (int(m) for m in np.rint(scales * 2**shift))
        bias = (y.zero_point << shift) + (1 << (shift - 1)) - a.zero_point * ma - b.zero_point * mb
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "ma": ma,
            "mb": mb,
            "bias": bias,
            "shift": shift,
            "lo": lo,
            "hi": hi,
            "size": y.size,
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        y: Array = np.clip((a * k["ma"] + b * k["mb"] + k["bias"]) >> k["shift"], k["lo"], k["hi"])
        return y.astype(np.int8)

    def variant(self, call: Call, dsp: bool) -> str:
        return "dsp" if dsp else ""

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, Shape, AddAttrs, tuple[float, int], tuple[float, int]]] = [
            ("one_value", (1, 1), AddAttrs(), (0.03, 5), (0.06, -4)),
            ("three_relu6", (1, 3), AddAttrs(0.0, 6.0), (0.05, -3), (0.06, -100)),
            ("seven", (1, 7), AddAttrs(), (0.08, -11), (0.07, 20)),
            ("33x17_between", (1, 33, 17, 1), AddAttrs(-1.0, 1.0), (0.08, -11), (0.07, 20)),
            ("5x7x3", (1, 5, 7, 3), AddAttrs(), (0.08, -11), (0.07, 20)),
            ("vector_saturates", (1, 33), AddAttrs(), (0.9, 0), (0.01, 5)),
            ("relu", (1, 3, 3, 5), AddAttrs(lo=0.0), (0.05, 64), (0.04, -128)),
            ("relu6", (1, 9), AddAttrs(0.0, 6.0), (0.05, -3), (0.06, -100)),
            ("coarse_result", (1, 21), AddAttrs(), (0.05, -128), (4.0, -60)),
            ("leading_4x3x5x3", (4, 3, 5, 3), AddAttrs(), (0.08, -11), (0.07, 20)),
            ("fine_result", (1, 21), AddAttrs(), (0.05, 3), (0.0005, 127)),
        ]
        for label, shape, attrs, b, y in rows:
            inputs = activation("a", shape), activation("b", shape, *b)
            yield Case(label, Call(attrs, inputs, activation("y", shape, *y)))


register(Add())
