"""linear: y = clamp(x · wᵀ + b) over the last axis, int8 with one weight scale per output feature."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .batch_norm import affine
from .builder import Builder, Unsupported
from .casework import activation, bias, output_scale, weight
from .packing import joinable, lane_order, octet_stream, pair_stream, worth_joining
from .reshape import reshaped
from .spec import Case, Constants, Cost, Op, Stripe, register
from .stripes import same_rows
from .tiles import Pointwise, Row, dot, pointwise, row
from .transpose import transposed
from .weighted import clamped, fold, multiply


@dataclass(frozen=True)
class LinearAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


Value = Tensor | Array


def from_aten_linear(b: Builder, x: Tensor, weight: Array, bias: Array | None = None) -> Tensor:
    """weight (N, K), or (K,) for one output that has no axis of its own."""
    rows = np.atleast_2d(weight)
    constants = (
        b.constant(f"{b.layer}_weight", rows),
        b.constant(
            f"{b.layer}_bias", np.zeros(len(rows)) if bias is None else np.broadcast_to(bias, len(rows))
        ),
    )
    ranked = reshaped(b, x, (1, *x.shape)) if len(x.shape) < 2 else x
    y = b.add("linear", LinearAttrs(), ranked, *constants)
    return reshaped(b, y, (*x.shape[:-1], *weight.shape[:-1]))


def from_aten_addmm(
    b: Builder, bias: Array, x: Value, weight: Value, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · bias + alpha · x @ weight, of matrices or stacks of one matrix."""
    if isinstance(weight, Tensor):
        y = from_aten_matmul(b, x if isinstance(x, Tensor) else alpha * x, weight)
        return affine(b, y, 1.0, beta * bias)
    one_row = bias.size in (1, weight.shape[-1]) and bias.shape[-1:] in ((), (bias.size,))
    if isinstance(x, Tensor) and weight.ndim == 2 and one_row:
        return from_aten_linear(b, x, alpha * weight.T, beta * bias.ravel())
    return affine(b, from_aten_matmul(b, x, alpha * weight), 1.0, beta * bias)


def from_aten_matmul(b: Builder, x: Value, other: Value) -> Tensor:
    """x @ other with a constant on either side: a vector, a matrix, or a stack of one matrix."""
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        raise Unsupported("a product of two activations: firmnet needs a constant on one side")
    if isinstance(x, Tensor):
        assert isinstance(other, np.ndarray)
        matrix = _matrix(other)
        y = from_aten_linear(b, x, matrix.T)
        return reshaped(b, y, (*[1] * (max(other.ndim, 2) - max(len(x.shape), 2)), *y.shape))
    assert isinstance(other, Tensor)
    matrix, rank = _matrix(x), len(other.shape)
    if rank == 1:
        y = from_aten_linear(b, other, matrix)
        return reshaped(b, y, (*x.shape[:-2], *y.shape))
    turned = (*range(rank - 2), rank - 1, rank - 2)
    y = from_aten_linear(b, transposed(b, other, turned), matrix)
    if x.ndim > 1:
        y = transposed(b, y, turned)
    return reshaped(b, y, (*[1] * (max(x.ndim, 2) - max(rank, 2)), *y.shape))


def _matrix(constant: Array) -> Array:
    """The only matrix (or vector) of the constant."""
    if any(n > 1 for n in constant.shape[:-2]):
        raise Unsupported(
            f"a constant of shape {constant.shape} is several matrices: multiply by one, as nn.Linear does"
        )
    return constant if constant.ndim < 3 else constant.reshape(constant.shape[-2:])


