"""What do kernels know of the image that a window slides over?"""

from dataclasses import dataclass

from ..ir import Call
from ..ops.windows import Pair, Window


@dataclass(frozen=True)
class WindowedImage:
    """Sizes of input (height, width, n_in) and output, and where windows lie: the first begins `top`, `left`
    outside the input.
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


def image(call: Call, window: Window) -> WindowedImage:
    """Of a call with one image (1, height, width, channels) as its input and as its output."""
    _, height, width, n_in = call.inputs[0].shape
    _, out_height, out_width, n_out = call.output.shape
    top, _, left, _ = window.padding
    sizes = height, width, n_in, out_height, out_width, n_out
    return WindowedImage(*sizes, window.kernel, window.stride, window.dilation, top, left)
