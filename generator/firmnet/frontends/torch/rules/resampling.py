"""How does PyTorch's sampling between values read where its weights are constant? PyTorch itself says them.

Such a layer is linear: what it makes of an image that is 1 at one place and 0 elsewhere are its weights.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ....ir import Array, Tensor
from ....ops.pick import FILL, runs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import require_image
from ...common.movement import reshaped, transposed
from ...common.places import picked
from .enlarging import Factors, Sizes
from .joining import from_aten_cat
from .matrices import from_aten_linear
from .pooling import from_aten_sum
from .selection import from_aten_split

MOST_AT_A_TIME = 2**22
"""Weights of a sampling that are looked at together."""


def along_each_axis(operator: str) -> Callable[..., Tensor]:
    """The rule of a resampling of images that treats height and width apart: a linear layer of each."""

    def rule(
        b: Builder,
        x: Tensor,
        output_size: Sizes,
        align_corners: bool,
        scale_factors: Factors = None,
    ) -> Tensor:
        rank = len(x.shape)
        if rank != 4:
            raise Unsupported(f"it needs images (n, channels, height, width), got {x.shape}")
        for axis in (2, 3):
            size = None if output_size is None else output_size[axis - 2]
            factor = None if scale_factors is None else scale_factors[axis - 2]
            weights = _of_an_axis(operator, x.shape[axis], size, align_corners, factor)
            order = [*(a for a in range(rank) if a != axis), axis]
            y = from_aten_linear(b, transposed(b, x, order), weights)
            x = transposed(b, y, np.argsort(order).tolist())
        return x

    return rule


def _of_an_axis(operator: str, n: int, size: int | None, aligned: bool, factor: float | None) -> Array:
    """(values of the output, n): what each takes of the n there are."""
    unit = torch.eye(n, dtype=torch.float64).reshape(1, n, 1, n)
    function = getattr(torch.ops.aten, operator).vec
    sampled = function(
        unit, None if size is None else [1, size], aligned, None if factor is None else [1.0, factor]
    )
    weights: Array = sampled.reshape(n, -1).numpy().T
    return weights


def from_aten_grid_sampler(
    b: Builder, x: Tensor, grid: Array, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Each value is a weighted sum of so many neighbours: they are picked, weighed and added up."""
    options = interpolation_mode, padding_mode, align_corners
    if len(x.shape) == 4 and x.shape[0] > 1:
        images = zip(from_aten_split(b, x, 1), np.split(grid, len(grid)), strict=True)
        return from_aten_cat(b, [from_aten_grid_sampler(b, image, own, *options) for image, own in images])
    require_image("grid_sample", x.shape)
    _, channels, height, width = x.shape
    where, weights = _neighbours(height, width, grid, options)
    count, places = where.shape
    lines = reshaped(b, x, (channels, height * width))
    near = picked(b, lines, {1: runs(where.ravel())}, name=f"{b.layer}_places")
    if count > 1 or not np.isin(weights, (0.0, 1.0)).all():
        weighed = affine(b, near, weights.ravel(), 0.0)
        near = from_aten_sum(b, reshaped(b, weighed, (channels, count, places)), 1)
    return reshaped(b, near, (1, channels, *grid.shape[1:3]))


def _neighbours(height: int, width: int, grid: Array, options: tuple[int, int, bool]) -> tuple[Array, Array]:
    """The places of an image that each sampled value is made of, and their weights: (most, values)."""
    size, values = height * width, grid.shape[1] * grid.shape[2]
    found: list[tuple[Array, Array, Array]] = []
    for first in range(0, size, step := max(1, MOST_AT_A_TIME // values)):
        count = min(step, size - first)
        unit = torch.zeros(count, size, dtype=torch.float64)
        unit[torch.arange(count), torch.arange(first, first + count)] = 1
        sampled = torch.ops.aten.grid_sampler(
            unit.reshape(1, count, height, width), torch.from_numpy(grid), *options
        )
        weights = sampled.reshape(count, values).numpy()
        place, value = np.nonzero(weights)
        found.append((place + first, value, weights[place, value]))
    place, value, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((place, value))
    place, value, weight = place[order], value[order], weight[order]
    begins = np.searchsorted(value, np.arange(values))
    nth = np.arange(len(value)) - begins[value]
    most = int(nth.max(initial=0)) + 1
    where, shares = np.full((most, values), FILL), np.zeros((most, values))
    where[nth, value], shares[nth, value] = place, weight
    return where, shares


RULES: Mapping[str, Rule] = {
    "aten.grid_sampler.default": from_aten_grid_sampler,
    **{
        f"aten.{name}.vec": along_each_axis(name)
        for name in ("upsample_bicubic2d", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa")
    },
}
