"""Which rows of the matrix prove rnn?"""

from collections.abc import Iterator
from dataclasses import replace

from casework import Case
from sequences import Sequence

from firmnet.ir import Dtype
from firmnet.ops.rnn import RnnAttrs

EVERY, LAST, BACK = RnnAttrs(), RnnAttrs(every=False), RnnAttrs(reverse=True)
RELU = RnnAttrs(relu=True)


def cases() -> Iterator[Case]:
    rows = [
        Sequence("one_step_1x1", 1, 1, 1, EVERY),
        Sequence("5_steps_3x7", 5, 3, 7, EVERY),
        Sequence("8_steps_4x8", 8, 4, 8, LAST),
        Sequence("7_steps_back_5x9", 7, 5, 9, BACK),
        Sequence("begun_3_steps_3x5", 3, 3, 5, LAST, begins=0.9),
        Sequence("given_3_steps_3x6", 3, 3, 6, EVERY, given=(Dtype.INT16,)),
        Sequence("given_int8_2_steps_3x5", 2, 3, 5, LAST, given=(Dtype.INT8,), bits=(13, 0)),
        Sequence("saturating_6_steps_5x6", 6, 5, 6, EVERY, gain=30.0),
        Sequence("relu_5_steps_3x7", 5, 3, 7, RELU, bits=(12, 0)),
        Sequence(
            "relu_back_4_steps_4x5", 4, 4, 5, RnnAttrs(reverse=True, every=False, relu=True), bits=(11, 0)
        ),
        Sequence("relu_saturating_5_steps_3x6", 5, 3, 6, RELU, gain=40.0, bits=(-2, 0)),
        Sequence("leading_3x2x4", 2, 4, 5, EVERY, sequences=3, begins=0.7),
        Sequence("flat_2_steps_600x2", 2, 600, 2, EVERY, gain=0.05, flat=True),
    ]
    wide = [row for row in rows if row.n_in in (1, 3, 600)]
    yield from (row.case("rnn") for row in rows)
    yield from (replace(row, label=f"{row.label}_int16", x=Dtype.INT16).case("rnn") for row in wide)
