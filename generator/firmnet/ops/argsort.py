"""argsort: where along an axis the least or the greatest values are, in order, of equals the first first."""

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from .argmax import WHOLE_NUMBERS
from .sort import SortAttrs
from .spec import OPS, Constants, Op, register


class Argsort(Op):
    """Places of what `sort` gives, as int32 of scale 1."""

    name = "argsort"
    attrs = SortAttrs
    dtypes = tuple(Dtype)

    def shape(self, attrs: SortAttrs, *inputs: Shape) -> Shape:
        return OPS["sort"].shape(attrs, *inputs)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _places(inputs[0], call.attrs).astype(np.float64)

    def output_qparams(self, attrs: SortAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return WHOLE_NUMBERS

    def remap(self, attrs: SortAttrs, order: Shape) -> SortAttrs:
        return SortAttrs(order[attrs.axis], attrs.count, attrs.descending)

    def refuses(self, call: Call) -> str:
        return OPS["argmax"].refuses(call)

    def prepare(self, call: Call) -> Constants:
        return OPS["argmax"].prepare(call)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _places(inputs[0].astype(np.int64), call.attrs).astype(np.int32)


def _places(x: Array, attrs: SortAttrs) -> Array:
    found: Array = np.argsort(-x if attrs.descending else x, attrs.axis, kind="stable")
    return found.take(range(attrs.count), attrs.axis)


register(Argsort())
