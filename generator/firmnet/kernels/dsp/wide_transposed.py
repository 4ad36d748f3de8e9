"""How does the DSP extension compute a transposed convolution of int16? By phases, two columns at a time.

Outputs whose coordinates have the same remainders by the stride meet the same taps: their windows are copied
into scratch, and meet the weights of these taps as wide.py has them.
"""

from dataclasses import dataclass
from math import gcd

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.conv_transpose2d import phases
from ...ops.spec import Constants
from ..portable.conv_transpose2d import ConvTranspose2d, Transposed
from ..spec import register
from .wide import PART, Wide, even_pairs, packed_filters


@dataclass(frozen=True)
class WideTransposed(Transposed):
    """`tap_step`: from one tap of a phase to the next, along either axis. `part`: inputs of a sum that is cut
    where it may leave int32. `lone`: some phase has one tap, which is read where it lies.
    `inputs`: of a window, where all phases have as many; else 0.
    """

    tap_step: tuple[int, int]
    part: int
    lone: bool
    inputs: int

    @property
    def pairs(self) -> int:
        """Of channels of a group."""
        return -(-self.n_out_per_group // 2)


class WideConvTranspose2d(Wide):
    op = "conv_transpose2d"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        """Of every phase, its pairs of columns."""
        found = self.layout(call, {})
        from_int8 = call.inputs[0].dtype is Dtype.INT8
        each_copy = 60 + 3.5 * found.depth if from_int8 else 69 + min(0.9 * found.depth, 30)
        rows, columns = (list(map(len, axis)) for axis in phases(call))
        tall, wide = -(-found.out_height // len(rows)), -(-found.out_width // len(columns))
        price = 80.0
        for down in rows:
            for right in columns:
                taps = down * right
                copies = 0 if taps == 1 and not from_int8 else 60 + 2 * taps * each_copy
                each = 40 + copies + found.pairs * (42 + 5.6 * taps * found.depth)
                price += 40 + tall * -(-wide // 2) * found.groups * each
        return price

    def scratch_bytes(self, call: Call) -> int:
        found = self.layout(call, {})
        return 4 * found.met * found.depth

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Weights, biases and taps (the first and how many) phase by phase, in each group by group."""
        groups, (rows, columns) = call.attrs.groups, phases(call)
        weights, biases = [], []
        for i, down in enumerate(rows):
            for j, right in enumerate(columns):
                met = k["weight"][:, down][:, :, right].reshape(len(k["weight"]), -1)
                weights.append(packed_filters(met, groups))
                biases.append(even_pairs(k["bias"][i, j], groups))
        taps = [[taps[0] if taps else 0, len(taps)] for axis in (rows, columns) for taps in axis]
        return {
            "weight": np.concatenate(weights),
            "bias": np.concatenate(biases),
            "multiplier": even_pairs(k["multiplier"], groups),
            "taps": np.array(taps, np.int32),
        }

    def layout(self, call: Call, k: Constants) -> WideTransposed:
        found = ConvTranspose2d().layout(call, k)
        (sh, sw), (dh, dw) = call.attrs.stride, call.attrs.dilation
        tap_step = sh // gcd(sh, dh), sw // gcd(sw, dw)
        lone = all(any(len(taps) == 1 for taps in axis) for axis in phases(call))
        down, right = ({len(taps) for taps in axis} for axis in phases(call))
        inputs = max(down) * max(right) * found.depth if len(down) == len(right) == 1 else 0
        return WideTransposed(**vars(found), tap_step=tap_step, part=PART, lone=lone, inputs=inputs)


register(WideConvTranspose2d())
