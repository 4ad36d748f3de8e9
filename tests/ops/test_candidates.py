"""Are kernels right that are not the cheapest for a call? A program may run them to keep a limit of RAM."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
from compiler_warnings import WARNINGS
from matrix_rows import EXTREMES, MACHINES, ROWS, Row, ops_of, rows_of
from together import together

from firmnet.devices import core, host
from firmnet.devices.device import side_by_side
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.kernels import Choice, choices
from firmnet.plan import plan
from firmnet.targets import Isa

INPUTS = 12
"""Of a row, beginning with random ones; and the extremes."""


def ways(row: Row) -> list[Choice]:
    return choices(row.op.name, row.case.call, Isa.DSP)


def forced(row: Row, choice: Choice, name: str, separate: bool) -> Model:
    """The row by that kernel; every value in an array of its own, or the output over what has been read."""

    def choose(found: Sequence[Choice]) -> Choice:
        return next(each for each in found if each.label == choice.label)

    graph = replace(row.graph, name=name)
    program = plan(graph, isa=Isa.DSP, cascades=(), choose=choose)
    assert [each.label for (each,) in program.choices.values()] == [choice.label]
    return from_graph(graph, isa=Isa.DSP, program=program, separate_buffers=separate)


def dearer(row: Row) -> list[Choice]:
    """But for the cheapest portable C, which runs the row on cores that have nothing else."""
    plain = choices(row.op.name, row.case.call, Isa.SCALAR)[0]
    return [choice for choice in ways(row)[1:] if choice.label != plain.label]


def candidates(op: str, separate: bool) -> Iterator[tuple[Row, Choice, Model]]:
    for i, row in enumerate(rows_of(op)):
        for j, choice in enumerate(dearer(row)):
            yield row, choice, forced(row, choice, f"m{i}_{j}", separate)


def wrong_ones(op: str, build: Callable[[list[Model]], Runner], *, separate: bool) -> list[str]:
    """Which kernels do not give what the oracle says."""
    every = list(candidates(op, separate))
    some = [np.r_[row.inputs[:INPUTS], row.inputs[-EXTREMES:]] for row, _, _ in every]
    asked = [Request(model.name, x) for (_, _, model), x in zip(every, some, strict=True)]
    answers = build([model for _, _, model in every]).ask(asked)
    return [
        f"{row.id} by {choice.label}"
        for (row, choice, _), answer in zip(every, answers, strict=True)
        if not np.array_equal(answer.outputs, np.r_[row.expected[:INPUTS], row.expected[-EXTREMES:]])
    ]


several = pytest.mark.parametrize("op", ops_of(row for row in ROWS if dearer(row)))


@several
def test_in_plain_c_under_sanitizers(op: str) -> None:
    assert not wrong_ones(
        op, lambda models: host.executable(together(models), host.SANITIZERS), separate=True
    )


@several
def test_in_one_arena_on_core(op: str) -> None:
    """Where the output overlaps the input as far as the kernel says that it may."""

    def build(models: list[Model]) -> Runner:
        return core.image(together(models), MACHINES["core"], cflags=WARNINGS)

    assert not wrong_ones(op, build, separate=False)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_portable_c_takes_every_call_and_all_have_a_price(row: Row) -> None:
    found = ways(row)
    assert any(choice.kernel.isa is Isa.SCALAR for choice in found)
    assert all(isfinite(choice.cycles) and choice.cycles > 0 for choice in found)
    assert found == sorted(found, key=lambda choice: choice.cycles)


def test_layers_of_width_one_lie_down() -> None:
    """And so does the matrix: rows of theirs run with height and width exchanged on every device."""
    lying = {row.id for row in ROWS if ways(row)[0].exchanged}
    assert {"conv2d-5x1_on_40x1", "conv2d-depthwise_5x1_s1x1_4_on_40x1"} <= lying


@pytest.mark.parametrize("row", [row for row in ROWS if row.op.exchanged(row.case.call)], ids=lambda r: r.id)
def test_an_exchanged_call_gives_the_same_bytes(row: Row) -> None:
    turned = row.op.exchanged(row.case.call)
    assert turned is not None
    assert turned.output.size == row.case.call.output.size
    assert row.op.shape(turned.attrs, *[t.shape for t in turned.inputs]) == turned.output.shape
    k = row.op.prepare(turned)
    for x, expected in zip(row.inputs[:INPUTS], row.expected, strict=False):
        (given,) = row.split(x)
        y = row.op.run_int(turned, k, given.reshape(turned.inputs[0].shape))
        assert np.array_equal(side_by_side([y[np.newaxis]])[0], expected)
