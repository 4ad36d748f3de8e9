"""Which rows of the matrix prove concat?"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Dtype, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.concat import ConcatAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, list[Shape], int]] = [
        ("channels_3_5", [(1, 4, 3, 3), (1, 4, 3, 5)], 3),
        ("image_rows_2_3", [(1, 2, 5, 3), (1, 3, 5, 3)], 1),
        ("rows_of_three", [(1, 2, 5), (1, 1, 5), (1, 3, 5)], 1),
        ("vectors", [(1, 7), (1, 2)], 1),
        ("leading_2_1_3", [(2, 3, 5), (1, 3, 5), (3, 3, 5)], 0),
        ("pixels_of_1_2_1", [(1, 7, 5, 1), (1, 7, 5, 2), (1, 7, 5, 1)], 3),
        ("channels_behind_leading_4", [(4, 2, 3, 3), (4, 2, 3, 5)], 3),
    ]
    for label, shapes, axis in rows:
        attrs = ConcatAttrs(axis)
        inputs = tuple(activation(f"x{i}", shape) for i, shape in enumerate(shapes))
        yield Case(label, Call(attrs, inputs, (activation("y", OPS["concat"].shape(attrs, *shapes)),)))
    yield from _with_constants()
    for dtype in WIDE:
        for label, shapes, axis in rows[:2]:
            attrs = ConcatAttrs(axis)
            inputs = tuple(of(dtype, f"x{i}", shape) for i, shape in enumerate(shapes))
            y = of(dtype, "y", OPS["concat"].shape(attrs, *shapes))
            yield Case(f"{label}_{dtype}", Call(attrs, inputs, (y,)))


def _with_constants() -> Iterator[Case]:
    """Label, shapes of activations and of constants, axis, places of the constants."""
    rows: list[tuple[str, list[Shape], list[Shape], int, Shape]] = [
        ("class_token", [(1, 6, 5)], [(1, 1, 5)], 1, (0,)),
        ("behind_each_of_9", [(1, 9, 3)], [(1, 9, 2)], 2, (1,)),
        ("between_and_around", [(1, 2, 5), (1, 3, 5)], [(1, 1, 5), (1, 2, 5), (1, 1, 5)], 1, (0, 2, 4)),
        ("channel_of_20_pixels", [(1, 4, 5, 2)], [(1, 4, 5, 1)], 3, (0,)),
        ("before_leading_3", [(3, 2, 4)], [(2, 2, 4)], 0, (0,)),
    ]
    for dtype in Dtype:
        for label, shapes, constants, axis, at in rows if dtype is Dtype.INT8 else rows[:2]:
            attrs = ConcatAttrs(axis, at)
            inputs = [of(dtype, f"x{i}", shape) for i, shape in enumerate(shapes)]
            inputs += [_constant(of(dtype, f"c{i}", shape), i) for i, shape in enumerate(constants)]
            y = of(dtype, "y", OPS["concat"].shape(attrs, *[t.shape for t in inputs]))
            yield Case(f"{label}_{dtype}_constants", Call(attrs, tuple(inputs), (y,)))


def _constant(tensor: Tensor, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    values = rng.integers(tensor.dtype.low, tensor.dtype.high + 1, tensor.shape)
    return replace(tensor, data=values.astype(tensor.dtype.numpy))
