"""How does the DSP extension compute a convolution? Tiles of pixels by channels, expanded to int16 first."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...targets import Isa
from ..images import Image, image
from ..portable.conv2d import gathers
from ..spec import Kernel, register
from .depthwise import Depthwise, depthwise
from .depthwise_looped import Looped, filters, looped
from .packing import depthwise_stream, lane_order, pair_stream, worth_joining
from .tiles import Dot, Gather, Pointwise, Rows, dot, gather, pointwise, rows, rows_overlap


@dataclass(frozen=True)
class Dense:
    """`walk`: the tiles; `dot`: what each of their outputs is; `groups` of `depth` to `n_out_per_group`
    channels.
    """

    image: Image
    walk: Pointwise | Rows | Gather
    dot: Dot
    depth: int
    groups: int
    n_out_per_group: int


class _Dense(Kernel):
    """Every output is a dot product over a window that lies in one piece in scratch."""

    op = "conv2d"
    isa = Isa.DSP

    @abstractmethod
    def walk(self, call: Call) -> Pointwise | Rows | Gather:
        """How the windows are made."""

    def filters(self, call: Call, weight: Array) -> Array:
        """Filters (N, K) in the order in which a window lies in scratch."""
        return weight[..., lane_order(weight.shape[3])].reshape(len(weight), -1)

    def scratch_bytes(self, call: Call) -> int:
        return self.walk(call).scratch_bytes

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        filters, groups = self.filters(call, k["weight"]), call.attrs.groups
        joined = _joined(filters, groups)
        split = zip(*[np.split(a, groups) for a in (filters, k["bias"], k["multiplier"])], strict=True)
        return {"weight": np.concatenate([pair_stream(*group, joined=joined) for group in split]).ravel()}

    def layout(self, call: Call, k: Constants) -> Dense:
        filters, groups = self.filters(call, k["weight"]), call.attrs.groups
        n_out, _, _, depth = k["weight"].shape
        pairs = dot(-(-filters.shape[1] // 2), _joined(filters, groups))
        return Dense(image(call, window_of(call)), self.walk(call), pairs, depth, groups, n_out // groups)


class PointwiseConv2d(_Dense):
    """A 1x1 kernel without padding: pixels are read where they lie."""

    name = "pointwise"

    def accepts(self, call: Call) -> bool:
        return call.attrs.groups == 1 and not gathers(call)

    def walk(self, call: Call) -> Pointwise:
        _, height, width, channels = call.inputs[0].shape
        return pointwise(height, width, channels, call.output.shape[3], call.attrs.stride)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (self.walk(call).overlap(call.output.shape[3]),)


class RowsConv2d(_Dense):
    """Rows of the image are expanded once; without dilation every window is one run of them."""

    name = "rows"

    def accepts(self, call: Call) -> bool:
        return call.attrs.groups == 1 and call.attrs.dilation == (1, 1) and gathers(call)

    def walk(self, call: Call) -> Rows:
        return rows(call.inputs[0].shape, call.output.shape, window_of(call))

    def filters(self, call: Call, weight: Array) -> Array:
        """Column by column, with the gap behind each."""
        w = weight[..., lane_order(weight.shape[3])]
        columns = w.transpose(0, 2, 1, 3).reshape(len(w), w.shape[2], -1)
        gap = self.walk(call).column - columns.shape[2]
        return np.pad(columns, ((0, 0), (0, 0), (0, gap))).reshape(len(w), -1)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (rows_overlap(call.inputs[0].shape, call.output.shape, window_of(call)),)


class GatherConv2d(_Dense):
    """Any window: copied pixel by pixel."""

    name = "gather"

    def walk(self, call: Call) -> Gather:
        n_out, kh, kw, depth = call.inputs[1].shape
        _, out_height, out_width, _ = call.output.shape
        return gather(kh * kw * depth, n_out, call.attrs.groups, out_height * out_width)


class DepthwiseConv2d(Kernel):
    """One input channel per filter, all taps in straight code."""

    op = "conv2d"
    name = "depthwise"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Where the code is small enough, and faster than loops."""
        found = depthwise(call) if is_depthwise(call) else None
        return found is not None and found.all_cycles <= looped(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _known(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_known(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return _stream(call, k)

    def layout(self, call: Call, k: Constants) -> Depthwise:
        return _known(call)


class LoopedConv2d(Kernel):
    """One input channel per filter, in loops: any kernel, dilation and number of channels."""

    op = "conv2d"
    name = "looped"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        return is_depthwise(call)

    def scratch_bytes(self, call: Call) -> int:
        return looped(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (looped(call).overlap(),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return _stream(call, k)

    def layout(self, call: Call, k: Constants) -> Looped:
        return looped(call)


def is_depthwise(call: Call) -> bool:
    """Whether every filter reads a channel of its own, or some filters one."""
    return bool(call.attrs.groups == call.inputs[0].shape[3] > 1)


def _stream(call: Call, k: Constants) -> dict[str, Array]:
    taps, channels = filters(call, k["weight"]), call.attrs.groups
    return {"weight": depthwise_stream(taps, channels, k["bias"], k["multiplier"])}


def _known(call: Call) -> Depthwise:
    """Of a call that the kernel accepts."""
    found = depthwise(call)
    assert found is not None
    return found


def _joined(filters: Array, groups: int) -> bool:
    return all(worth_joining(group) for group in np.split(filters, groups))


for kernel in (DepthwiseConv2d(), LoopedConv2d(), PointwiseConv2d(), RowsConv2d(), GatherConv2d()):
    register(kernel)
