"""Is every DSP kernel that could run a row of the matrix exact, chosen or not?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matrix_rows import MACHINES, ROWS, Row, ops_of, rows_of

from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.kernels.select import choices
from firmnet.plan import plan
from firmnet.targets import Isa

CHOSEN = [0, 1, 105, -3, -2, -1]
"""Of a row's inputs: noise, faint noise, the extremes."""


def others(row: Row) -> Iterator[str]:
    """Labels of the kernels that are not the cheapest, and which the matrix therefore leaves out."""
    first, *rest = choices(row.op.name, row.case.call, Isa.DSP)
    return (way.label for way in rest if way.kernel.isa == Isa.DSP and way.kernel is not first.kernel)


def model(row: Row, name: str, label: str) -> Model:
    """The row's C with the kernel of this label."""
    graph = replace(row.graph, name=name)

    memory = plan(
        graph, isa=Isa.DSP, cascades=(), choose=lambda ways: next(way for way in ways if way.label == label)
    )
    return from_graph(graph, isa=Isa.DSP, separate_buffers=True, memory=memory)


def every_kernel(op: str) -> list[tuple[Row, str, Model]]:
    return [
        (row, label, model(row, f"m{i}_{j}", label))
        for i, row in enumerate(rows_of(op))
        for j, label in enumerate(others(row))
    ]


def wrong_ones(op: str, build: Callable[[Sequence[Model]], Runner]) -> list[str]:
    made = every_kernel(op)
    answers = build([m for _, _, m in made]).ask([Request(m.name, row.inputs[CHOSEN]) for row, _, m in made])
    return [
        f"{row.id} by {label}"
        for (row, label, _), answer in zip(made, answers, strict=True)
        if not np.array_equal(answer.outputs, row.expected[CHOSEN])
    ]


every_op = pytest.mark.parametrize("op", ops_of(row for row in ROWS if list(others(row))))


@every_op
def test_on_host(op: str) -> None:
    assert not wrong_ones(op, host.executable)


@every_op
def test_assembly_on_core(op: str) -> None:
    assert not wrong_ones(op, lambda models: core.image(models, MACHINES["core"]))
