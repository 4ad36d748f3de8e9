"""How does plain C compute a transposed convolution? Output by output: the taps that meet it."""

from dataclasses import dataclass

from ...ir import Call, Dtype
from ...ops.conv_transpose2d import phases
from ...ops.spec import Constants
from ...ops.windows import Pair
from ..spec import Kernel, register


@dataclass(frozen=True)
class Transposed:
    """`top` and `left` rows and columns are cropped; `lift` makes both a phase where they are below zero.

    At most `met` of the `kernel`'s taps meet an output, each `depth` channels of a group.
    """

    height: int
    width: int
    n_in: int
    out_height: int
    out_width: int
    n_out: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    top: int
    left: int
    lift: Pair
    met: int
    depth: int
    groups: int

    @property
    def n_out_per_group(self) -> int:
        return self.n_out // self.groups

    @property
    def list_bytes(self) -> int:
        """Of the taps that meet an output: where each reads, and where its weights begin."""
        return 2 * 4 * self.met


class ConvTranspose2d(Kernel):
    op = "conv_transpose2d"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        n_out, kh, kw, depth = call.inputs[1].shape
        pixels, (sh, sw) = call.output.size // n_out, call.attrs.stride
        looked_at, met = 14 * kh * (1 + kw / sh), kh * kw / (sh * sw)
        each_product = 3.45
        if call.inputs[0].dtype is Dtype.INT16:  # one by one
            each_product = 4 if depth <= 16 else 8
        each_pixel = 30 + looked_at + 12 * met + n_out * (22 + met * (12 + each_product * depth))
        return float(60 + pixels * each_pixel)

    def scratch_bytes(self, call: Call) -> int:
        """The taps that meet an output, and a pixel of zero points."""
        found = self.layout(call, {})
        return found.list_bytes + found.n_in * call.inputs[0].dtype.bytes

    def layout(self, call: Call, k: Constants) -> Transposed:
        _, height, width, n_in = call.inputs[0].shape
        _, out_height, out_width, n_out = call.output.shape
        _, kh, kw, depth = call.inputs[1].shape
        attrs = call.attrs
        top, _, left, _ = attrs.crop
        sh, sw = attrs.stride
        rows, columns = (max(map(len, axis)) for axis in phases(call))
        return Transposed(
            height,
            width,
            n_in,
            out_height,
            out_width,
            n_out,
            (kh, kw),
            attrs.stride,
            attrs.dilation,
            top,
            left,
            (-(min(top, 0) // sh) * sh, -(min(left, 0) // sw) * sw),
            rows * columns,
            depth,
            attrs.groups,
        )


register(ConvTranspose2d())