class Linear(Op):
    """x (1, …, K), weight (N, K), bias (N,) → (1, …, N)."""

    name = "linear"
    attrs = LinearAttrs
    sources = {
        "aten.linear.default": from_aten_linear,
        "aten.addmm.default": from_aten_addmm,
        "aten.matmul.default": from_aten_matmul,
        "aten.mm.default": from_aten_matmul,
        "aten.mv.default": from_aten_matmul,
        "aten.bmm.default": from_aten_matmul,
        "aten.baddbmm.default": from_aten_addmm,
    }
    weighted = True
    clamps = True

    def shape(self, attrs: LinearAttrs, *inputs: Shape) -> Shape:
        x, w, _ = inputs
        if x[-1] != w[1]:
            raise ValueError(f"linear expects {w[1]} features on the last axis, got shape {x}")
        return (*x[:-1], w[0])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, w, b = inputs
        return clamped(x @ w.T + b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: LinearAttrs, order: Shape) -> LinearAttrs | None:
        return attrs if order[-1] == len(order) - 1 else None

    def prepare(self, call: Call) -> Constants:
        x, y = call.inputs[0], call.output
        k = {**fold(call), "rows": x.size // x.shape[-1], "n_in": x.shape[-1], "n_out": y.shape[-1]}
        layout = _layout(call)
        in_pairs = k["weight"][_octets(layout) :]
        pairs = dot(-(-k["n_in"] // 2))
        return {**k, "layout": layout, "dot": pairs, "joined": worth_joining(in_pairs)}

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        if not dsp:
            return super().pack(call, k, dsp)
        rows, split = k["weight"][:, lane_order(k["n_in"])], _octets(k["layout"])
        arrays = (rows, k["bias"], k["multiplier"])
        octets = octet_stream(*[a[:split] for a in arrays])
        pairs = pair_stream(*[a[split:] for a in arrays], joined=k["joined"])
        return {"weight": np.concatenate([octets.ravel(), pairs.ravel()])}

    def variant(self, call: Call, dsp: bool) -> str:
        return {Row: "row", Pointwise: "rows"}[type(_layout(call))] if dsp else ""

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        layout = _layout(call)
        if not dsp:
            return (None,)
        return (layout.overlap(call.output.shape[-1]) if isinstance(layout, Pointwise) else 0,)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return multiply(inputs[0], k)

    def cost(self, call: Call, dsp: bool) -> Cost:
        n_out, n_in = call.inputs[1].shape
        macs = call.inputs[0].size // n_in * n_out * n_in
        return Cost(macs, _layout(call).scratch_bytes if dsp else 0)

    def cases(self) -> Iterator[Case]:
        rows = [
            ("1x1", (1, 1), 1, {}),
            ("13x5", (1, 13), 5, {}),
            ("64x10_relu", (1, 64), 10, {"lo": 0.0}),
            ("7x3_relu6", (1, 7), 3, {"lo": 0.0, "hi": 5.0}),
            ("rank4_6x9", (1, 3, 5, 6), 9, {}),
            ("leading_4x8x8x4", (4, 8, 8, 4), 16, {"lo": 0.0}),
            ("leading_2x3x5", (2, 3, 5), 8, {}),
            ("leading_3x1", (3, 1), 8, {}),
            ("3x8", (1, 3), 8, {}),
            ("11x8", (1, 11), 8, {}),
            ("17x16_relu6", (1, 17), 16, {"lo": 0.0, "hi": 5.0}),
            ("40x21", (1, 40), 21, {}),
            ("1100x9", (1, 1100), 9, {}),
            ("5_rows_33x7", (1, 5, 33), 7, {}),
            ("upscaled_5x8", (1, 5), 8, {}),
            ("near_one_5x8", (1, 5), 8, {}),
        ]
        fine = {
            "upscaled_5x8": 1e-4,
            "near_one_5x8": 0.096,
        }  # needs a shift before requantization, or none after
        for seed, (label, shape, n_out, options) in enumerate(rows):
            x = activation("x", shape, 0.05, 3)
            w = weight("w", (n_out, shape[-1]), seed)
            zero_point = -128 if options.get("lo") == 0.0 and "hi" not in options else -7
            scale = fine.get(label, 1.0) * output_scale(x, w)
            y = activation("y", (*shape[:-1], n_out), scale, zero_point)
            yield Case(label, Call(LinearAttrs(**options), (x, w, bias("b", x, w, seed)), y))


def _layout(call: Call) -> Row | Pointwise:
    """How the layer meets the DSP extension: one row eight channels at a time, where fn_linear8 can."""
    x, w = call.inputs[:2]
    n_out, n_in = w.shape
    requant = fold(call)["requant"]
    if x.size == n_in and n_out >= 8 and requant.shift and not requant.pre_shift and joinable(w.values):
        return row(n_in, n_out)
    return pointwise(1, x.size // n_in, n_in, n_out, (1, 1))


def _octets(layout: Row | Pointwise) -> int:
    """Channels that go eight at a time."""
    return 8 * layout.groups if isinstance(layout, Row) else 0


register(Linear())
