"""Which rows of the matrix prove running_mean?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from casework import Case, of

from firmnet.ir import Call, Dtype, QParams, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.running_mean import RunningMeanAttrs, summed_in_a_place


@dataclass(frozen=True)
class Row:
    """x, how many places are kept, and attrs beside the divisor."""

    label: str
    x: Shape
    places: int
    axis: int
    across: tuple[int, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)

    def case(self, dtype: Dtype = Dtype.INT8, made: Dtype = Dtype.INT8) -> Case:
        attrs = RunningMeanAttrs(self.axis, self.across, 1, *self.bounds)
        x = of(dtype, "x", self.x, 0.05 if dtype is Dtype.INT8 else 0.0002)
        values = summed_in_a_place(Call(attrs, (x,), ()))
        attrs = replace(attrs, divisor=self.places * values)
        size = x.size // self.x[self.axis] // values
        q = x.q if (values, dtype) == (1, Dtype.INT8) else QParams(x.q.scale, 0, Dtype.INT16)
        kept = Tensor("kept", (self.places, size), q)
        totals = Tensor("totals", (size,), QParams(x.q.scale, 0, Dtype.INT32))
        states = kept, totals, Tensor("oldest", (1,), QParams((1.0,), 0, Dtype.INT16))
        shape, *_ = OPS["running_mean"].shapes(attrs, x.shape, *(state.shape for state in states))
        y = of(made, "y", shape, 0.02 if made is Dtype.INT8 else 0.0001)
        outputs = y, *(replace(state, name=f"{state.name}_next") for state in states)
        kind = "" if (dtype, made) == (Dtype.INT8, Dtype.INT8) else f"_{dtype}_to_{made}"
        return Case(self.label + kind, Call(attrs, (x, *states), outputs))


ROWS = (
    Row("1_of_9_rows_of_5x7", (1, 1, 5, 7), 9, 1, (2,)),
    Row("3_of_4_columns_of_6x8", (1, 6, 3, 8), 4, 2, (1,)),
    Row("2_of_30_of_12_channels", (1, 2, 1, 12), 30, 1),
    Row("1_of_5_columns_of_3x4", (1, 3, 1, 4), 5, 2),
    Row("all_3_anew", (1, 3, 2, 3), 3, 1, (2,), (0.0, 1.5)),
    Row("leading_3", (3, 2, 5), 6, 1),
    Row("1_of_1_value", (1, 1), 7, 1),
    Row("over_two_axes", (1, 2, 3, 4, 5), 8, 1, (2, 3)),
)


def cases() -> Iterator[Case]:
    yield from (row.case() for row in ROWS)
    wide: list[dict[str, Any]] = [{"dtype": Dtype.INT16, "made": made} for made in (Dtype.INT16, Dtype.INT8)]
    for row in (ROWS[2], ROWS[3], ROWS[6]):
        yield from (row.case(**types) for types in (*wide, {"made": Dtype.INT16}))
