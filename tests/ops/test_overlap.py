"""May an output begin as little before its input as `overlap` says? One buffer holds both so."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matrix_rows import MACHINES, ROWS, Row, ops_of, rows_of

from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.kernels import select
from firmnet.targets import Isa

FURTHER = (0, 4, 68)
"""Bytes beyond the least distance: any larger one must do too."""


def sharing(row: Row, isa: Isa) -> Iterator[tuple[str, int]]:
    """(activation, bytes) for every input that the output of this row may lie over, in words as planned."""
    call = row.case.call
    for name, distance in zip(row.graph.inputs, select(row.op.name, call, isa).overlap(call), strict=True):
        if distance is not None:
            yield name, -(-distance // 4) * 4


def model(row: Row, name: str, isa: Isa, activation: str, distance: int) -> Model:
    """The row's C with output and activation in one array, the output `distance` bytes before."""
    made = from_graph(replace(row.graph, name=name), isa=isa, separate_buffers=True)
    y, size = row.graph.output, row.graph.tensors[activation].size
    shared = f"static _Alignas(4) int8_t shared[{max(distance + size, row.graph.tensors[y].size)}];"
    source = made.files[f"{name}.c"]
    for tensor, begin in ((y, 0), (activation, distance)):
        declaration = re.compile(rf"static _Alignas\(4\) int8_t buffer_{tensor}\[\d+\];")
        assert declaration.search(source)
        source = declaration.sub(f"{shared}\n#define buffer_{tensor} (shared + {begin})", source)
        shared = ""
    return replace(made, files={**made.files, f"{name}.c": source})


def wrong_ones(placed: Sequence[tuple[Row, Model]], build: Callable[[list[Model]], Runner]) -> list[str]:
    """Which of them do not give what the oracle says."""
    answers = build([m for _, m in placed]).ask([Request(m.name, row.inputs[:5]) for row, m in placed])
    return [
        f"{row.id} as {m.name}"
        for (row, m), answer in zip(placed, answers, strict=True)
        if not np.array_equal(answer.outputs, row.expected[:5])
    ]


def every_placement(op: str, isa: Isa) -> list[tuple[Row, Model]]:
    return [
        (row, model(row, f"m{i}_{j}_{further}", isa, activation, distance + further))
        for i, row in enumerate(rows_of(op))
        for j, (activation, distance) in enumerate(sharing(row, isa))
        for further in FURTHER
    ]


every_op = pytest.mark.parametrize("op", ops_of(row for row in ROWS if list(sharing(row, Isa.DSP))))


@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP], ids=["portable", "dsp_kernels"])
@every_op
def test_on_host(op: str, isa: Isa) -> None:
    placed = every_placement(op, isa)
    if not placed and isa is Isa.SCALAR:
        pytest.skip(f"the portable kernels of {op} share no memory")
    assert not wrong_ones(placed, host.executable)


@every_op
def test_assembly_on_core(op: str) -> None:
    assert not wrong_ones(every_placement(op, Isa.DSP), lambda models: core.image(models, MACHINES["core"]))


def test_in_place_is_wrong_where_a_distance_is_asked_for() -> None:
    """So the checks above can fail."""
    (row,) = (row for row in ROWS if row.id == "avg_pool2d-3x3_s1_pad_7_channels")
    ((activation, distance),) = sharing(row, isa=Isa.DSP)
    assert distance > 0
    assert wrong_ones([(row, model(row, "in_place", Isa.DSP, activation, 0))], host.executable)
