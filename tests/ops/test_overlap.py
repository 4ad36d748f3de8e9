"""May an output begin as little before its input as `overlap` says? The arena holds both so."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from matrix_rows import MACHINES, ROWS, Row, ops_of, rows_of
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.ir import Graph
from firmnet.kernels import choices
from firmnet.plan import Program, plan
from firmnet.targets import Isa

FURTHER = (4, 68)
"""Bytes beyond the least distance, by turns: any larger one must do too."""


def sharing(row: Row, isa: Isa) -> Iterator[tuple[str, int]]:
    """(activation, bytes) for every input that the output of this row may lie over, in words as planned."""
    call = row.case.call
    for name, distance in zip(row.graph.given, choices(row.op.name, call, isa)[0].overlap, strict=True):
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
    answers = build([m for _, m in placed]).ask([Request(m.name, row.inputs[:5]) for row, m in placed])
    return [
        f"{row.id} as {m.name}"
        for (row, m), answer in zip(placed, answers, strict=True)
        if not np.array_equal(answer.outputs, row.expected[:5])
    ]


def on_host(models: list[Model]) -> Runner:
    return host.executable(together(models), NOT_OPTIMIZED)


def on_core(models: list[Model]) -> Runner:
    return core.image(together(models), MACHINES["core"], cflags=NOT_OPTIMIZED)


@lru_cache(maxsize=1)
def every_placement(op: str, isa: Isa) -> list[tuple[Row, Model]]:
    """The same for the host and the core, which come one after the other."""
    return [
        (row, model(row, f"m{i}_{j}_{further}", isa, activation, distance + further))
        for i, row in enumerate(rows_of(op))
        for j, (activation, distance) in enumerate(sharing(row, isa))
        for further in (0, FURTHER[i % len(FURTHER)])
    ]


def ops_that_share(isa: Isa) -> list[str]:
    return ops_of(row for row in ROWS if list(sharing(row, isa)))


@pytest.mark.parametrize("op", ops_that_share(Isa.SCALAR))
def test_on_host_portable(op: str) -> None:
    assert not wrong_ones(every_placement(op, Isa.SCALAR), on_host)


@pytest.mark.parametrize("op", ops_that_share(Isa.DSP))
def test_on_host_dsp_kernels(op: str) -> None:
    assert not wrong_ones(every_placement(op, Isa.DSP), on_host)


@pytest.mark.parametrize("op", ops_that_share(Isa.DSP))
def test_assembly_on_core(op: str) -> None:
    assert not wrong_ones(every_placement(op, Isa.DSP), on_core)


def test_in_place_is_wrong_where_a_distance_is_asked_for() -> None:
    """So the checks above can fail."""
    (row,) = (row for row in ROWS if row.id == "avg_pool2d-3x3_s1_pad_7_channels")
    ((activation, distance),) = sharing(row, isa=Isa.DSP)
    assert distance > 0
    assert wrong_ones([(row, model(row, "in_place", Isa.DSP, activation, 0))], on_host)
