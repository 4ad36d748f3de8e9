"""On which devices does the op matrix run? All rows of an op in one image per device."""

from collections.abc import Callable, Sequence
from functools import cache

import pytest
from compiler_warnings import WARNINGS
from matrix_rows import MACHINES, Outputs, Row, rows_of
from together import together

from firmnet.devices import core
from firmnet.devices.runner import Request, from_graph
from firmnet.targets import Isa


def on_core(rows: Sequence[Row]) -> Outputs:
    """As firmware is compiled."""
    models = together([from_graph(row.graph, isa=Isa.DSP) for row in rows])
    image = core.image(models, MACHINES["core"], cflags=WARNINGS)
    answers = image.ask([Request(row.graph.name, row.inputs) for row in rows])
    return {row.id: answer.outputs for row, answer in zip(rows, answers, strict=True)}


@pytest.fixture(scope="session")
def matrix() -> Callable[[str], Outputs]:
    """Op → row id → outputs int8 (N, bytes); built and run once, only for ops that are asked for.

    An image per op: an op that changes is compiled anew alone, however many there are.
    """
    return cache(lambda op: on_core(rows_of(op)))
