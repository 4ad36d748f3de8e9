"""How does plain C compute a linear layer? A dot product per output."""

from dataclasses import dataclass

from ...ir import Call, Dtype
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class Matrix:
    """`rows` of n_in inputs become as many of n_out outputs."""

    rows: int
    n_in: int
    n_out: int


FEW = 8
"""Inputs below which those that fill no four show."""


class Linear(Kernel):
    op = "linear"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        n_out, n_in = call.inputs[1].shape
        rows = call.inputs[0].size // n_in
        if call.inputs[0].dtype is Dtype.INT16:
            return 42 + rows * n_out * (14 + (5 if n_in <= 16 else 8) * n_in)
        one_by_one = n_in % 4 if n_in < FEW else 0
        return 42 + rows * n_out * (10 + 3.3 * n_in + 5 * one_by_one)

    def layout(self, call: Call, k: Constants) -> Matrix:
        n_out, n_in = call.inputs[1].shape
        return Matrix(call.inputs[0].size // n_in, n_in, n_out)


register(Linear())
