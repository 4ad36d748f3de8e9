"""Do cores that the op matrix leaves out compute the same? Of every kernel one row.

Cores with the DSP extension take every third kernel each: all rows run on the M4 of the matrix, and on all of
these cores in `make rows`.
"""

import pytest
from compiler_warnings import WARNINGS
from forced import Way, wrong_ones
from matrix_rows import ROWS
from other_cores import OTHER_CORES

from firmnet.devices import core
from firmnet.devices.runner import Model, Runner
from firmnet.errors import UserError
from firmnet.kernels.spec import KERNELS
from firmnet.targets import Isa


def one_of_each_kernel(isa: Isa) -> list[Way]:
    """Of the rows that a kernel is chosen for the one with some hundred outputs, or nearest to that.

    A kernel that is the cheapest of none: of those that it can compute.
    """
    ways: dict[str, Way] = {}
    rows = sorted(ROWS, key=lambda row: abs(sum(y.size for y in row.case.call.outputs) - 100))
    for row in rows:
        way = row.ways[0] if isa is Isa.DSP else row.plain
        ways.setdefault(f"{way.label} {row.case.call.outputs[0].dtype}", (row, way))
    chosen = {way.kernel.label for _, way in ways.values()}
    for row in rows:
        for way in row.ways:
            if way.kernel.label not in chosen and way.kernel.isa <= isa:
                ways.setdefault(way.kernel.label, (row, way))
    return list(ways.values())


@pytest.mark.parametrize(
    ("other", "some"),
    [
        ("cortex-m3", slice(None)),
        ("cortex-m7", slice(0, None, 3)),
        ("cortex-m33", slice(1, None, 3)),
        ("cortex-m55", slice(2, None, 3)),
        ("rv32imac", slice(None)),
    ],
    ids=[*OTHER_CORES],
)
def test_bit_exact(other: str, some: slice) -> None:
    this = OTHER_CORES[other]
    try:
        this.require()
    except UserError as error:
        pytest.skip(str(error))

    def build(models: list[Model]) -> Runner:
        return core.image(models, this.machine, cflags=(*WARNINGS, *this.cflags))

    ways = one_of_each_kernel(this.isa)
    assert {way.kernel for _, way in ways} == {k for op in KERNELS.values() for k in op if k.isa <= this.isa}
    ways = ways[some]
    halves = ways[::2], ways[1::2]  # all would not fit the flash of every machine
    assert [wrong for half in halves for wrong in wrong_ones([], half, build)] == []
