"""Which rows of the matrix prove layer_norm?"""

from collections.abc import Iterator

import numpy as np
from casework import Case, activation, mixtures, widened

from firmnet.ir import Array, Call, Dtype, QParams, Shape, Tensor
from firmnet.ops.layer_norm import LayerNormAttrs as Norm

Row = tuple[str, Shape, Norm]
ROWS: list[Row] = [
    ("tokens_7x13", (1, 7, 13), Norm((2,), (2,))),
    ("tokens_3x64", (1, 3, 64), Norm((2,), (2,))),
    ("plain_5x32", (1, 5, 32), Norm((2,))),
    ("vector_31", (1, 31), Norm((1,), (1,))),
    ("two_numbers", (2,), Norm((0,), (0,))),
    ("groups_of_two", (1, 9, 2), Norm((2,))),
    ("pixels_3x5x8", (1, 3, 5, 8), Norm((3,), (3,))),
    ("image_4x3x6", (1, 4, 3, 6), Norm((1, 2, 3), (3, 1, 2))),
    ("two_groups_of_channels", (1, 4, 3, 2, 6), Norm((1, 2, 4), (3, 4))),
    ("instance_5x4x3", (1, 5, 4, 3), Norm((1, 2))),
    ("instance_affine_7x3", (1, 7, 3), Norm((1,), (2,))),
    ("gain_of_each_group", (1, 6, 10), Norm((2,), (1,))),
    ("leading_3x4x5", (3, 4, 5), Norm((0, 2), (2,))),
    ("leading_alone", (6, 7), Norm((0,), (1,))),
    ("rms_5x24", (1, 5, 24), Norm((2,), (2,), centred=False)),
    ("rms_of_one", (1, 4, 1), Norm((2,), centred=False, eps=0.0)),
    ("rms_without_eps", (2, 40), Norm((1,), (1,), eps=0.0, centred=False)),
    ("relu", (1, 4, 17), Norm((2,), (2,), lo=0.0)),
    ("relu6", (1, 4, 16), Norm((2,), lo=0.0, hi=6.0)),
    ("large_eps", (1, 3, 12), Norm((2,), (2,), eps=0.5)),
    ("huge_eps", (1, 3, 12), Norm((2,), (2,), eps=1e20)),
    ("beside_of_nothing", (1, 3, 12), Norm((2,), (2,), beside=1e-5)),
    ("beside", (1, 3, 12), Norm((2,), (2,), eps=0.01, beside=0.3)),
    ("beside_instance_4x5x3", (1, 4, 5, 3), Norm((1, 2), eps=0.0, beside=2.0, centred=False)),
    ("huge_beside", (1, 40), Norm((1,), beside=1e9)),
    ("long_700", (1, 700), Norm((1,), (1,))),
    ("tokens_2x511", (1, 2, 511), Norm((2,), (2,))),
    ("rms_2x256", (1, 2, 256), Norm((2,), centred=False)),
    ("instance_24x24x2", (1, 24, 24, 2), Norm((1, 2), (3,))),
    ("rms_of_channels_19x5", (1, 19, 5), Norm((1,), (2,), centred=False)),
    ("rms_of_channels_17x17x3", (1, 17, 17, 3), Norm((1, 2), centred=False, lo=0.0)),
    ("all_channels_6x5", (1, 6, 5), Norm((1, 2), (2,))),
    ("planes_of_3x4x5", (1, 3, 4, 5), Norm((2, 3), (1,))),
    ("channels_first_13x3", (1, 13, 3), Norm((1,), (1,))),
    ("channels_first_and_pixels_5x4x6", (1, 5, 4, 6), Norm((1, 3), (1, 3))),
    ("rank_5", (1, 2, 3, 2, 5), Norm((3, 4), (4,))),
]


def cases() -> Iterator[Case]:
    narrow = [_row(*row, zero_point=3 - 20 * (i % 3)) for i, row in enumerate(ROWS)]
    yield from narrow
    yield _row("saturates", (1, 3, 20), Norm((2,), (2,)), y_scale=0.004)
    yield _row("far_zero_point_rms", (1, 3, 20), Norm((2,), (2,), centred=False), zero_point=-128)
    wide = ["tokens_7x13", "relu", "rms_5x24", "instance_affine_7x3", "two_numbers", "image_4x3x6"]
    wide += [
        "beside",
        "instance_5x4x3",
        "all_channels_6x5",
        "channels_first_13x3",
        "channels_first_and_pixels_5x4x6",
    ]
    yield from mixtures(narrow, wide)
    yield from (widened(case, Dtype.INT16, Dtype.INT16) for case in narrow if case.label == "relu6")


def _row(label: str, shape: Shape, attrs: Norm, zero_point: int = 3, y_scale: float = 0.03) -> Case:
    rng = np.random.default_rng(len(label))
    sizes = tuple(shape[axis] for axis in attrs.gain_axes) or (1,)
    gain, shift = constant("gain", rng.normal(1, 0.4, sizes)), constant("shift", rng.normal(0, 0.3, sizes))
    x, y = activation("x", shape, 0.05, zero_point), activation("y", shape, y_scale, -7)
    return Case(label, Call(attrs, (x, gain, shift), (y,)))


def constant(name: str, real: Array) -> Tensor:
    scale = float(np.abs(real).max()) / 2**22 or 1.0
    data = np.rint(real / scale).astype(np.int32)
    return Tensor(name, real.shape, QParams((scale,), 0, Dtype.INT32), data)
