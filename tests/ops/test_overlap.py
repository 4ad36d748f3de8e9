"""May an output begin as little before its input as `overlap` says? The arena holds both so."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matrix_rows import MACHINES, ROWS, Row, ops_of, rows_of
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.ir import Graph
from firmnet.kernels.spec import KERNELS
from firmnet.plan import Program, plan
from firmnet.targets import Isa

FURTHER = (4, 68)
"""Bytes beyond the least distance, by turns: any larger one must do too."""


def sharing(row: Row, isa: Isa) -> Iterator[tuple[str, int]]:
    """(activation, bytes) for every input that the output of this row may lie over, in words as planned."""
    way = row.ways[0] if isa is Isa.DSP else row.plain
    for name, distance in zip(row.graph.given, way.overlap, strict=True):
        if distance is not None:
            yield name, -(-distance // 4) * 4


def overlapping(graph: Graph, isa: Isa, activation: str, distance: int) -> Program:
    """The output at the arena's begin, the activation `distance` bytes behind it, all else after both."""
    free, y = plan(graph, isa=isa, overlap=False), graph.output
    end = max(distance + graph.tensors[activation].byte_count, graph.tensors[y].byte_count)
    end += -end % 4
    return replace(
        free,
        offsets={name: offset + end for name, offset in free.offsets.items()} | {y: 0, activation: distance},
        scratch={layer: offset + end for layer, offset in free.scratch.items()},
        arena_bytes=free.arena_bytes + end,
    )


def model(row: Row, name: str, isa: Isa, activation: str, distance: int) -> Model:
    """The row's C with the output `distance` bytes before the activation."""
    graph = replace(row.graph, name=name)
    return from_graph(graph, isa=isa, program=overlapping(graph, isa, activation, distance))


def wrong_ones(placed: Sequence[tuple[Row, Model]], build: Callable[[list[Model]], Runner]) -> list[str]:
    """Which of them do not give what the oracle says."""
    answers = build(together([m for _, m in placed])).ask([Request(m.name, row.few) for row, m in placed])
    return [
        f"{row.id} as {m.name}"
        for (row, m), answer in zip(placed, answers, strict=True)
        if not np.array_equal(answer.outputs, row.expected_of_few)
    ]


def on_host(models: list[Model]) -> Runner:
    return host.executable(models, NOT_OPTIMIZED)


def on_core(models: list[Model]) -> Runner:
    return core.image(models, MACHINES["core"], cflags=NOT_OPTIMIZED)


def every_placement(op: str, isa: Isa, further: bool) -> list[tuple[Row, Model]]:
    """At the least distance and, if they are wanted, at further ones; of DSP only what is its own kernels."""
    return [
        (row, model(row, f"{isa.value}{i}_{j}_{more}", isa, activation, distance + more))
        for i, row in enumerate(rows_of(op))
        if isa is Isa.SCALAR or row.ways[0] != row.plain
        for j, (activation, distance) in enumerate(sharing(row, isa))
        for more in ((0, FURTHER[i % len(FURTHER)]) if further else (0,))
    ]


@pytest.mark.parametrize("op", ops_of(ROWS))
def test_on_host(op: str) -> None:
    placed = [each for isa in (Isa.SCALAR, Isa.DSP) for each in every_placement(op, isa, further=True)]
    if not placed:
        pytest.skip("no kernel of its own may write over what it reads")
    assert not wrong_ones(placed, on_host)


@pytest.mark.parametrize("op", [op for op in ops_of(ROWS) if any(k.isa is Isa.DSP for k in KERNELS[op])])
def test_assembly_on_core(op: str) -> None:
    placed = every_placement(op, Isa.DSP, further=False)
    if not placed:
        pytest.skip("no kernel in assembly may write over what it reads")
    assert not wrong_ones(placed, on_core)


def test_in_place_is_wrong_where_a_distance_is_asked_for() -> None:
    """So the checks above can fail."""
    (row,) = (row for row in ROWS if row.id == "avg_pool2d-3x3_s1_pad_7_channels")
    ((activation, distance),) = sharing(row, isa=Isa.DSP)
    assert distance > 0
    assert wrong_ones([(row, model(row, "in_place", Isa.DSP, activation, 0))], on_host)
