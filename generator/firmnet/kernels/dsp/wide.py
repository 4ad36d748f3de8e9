"""How does the DSP extension compute layers of int16? SMLAD on pairs of inputs as they lie, no expansion.

Weights are int8 in flash, two channels by two inputs in a word, which two SXTB16 spread. A tile is two
columns (pixels or rows) by two channels.
"""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...targets import Isa
from ..images import WindowedImage, image
from ..portable.conv2d import gathers
from ..spec import Kernel, register
from .packing import pair_words

WRITTEN_OUT = 16
"""Inputs of a sum up to which the compiler writes all steps out."""
PART = 512
"""Inputs whose products with the largest weights int32 holds: longer sums that may leave it are cut there."""


@dataclass(frozen=True)
class WideMatrix:
    """`rows` of n_in inputs become as many of n_out outputs; `expands`: they are int8, and spread first."""

    rows: int
    n_in: int
    n_out: int
    expands: bool
    part: int

    @property
    def words(self) -> int:
        """Of weights of two channels."""
        return -(-self.n_in // 2)


@dataclass(frozen=True)
class WideConvolution:
    """Windows of `n_in` inputs of each of the `groups` meet `n_out` filters; `copies`: they are gathered."""

    image: WindowedImage
    copies: bool
    groups: int
    n_in: int
    n_out: int
    depth: int
    part: int

    @property
    def words(self) -> int:
        """Of weights of two channels."""
        return -(-self.n_in // 2)

    @property
    def pairs(self) -> int:
        """Of channels of a group."""
        return -(-self.n_out // 2)


class Wide(Kernel):
    """Reads or writes int16."""

    name = "wide"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        return Dtype.INT16 in (call.inputs[0].dtype, call.output.dtype)


class WideLinear(Wide):
    op = "linear"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        found = self.layout(call, {})
        alone, pairs = found.rows % 2, -(-found.n_out // 2)
        expand = found.rows * (12 + 4 * found.n_in) if found.expands else 0
        short = found.n_in < WRITTEN_OUT  # without loops
        two = found.rows // 2 * pairs * (45 + (3.5 if short else 5.6) * found.n_in)
        return 60 + expand + two + alone * pairs * (35 + (2.1 if short else 4) * found.n_in)

    def scratch_bytes(self, call: Call) -> int:
        found = self.layout(call, {})
        return 4 * found.n_in if found.expands else 0

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return _packed(k["weight"], k, 1)

    def layout(self, call: Call, k: Constants) -> WideMatrix:
        n_out, n_in = call.inputs[1].shape
        expands = call.inputs[0].dtype is Dtype.INT8
        return WideMatrix(call.inputs[0].size // n_in, n_in, n_out, expands, PART)


class WideConv2d(Wide):
    """Any kernel, stride, dilation and groups."""

    op = "conv2d"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        found = self.layout(call, {})
        where = found.image
        taps = where.kernel[0] * where.kernel[1]
        columns = where.out_height * -(-where.out_width // 2)
        from_int8 = call.inputs[0].dtype is Dtype.INT8
        each_copy = 14 + 3.5 * found.depth if from_int8 else 24 + min(0.9 * found.depth, 30)
        copy = 2 * taps * each_copy if found.copies else 0
        each = (3.5 if found.n_in < WRITTEN_OUT else 5.6) * found.n_in
        return 80 + columns * found.groups * (30 + copy + found.pairs * (42 + each))

    def scratch_bytes(self, call: Call) -> int:
        found = self.layout(call, {})
        return 4 * found.n_in if found.copies else 0

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return _packed(k["weight"].reshape(len(k["weight"]), -1), k, call.attrs.groups)

    def layout(self, call: Call, k: Constants) -> WideConvolution:
        n_out, kh, kw, depth = call.inputs[1].shape
        groups = call.attrs.groups
        copies = gathers(call) or call.inputs[0].dtype is Dtype.INT8
        where = image(call, window_of(call))
        return WideConvolution(where, copies, groups, kh * kw * depth, n_out // groups, depth, PART)


def even_pairs(values: Array, groups: int = 1) -> Array:
    """One for each channel, group by group: of an odd number the last is followed by a zero."""
    each = values.reshape(groups, -1)
    return np.pad(each, ((0, 0), (0, each.shape[1] % 2))).ravel()


def packed_filters(rows: Array, groups: int) -> Array:
    """int8 filters (N, K) as the words of fn_dot_2x2, group by group; of an odd number the last are zeros."""
    each = [pair_words(some, joined=False) for some in np.split(rows, groups)]
    return np.concatenate(each).ravel()


def _packed(rows: Array, k: Constants, groups: int) -> dict[str, Array]:
    """Filters (N, K) with biases and multipliers."""
    beside = {name: even_pairs(k[name], groups) for name in ("bias", "multiplier")}
    return {"weight": packed_filters(rows, groups), **beside}


for kernel in (WideLinear(), WideConv2d()):
    register(kernel)
