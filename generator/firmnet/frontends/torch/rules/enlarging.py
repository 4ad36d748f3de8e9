"""How do PyTorch's enlargements read? Nearest values as places to pick, linear ones as between others."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ....ir import Array, Tensor
from ....ops.interpolate import PLACE_BITS, InterpolateAttrs
from ....ops.pick import runs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import channelwise
from ...common.movement import reshaped, to_nchw, to_nhwc
from ...common.places import picked

Sizes = Sequence[int] | None
Factors = Sequence[float] | None


def nearest(mode: str) -> Callable[..., Tensor]:
    """The rule of a mode, for lines, images and volumes: which place is the nearest, PyTorch itself says."""

    def rule(b: Builder, x: Tensor, output_size: Sizes = None, scale_factors: Factors = None) -> Tensor:
        spatial = x.shape[2:]
        sizes, factors = _per_axis(spatial, output_size, scale_factors)
        along = {
            axis: runs(np.rint(positions(n, size, factor, mode)).astype(np.int64))
            for axis, n, size, factor in zip(range(2, len(x.shape)), spatial, sizes, factors, strict=True)
        }
        return picked(b, x, along)

    return rule


def from_aten_linear(
    b: Builder,
    x: Tensor,
    output_size: Sizes,
    align_corners: bool,
    scale_factors: Factors = None,
) -> Tensor:
    """Of images along height and width, of lines along their length."""
    spatial = x.shape[2:]
    sizes, factors = _per_axis(spatial, output_size, scale_factors)
    steps = [
        _steps(n, size, factor, align_corners)
        for n, size, factor in zip(spatial, sizes, factors, strict=True)
    ]
    (height, top, down), (width, left, right) = ((1, 0, 0), *steps)[-2:]
    attrs = InterpolateAttrs((height, width), (top, left), (down, right))
    return channelwise(
        b, x, len(spatial), lambda image: to_nchw(b, b.add("interpolate", attrs, to_nhwc(b, image)))
    )


def from_aten_trilinear(
    b: Builder,
    x: Tensor,
    output_size: Sizes,
    align_corners: bool,
    scale_factors: Factors = None,
) -> Tensor:
    """Of volumes: every slice as an image, then the slices, whose values lie in a row."""
    if len(x.shape) != 5:
        raise Unsupported(f"it needs volumes (n, channels, depth, height, width), got {x.shape}")
    n, channels, depth, *image = x.shape
    sizes, factors = output_size and output_size[1:], scale_factors and scale_factors[1:]
    slices = reshaped(b, x, (1, n * channels * depth, *image))
    slices = from_aten_linear(b, slices, sizes, align_corners, factors)
    height, width = slices.shape[2:]
    size, factor = output_size and output_size[0], scale_factors and scale_factors[0]
    count, first, step = _steps(depth, size or None, factor or None, align_corners)
    attrs = InterpolateAttrs((count, height * width), (first, 0), (step, 1 << PLACE_BITS))
    rows = reshaped(b, slices, (1, n * channels, depth, height * width))
    y = to_nchw(b, b.add("interpolate", attrs, to_nhwc(b, rows)))
    return reshaped(b, y, (n, channels, count, height, width))


def _steps(n: int, size: int | None, factor: float | None, align_corners: bool) -> tuple[int, int, int]:
    """How many values there are, where the first comes from, and how far they are apart, in 2^-36 of a place.

    With corners aligned the first and the last are those of the input; without, values are the middles of
    places that fill the same length.
    """
    count = size if size is not None else int(n * (factor or 1.0))
    if align_corners:
        step = (n - 1) / (count - 1) if count > 1 else 0.0
        return count, 0, round(step * 2**PLACE_BITS)
    step = n / count if factor is None else 1.0 / factor
    return count, round((step / 2 - 0.5) * 2**PLACE_BITS), round(step * 2**PLACE_BITS)


def positions(n: int, size: int | None, factor: float | None, mode: str) -> Array:
    """Where in a line of n values each value of the enlarged line comes from, float64."""
    line = torch.arange(n, dtype=torch.float64).reshape(1, 1, n)
    found: Array = torch.nn.functional.interpolate(line, size, factor, mode).numpy().ravel()
    return found


def _per_axis(
    spatial: Sequence[int], sizes: Sizes, factors: Factors
) -> tuple[Sequence[int | None], Sequence[float | None]]:
    """A size or a factor for each axis."""
    if sizes is None and factors is None:
        raise Unsupported("it has neither a size nor a factor: give it one of them")
    if sizes is None:
        return [None] * len(spatial), factors or ()
    return sizes, [None] * len(spatial)


RULES: Mapping[str, Rule] = {
    **{f"aten.upsample_nearest{n}d.vec": nearest("nearest") for n in (1, 2, 3)},
    **{f"aten._upsample_nearest_exact{n}d.vec": nearest("nearest-exact") for n in (1, 2, 3)},
    "aten.upsample_linear1d.vec": from_aten_linear,
    "aten.upsample_bilinear2d.vec": from_aten_linear,
    "aten.upsample_trilinear3d.vec": from_aten_trilinear,
}
