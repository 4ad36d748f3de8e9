"""tril: a matrix with zeros above a diagonal; of several matrices each."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from .spec import Constants, Op, register


@dataclass(frozen=True)
class TrilAttrs:
    """The options: the last diagonal that stays, 0 the main one, above it positive."""

    diagonal: int = 0


class Tril(Op):
    name = "tril"
    attrs = TrilAttrs
    keeps_qparams = True

    def shape(self, attrs: TrilAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) < 2:
            raise ValueError(f"tril needs a matrix, got shape {x}")
        return x

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return np.tril(inputs[0], call.attrs.diagonal)

    def remap(self, attrs: TrilAttrs, order: Shape) -> TrilAttrs | None:
        """Rows and columns must stay where they are."""
        return attrs if order[-2:] == (len(order) - 2, len(order) - 1) else None

    def prepare(self, call: Call) -> Constants:
        """What is zero; an op that computes has its multipliers here, or a table."""
        self.require_shared_qparams(call)
        return {"zero_point": call.output.zero_point}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        (x,) = inputs
        return np.where(np.tri(*x.shape[-2:], call.attrs.diagonal, dtype=bool), x, np.int8(k["zero_point"]))


register(Tril())
