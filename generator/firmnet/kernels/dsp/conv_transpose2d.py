"""How does the DSP extension compute a transposed convolution? Each phase of its outputs as a convolution."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...ops.windows import Pair
from ...targets import Isa
from ..spec import Kernel, register
from .depthwise import WORKING_BYTES
from .depthwise_bands import MOST_RAM, Bands, Grid, Way, bands
from .depthwise_shift import doubled_alike
from .packing import depthwise_stream, dot_over, lane_order, pair_stream
from .planes import Planes, spread_planes
from .tiles import Dot, tiles_alike


@dataclass(frozen=True)
class SpreadPlanes:
    """`planes`: how the layer is cut; `dot`: what each of its outputs is, `fewer`: with a column less."""

    planes: Planes
    dot: Dot
    fewer: Dot | None


class PlanesConvTranspose2d(Kernel):
    """Rows are expanded once for each phase, whose weights are the taps that meet it, the last one first."""

    op = "conv_transpose2d"
    name = "planes"
    isa = Isa.DSP
    template = "kernels/dsp/conv2d.planes.c.j2"

    def accepts(self, call: Call) -> bool:
        return _in_phases(call)

    def cycles(self, call: Call) -> float:
        return _planes(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _planes(call).scratch_bytes

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        layout = self.layout(call, k)
        size = layout.planes.group_words
        streams = []
        for filters in _filters(call, k):
            dot = layout.fewer if layout.fewer and filters.fewer else layout.dot
            stream = pair_stream(dot, filters.rows, filters.bias, filters.multiplier).ravel()
            streams.append(np.pad(stream, (0, size - len(stream))))
        return {"weight": np.concatenate(streams)}

    def layout(self, call: Call, k: Constants) -> SpreadPlanes:
        dots = [
            dot_over([(each.rows, each.bias) for each in _filters(call, k) if each.fewer is fewer], k)
            for fewer in (False, True)
            if not fewer or _planes(call).fewer_values
        ]
        return SpreadPlanes(_planes(call), dots[0], dots[1] if dots[1:] else None)

    def alike(self, call: Call, k: Constants) -> Hashable:
        layout = self.layout(call, k)
        cut = layout.planes
        if cut.resident:
            return None
        sizes, shift = (cut.tiles.x_step, cut.layer.n_out_per_group, cut.y_step, 0), k["requant"].shift
        dots = [layout.dot] + ([layout.fewer] if layout.fewer else [])
        return tuple(tiles_alike(*sizes, each, shift) for each in dots)


def _planes(call: Call) -> Planes:
    x, y, (n_out, kh, kw, depth) = call.inputs[0].shape, call.output.shape, call.inputs[1].shape
    groups, (top, _, left, _) = call.attrs.groups, call.attrs.crop
    channels = groups, depth, n_out // groups
    return spread_planes((x[1], x[2]), (y[1], y[2]), (kh, kw), call.attrs.stride, (top, left), channels)


@dataclass(frozen=True)
class PhaseFilters:
    """Rows of weights (N, K) in the order of expanded columns, `fewer` or all; bias and multiplier."""

    rows: Array
    bias: Array
    multiplier: Array
    fewer: bool


def _filters(call: Call, k: Constants) -> Iterator[PhaseFilters]:
    """In the order of remainders by the stride, so that stripes of a layer have the same."""
    cut = _planes(call)
    layer = cut.layer
    down, right, every = range(layer.rows.shift), range(layer.columns.shift), range(layer.groups)
    order = (
        product(down, right, every)
        if layer.together
        else ((i, j, group) for group, i, j in product(every, down, right))
    )
    for i, j, group in order:
        some = slice(group * layer.n_out_per_group, (group + 1) * layer.n_out_per_group)
        weight = _met(k["weight"][some], (layer.rows.shift, layer.columns.shift), (i, j))
        fewer = bool(cut.fewer_values) and j >= layer.columns.fewer_from
        rows = _columns(cut, weight[:, :, 1:] if fewer else weight)
        yield PhaseFilters(rows, k["bias"][i, j, some], k["multiplier"][some], fewer)


def _met(weight: Array, stride: Pair, remainders: Pair) -> Array:
    """Of filters (N, rows, columns, ...) the taps of one phase, the last first; before them zeros if few."""
    for axis, (step, remainder) in enumerate(zip(stride, remainders, strict=True)):
        size = -(-weight.shape[1 + axis] // step)
        taps = np.moveaxis(weight, 1 + axis, 0)[remainder::step][::-1]
        padded = np.pad(taps, ((size - len(taps), 0), *[(0, 0)] * (taps.ndim - 1)))
        weight = np.moveaxis(padded, 0, 1 + axis)
    return weight


def _columns(cut: Planes, weight: Array) -> Array:
    """Filters (N, rows, columns, depth) as rows (N, K), column by column, with the gap behind each."""
    n_out, _, columns, depth = weight.shape
    rows = weight[..., lane_order(depth)].transpose(0, 2, 1, 3).reshape(n_out, columns, -1)
    gap = cut.values_per_output // cut.layer.columns.kernel - rows.shape[2]
    return np.pad(rows, ((0, 0), (0, 0), (0, gap))).reshape(n_out, -1)


class BandsConvTranspose2d(Kernel):
    """One input channel per filter: four channels of some rows at a time, which all phases read."""

    op = "conv_transpose2d"
    name = "bands"
    isa = Isa.DSP
    template = "kernels/dsp/conv2d.bands.c.j2"

    def accepts(self, call: Call) -> bool:
        channels = call.inputs[0].shape[3]
        return call.attrs.groups == channels > 1 and _in_phases(call) and _bands(call) is not None

    def cycles(self, call: Call) -> float:
        return _known_bands(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _known_bands(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_known_bands(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Phase by phase, in the order of remainders by the stride: so stripes of a layer have the same."""
        sh, sw = stride = call.attrs.stride
        streams = []
        for i, j in product(range(sh), range(sw)):
            taps = _met(k["weight"], stride, (i, j))[..., 0]
            bias = k["bias"][i, j] + k["x_zero_point"] * taps.astype(np.int64).sum(axis=(1, 2))
            streams.append(depthwise_stream(taps, call.attrs.groups, bias, k["multiplier"]))
        return {"weight": np.concatenate(streams)}

    def layout(self, call: Call, k: Constants) -> Bands:
        return _known_bands(call)

    def alike(self, call: Call, k: Constants) -> Hashable:
        return doubled_alike(_known_bands(call), k)


