"""May the output of a kernel begin where its op says, in the memory of an input?"""

from functools import cache

import numpy as np
import pytest
from matrix_rows import ROWS, Outputs, Row

from firmnet.devices.host import executable
from firmnet.devices.runner import Request, from_graph
from firmnet.plan import ALIGNMENT, plan

OVERLAPPING = [row for row in ROWS if any(d is not None for d in row.op.overlap(row.case.call, dsp=True))]


@cache
def outputs() -> Outputs:
    """What the C twins of the DSP kernels make of every row, in one arena."""
    models = [from_graph(row.graph, dsp=True) for row in OVERLAPPING]
    answers = executable(models).ask([Request(row.graph.name, row.inputs) for row in OVERLAPPING])
    return {row.id: answer.outputs for row, answer in zip(OVERLAPPING, answers, strict=True)}


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in OVERLAPPING])
def test_output_in_the_memory_of_an_input(row: Row) -> None:
    np.testing.assert_array_equal(outputs()[row.id], row.expected)


def test_most_plans_do_overlap() -> None:
    """Otherwise the rows above would say little."""
    sharing = [row for row in OVERLAPPING if _shares(row)]
    assert len(sharing) > len(OVERLAPPING) / 2


def _shares(row: Row) -> bool:
    """Whether the output lies exactly as far before an input as the op allows, and meets it."""
    offsets = plan(row.graph, dsp=True).offsets
    y = row.case.call.output
    distances = zip(row.graph.inputs, row.op.overlap(row.case.call, dsp=True), strict=True)
    return any(
        distance is not None
        and offsets[x] - offsets[y.name] == -(-distance // ALIGNMENT) * ALIGNMENT < y.size
        for x, distance in distances
    )
