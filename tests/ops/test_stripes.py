"""Are some rows of an output, computed from some rows of the inputs, what the whole call computes there?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from itertools import pairwise

import numpy as np
import pytest
from casework import Case
from every import every_row
from matrix_rows import MACHINES, ROWS, Row, ops_of
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.device import side_by_side
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.ir import Array
from firmnet.kernels.spec import KERNELS
from firmnet.ops import OPS
from firmnet.ops.spec import Stripe
from firmnet.targets import Isa

BY_ID = {row.id: row for row in ROWS}
MOST_BUILT = 2
"""So many stripes of a row are compiled, the first and the last; the oracle computes all."""
CHOSEN = [0, 1, 105, -3, -2, -1]
"""Of a row's inputs: noise, faint noise, the extremes."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a row of the matrix, and what the law says that they are."""

    whole: Row
    rows: range
    stripe: Stripe

    @cached_property
    def row(self) -> Row:
        """The stripe as a row of its own."""
        label = f"{self.whole.case.label}_{self.rows.start}_{self.rows.stop}"
        return Row(self.whole.op, Case(label, self.stripe.call))

    @property
    def inputs(self) -> list[list[Array]]:
        """For each chosen input of the whole row, the rows that this stripe reads of each activation."""
        parts = [self.whole.split(x) for x in self.whole.inputs[CHOSEN]]
        return [[x[:, r.start : r.stop] for x, r in zip(p, self.stripe.rows, strict=True)] for p in parts]

    @property
    def bytes(self) -> Array:
        """`inputs` side by side, int8 (N, bytes)."""
        return side_by_side([np.stack(parts) for parts in zip(*self.inputs, strict=True)])

    @property
    def expected(self) -> Array:
        """(N, 1, rows, width, channels)."""
        return results(self.whole.id)[:, :, self.rows.start : self.rows.stop]

    @property
    def signature(self) -> tuple[object, ...]:
        """Stripes of one row that have it are the same call."""
        shapes = [tensor.shape for tensor in (*self.stripe.call.inputs, self.stripe.call.output)]
        return self.whole.id, self.stripe.call.attrs, *shapes


@cache
def results(row_id: str) -> Array:
    """What the oracle says to the chosen inputs: (N, *output shape)."""
    row = BY_ID[row_id]
    call, k = row.case.call, row.op.prepare(row.case.call)
    return np.stack([row.op.run_int(call, k, *row.split(x)) for x in row.inputs[CHOSEN]])


