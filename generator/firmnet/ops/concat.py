"""concat: inputs of one scale and zero point, one after the other along an axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .casework import activation
from .spec import Case, Constants, Op, Stripe, register
from .stripes import same_rows


@dataclass(frozen=True)
class ConcatAttrs:
    axis: int


def from_aten_cat(b: Builder, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    if not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise Unsupported("concatenating a constant: compute it in the network, or append it on the host")
    if len(tensors) == 1:
        return tensors[0]
    return b.add("concat", ConcatAttrs(dim % len(tensors[0].shape)), *tensors)


class Concat(Op):
    name = "concat"
    attrs = ConcatAttrs
    sources = {"aten.cat.default": from_aten_cat}
    keeps_qparams = True

    def shape(self, attrs: ConcatAttrs, *inputs: Shape) -> Shape:
        first, axis = inputs[0], attrs.axis
        if any((*x[:axis], 0, *x[axis + 1 :]) != (*first[:axis], 0, *first[axis + 1 :]) for x in inputs):
            raise ValueError(f"concat along axis {axis} needs equal other axes, got {inputs}")
        return (*first[:axis], sum(x[axis] for x in inputs), *first[axis + 1 :])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return np.concatenate(inputs, call.attrs.axis)

    def remap(self, attrs: ConcatAttrs, order: Shape) -> ConcatAttrs:
        return ConcatAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        axis = call.attrs.axis
        return {
            "blocks": int(np.prod(call.output.shape[:axis], dtype=np.int64)),
            "lengths": [int(np.prod(x.shape[axis:], dtype=np.int64)) for x in call.inputs],
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return np.concatenate(inputs, call.attrs.axis)

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, list[Shape], int]] = [
            ("channels_3_5", [(1, 4, 3, 3), (1, 4, 3, 5)], 3),
            ("image_rows_2_3", [(1, 2, 5, 3), (1, 3, 5, 3)], 1),
            ("rows_of_three", [(1, 2, 5), (1, 1, 5), (1, 3, 5)], 1),
            ("vectors", [(1, 7), (1, 2)], 1),
            ("leading_2_1_3", [(2, 3, 5), (1, 3, 5), (3, 3, 5)], 0),
            ("channels_behind_leading_4", [(4, 2, 3, 3), (4, 2, 3, 5)], 3),
        ]
        for label, shapes, axis in rows:
            attrs = ConcatAttrs(axis)
            inputs = tuple(activation(f"x{i}", shape) for i, shape in enumerate(shapes))
            yield Case(label, Call(attrs, inputs, activation("y", self.shape(attrs, *shapes))))


register(Concat())