def _in_phases(call: Call) -> bool:
    """Whether outputs a stride apart read neighbours."""
    top, _, left, _ = call.attrs.crop
    return bool(call.attrs.dilation == (1, 1) and min(top, left) >= 0)


def _bands(call: Call) -> Bands | None:
    _, height, width, channels = call.inputs[0].shape
    _, rows, columns, n_out = call.output.shape
    _, kh, kw, _ = call.inputs[1].shape
    (sh, sw), (top, _, left, _) = call.attrs.stride, call.attrs.crop
    kernel = -(-kh // sh), -(-kw // sw)
    grids = [
        Grid(
            -(-(rows - py) // sh),
            -(-(columns - px) // sw),
            kernel[0] - 1 - (py + top) // sh,
            kernel[1] - 1 - (px + left) // sw,
            (py * columns + px) * n_out,
            (py + top) % sh * sw + (px + left) % sw,
        )
        for py, px in product(range(min(sh, rows)), range(min(sw, columns)))
    ]
    steps = sh * columns * n_out, sw * n_out
    every = (1, 1)
    size = call.output.size
    way = Way(height, width, channels, n_out // channels, kernel, every, every, *steps, size, tuple(grids))
    apart = _planes(call).scratch_bytes + call.inputs[0].size + size
    return bands(way, max(MOST_RAM * apart, WORKING_BYTES))


def _known_bands(call: Call) -> Bands:
    """Of a call that the kernel accepts."""
    found = _bands(call)
    assert found is not None
    return found


register(PlanesConvTranspose2d())
register(BandsConvTranspose2d())
