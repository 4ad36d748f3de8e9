"""concat: inputs of one scale and zero point along an axis; constants may be among them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import same_rows

Joinable = TypeVar("Joinable")


@dataclass(frozen=True)
class ConcatAttrs:
    """`constants`: which parts of the result are constants, from 0 on; these are the last inputs."""

    axis: int
    constants: Shape = ()

    def parts(self, inputs: Sequence[Joinable]) -> list[Joinable]:
        """The inputs, or what stands for each, as they follow each other."""
        first = len(inputs) - len(self.constants)
        parts = list(inputs[:first])
        for place, part in zip(self.constants, inputs[first:], strict=True):
            parts.insert(place, part)
        return parts


class Concat(Op):
    name = "concat"
    attrs = ConcatAttrs
    keeps_qparams = True
    carries = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: ConcatAttrs, *inputs: Shape) -> Shape:
        first, axis = inputs[0], attrs.axis
        if not 0 <= axis < len(first) or len(attrs.constants) >= len(inputs):
            raise ValueError(
                f"concat along axis {axis} with {len(attrs.constants)} constants does not fit {inputs}"
            )
        if any((*x[:axis], 0, *x[axis + 1 :]) != (*first[:axis], 0, *first[axis + 1 :]) for x in inputs):
            raise ValueError(f"concat along axis {axis} needs equal other axes, got {inputs}")
        return (*first[:axis], sum(x[axis] for x in inputs), *first[axis + 1 :])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return np.concatenate(call.attrs.parts(inputs), call.attrs.axis)

    def remap(self, attrs: ConcatAttrs, order: Shape) -> ConcatAttrs:
        return replace(attrs, axis=order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis != call.attrs.axis and not call.attrs.constants else None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Where rows lie side by side; None where some are constants, which stay whole."""
        return same_rows(call, rows) if call.attrs.axis > 1 and not call.attrs.constants else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        constants = [tensor.values for tensor in call.inputs[len(inputs) :]]
        return np.concatenate(call.attrs.parts([*inputs, *constants]), call.attrs.axis)


register(Concat())
