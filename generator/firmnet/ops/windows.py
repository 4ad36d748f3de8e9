"""Which inputs does each output of a sliding window read?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Shape
from ..limits import MAX_ELEMENTS

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


@dataclass(frozen=True)
class Window:
    """A kernel sliding over a channels-last image; padding is (top, bottom, left, right)."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    def output(self, height: int, width: int) -> Pair:
        """Output (height, width); raises ValueError when a window fits nowhere."""
        top, bottom, left, right = self.padding
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise ValueError(
                f"a window of {self.kernel} with stride {self.stride}, dilation {self.dilation} and padding "
                f"{self.padding}: at least 1, and padding of at least 0, can be computed"
            )
        if (top + height + bottom) * (left + width + right) > MAX_ELEMENTS:
            raise ValueError(f"an image of {height}x{width} with padding {self.padding}: use less padding")
        return self._axis(0, height, top, bottom), self._axis(1, width, left, right)

    def taps(self, x: Array, fill: float) -> Iterator[Array]:
        """What each kernel position reads of x (1, H, W, C), row by row, `fill` outside: (1, OH, OW, C)."""
        rows, columns = self.output(x.shape[1], x.shape[2])
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        top, _, left, _ = self.padding
        reach = ((rows - 1) * sh + (kh - 1) * dh + 1, (columns - 1) * sw + (kw - 1) * dw + 1)
        size = (1, max(reach[0], top + x.shape[1]), max(reach[1], left + x.shape[2]), x.shape[3])
        padded = np.full(size, fill, x.dtype)
        padded[:, top : top + x.shape[1], left : left + x.shape[2]] = x
        for y in range(0, kh * dh, dh):
            for x0 in range(0, kw * dw, dw):
                yield padded[:, y : y + (rows - 1) * sh + 1 : sh, x0 : x0 + (columns - 1) * sw + 1 : sw]

    def read(self, rows: range, height: int) -> tuple[range, Padding] | None:
        """The rows of the image that some `rows` of the output read, and the padding these still need.

        None when all that one of them reads is padding.
        """
        top, bottom, *sides = self.padding
        start, last = (row * self.stride[0] - top for row in (rows[0], rows[-1]))
        reach = self.dilation[0] * (self.kernel[0] - 1) + 1
        if start + reach <= 0 or last >= height:
            return None
        end = min(last + reach, height + bottom)  # in ceil mode a window may go beyond
        left, right = sides
        return range(max(start, 0), min(end, height)), (max(-start, 0), max(end - height, 0), left, right)

    def taps_inside(self, height: int, width: int) -> int:
        """How many values of the image (of one channel) all windows read; of one that several read, each."""
        total = 1
        for axis, size, count in zip((0, 1), (height, width), self.output(height, width), strict=True):
            starts = (i * self.stride[axis] - self.padding[2 * axis] for i in range(count))
            steps = range(0, self.kernel[axis] * self.dilation[axis], self.dilation[axis])
            total *= sum(0 <= start + step < size for start in starts for step in steps)
        return total

    def sees_only_padding(self, height: int, width: int) -> bool:
        """Whether some window, by its dilation, steps over the whole input."""
        counts, before = self.output(height, width), (self.padding[0], self.padding[2])
        for axis, size in enumerate((height, width)):
            steps = range(0, self.kernel[axis] * self.dilation[axis], self.dilation[axis])
            starts = (i * self.stride[axis] - before[axis] for i in range(counts[axis]))
            if not all(any(0 <= start + step < size for step in steps) for start in starts):
                return True
        return False

    def _axis(self, axis: int, size: int, before: int, after: int) -> int:
        stride = self.stride[axis]
        spare = size + before + after - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        count = (-(-spare // stride) if self.ceil_mode else spare // stride) + 1
        if count < 1:
            raise ValueError(
                f"a window of {self.kernel} does not fit into {size} rows or columns with padding"
            )
        starts_behind = self.ceil_mode and (count - 1) * stride >= size + before
        return count - 1 if starts_behind else count


def is_image(shape: Shape) -> bool:
    """Whether a shape is one image, (1, height, width, channels): axis 1 counts rows that lie together."""
    return len(shape) == 4 and shape[0] == 1


def image_size(shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels of one image; raises ValueError for anything else."""
    if not is_image(shape):
        raise ValueError(f"needs one image of shape (1, height, width, channels), got {shape}")
    _, height, width, channels = shape
    return height, width, channels
