"""May an op trade places with a transpose as its `remap` says? op(T(u)) must be T(op'(u))."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from every import every_row
from matrix_rows import EXTREMES, ROWS, Row

from firmnet.interpret import run_int
from firmnet.ir import Array, Call, Dtype, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.batch_norm import BatchNormAttrs

ANY_ORDER = (
    *(
        "add",
        "argmax",
        "argsort",
        "clamp",
        "compare",
        "concat",
        "matmul",
        "mul",
        "normalize",
        "pad",
        "pick",
        "reduce",
        "rescale",
        "slice",
        "softmax",
        "sort",
        "transpose",
    ),
)
"""Ops that trade places with every transpose."""


def orders(row: Row) -> list[Shape]:
    """Permutations of the axes for which the op has a remap."""
    call = row.case.call
    every = permutations(range(len(call.inputs[0].shape)))
    return [order for order in every if row.op.remap(call.attrs, order) is not None]


def moved(row: Row, order: Shape) -> Call:
    """The call with its activations stored so that transposing them by `order` gives the row's own."""
    call = row.case.call
    back = np.argsort(order)
    inputs = tuple(
        t if t.data is not None and not row.op.carries else stored(t, tuple(back)) for t in call.inputs
    )
    attrs = row.op.remap(call.attrs, order)
    shape = row.op.shape(attrs, *[t.shape for t in inputs])
    return Call(attrs, inputs, (replace(call.output, shape=shape),))


def stored(tensor: Tensor, order: Shape) -> Tensor:
    """An activation, or a constant that is handed on as one."""
    data = None if tensor.data is None else tensor.data.transpose(order)
    return replace(tensor, shape=tuple(tensor.shape[i] for i in order), data=data)


def restored(y: Array, order: Shape) -> Array:
    return y.transpose(order)


@every_row(ROWS)
def test_integers(row: Row) -> None:
    """The same, but for a step where one axis is done, and rounded, before the other."""
    wide = Dtype.INT16 in (row.case.call.inputs[0].dtype, row.case.call.outputs[0].dtype)
    steps = 1 if row.op.name == "interpolate" and wide else 0
    given = [row.split(x) for x in row.inputs[-EXTREMES:]]
    answers = [run_int(row.graph, *parts) for parts in given]
    for order in orders(row):
        call = moved(row, order)
        k = row.op.prepare(call)
        for parts, expected in zip(given, answers, strict=True):
            u = [part.transpose(np.argsort(order)) for part in parts]
            y = restored(row.op.run_int(call, k, *u), order)
            assert np.abs(y.astype(np.int64) - expected).max() <= steps, order


@every_row(ROWS)
def test_float(row: Row) -> None:
    constants = [tensor.real for tensor in row.case.call.inputs if tensor.data is not None]
    parts = [part.astype(np.float64) for part in row.split(row.inputs[0])]
    expected = row.op.run_float(row.case.call, *parts, *constants)
    for order in orders(row):
        u = [part.transpose(np.argsort(order)) for part in parts]
        call = moved(row, order)
        real = [tensor.real for tensor in call.inputs if tensor.data is not None]
        y = restored(row.op.run_float(call, *u, *real), order)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-9, err_msg=f"{order}")


@pytest.mark.parametrize("op", ANY_ORDER)
def test_trades_with_every_transpose(op: str) -> None:
    for row in (row for row in ROWS if row.op.name == op):
        rank = len(row.case.call.inputs[0].shape)
        assert len(orders(row)) == len(list(permutations(range(rank))))


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d", "interpolate"])
def test_pooling_trades_height_and_width(op: str) -> None:
    for row in (row for row in ROWS if row.op.name == op):
        assert orders(row) == [(0, 1, 2, 3), (0, 2, 1, 3)]


def test_linear_trades_when_features_stay_last() -> None:
    (row,) = (row for row in ROWS if row.id == "linear-rank4_6x9")
    assert orders(row) == [(*order, 3) for order in permutations(range(3))]


def test_batch_norm_follows_its_axis() -> None:
    op, rng = OPS["batch_norm"], np.random.default_rng(0)
    u, scale, shift = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=4), rng.normal(size=4)
    for order in permutations(range(4)):
        attrs = BatchNormAttrs(order.index(2))
        call, remapped = (Call(a, (), ()) for a in (attrs, op.remap(attrs, order)))
        y = op.run_float(remapped, u, scale, shift).transpose(order)
        np.testing.assert_array_equal(op.run_float(call, u.transpose(order), scale, shift), y)
