"""transpose: the same values with the axes in another order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder
from .casework import activation
from .spec import Case, Constants, Op, register


@dataclass(frozen=True)
class TransposeAttrs:
    """NumPy's axes: output axis i is input axis order[i]."""

    order: Shape


def to_nhwc(b: Builder, x: Tensor) -> Tensor:
    return b.add("transpose", TransposeAttrs((0, 2, 3, 1)), x, name=f"{b.layer}_nhwc")


def to_nchw(b: Builder, x: Tensor) -> Tensor:
    return b.add("transpose", TransposeAttrs((0, 3, 1, 2)), x, name=f"{b.layer}_nchw")


def transposed(b: Builder, x: Tensor, order: Sequence[int]) -> Tensor:
    """A transpose on the way to or from the layer being imported."""
    axes = tuple(order)
    same = axes == tuple(range(len(axes)))
    return x if same else b.add("transpose", TransposeAttrs(axes), x, name=f"{b.layer}_transposed")


def from_aten_permute(b: Builder, x: Tensor | Array, dims: Sequence[int]) -> Tensor | Array:
    order = tuple(int(d) % len(x.shape) for d in dims)
    if isinstance(x, np.ndarray):
        return x.transpose(order)
    return x if order == tuple(range(len(order))) else b.add("transpose", TransposeAttrs(order), x)


def from_aten_transpose(b: Builder, x: Tensor | Array, dim0: int, dim1: int) -> Tensor | Array:
    order = list(range(len(x.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return from_aten_permute(b, x, order)


def from_aten_t(b: Builder, x: Tensor | Array) -> Tensor | Array:
    return from_aten_permute(b, x, range(len(x.shape))[::-1])


class Transpose(Op):
    name = "transpose"
    attrs = TransposeAttrs
    sources = {
        "aten.permute.default": from_aten_permute,
        "aten.transpose.int": from_aten_transpose,
        "aten.t.default": from_aten_t,
        "aten.numpy_T.default": from_aten_t,
    }
    keeps_qparams = True

    def shape(self, attrs: TransposeAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if sorted(attrs.order) != list(range(len(x))):
            raise ValueError(f"transpose by {attrs.order} does not fit shape {x}")
        return tuple(x[axis] for axis in attrs.order)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0].transpose(call.attrs.order)

    def remap(self, attrs: TransposeAttrs, order: Shape) -> TransposeAttrs:
        moved = dict(zip(order, (order[axis] for axis in attrs.order), strict=True))
        return TransposeAttrs(tuple(moved[axis] for axis in range(len(order))))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {"loops": _loops(call.inputs[0].shape, call.attrs.order), "size": call.output.size}

    def variant(self, call: Call, dsp: bool) -> str:
        """Runs of neighbouring values are copied at once."""
        size, stride = _loops(call.inputs[0].shape, call.attrs.order)[-1]
        return "dsp" if dsp and stride == 1 and size > 1 else ""

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0].transpose(call.attrs.order)

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, Shape, Shape]] = [
            ("nhwc_3x5x7", (1, 7, 3, 5), (0, 2, 3, 1)),
            ("nchw_4x6x3", (1, 4, 6, 3), (0, 3, 1, 2)),
            ("matrix_5x9", (1, 5, 9), (0, 2, 1)),
            ("unit_axes", (1, 6, 1, 1), (0, 2, 3, 1)),
            ("rows_of_7_exchanged", (1, 5, 3, 7), (0, 2, 1, 3)),
            ("leading_4_to_the_end", (4, 3, 5, 2), (1, 2, 3, 0)),
            ("leading_2x3_exchanged", (2, 3, 5), (1, 0, 2)),
            ("rank5_reversed", (1, 2, 3, 4, 5), (4, 3, 2, 1, 0)),
        ]
        for label, shape, order in rows:
            attrs = TransposeAttrs(order)
            yield Case(
                label, Call(attrs, (activation("x", shape),), activation("y", self.shape(attrs, shape)))
            )


def _loops(shape: Shape, order: Shape) -> list[tuple[int, int]]:
    """Nested loops over the output as (size, input stride); axes that stay neighbours become one."""
    strides = [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]
    loops: list[tuple[int, int]] = []
    for axis in order:
        size, stride = shape[axis], strides[axis]
        if size == 1:
            continue
        if loops and loops[-1][1] == size * stride:
            loops[-1] = (loops[-1][0] * size, stride)
        else:
            loops.append((size, stride))
    return loops or [(1, 1)]


register(Transpose())
