"""Which calls prove the rules of enlargements, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X

LINE, VOLUME = (1, 4, 9), (1, 2, 3, 4, 5)

CALLS: list[Call] = [
    ("upsample_nearest1d.vec", LINE, (X, None, [3.0])),
    ("upsample_nearest1d.vec", LINE, (X, [25], None)),
    ("upsample_nearest2d.vec", IMAGE, (X, None, [2.0, 3.0])),
    ("upsample_nearest2d.vec", IMAGE, (X, None, [1.7, 0.6])),
    ("upsample_nearest2d.vec", IMAGE, (X, [13, 20], None)),
    ("upsample_nearest3d.vec", VOLUME, (X, None, [2.0, 1.0, 2.0])),
    ("_upsample_nearest_exact1d.vec", LINE, (X, None, [2.5])),
    ("_upsample_nearest_exact2d.vec", IMAGE, (X, [5, 17], None)),
    ("_upsample_nearest_exact3d.vec", VOLUME, (X, None, [1.5, 1.5, 1.5])),
    ("upsample_linear1d.vec", LINE, (X, None, False, [2.0])),
    ("upsample_linear1d.vec", LINE, (X, [30], True, None)),
    ("upsample_bilinear2d.vec", IMAGE, (X, None, False, [2.0, 3.0])),
    ("upsample_bilinear2d.vec", IMAGE, (X, None, True, [2.0, 2.0])),
    ("upsample_bilinear2d.vec", IMAGE, (X, None, False, [1.7, 0.6])),
    ("upsample_bilinear2d.vec", IMAGE, (X, [13, 5], False, None)),
    ("upsample_bilinear2d.vec", IMAGE, (X, [1, 20], True, None)),
    ("upsample_trilinear3d.vec", VOLUME, (X, None, False, [2.0, 1.0, 1.5])),
    ("upsample_trilinear3d.vec", (2, *VOLUME[1:]), (X, [5, 2, 7], True, None)),
    ("upsample_bilinear2d.vec", (2, 3, 4, 5), (X, None, False, [2.0, 2.0])),
]

REFUSED: list[Refused] = [
    ("upsample_nearest2d.vec", IMAGE, (X, None, None), "neither a size nor a factor"),
]
