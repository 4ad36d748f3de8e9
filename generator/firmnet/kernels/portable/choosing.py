"""How does plain C find the largest value of a lane, and look rows up in a table? One after the other."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype, Tensor
from ...ops.spec import Constants
from ..spec import Kernel, register
from .movement import COMPILER_UNROLLS, copy_cycles


@dataclass(frozen=True)
class Lines:
    """`outer` times `inner` lines of `count` values, which lie `inner` values apart."""

    outer: int
    count: int
    inner: int
    dtype: Dtype


class Argmax(Kernel):
    op = "argmax"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        lines = self.layout(call, {})
        each = 4.7 if lines.count <= COMPILER_UNROLLS else 10.0
        return 20 + lines.outer * lines.inner * (10 + each * lines.count)

    def layout(self, call: Call, k: Constants) -> Lines:
        x, axis = call.inputs[0], call.attrs.axis
        return Lines(prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]), x.dtype)


@dataclass(frozen=True)
class Lookups:
    """`count` numbers, each for `columns` values of a table with so many `rows`."""

    count: int
    rows: int
    columns: int
    x: Tensor
    y: Tensor

    @property
    def may_be_less(self) -> bool:
        """Whether a number may be below the first row's."""
        return self.x.dtype.low < 0

    @property
    def may_be_more(self) -> bool:
        return self.x.dtype.high >= self.rows


class Embedding(Kernel):
    op = "embedding"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        found = self.layout(call, {})
        return 30 + found.count * (14 + copy_cycles(found.columns * found.y.dtype.bytes))

    def layout(self, call: Call, k: Constants) -> Lookups:
        x, table = call.inputs
        rows, columns = table.shape
        return Lookups(x.size, rows, columns, x, call.output)


register(Argmax())
register(Embedding())
