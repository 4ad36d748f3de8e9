"""How does plain C compute a convolution? A window is copied into scratch, and met by every filter."""

from dataclasses import dataclass

from ...ir import Call, Dtype
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ..images import WindowedImage, image
from ..spec import Kernel, register


@dataclass(frozen=True)
class Convolution:
    """`gathers`: windows are copied; `depth` channels of a group, `taps` places of the kernel."""

    image: WindowedImage
    gathers: bool
    taps: int
    depth: int
    groups: int
    n_out_per_group: int


class Conv2d(Kernel):
    op = "conv2d"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        """Fitted to GCC's code: windows are copied by taps; in groups each is a dot product of its own."""
        n_out, kh, kw, depth = call.inputs[1].shape
        pixels, taps, groups = call.output.size // n_out, kh * kw, call.attrs.groups
        inside = window_of(call).taps_inside(*call.inputs[0].shape[1:3]) if gathers(call) else 0
        around = pixels * taps - inside if gathers(call) else 0
        each_tap = 0.0 if groups == 1 else 1.4 + 1.5 * (taps > 9) + 2.2 * (taps > 25)
        each_product = 3.45 if groups == 1 else 3.95
        if call.inputs[0].dtype is Dtype.INT16:  # one by one
            each_product = (5 if taps * depth <= 16 else 8) if groups == 1 else 5.3 if taps <= 9 else 8.7
        dots = pixels * n_out * (14.5 + taps * (each_tap + each_product * depth))
        return 40 + 5 * inside + 34 * around + dots

    def scratch_bytes(self, call: Call) -> int:
        _, kh, kw, _ = call.inputs[1].shape
        x = call.inputs[0]
        return kh * kw * x.shape[3] * x.dtype.bytes if gathers(call) else 0

    def layout(self, call: Call, k: Constants) -> Convolution:
        n_out, kh, kw, depth = call.inputs[1].shape
        groups = call.attrs.groups
        where = image(call, window_of(call))
        return Convolution(where, gathers(call), kh * kw, depth, groups, n_out // groups)


def gathers(call: Call) -> bool:
    """Whether windows must be copied; those of a 1x1 kernel without padding are read where they lie."""
    return call.inputs[1].shape[1:3] != (1, 1) or any(call.attrs.padding)


register(Conv2d())
