"""Is every op, in every case, the same on a core, bit for bit, and close to what it means in float?

As firmware is compiled, by the cheapest kernel. By others the same rows run in test_candidates.py, on this
machine in test_sanitizers.py; some of them run on other cores in test_other_cores.py.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields

import numpy as np
import pytest
from every import every_row
from matrix_rows import EXTREMES, ROWS, Outputs, Row

from firmnet.ir import wrapped
from firmnet.ops import OPS
from firmnet.ops.recurrent import RECURRENT_OPS

IN_MATRIX = [op for op in OPS.values() if not (op.view or op.float_only)]

ENDS = {"compare": (0, 1)}
"""Of ops that have no other results."""


def drift(row: Row) -> float:
    """By how many steps a layer may be off: one, a recurrent one more as time goes on; by any number where
    what it rounds is blown up, where states are coarse or scores bounded on purpose.
    """
    if row.op.name not in (*RECURRENT_OPS, "attention"):
        return 1.0
    wild = "saturating" in row.id or "coarse" in row.id
    steps = 4.0 * row.case.call.inputs[0].shape[1] if row.op.name in RECURRENT_OPS else 1.0
    return np.inf if wild else steps


every_op = pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in IN_MATRIX])


@every_row(ROWS)
def test_bit_exact(row: Row, matrix: Callable[[str], Outputs]) -> None:
    np.testing.assert_array_equal(matrix(row.op.name)[row.id], row.expected)


@every_row(ROWS)
def test_output_varies(row: Row) -> None:
    assert len(row.inputs) >= 100
    assert len(np.unique(row.expected)) > 1, f"{row.id} gives {row.expected.flat[0]} whatever the input"


@every_row(ROWS)
def test_integers_track_float(row: Row) -> None:
    """Within half a step of rounding the result, half a step of rounding the constants.

    A third of the inputs, and the extremes. What is no number (0 / 0) may become any. What a recurrent layer
    rounds, its next step reads.
    """
    outputs, most = row.case.call.outputs, drift(row)
    constants = [tensor.real for tensor in row.case.call.inputs if tensor.data is not None]
    some = [*range(0, len(row.inputs) - EXTREMES, 3), *range(-EXTREMES, 0)]
    for x, expected in zip(row.inputs[some], row.expected[some], strict=True):
        parts = zip(row.split(x), row.case.call.inputs, strict=False)  # activations come first
        real = [tensor.q.to_real(part) for part, tensor in parts]
        made = wrapped(row.op.run_float(row.case.call, *real, *constants), len(outputs))
        ends = np.cumsum([y.byte_count for y in outputs])
        for y, floats, held in zip(outputs, made, np.split(expected, ends[:-1]), strict=True):
            steps = floats.ravel() / y.scale + y.zero_point
            off = np.abs(np.clip(steps, y.dtype.low, y.dtype.high) - held.view(y.dtype.numpy))
            assert off[~np.isnan(steps)].max(initial=0.0) <= most


@every_row(ROWS)
def test_shape_rule_agrees(row: Row) -> None:
    call, k = row.case.call, row.op.prepare(row.case.call)
    made = wrapped(row.op.run_int(call, k, *row.split(row.inputs[0])), len(call.outputs))
    shapes = row.op.shapes(call.attrs, *[tensor.shape for tensor in call.inputs])
    assert shapes == tuple(tensor.shape for tensor in call.outputs) == tuple(y.shape for y in made)
    assert [y.dtype for y in made] == [tensor.dtype.numpy for tensor in call.outputs]


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
