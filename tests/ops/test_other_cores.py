"""Do cores that the op matrix leaves out compute the same? Of every kernel one row, two images per core."""

import numpy as np
import pytest
from compiler_warnings import WARNINGS
from matrix_rows import EXTREMES, MACHINES, ROWS, Row
from together import together

from firmnet.devices import core
from firmnet.devices.runner import Request, from_graph
from firmnet.emulators import emulator_for
from firmnet.errors import UserError
from firmnet.kernels import choices
from firmnet.targets import Isa
from firmnet.toolchain import find

INPUTS = 12
"""Of a row, beginning with random ones; and the extremes."""


def one_of_each_kernel(isa: Isa) -> list[Row]:
    """Of the rows that a kernel is chosen for the one with some hundred outputs, or nearest to that."""
    rows: dict[str, Row] = {}
    for row in sorted(ROWS, key=lambda row: abs(sum(y.size for y in row.case.call.outputs) - 100)):
        label = choices(row.op.name, row.case.call, isa)[0].label
        rows.setdefault(f"{row.op.name} {label} {row.case.call.outputs[0].dtype}", row)
    return list(rows.values())


@pytest.mark.parametrize(
    ("machine", "isa"),
    [
        (MACHINES["core_m7"], Isa.DSP),
        (MACHINES["core_m33"], Isa.DSP),
        ("mps3-an547", Isa.DSP),
        ("virt", Isa.SCALAR),
    ],
    ids=["cortex-m7", "cortex-m33", "cortex-m55", "rv32imac"],
)
def test_bit_exact(machine: str, isa: Isa) -> None:
    try:
        emulator_for(machine)
        find(core.core_named(core.MACHINES[machine].core).compiler)
    except UserError as error:
        pytest.skip(str(error))
    rows = one_of_each_kernel(isa)
    assert len({row.op for row in rows}) == len({row.op for row in ROWS})
    assert [*wrong_ones(rows[::2], machine, isa), *wrong_ones(rows[1::2], machine, isa)] == []


def wrong_ones(rows: list[Row], machine: str, isa: Isa) -> list[str]:
    """Of rows that go into one image: all would not fit the flash of every machine."""
    models = together([from_graph(row.graph, isa=isa) for row in rows])
    image = core.image(models, machine, cflags=WARNINGS)
    asked = [Request(row.graph.name, np.r_[row.inputs[:INPUTS], row.inputs[-EXTREMES:]]) for row in rows]
    return [
        row.id
        for row, answer in zip(rows, image.ask(asked), strict=True)
        if not np.array_equal(answer.outputs, np.r_[row.expected[:INPUTS], row.expected[-EXTREMES:]])
    ]
