"""Which rows of the matrix prove gru?"""

from collections.abc import Iterator
from dataclasses import replace

from casework import Case
from sequences import Sequence

from firmnet.ir import Dtype
from firmnet.ops.recurrent import RecurrentAttrs

EVERY, LAST, BACK = RecurrentAttrs(), RecurrentAttrs(every=False), RecurrentAttrs(reverse=True)


def cases() -> Iterator[Case]:
    rows = [
        Sequence("one_step_1x1", 1, 1, 1, EVERY),
        Sequence("5_steps_3x7", 5, 3, 7, EVERY),
        Sequence("8_steps_4x8", 8, 4, 8, LAST),
        Sequence("7_steps_back_5x9", 7, 5, 9, BACK),
        Sequence("last_of_3_back_2x5", 3, 2, 5, RecurrentAttrs(reverse=True, every=False)),
        Sequence("begun_3_steps_3x5", 3, 3, 5, LAST, begins=0.9),
        Sequence("given_3_steps_3x6", 3, 3, 6, EVERY, given=(Dtype.INT16,)),
        Sequence("given_int8_2_steps_3x5", 2, 3, 5, LAST, given=(Dtype.INT8,), bits=(13, 0)),
        Sequence("saturating_6_steps_5x6", 6, 5, 6, EVERY, gain=30.0),
        Sequence("coarse_3_steps_3x4", 3, 3, 4, EVERY, begins=9.0, bits=(11, 0)),
        Sequence("leading_3x2x4", 2, 4, 5, EVERY, sequences=3, begins=0.7),
        Sequence("flat_2_steps_600x2", 2, 600, 2, EVERY, gain=0.05, flat=True),
    ]
    wide = [row for row in rows if row.n_in in (1, 3, 600)]
    yield from (row.case("gru") for row in rows)
    yield from (replace(row, label=f"{row.label}_int16", x=Dtype.INT16).case("gru") for row in wide)
