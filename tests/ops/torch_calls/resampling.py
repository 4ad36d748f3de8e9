"""Which calls prove the rules of sampling with constant weights, and which are refused?"""

from dataclasses import dataclass

import numpy as np

from firmnet.ir import Array

from .arguments import IMAGE, Call, Refused, Values, X


@dataclass(frozen=True)
class Grid(Values):
    """Places in an image, some of them outside."""

    @property
    def array(self) -> Array:
        return np.random.default_rng(sum(self.shape)).uniform(-1.3, 1.3, self.shape)


GRID = Grid((1, 5, 7, 2))

CALLS: list[Call] = [
    ("upsample_bicubic2d.vec", IMAGE, (X, None, False, [2.0, 1.7])),
    ("upsample_bicubic2d.vec", (2, 3, 4, 5), (X, [3, 9], True, None)),
    ("_upsample_bicubic2d_aa.vec", IMAGE, (X, [4, 5], False, None)),
    ("_upsample_bilinear2d_aa.vec", IMAGE, (X, None, False, [0.5, 0.6])),
    *(("grid_sampler.default", IMAGE, (X, GRID, 0, outside, False)) for outside in (0, 1, 2)),
    ("grid_sampler.default", IMAGE, (X, GRID, 0, 0, True)),
    ("grid_sampler.default", IMAGE, (X, GRID, 1, 0, False)),
    ("grid_sampler.default", (2, 3, 4, 5), (X, Grid((2, 3, 3, 2)), 0, 0, False)),
    ("grid_sampler.default", IMAGE, (X, GRID, 2, 1, False)),
]

REFUSED: list[Refused] = [
    ("grid_sampler.default", IMAGE, (X, X, 0, 0, False), "'grid' is computed by the network"),
]
