"""How do PyTorch's enlargements read? Of nearest values as places to pick."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ....ir import Tensor
from ....ops.pick import runs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
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


def positions(
    n: int, size: int | None, factor: float | None, mode: str, align: bool | None = None
) -> np.ndarray:
    """Where in a line of n values each value of the enlarged line comes from, float64."""
    line = torch.arange(n, dtype=torch.float64).reshape(1, 1, n)
    options = {} if align is None else {"align_corners": align}
    found = torch.nn.functional.interpolate(line, size, factor, mode, **options)
    made: np.ndarray = found.numpy().ravel()
    return made


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
}
