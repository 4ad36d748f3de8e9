"""Which rows of the matrix prove lstm?"""

from collections.abc import Iterator
from dataclasses import replace

from casework import Case
from sequences import Sequence

from firmnet.ir import Dtype
from firmnet.ops.lstm import LstmAttrs

BOTH = (Dtype.INT16, Dtype.INT16)
EVERY, LAST, BACK = LstmAttrs(), LstmAttrs(every=False), LstmAttrs(reverse=True)


def cases() -> Iterator[Case]:
    rows = [
        Sequence("one_step_1x1", 1, 1, 1, EVERY),
        Sequence("5_steps_3x7", 5, 3, 7, EVERY),
        Sequence("8_steps_4x8", 8, 4, 8, LAST),
        Sequence("7_steps_back_5x9", 7, 5, 9, BACK),
        Sequence("last_of_4_back_2x5", 4, 2, 5, LstmAttrs(reverse=True, every=False)),
        Sequence("begun_3_steps_3x5", 3, 3, 5, LAST, begins=0.9),
        Sequence("given_saturating_3_steps_3x6", 3, 3, 6, EVERY, given=BOTH),
        Sequence(
            "given_saturating_2_steps_3x5", 2, 3, 5, LAST, given=(Dtype.INT8, Dtype.INT16), bits=(13, 12)
        ),
        Sequence("projected_4_steps_4x9_to_3", 4, 4, 9, LstmAttrs(projected=True), width=3, bits=(14, 13)),
        Sequence("projected_1x1_to_5", 3, 1, 1, LstmAttrs(projected=True, every=False), width=5, begins=0.5),
        Sequence("saturating_6_steps_5x6", 6, 5, 6, EVERY, gain=30.0, bits=(15, 14)),
        Sequence("coarse_3_steps_3x4", 3, 3, 4, EVERY, bits=(11, 3)),
        Sequence("leading_3x2x4", 2, 4, 5, EVERY, sequences=3, begins=0.7),
        Sequence("leading_2x3x2_given_saturating", 3, 2, 5, LAST, sequences=2, given=BOTH),
        Sequence("flat_2_steps_608x2", 2, 608, 2, EVERY, gain=0.05, flat=True),
        Sequence(
            "flat_projected_2_steps_1x2_to_530",
            2,
            1,
            2,
            LstmAttrs(projected=True),
            width=530,
            gain=0.1,
            flat=True,
        ),
    ]
    wide = [row for row in rows if row.n_in in (1, 3, 608)]
    yield from (row.case("lstm") for row in rows)
    yield from (replace(row, label=f"{row.label}_int16", x=Dtype.INT16).case("lstm") for row in wide)
