"""mul: y = clamp(a · b) of two activations of one shape, or b repeated along axes where it has size 1."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import INT32_MAX, clamp_bounds, requantize, to_requant
from .batch_norm import affine
from .builder import Builder, Unsupported
from .casework import activation
from .concat import before_expansion, broadcast_shape, expanded
from .reshape import reshaped
from .spec import Case, Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped

QParameters = tuple[float, int]
"""Scale and zero point."""


@dataclass(frozen=True)
class MulAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


Value = Tensor | Array | float


def from_aten_mul(b: Builder, x: Value, other: Value) -> Tensor:
    """A constant factor becomes a scale, which a layer before takes into its weights."""
    if not isinstance(other, Tensor):
        assert isinstance(x, Tensor)
        return affine(b, x, other, 0.0)
    if not isinstance(x, Tensor):
        return affine(b, other, x, 0.0)
    shape = broadcast_shape("mul", x.shape, other.shape)
    large, small = (before_expansion(b, t) for t in ((other, x) if x.size < other.size else (x, other)))
    ranked = reshaped(b, small, (*[1] * (len(shape) - len(small.shape)), *small.shape))
    return b.add("mul", MulAttrs(), expanded(b, large, shape), ranked)


def from_aten_div(b: Builder, x: Value, other: Value) -> Tensor:
    if isinstance(other, Tensor):
        raise Unsupported("dividing by an activation: divide by a constant, or multiply by a gate")
    if not np.all(other):
        raise Unsupported("division by a constant that is zero")
    return from_aten_mul(b, x, 1.0 / np.asarray(other))


def from_aten_neg(b: Builder, x: Tensor) -> Tensor:
    return affine(b, x, -1.0, 0.0)


def from_aten_square(b: Builder, x: Tensor) -> Tensor:
    return b.add("mul", MulAttrs(), x, x)


def from_aten_pow(b: Builder, x: Tensor, exponent: float) -> Tensor:
    if exponent not in (1, 2):
        raise Unsupported(f"power {exponent:g}: only squares are supported; multiply for whole powers")
    return x if exponent == 1 else from_aten_square(b, x)


class Mul(Op):
    """Of one shape, or a gate: (1, H, W, C) times (1, 1, 1, C), or any other axes that the gate lacks."""

    name = "mul"
    attrs = MulAttrs
    sources = {
        "aten.mul.Tensor": from_aten_mul,
        "aten.mul.Scalar": from_aten_mul,
        "aten.multiply.Tensor": from_aten_mul,
        "aten.div.Tensor": from_aten_div,
        "aten.div.Scalar": from_aten_div,
        "aten.divide.Tensor": from_aten_div,
        "aten.true_divide.Tensor": from_aten_div,
        "aten.neg.default": from_aten_neg,
        "aten.negative.default": from_aten_neg,
        "aten.square.default": from_aten_square,
        "aten.pow.Tensor_Scalar": from_aten_pow,
    }
    clamps = True

    def shape(self, attrs: MulAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(f"mul needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(a * b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: MulAttrs, order: Shape) -> MulAttrs:
        return attrs

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        a, b = call.inputs
        return (0, 0 if a.shape == b.shape else None)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a gate without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])

    def prepare(self, call: Call) -> Constants:
        """Raises OverflowError where the product, at most 255², would leave int32 with the pre-shift."""
        (a, b), y = call.inputs, call.output
        r = to_requant(np.array([a.scale * b.scale / y.scale]))
        if _largest(a) * _largest(b) << r.pre_shift > INT32_MAX:
            raise OverflowError(f"layer {y.name!r}: the output range is far too small for its inputs")
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "a_zero_point": a.zero_point,
            "b_zero_point": b.zero_point,
            "requant": r,
            "multiplier": int(r.multiplier[0]),
            "zero_point": y.zero_point,
            "lo": lo,
            "hi": hi,
            "size": y.size,
            "loops": _loops(a.shape, b.shape),
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        product = (a - k["a_zero_point"]) * (b - k["b_zero_point"])
        y = requantize(product, k["requant"], k["zero_point"], k["lo"], k["hi"])
        return y.reshape(product.shape)  # a single value has no axis

    def variant(self, call: Call, dsp: bool) -> str:
        """The DSP kernel loads words of both, from a as a whole or from rows that all meet the same b."""
        *outer, (_, step) = _loops(*(tensor.shape for tensor in call.inputs))
        return "dsp" if dsp and step == 1 and len(outer) < 2 else ""

    def cases(self) -> Iterator[Case]:
        image, full, relu6 = (1, 33, 17, 5), MulAttrs(), MulAttrs(0.0, 6.0)
        rows: list[tuple[str, Shape, Shape, MulAttrs, QParameters, QParameters]] = [
            ("one_value", (1, 1), (1, 1), full, (0.03, 5), (0.06, -4)),
            ("three_relu6", (1, 3), (1, 3), relu6, (0.05, -3), (0.06, -100)),
            ("seven_saturate", (1, 7), (1, 7), full, (0.08, -11), (0.02, 20)),
            ("5x7x3_relu", (1, 5, 7, 3), (1, 5, 7, 3), MulAttrs(lo=0.0), (0.05, 64), (0.04, -128)),
            ("33x17_between", (1, 33, 17, 1), (1, 33, 17, 1), MulAttrs(-1.0, 1.0), (0.08, -128), (0.07, 20)),
            ("gate_of_5_channels", image, (1, 1, 1, 5), full, (0.005, -128), (0.04, 3)),
            ("gate_of_3_channels", (1, 5, 7, 3), (1, 1, 1, 3), relu6, (0.02, 9), (0.05, 1)),
            ("gate_of_7_relu6", (1, 3, 9, 7), (1, 1, 1, 7), relu6, (0.02, 127), (0.05, -128)),
            ("gate_of_16", (1, 5, 3, 16), (1, 1, 1, 16), full, (0.02, -60), (0.05, 7)),
            ("gate_of_23", (1, 1, 3, 23), (1, 1, 1, 23), full, (0.02, -60), (0.05, 7)),
            ("gate_of_5_planes", (1, 5, 3, 7), (1, 5, 1, 1), full, (0.01, 0), (0.03, 0)),
            ("gate_of_5x3_pixels", (1, 5, 3, 7), (1, 5, 3, 1), full, (0.01, 0), (0.03, 0)),
            ("gate_of_7_columns", (1, 5, 7, 3), (1, 1, 7, 1), full, (0.01, 0), (0.03, 0)),
            ("leading_4x3x5x3", (4, 3, 5, 3), (4, 3, 5, 3), full, (0.05, 64), (0.04, -128)),
            ("gate_of_4_leading", (4, 3, 5, 3), (4, 1, 1, 1), full, (0.01, 0), (0.03, 0)),
            ("gate_behind_leading_4", (4, 3, 5, 3), (1, 3, 1, 3), full, (0.01, 0), (0.03, 0)),
            ("gate_of_one_value", (1, 13), (1, 1), full, (0.01, -128), (0.03, 0)),
            ("shift_0", (1, 21), (1, 21), full, (0.05, -128), (0.006, -60)),
            ("coarse_result", (1, 21), (1, 21), full, (0.05, -128), (0.5, -60)),
            ("fine_result", (1, 21), (1, 21), relu6, (0.05, 3), (0.0005, 100)),
        ]
        for label, a_shape, b_shape, attrs, b, y in rows:
            inputs = activation("a", a_shape), activation("b", b_shape, *b)
            yield Case(label, Call(attrs, inputs, activation("y", a_shape, *y)))


def _largest(tensor: Tensor) -> int:
    """The largest magnitude of a value less the zero point."""
    return max(127 - tensor.zero_point, tensor.zero_point + 128)


def _loops(a: Shape, b: Shape) -> list[tuple[int, int]]:
    """Nested loops over a as (size, step in b); axes along which b goes on in one step become one."""
    loops: list[tuple[int, int]] = []
    for axis in range(len(a)):
        if a[axis] == 1:
            continue
        step = int(np.prod(b[axis + 1 :], dtype=np.int64)) if b[axis] > 1 else 0
        if loops and loops[-1][1] == a[axis] * step:
            loops[-1] = (loops[-1][0] * a[axis], step)
        else:
            loops.append((a[axis], step))
    return loops or [(1, 1)]


register(Mul())
