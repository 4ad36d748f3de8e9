"""Is every op, in every case, the same everywhere, bit for bit, and close to what it means in float?"""

from collections.abc import Callable
from dataclasses import MISSING, fields

import numpy as np
import pytest
from matrix_rows import MACHINES, ROWS, Outputs, Row

from firmnet.ops import OPS

IN_MATRIX = [op for op in OPS.values() if not (op.view or op.float_only)]

ENDS = {"compare": (0, 1)}
"""Of ops that have no other results."""

every_row = pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
every_op = pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in IN_MATRIX])


@pytest.mark.parametrize("device", ["host", *MACHINES])
@every_row
def test_bit_exact(row: Row, device: str, matrix: Callable[[str, str], Outputs]) -> None:
    np.testing.assert_array_equal(matrix(device, row.op.name)[row.id], row.expected)


@every_row
def test_output_varies(row: Row) -> None:
    assert len(row.inputs) >= 100
    assert len(np.unique(row.expected)) > 1, f"{row.id} gives {row.expected.flat[0]} whatever the input"


@every_row
def test_integers_track_float(row: Row) -> None:
    """Within half a step of rounding the result, half a step of rounding the constants.

    What is no number (0 / 0) may become any.
    """
    y = row.case.call.output
    constants = [tensor.real for tensor in row.case.call.inputs if tensor.data is not None]
    for x, expected in zip(row.inputs, row.expected.view(y.dtype.numpy), strict=True):
        parts = zip(row.split(x), row.case.call.inputs, strict=False)  # activations come first
        real = [tensor.q.to_real(part) for part, tensor in parts]
        steps = row.op.run_float(row.case.call, *real, *constants).ravel() / y.scale + y.zero_point
        off = np.abs(np.clip(steps, y.dtype.low, y.dtype.high) - expected)
        assert off[~np.isnan(steps)].max(initial=0.0) <= 1.0


@every_row
def test_shape_rule_agrees(row: Row) -> None:
    call, k = row.case.call, row.op.prepare(row.case.call)
    y = row.op.run_int(call, k, *row.split(row.inputs[0]))
    assert row.op.shape(call.attrs, *[tensor.shape for tensor in call.inputs]) == call.output.shape == y.shape
    assert y.dtype == call.output.dtype.numpy


@every_op
def test_cases_reach_both_ends(op: type) -> None:
    values = np.concatenate([row.expected.ravel() for row in ROWS if row.op is op])
    assert (values.min(), values.max()) == ENDS.get(op.name, (-128, 127))


@every_op
def test_cases_use_every_option(op: type) -> None:
    """Each option has, in some case, a value that is not its default; without a default, two values."""
    used = [row.case.call.attrs for row in ROWS if row.op is op]
    assert len(used) >= 3
    for option in fields(op.attrs):
        values = {getattr(attrs, option.name) for attrs in used}
        assert len(values - {option.default}) >= (2 if option.default is MISSING else 1), option.name


@every_op
def test_cases_have_an_odd_size(op: type) -> None:
    shapes = [tensor.shape for row in ROWS if row.op is op for tensor in row.case.call.inputs]
    assert any(size % 2 and size > 1 for shape in shapes for size in shape)
