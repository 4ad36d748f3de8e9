"""How does the DSP extension compute a transposed convolution? Each phase of its outputs as a dense one."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..spec import Kernel, register
from .packing import dot_over, lane_order, pair_stream
from .planes import PlaneAxis, Planes, spread_planes
from .tiles import Dot, tiles_alike


@dataclass(frozen=True)
class SpreadPlanes:
    """`planes`: how the layer is cut; `dot`: what each of its outputs is."""

    planes: Planes
    dot: Dot


class PlanesConvTranspose2d(Kernel):
    """Rows are expanded once for each phase, whose weights are the taps that meet it, the last one first."""

    op = "conv_transpose2d"
    name = "planes"
    isa = Isa.DSP
    template = "kernels/dsp/conv2d.planes.c.j2"

    def accepts(self, call: Call) -> bool:
        top, _, left, _ = call.attrs.crop
        return bool(call.attrs.dilation == (1, 1) and min(top, left) >= 0)

    def cycles(self, call: Call) -> float:
        return _planes(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _planes(call).scratch_bytes

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        dot = self.layout(call, k).dot
        streams = [pair_stream(dot, *each) for each in _filters(call, k)]
        return {"weight": np.concatenate([stream.ravel() for stream in streams])}

    def layout(self, call: Call, k: Constants) -> SpreadPlanes:
        return SpreadPlanes(_planes(call), dot_over([(rows, bias) for rows, bias, _ in _filters(call, k)], k))

    def alike(self, call: Call, k: Constants) -> Hashable:
        cut, pairs = _planes(call), self.layout(call, k).dot
        if cut.resident:
            return None
        n_out, y_step = cut.layer.n_out_per_group, cut.y_step
        return tiles_alike(cut.tiles.x_step, n_out, y_step, 0, pairs, k["requant"].shift)


def _planes(call: Call) -> Planes:
    x, y, (n_out, kh, kw, depth) = call.inputs[0].shape, call.output.shape, call.inputs[1].shape
    groups, (top, _, left, _) = call.attrs.groups, call.attrs.crop
    channels = groups, depth, n_out // groups
    return spread_planes((x[1], x[2]), (y[1], y[2]), (kh, kw), call.attrs.stride, (top, left), channels)


def _filters(call: Call, k: Constants) -> Iterator[tuple[Array, Array, Array]]:
    """Rows of weights (N, K) in the order of expanded columns, bias and multiplier.

    In the order of remainders by the stride, so that stripes of a layer have the same.
    """
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
        weight = _met(_met(k["weight"][some], 1, layer.rows, i), 2, layer.columns, j)
        yield _columns(cut, weight), k["bias"][i, j, some], k["multiplier"][some]


def _met(weight: Array, at: int, axis: PlaneAxis, remainder: int) -> Array:
    """Of the taps along an array's axis those of one phase, the last first; before them zeros if few."""
    taps = np.moveaxis(weight, at, 0)[remainder :: axis.shift][::-1]
    missing = axis.kernel - len(taps)
    return np.moveaxis(np.pad(taps, ((missing, 0), *[(0, 0)] * (taps.ndim - 1))), 0, at)


def _columns(cut: Planes, weight: Array) -> Array:
    """Filters (N, rows, columns, depth) as rows (N, K), column by column, with the gap behind each."""
    n_out, _, columns, depth = weight.shape
    rows = weight[..., lane_order(depth)].transpose(0, 2, 1, 3).reshape(n_out, columns, -1)
    gap = cut.values_per_output // columns - rows.shape[2]
    return np.pad(rows, ((0, 0), (0, 0), (0, gap))).reshape(n_out, -1)


register(PlanesConvTranspose2d())
