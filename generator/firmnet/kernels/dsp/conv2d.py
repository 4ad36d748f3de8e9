"""How does the DSP extension compute a convolution? Tiles of pixels by channels, expanded to int16 first."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Array, Call
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...targets import Isa
from ..images import WindowedImage, image
from ..portable.conv2d import gathers
from ..spec import Kernel, register
from .depthwise import WORKING_BYTES, Depthwise, depthwise
from .depthwise_bands import MOST_RAM, Bands, Grid, Way, bands
from .depthwise_direct import CHANNELS, MAX_COLUMNS, Direct, direct, direct_cycles, direct_stream
from .depthwise_looped import Looped, looped
from .depthwise_quads import Quads, least_ram_bytes, quads, quads_stream
from .depthwise_shift import alike, doubled_alike
from .depthwise_upright import Upright, upright, upright_stream
from .depthwise_whole import Whole, whole, whole_stream
from .packing import depthwise_stream, dot_over, joinable, lane_order, pair_stream
from .planes import WORTH, Planes, planes
from .tiles import Dot, Pointwise, pointwise, tiles_alike


@dataclass(frozen=True)
class Pixels:
    """`walk`: the tiles; `dot`: what each of their outputs is."""

    image: WindowedImage
    walk: Pointwise
    dot: Dot


class PointwiseConv2d(Kernel):
    """A 1x1 kernel without padding: pixels are read where they lie, and expanded a tile at a time."""

    op = "conv2d"
    name = "pointwise"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        return _is_pointwise(call)

    def cycles(self, call: Call) -> float:
        return _pixels_cycles(call)

    def scratch_bytes(self, call: Call) -> int:
        return _pixels(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_pixels(call).overlap(call.output.shape[3]),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        filters = _filters(k["weight"])
        dot = dot_over([(filters, k["bias"])], k)
        return {"weight": pair_stream(dot, filters, k["bias"], k["multiplier"]).ravel()}

    def layout(self, call: Call, k: Constants) -> Pixels:
        dot = dot_over([(_filters(k["weight"]), k["bias"])], k)
        return Pixels(image(call, window_of(call)), _pixels(call), dot)

    def alike(self, call: Call, k: Constants) -> Hashable:
        walk, pairs, n_out = _pixels(call), self.layout(call, k).dot, len(k["weight"])
        return tiles_alike(walk.tiles.x_step, n_out, n_out, walk.contiguous, pairs, k["requant"].shift)


def _is_pointwise(call: Call) -> bool:
    return call.attrs.groups == 1 and not gathers(call)


def _pixels(call: Call) -> Pointwise:
    _, height, width, channels = call.inputs[0].shape
    return pointwise(height, width, channels, call.output.shape[3], call.attrs.stride)


def _pixels_cycles(call: Call) -> float:
    return _pixels(call).cycles(call.output.shape[3], joinable(_filters(call.inputs[1].values)))


def _filters(weight: Array) -> Array:
    """Of a 1x1 kernel (N, 1, 1, C): rows (N, C) in the order of expanded pixels."""
    return weight.reshape(len(weight), -1)[:, lane_order(weight.shape[3])]


@dataclass(frozen=True)
class Planar:
    """`planes`: how the layer is cut; `dot`: what each of its outputs is."""

    planes: Planes
    dot: Dot
    fewer: None = None


class PlanesConv2d(Kernel):
    """Any window, dilation and groups: rows are expanded once, a plane at a time."""

    op = "conv2d"
    name = "planes"
    isa = Isa.DSP
    template = "kernels/dsp/conv2d.planes.c.j2"
    apart = False

    def accepts(self, call: Call) -> bool:
        """Unless pixels are read where they lie about as fast: that takes less code and scratch."""
        if not _is_pointwise(call):
            return True
        return _pixels_cycles(call) > WORTH * self.cycles(call)

    def cycles(self, call: Call) -> float:
        cut, weight = self.planes(call), call.inputs[1].values
        filters = np.split(weight.reshape(len(weight), -1), cut.layer.groups)
        return cut.cycles + (0 if all(map(joinable, filters)) else cut.spread_cycles)

    def scratch_bytes(self, call: Call) -> int:
        return self.planes(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (self.planes(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        cut, dot = self.planes(call), self.layout(call, k).dot
        arrays = _in_columns(cut, k["weight"]), k["bias"], k["multiplier"]
        groups = zip(*(np.split(array, cut.layer.groups) for array in arrays), strict=True)
        return {"weight": np.concatenate([pair_stream(dot, *group) for group in groups]).ravel()}

    def layout(self, call: Call, k: Constants) -> Planar:
        cut = self.planes(call)
        filters = np.split(_in_columns(cut, k["weight"]), cut.layer.groups)
        groups = zip(filters, np.split(k["bias"], cut.layer.groups), strict=True)
        return Planar(cut, dot_over([*groups], k))

    def alike(self, call: Call, k: Constants) -> Hashable:
        cut, pairs = self.planes(call), self.layout(call, k).dot
        if cut.resident:
            return None
        n_out, y_step = cut.layer.n_out_per_group, cut.y_step
        return tiles_alike(cut.tiles.x_step, n_out, y_step, 0, pairs, k["requant"].shift)

    def planes(self, call: Call) -> Planes:
        found = self.found(call)
        assert found is not None
        return found

    def found(self, call: Call) -> Planes | None:
        window, groups = window_of(call), call.attrs.groups
        return planes(call.inputs[0].shape, call.output.shape, window, groups, self.apart)


class ApartConv2d(PlanesConv2d):
    """The same where phases of a dilated row are short: each column has its taps, in another order."""

    name = "apart"
    apart = True

    def accepts(self, call: Call) -> bool:
        return self.found(call) is not None


def _in_columns(cut: Planes, weight: Array) -> Array:
    """Filters (N, K) column by column, with the gap behind each."""
    layer, depth = cut.layer, weight.shape[3]
    rows = weight.reshape(len(weight), layer.rows.kernel, layer.columns.kernel, depth)[..., lane_order(depth)]
    columns = rows.transpose(0, 2, 1, 3).reshape(len(weight), layer.columns.kernel, -1)
    gap = cut.values_per_output // layer.columns.kernel - columns.shape[2]
    return np.pad(columns, ((0, 0), (0, 0), (0, gap))).reshape(len(weight), -1)


class DepthwiseConv2d(Kernel):
    """One input channel per filter, all taps in straight code."""

    op = "conv2d"
    name = "depthwise"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Where the code is small enough."""
        return is_depthwise(call) and depthwise(call) is not None

    def cycles(self, call: Call) -> float:
        return _known(call).all_cycles

    def scratch_bytes(self, call: Call) -> int:
        return _known(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_known(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return _stream(call, k, turned=False)

    def layout(self, call: Call, k: Constants) -> Depthwise:
        return _known(call)

    def alike(self, call: Call, k: Constants) -> Hashable:
        return alike(_known(call), k)


class LoopedConv2d(Kernel):
    """One input channel per filter, in loops: any kernel, dilation and number of channels."""

    op = "conv2d"
    name = "looped"
    isa = Isa.DSP
    turned: ClassVar[bool] = False

    def accepts(self, call: Call) -> bool:
        return is_depthwise(call)

    def cycles(self, call: Call) -> float:
        return self._found(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return self._found(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (self._found(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return _stream(call, k, self.turned)

    def layout(self, call: Call, k: Constants) -> Looped:
        return self._found(call)

    def alike(self, call: Call, k: Constants) -> Hashable:
        return alike(self._found(call), k)

    def _found(self, call: Call) -> Looped:
        return looped(call, self.turned)


class TurnedConv2d(LoopedConv2d):
    """The same along the columns of the image: for kernels that are taller than wide."""

    name = "turned"
    turned = True

    def accepts(self, call: Call) -> bool:
        _, kh, kw, _ = call.inputs[1].shape
        return is_depthwise(call) and kh > kw

    @property
    def template(self) -> str:
        return LoopedConv2d().template


class DirectConv2d(Kernel):
    """One input channel per filter, for few outputs: inputs are read where they lie."""

    op = "conv2d"
    name = "direct"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        channels, columns = call.inputs[0].shape[3], call.inputs[1].shape[2]
        return is_depthwise(call) and channels >= CHANNELS and columns <= MAX_COLUMNS

    def cycles(self, call: Call) -> float:
        return direct_cycles(call)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"weight": direct_stream(direct(call), k)}

    def layout(self, call: Call, k: Constants) -> Direct:
        return direct(call)


class QuadsConv2d(Kernel):
    """One input channel per filter, small images: four channels at a time, apart from the output."""

    op = "conv2d"
    name = "quads"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Where input, output and scratch together take little more than by another kernel."""
        if not is_depthwise(call):
            return False
        strips = depthwise(call) or looped(call)
        most = max(MOST_RAM * strips.ram_bytes, WORKING_BYTES)
        if least_ram_bytes(call) > most:
            return False
        found = quads(call)
        return found is not None and found.ram_bytes <= most

    def cycles(self, call: Call) -> float:
        return _quads(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _quads(call).scratch_bytes

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"weight": quads_stream(call, k)}

    def layout(self, call: Call, k: Constants) -> Quads:
        return _quads(call)

    def alike(self, call: Call, k: Constants) -> Hashable:
        return doubled_alike(_quads(call), k)


class UprightConv2d(Kernel):
    """One input channel per filter, one row of outputs: from pairs of rows, apart from the output."""

    op = "conv2d"
    name = "upright"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Where input, output and scratch together take little more than by another kernel."""
        found = upright(call) if is_depthwise(call) else None
        if found is None or found.ram_bytes <= WORKING_BYTES:
            return found is not None
        return found.ram_bytes <= MOST_RAM * (depthwise(call) or looped(call)).ram_bytes

    def cycles(self, call: Call) -> float:
        return _upright(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _upright(call).scratch_bytes

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"weight": upright_stream(_upright(call), k)}

    def layout(self, call: Call, k: Constants) -> Upright:
        return _upright(call)

    def alike(self, call: Call, k: Constants) -> Hashable:
        return _upright(call), k["x_zero_point"]


class BandsConv2d(Kernel):
    """One input channel per filter, few taps: four channels of some rows at a time, in loops."""

    op = "conv2d"
    name = "bands"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """In little memory, or where it saves more time than it takes memory beside strips of rows."""
        found = _bands(call) if is_depthwise(call) else None
        if found is None or found.ram_bytes <= WORKING_BYTES:
            return found is not None
        strips = depthwise(call)
        other = (
            strips.all_cycles * strips.ram_bytes if strips else looped(call).cycles * looped(call).ram_bytes
        )
        return found.burden < other

    def cycles(self, call: Call) -> float:
        return _known_bands(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _known_bands(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_known_bands(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"weight": quads_stream(call, k)}

    def layout(self, call: Call, k: Constants) -> Bands:
        return _known_bands(call)

    def alike(self, call: Call, k: Constants) -> Hashable:
        return doubled_alike(_known_bands(call), k)


def _bands(call: Call) -> Bands | None:
    _, height, width, channels = call.inputs[0].shape
    _, rows, columns, n_out = call.output.shape
    window = window_of(call)
    top, _, left, _ = window.padding
    way = Way(
        height,
        width,
        channels,
        n_out // channels,
        window.kernel,
        window.stride,
        window.dilation,
        columns * n_out,
        n_out,
        call.output.size,
        (Grid(rows, columns, top, left),),
    )
    strips = depthwise(call) or looped(call)
    return bands(way, max(MOST_RAM * strips.ram_bytes, WORKING_BYTES))


def _known_bands(call: Call) -> Bands:
    """Of a call that the kernel accepts."""
    found = _bands(call)
    assert found is not None
    return found


class WholeConv2d(Kernel):
    """One input channel per filter, and a window as large as the image."""

    op = "conv2d"
    name = "whole"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        return is_depthwise(call) and whole(call) is not None

    def cycles(self, call: Call) -> float:
        return _whole(call).cycles

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"weight": whole_stream(_whole(call), k)}

    def layout(self, call: Call, k: Constants) -> Whole:
        return _whole(call)


def _whole(call: Call) -> Whole:
    """Of a call that the kernel accepts."""
    found = whole(call)
    assert found is not None
    return found


def _upright(call: Call) -> Upright:
    """Of a call that the kernel accepts."""
    found = upright(call)
    assert found is not None
    return found


def _quads(call: Call) -> Quads:
    """Of a call that the kernel accepts."""
    found = quads(call)
    assert found is not None
    return found


def is_depthwise(call: Call) -> bool:
    """Whether every filter reads a channel of its own, or some filters one."""
    return bool(call.attrs.groups == call.inputs[0].shape[3] > 1)


def _stream(call: Call, k: Constants, turned: bool) -> dict[str, Array]:
    taps = k["weight"][..., 0].transpose(0, 2, 1) if turned else k["weight"][..., 0]
    return {"weight": depthwise_stream(taps, call.attrs.groups, k["bias"], k["multiplier"])}


def _known(call: Call) -> Depthwise:
    """Of a call that the kernel accepts."""
    found = depthwise(call)
    assert found is not None
    return found


for kernel in (
    DepthwiseConv2d(),
    LoopedConv2d(),
    TurnedConv2d(),
    DirectConv2d(),
    QuadsConv2d(),
    UprightConv2d(),
    BandsConv2d(),
    WholeConv2d(),
    PointwiseConv2d(),
    PlanesConv2d(),
    ApartConv2d(),
):
    register(kernel)