def cuts(count: int) -> list[list[range]]:
    """Ways to cut `count` rows: one by one, unevenly, two by two, by threes, not at all."""
    rng = np.random.default_rng(count)
    uneven = sorted({0, *rng.integers(0, count, 1 + count // 4).tolist()})
    edges = [range(count), uneven, range(0, count, 2), range(0, count, 3), [0]]
    return [[range(a, b) for a, b in pairwise([*begins, count])] for begins in edges]


def pieces(row: Row, rows: Sequence[range]) -> list[Piece]:
    """The stripes that the row's op gives for these rows."""
    found = [(r, row.op.stripe(row.case.call, r)) for r in rows]
    return [Piece(row, r, stripe) for r, stripe in found if stripe]


def height(row: Row) -> int:
    return (*row.case.call.outputs[0].shape, 1)[1]


def distinct(row: Row, ways: int) -> list[Piece]:
    """Every different call among the stripes of the first so many cuts."""
    stripes = [piece for cut in cuts(height(row))[:ways] for piece in pieces(row, cut)]
    return list({piece.signature: piece for piece in stripes}.values())


def built(row: Row) -> list[Piece]:
    """Those that are compiled, spread evenly over all."""
    stripes = distinct(row, ways=2)
    places = np.linspace(0, len(stripes) - 1, min(len(stripes), MOST_BUILT)).round().astype(int)
    return [stripes[i] for i in places]


STRIPED = [row for row in ROWS if pieces(row, cuts(height(row))[0])]
"""Rows of the matrix of which some output row can be computed alone."""

every_op = pytest.mark.parametrize("op", ops_of(STRIPED))


@every_row(STRIPED)
def test_equals_the_same_rows_of_the_whole(row: Row) -> None:
    for cut in cuts(height(row)):
        for piece in pieces(row, cut):
            call = piece.stripe.call
            k = row.op.prepare(call)
            given = np.stack([row.op.run_int(call, k, *inputs) for inputs in piece.inputs])
            np.testing.assert_array_equal(given, piece.expected)


@every_row(STRIPED)
def test_is_the_call_with_fewer_rows(row: Row) -> None:
    call = row.case.call
    for piece in distinct(row, ways=5):
        part, read = piece.stripe.call, piece.stripe.rows
        assert row.op.shape(part.attrs, *[tensor.shape for tensor in part.inputs]) == part.output.shape
        activations = [(x, cut) for x, cut in zip(call.inputs, part.inputs, strict=True) if x.data is None]
        tensors = [(call.output, part.output), *activations]
        for (tensor, cut), rows in zip(tensors, (piece.rows, *read), strict=True):
            assert len(rows) > 0
            assert rows == range(tensor.shape[1])[rows.start : rows.stop]
            assert cut == replace(tensor, shape=(1, len(rows), *tensor.shape[2:]))
        constants = len(activations)
        assert all(a is b for a, b in zip(call.inputs[constants:], part.inputs[constants:], strict=True))


@every_row(STRIPED)
def test_later_rows_read_later_rows(row: Row) -> None:
    for cut in cuts(height(row)):
        for before, after in pairwise(pieces(row, cut)):
            for a, b in zip(before.stripe.rows, after.stripe.rows, strict=True):
                assert a.start <= b.start
                assert a.stop <= b.stop


@every_row(STRIPED)
def test_weights_are_those_of_the_whole(row: Row) -> None:
    """Of any one kernel, so that a layer's stripes, which all have the same, can share them."""
    whole = packed(row)
    for piece in built(row):
        parts = packed(piece.row)
        for label in whole.keys() & parts.keys():
            for name in {"weight", "bias", "table"} & parts[label].keys():
                np.testing.assert_array_equal(parts[label][name], whole[label][name], err_msg=label)


def packed(row: Row) -> dict[str, dict[str, Array]]:
    """Constants in flash, by each kernel that can run the row."""
    return {way.label: way.kernel.pack(way.call, row.op.prepare(way.call)) for way in row.ways}


@lru_cache(maxsize=1)
def every_stripe(op: str) -> list[Piece]:
    """Those that are compiled, for the host and the core, which come one after the other."""
    return [piece for row in STRIPED if row.op.name == op for piece in built(row)]


def by(isa: Isa, op: str) -> list[tuple[Piece, Model]]:
    """Each a model of its own; with the DSP extension only those that it has other kernels for."""
    return [
        (piece, from_graph(replace(piece.row.graph, name=f"{isa.value}_{i}"), isa=isa))
        for i, piece in enumerate(every_stripe(op))
        if isa is Isa.SCALAR or piece.row.ways[0] != piece.row.plain
    ]


def wrong_ones(every: list[tuple[Piece, Model]], build: Callable[[list[Model]], Runner]) -> list[str]:
    """Which stripes do not give what the oracle says."""
    program = build(together([model for _, model in every]))
    answers = program.ask([Request(model.name, piece.bytes) for piece, model in every])
    return [
        f"{piece.row.id} as {model.name}"
        for (piece, model), answer in zip(every, answers, strict=True)
        if not np.array_equal(answer.outputs, side_by_side([piece.expected]))
    ]


@every_op
def test_on_host(op: str) -> None:
    every = [*by(Isa.SCALAR, op), *by(Isa.DSP, op)]
    assert not wrong_ones(every, lambda models: host.executable(models, NOT_OPTIMIZED))


@pytest.mark.parametrize("op", [op for op in ops_of(STRIPED) if any(k.isa is Isa.DSP for k in KERNELS[op])])
def test_assembly_on_core(op: str) -> None:
    every = by(Isa.DSP, op)
    if not every:
        pytest.skip("no stripe of it runs in assembly")
    assert not wrong_ones(every, lambda models: core.image(models, MACHINES["core"], cflags=NOT_OPTIMIZED))


def stripe(row_id: str, rows: range) -> Stripe | None:
    row = BY_ID[row_id]
    return row.op.stripe(row.case.call, rows)


@pytest.mark.parametrize(
    ("row", "rows", "read", "padding"),
    [
        ("conv2d-3x3_pad_relu", range(1), range(2), (1, 0)),
        ("conv2d-3x3_pad_relu", range(2, 4), range(1, 5), (0, 0)),
        ("conv2d-3x3_pad_relu", range(7, 8), range(6, 8), (0, 1)),
        ("conv2d-1x1_s2_pad1", range(1, 3), range(1, 4), (0, 0)),
        ("conv2d-3x2_dilated_pad", range(1, 2), range(4), (1, 0)),
        ("conv2d-pad_larger_than_image", range(2, 3), range(1), (0, 2)),
        ("max_pool2d-3x3_s2_ceil_beyond_the_image", range(1), range(2), (0, 0)),
        ("avg_pool2d-3x3_pad_ceil", range(4, 5), range(7, 8), (0, 1)),
    ],
)
def test_reads_what_its_windows_cover(row: str, rows: range, read: range, padding: tuple[int, int]) -> None:
    found = stripe(row, rows)
    assert found is not None
    assert found.rows == (read,)
    assert found.call.attrs.padding[:2] == padding


@pytest.mark.parametrize(
    ("row", "rows"),
    [
        ("conv2d-1x1_s2_pad1", range(1)),  # nothing but padding
        ("conv2d-1x1_s2_pad1", range(2, 4)),  # the last row is
        ("avg_pool2d-adaptive_3x5", range(1)),  # windows of 3 and of 4 rows
        ("avg_pool2d-3x3_pad_ceil_valid_only", range(1, 2)),  # without the corners, another shift fits
        ("concat-image_rows_2_3", range(1)),  # rows of one input only
        ("softmax-rows_5x3x7", range(1)),  # along the rows
        ("clamp-relu_5x3", range(1)),  # no image
    ],
)
def test_none_where_rows_cannot_be_computed_alone(row: str, rows: range) -> None:
    assert stripe(row, rows) is None


@pytest.mark.parametrize(
    "op", ["add", "avg_pool2d", "clamp", "concat", "conv2d", "max_pool2d", "mul", "rescale"]
)
def test_op_has_stripes(op: str) -> None:
    assert any(row.op is OPS[op] for row in STRIPED)
