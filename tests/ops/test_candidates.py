"""Are kernels right on a core that are not the cheapest for a call?

A program may run them to keep a limit of RAM, cores without the DSP extension run the portable ones.
"""

from math import isfinite

import numpy as np
import pytest
from compiler_warnings import WARNINGS
from every import every_row
from forced import dearer, plain, wrong_ones
from matrix_rows import MACHINES, ROWS, Row, ops_of
from together import NOT_OPTIMIZED

from firmnet.devices import core
from firmnet.devices.device import side_by_side
from firmnet.devices.runner import Model, Runner
from firmnet.kernels.spec import KERNELS
from firmnet.targets import Isa


@pytest.mark.parametrize("op", [op for op in ops_of(ROWS) if len(KERNELS[op]) > 1])
def test_in_one_arena_on_core(op: str) -> None:
    """Where the output overlaps the input as far as the kernel says that it may."""

    def build(models: list[Model]) -> Runner:
        return core.image(models, MACHINES["core"], cflags=(*WARNINGS, *NOT_OPTIMIZED))

    others = [(row, way) for row, way in plain(op) if way != row.ways[0]] + dearer(op, turn=1)
    assert others
    assert not wrong_ones([], others, build)


@every_row(ROWS)
def test_portable_c_takes_every_call_and_all_have_a_price(row: Row) -> None:
    found = row.ways
    assert any(choice.kernel.isa is Isa.SCALAR for choice in found)
    assert all(isfinite(choice.cycles) and choice.cycles > 0 for choice in found)
    assert found == sorted(found, key=lambda choice: choice.cycles)


def test_layers_of_width_one_lie_down() -> None:
    """And so does the matrix: rows of theirs run with height and width exchanged on every device."""
    lying = {row.id for row in ROWS if row.ways[0].exchanged}
    assert {"conv2d-5x1_on_40x1", "conv2d-depthwise_5x1_s1x1_4_on_40x1"} <= lying


@every_row([row for row in ROWS if row.op.exchanged(row.case.call)])
def test_an_exchanged_call_gives_the_same_bytes(row: Row) -> None:
    turned = row.op.exchanged(row.case.call)
    assert turned is not None
    assert turned.output.size == row.case.call.output.size
    assert row.op.shape(turned.attrs, *[t.shape for t in turned.inputs]) == turned.output.shape
    k = row.op.prepare(turned)
    for x, expected in zip(row.few, row.expected_of_few, strict=True):
        (given,) = row.split(x)
        y = row.op.run_int(turned, k, given.reshape(turned.inputs[0].shape))
        assert np.array_equal(side_by_side([y[np.newaxis]])[0], expected)
