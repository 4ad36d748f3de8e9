"""Does an op compute some places along an axis, from those that they read, as its `slide` says it does?"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matrix_rows import ROWS, Row

from firmnet.ir import Array, Call, Tensor
from firmnet.ops import OPS, Slide

ALWAYS = (
    *("add", "clamp", "compare", "mul", "div", "maximum", "rescale", "table", "transpose"),
    *("conv2d", "max_pool2d", "avg_pool2d", "linear", "softmax", "layer_norm", "slice", "pad", "pick"),
    "embedding",
)
"""Ops of which some row works alike along some axis."""


def slides(row: Row) -> list[tuple[int, Slide]]:
    """Axes with more than one place along which the row works alike, and how."""
    call = row.case.call
    given = [t for t in call.inputs if t.data is None]
    found = []
    for axis, size in enumerate(given[0].shape):
        if size > 1 and all(t.shape[axis : axis + 1] == (size,) for t in given):
            slide = row.op.slide(call, axis)
            if slide and len(call.outputs) == 1:
                found.append((axis, slide))
    return found


def inside(row: Row, axis: int, slide: Slide) -> range:
    """Places of the output that read no padding."""
    size, places = row.case.call.inputs[0].shape[axis], row.case.call.output.shape[slide.axis]
    first = max(-(slide.first // slide.step), 0)
    return range(first, min((size - slide.reach - slide.first) // slide.step + 1, places))


def sized(tensor: Tensor, axis: int, size: int) -> Tensor:
    return replace(tensor, shape=(*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]))


@cache
def whole(row_id: str) -> Array:
    row = next(row for row in ROWS if row.id == row_id)
    inputs = row.split(row.inputs[0])
    made = row.op.run_int(row.case.call, row.op.prepare(row.case.call), *inputs)
    return np.asarray(made)


def check(row: Row, axis: int, slide: Slide, some: range) -> None:
    call = row.case.call
    start = some[0] * slide.step + slide.first
    read = range(start, start + (len(some) - 1) * slide.step + slide.reach)
    inputs = [np.take(x, read, axis) for x in row.split(row.inputs[0])]
    tensors = tuple(sized(t, axis, len(read)) if t.data is None else t for t in call.inputs)
    attrs = row.op.slid(call, axis, len(some))
    part = Call(attrs, tensors, (sized(call.output, slide.axis, len(some)),))
    assert row.op.shape(attrs, *(t.shape for t in tensors)) == part.output.shape
    made = row.op.run_int(part, row.op.prepare(part), *inputs)
    np.testing.assert_array_equal(made, np.take(whole(row.id), some, slide.axis))


@pytest.mark.parametrize("op", sorted(OPS))
def test_places_alone_are_those_of_the_whole(op: str) -> None:
    tried = 0
    for row in ROWS:
        if row.op.name != op:
            continue
        for axis, slide in slides(row):
            places = inside(row, axis, slide)
            for some in (places, places[:1], places[-1:], places[1:]):
                if len(some):
                    check(row, axis, slide, some)
                    tried += 1
    assert tried or op not in ALWAYS
