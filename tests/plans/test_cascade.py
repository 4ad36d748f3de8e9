"""Does every piece of a cascade find the rows that it reads, and are limits kept as cheaply as can be?"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from casework import activation, bias, weight

from firmnet.errors import UserError
from firmnet.ir import Array, Graph, Node, Port, Tensor, check
from firmnet.kernels import Choice
from firmnet.ops import OPS
from firmnet.ops.add import AddAttrs
from firmnet.ops.avg_pool2d import AvgPool2dAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.mul import MulAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.plan import STACK_BYTES, Cascade, Piece, Program, Striper, arena, plan
from firmnet.plan.cascade import ALIGNMENT, CALL_CYCLES, MOVED_CYCLES, READ_CYCLES
from firmnet.plan.choice import FREE_CYCLES_PER_MAC, Search
from firmnet.targets import Isa

Image = tuple[int, int, int]
"""Height, width, channels."""
JUNK = -1


class Layers:
    """A graph of real ops that grows layer by layer; every method gives the name of its output."""

    def __init__(self, **inputs: Image) -> None:
        self.tensors = {name: activation(name, (1, *image)) for name, image in inputs.items()}
        self.inputs, self.nodes = tuple(inputs), list[Node]()

    def image(self, x: str) -> Image:
        height, width, channels = self.tensors[x].shape[1:]
        return height, width, channels

    def conv(
        self,
        x: str,
        n_out: int,
        kernel: tuple[int, int] = (1, 1),
        *,
        stride: int = 1,
        pad: tuple[int, int] = (0, 0),
        dilation: int = 1,
        groups: int = 1,
    ) -> str:
        attrs = Conv2dAttrs((stride, stride), (pad[0], pad[0], pad[1], pad[1]), (dilation, dilation), groups)
        w = weight(self._name("w"), (n_out, *kernel, self.image(x)[2] // groups), len(self.nodes))
        c = bias(self._name("b"), self.tensors[x], w, len(self.nodes))
        return self._layer("conv2d", attrs, x, constants=(w, c))

    def depthwise(self, x: str, size: int = 3, stride: int = 1) -> str:
        channels = self.image(x)[2]
        return self.conv(
            x, channels, (size, size), stride=stride, pad=(size // 2, size // 2), groups=channels
        )

    def max_pool(self, x: str, size: int, stride: int, pad: int = 0) -> str:
        return self._layer("max_pool2d", MaxPool2dAttrs((size, size), (stride, stride), (pad,) * 4), x)

    def avg_pool(self, x: str, size: int, stride: int) -> str:
        return self._layer("avg_pool2d", AvgPool2dAttrs((size, size), (stride, stride)), x)

    def mean(self, x: str) -> str:
        return self._layer("avg_pool2d", AvgPool2dAttrs(adaptive=(1, 1)), x)

    def gated(self, x: str) -> str:
        """Squeeze and excitation."""
        return self._layer("mul", MulAttrs(), x, self.conv(self.mean(x), self.image(x)[2]))

    def add(self, a: str, b: str) -> str:
        return self._layer("add", AddAttrs(), a, b)

    def concat(self, *parts: str) -> str:
        return self._layer("concat", ConcatAttrs(3), *parts)

    def clamp(self, x: str) -> str:
        return self._layer("clamp", ClampAttrs(0.0), x)

    def reshape(self, x: str, *image: int) -> str:
        return self._layer("reshape", ReshapeAttrs((1, *image)), x)

    def bottleneck(self, x: str, n_out: int, factor: int = 6, stride: int = 1) -> str:
        """MobileNetV2's: expanded, filtered, projected, and where it fits added to its input."""
        y = self.conv(self.depthwise(self.conv(x, factor * self.image(x)[2]), 3, stride), n_out)
        return self.add(x, y) if self.image(x) == self.image(y) else y

    def graph(self, output: str = "") -> Graph:
        """The last layer's output is the graph's, or this one."""
        made = Graph(
            "g",
            tuple(self.nodes),
            self.tensors,
            tuple(Port(name, name) for name in self.inputs),
            (Port("y", output or self.nodes[-1].output),),
        )
        check(made)
        return made

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def _layer(self, op: str, attrs: object, *read: str, constants: tuple[Tensor, ...] = ()) -> str:
        """ValueError when the shapes do not fit."""
        inputs = (*[self.tensors[name] for name in read], *constants)
        name = self._name(op)
        shape = OPS[op].shape(attrs, *[tensor.shape for tensor in inputs])
        self.tensors |= {tensor.name: tensor for tensor in constants} | {name: activation(name, shape)}
        self.nodes.append(Node(name, op, attrs, tuple(tensor.name for tensor in inputs), (name,)))
        return name


def random_graph(seed: int) -> Graph:
    """1 to 3 images; then windows of all kinds, sums and joins of the last few values, views between."""
    rng = np.random.default_rng(seed)
    height, width, channels = (rng.choice(n) for n in ((7, 12, 16, 21), (1, 2, 4, 7), (1, 2, 3, 4, 8)))
    image = int(height), int(width), int(channels)
    net = Layers(**dict.fromkeys("xyz"[: rng.choice([1, 1, 2, 3])], image))
    values = list(net.inputs)
    while len(net.nodes) < 3 or rng.random() < 0.88:
        with suppress(ValueError):
            values.append(random_layer(net, values, rng))
    return net.graph()


def random_layer(net: Layers, values: Sequence[str], rng: np.random.Generator) -> str:
    """ValueError when it does not fit."""

    def some(*numbers: int) -> int:
        return int(rng.choice(numbers))

    x = values[-1] if rng.random() < 0.8 else str(rng.choice(values[-3:]))
    height, width, channels = net.image(x)
    sums = [value for value in values[-4:] if net.image(value) == net.image(x)]
    joins = [value for value in values[-4:] if net.image(value)[:2] == (height, width)]
    size = (some(1, 2, 3, 3, 5), min(3, width))
    pad = (some(0, size[0] // 2), size[1] // 2)
    kinds = [
        lambda: net.conv(x, some(1, 2, 4, 6, 8), stride=some(1, 1, 2, 3)),
        lambda: net.conv(x, some(1, 3, 4, 8), size, stride=some(1, 1, 1, 2, 3), pad=pad),
        lambda: net.conv(x, 2 * channels, (3, 1), pad=(2, 0), dilation=2, groups=channels),
        lambda: net.depthwise(x, some(3, 3, 5), some(1, 1, 2)),
        lambda: net.max_pool(x, min(some(2, 3), width), some(1, 2, 3)),
        lambda: net.max_pool(x, 3, some(1, 2), pad=1),
        lambda: net.avg_pool(x, min(2, width), some(1, 2)),
        *[lambda: net.add(x, str(rng.choice(sums)))] * 3,
        lambda: net.concat(*map(str, rng.choice(joins, some(2, 3)))),
        lambda: net.clamp(x),
        lambda: net.gated(x),
        lambda: net.reshape(x, height, channels, width),
    ]
    return kinds[rng.integers(len(kinds))]()


def random_cascades(graph: Graph, isa: Isa, seed: int) -> list[Cascade]:
    """Of up to 7 layers each in stripes of 1 to 5 rows, as many as fit in a row."""
    rng, striper = np.random.default_rng(seed), Striper(graph, isa)
    found, i = list[Cascade](), 0
    while i < len(graph.nodes):
        lengths = rng.permutation(range(1, min(7, len(graph.nodes) - i) + 1))
        tries = ((int(n), int(rows)) for n in lengths for rows in rng.permutation(range(1, 6)))
        made = (striper.cascade(graph.nodes[i : i + n], rows) for n, rows in tries)
        cascade = next(filter(None, made), None) if rng.random() < 0.9 else None
        found += [cascade] if cascade else []
        i += len(cascade.nodes) if cascade else 1
    return found


class Arena:
    """Every byte of it holds which byte of which value was last written there."""

    def __init__(self, graph: Graph, program: Program) -> None:
        self.graph, self.program = graph, program
        self.bytes = np.full(program.arena_bytes, JUNK)
        self.made = {node.output: 0 for node in graph.nodes}
        self.first = dict(zip(graph.tensors, self._firsts(), strict=True))
        for node in graph.nodes:
            if OPS[node.op].view:
                self.first[node.output] = self.first[node.inputs[0]]

    def run(self) -> None:
        for name in self.graph.given:
            self._write(name, self.program.offsets[name], self._all(name))
        for step in self.program.steps:
            if step.cascade:
                self._cascade(step.cascade)
            elif step.choice:
                self._whole(step.nodes[0], step.choice)
        self._read(self.graph.output, self.program.offsets[self.graph.output], self._all(self.graph.output))
        assert all(rows == len(self._all(name)) for name, rows in self.made.items() if not self._view(name))

    def _whole(self, node: Node, choice: Choice) -> None:
        reads = [(name, self.program.offsets[name], self._all(name)) for name in self.graph.activations(node)]
        output = self._all(node.output)
        allowed, scratch = choice.overlap, choice.scratch_bytes
        self._kernel(node, reads, allowed, scratch, self.program.offsets[node.output], output)

    def _cascade(self, cascade: Cascade) -> None:
        for i, pieces in enumerate(cascade.stripes):
            for name, rows in cascade.rolling.items():
                self._move(self.program.rolling[name], rows.moved_bytes(i), rows.kept_bytes(i))
            for piece in pieces:
                self._piece(cascade, i, piece)

    def _piece(self, cascade: Cascade, i: int, piece: Piece) -> None:
        def place(name: str, row: int) -> int:
            if name in cascade.rolling:
                return self.program.rolling[name] + cascade.rolling[name].offset(row, i)
            return self.program.offsets[name] + row * self._row_bytes(name)

        node = piece.node
        reads = [
            (name, place(name, rows.start), rows)
            for name, rows in zip(self.graph.activations(node), piece.stripe.rows, strict=True)
        ]
        allowed, scratch = piece.choice.overlap, piece.choice.scratch_bytes
        assert scratch <= cascade.scratch_bytes
        if node.output in cascade.rolling:
            assert cascade.rolling[node.output].made(i) == piece.rows
        self._kernel(node, reads, allowed, scratch, place(node.output, piece.rows.start), piece.rows)

    def _kernel(
        self,
        node: Node,
        reads: Sequence[tuple[str, int, range]],
        allowed: Sequence[int | None],
        scratch_bytes: int,
        output: int,
        rows: range,
    ) -> None:
        """Where it reads and writes, and that it may: its output over an input no nearer than it says."""
        assert rows.start == self.made[node.output]
        self.made[node.output] = rows.stop
        scratch = self.program.scratch[node.name] if scratch_bytes else 0
        self.bytes[scratch : scratch + scratch_bytes] = JUNK
        end = output + len(rows) * self._row_bytes(node.output)
        for (name, begin, read), distance in zip(reads, allowed, strict=True):
            self._read(name, begin, read)
            apart = end <= begin or begin + len(read) * self._row_bytes(name) <= output
            assert apart or (distance is not None and output + distance <= begin), f"{name} is too near"
        self._write(node.output, output, rows)
        assert (self.bytes[scratch : scratch + scratch_bytes] == JUNK).all(), "scratch was overwritten"

    def _move(self, to: int, distance: int, count: int) -> None:
        """Words, from the first to the last."""
        assert to % ALIGNMENT == distance % ALIGNMENT == count % ALIGNMENT == 0
        self.bytes[to : to + count] = self.bytes[to + distance : to + distance + count].copy()

    def _write(self, name: str, begin: int, rows: range) -> None:
        self.bytes[self._bytes(begin, rows, name)] = self._content(name, rows)

    def _read(self, name: str, begin: int, rows: range) -> None:
        found = self.bytes[self._bytes(begin, rows, name)] == self._content(name, rows)
        assert found.all(), f"{name} was overwritten before its last reader"

    def _bytes(self, begin: int, rows: range, name: str) -> slice:
        end = begin + len(rows) * self._row_bytes(name)
        assert begin % ALIGNMENT == 0, f"{name} does not begin at a word"
        assert 0 <= begin <= end <= len(self.bytes)
        return slice(begin, end)

    def _content(self, name: str, rows: range) -> Array:
        row_bytes = self._row_bytes(name)
        return self.first[name] + np.arange(rows.start * row_bytes, rows.stop * row_bytes)

    def _firsts(self) -> Iterator[int]:
        total = 0
        for tensor in self.graph.tensors.values():
            yield total
            total += tensor.size

    def _row_bytes(self, name: str) -> int:
        return self.graph.tensors[name].size // len(self._all(name))

    def _all(self, name: str) -> range:
        return range(self.graph.tensors[name].shape[1])

    def _view(self, name: str) -> bool:
        producer = self.graph.producer(name)
        return producer is not None and OPS[producer.op].view


@cache
def cut(seed: int, isa: Isa) -> tuple[Graph, Program]:
    """A random graph with random cascades."""
    graph = random_graph(seed)
    return graph, plan(graph, isa=isa, cascades=random_cascades(graph, isa, seed))


@pytest.mark.parametrize("isa", [Isa.DSP, Isa.SCALAR], ids=["isa", "portable"])
def test_every_row_is_there_when_it_is_read(isa: Isa) -> None:
    for seed in range(100):
        graph, program = cut(seed, isa)
        Arena(graph, program).run()


def test_there_are_cascades_of_every_kind() -> None:
    """Else the test above says little."""
    cut_graphs = [cut(seed, Isa.DSP) for seed in range(100)]
    longer = [(g, c) for g, program in cut_graphs for c in program.cascades if len(c.nodes) > 1]
    assert {"add", "avg_pool2d", "clamp", "concat", "conv2d", "max_pool2d"} <= {
        node.op for _, cascade in longer for node in cascade.nodes
    }
    assert sum(len(cascade.nodes) > 2 for _, cascade in longer) >= 30
    assert sum(len(graph.consumers(name)) > 1 for graph, c in longer for name in c.rolling) >= 10
    assert sum(len(cascade.inputs) > 1 for _, cascade in longer) >= 10
    assert any(distance for _, cascade in longer for distance in cascade.inputs.values())
    assert any(rows.kept_bytes(len(c.stripes) - 1) for _, c in longer for rows in c.rolling.values())


def block(n_out: int = 4, stride: int = 1) -> tuple[Graph, Cascade]:
    """An inverted bottleneck on 16x16x4, in stripes of 4 rows; its values are e, d, p and, added, y."""
    net = Layers(x=(16, 16, 4))
    net.bottleneck("x", n_out, stride=stride)
    graph = net.graph()
    cascade = Striper(graph, isa=Isa.DSP).cascade(graph.nodes, 4)
    assert cascade
    return graph, cascade


def test_rows_of_an_inverted_bottleneck() -> None:
    """Of e, 384 bytes a row, the depthwise convolution reads a row before and one behind."""
    graph, cascade = block()
    e, d, p = (cascade.rolling[node.output] for node in graph.nodes[:-1])
    assert [[list(piece.rows)[:: len(piece.rows) - 1] for piece in stripe] for stripe in cascade.stripes] == [
        [[0, 4], [0, 3], [0, 3], [0, 3]],
        [[5, 8], [4, 7], [4, 7], [4, 7]],
        [[9, 12], [8, 11], [8, 11], [8, 11]],
        [[13, 15], [12, 15], [12, 15], [12, 15]],
    ]
    assert (e.starts, e.ends) == ((0, 3, 7, 11), (5, 9, 13, 16))
    assert (d.starts, d.ends) == (p.starts, p.ends) == ((0, 4, 8, 12), (4, 8, 12, 16))
    assert [rows.buffer_bytes for rows in (e, d, p)] == [6 * 384, 4 * 384, 4 * 64]
    assert [e.kept_bytes(i) for i in range(4)] == [0, 2 * 384, 2 * 384, 2 * 384]
    assert [e.moved_bytes(i) for i in range(4)] == [0, 3 * 384, 4 * 384, 4 * 384]
    assert [d.kept_bytes(i) + p.kept_bytes(i) for i in range(4)] == [0, 0, 0, 0]
    assert [e.offset(e.made(i).start, i) for i in range(4)] == [0, 2 * 384, 2 * 384, 2 * 384]
    calls, moved, read_again = 4 * 4 - 4, 3 * 2 * 384, (5 + 6 + 6 + 5 - 16) * 384
    assert cascade.extra_cycles == int(CALL_CYCLES * calls + MOVED_CYCLES * moved + READ_CYCLES * read_again)


def test_rows_of_an_inverted_bottleneck_with_stride_2() -> None:
    """An output row r reads rows 2r - 1 to 2r + 1 of e: 9 for 4, and one before them again."""
    graph, cascade = block(n_out=8, stride=2)
    e, d = (cascade.rolling[node.output] for node in graph.nodes[:-1])
    assert len(cascade.stripes) == 2
    assert (e.starts, e.ends) == ((0, 7), (8, 16))
    assert (d.starts, d.ends) == ((0, 4), (4, 8))
    assert [rows.buffer_bytes for rows in (e, d)] == [9 * 384, 4 * 192]
    assert (e.kept_bytes(1), e.moved_bytes(1), e.made(1)) == (384, 7 * 384, range(8, 16))


@pytest.mark.parametrize(
    ("n_out", "stride", "distance"),
    [
        (4, 1, 0),  # the sum takes the place of the input
        (8, 2, 0),  # behind stripe 0 are 4 · 64 bytes of output, and 8 · 64 of the input are done with
        (8, 1, 12 * 128 - 13 * 64),  # behind stripe 2
    ],
)
def test_how_far_the_output_must_be_before_the_input(n_out: int, stride: int, distance: int) -> None:
    graph, cascade = block(n_out, stride)
    assert cascade.inputs == {"x": distance}
    program = plan(graph, isa=Isa.DSP, cascades=[cascade])
    own = sum(-(-size // ALIGNMENT) * ALIGNMENT for size in program.steps[0].buffers.values())
    assert program.arena_bytes == own + max(distance + 16 * 16 * 4, graph.tensors[graph.output].size)
    Arena(graph, program).run()


def test_memory_that_is_too_near_is_seen() -> None:
    """Otherwise the checks above could not fail."""
    graph, cascade = block(n_out=8)
    good = plan(graph, isa=Isa.DSP, cascades=[cascade])
    x, e, d = good.offsets["x"], good.rolling["conv2d0"], good.rolling["conv2d1"]
    for bad in (
        replace(good, offsets={**good.offsets, "x": x - ALIGNMENT}),
        replace(good, rolling={"conv2d0": d, "conv2d1": d}),
        replace(good, scratch=dict.fromkeys(good.scratch, e + 4 * 384)),
    ):
        with pytest.raises(AssertionError, match=r"overwritten|too near"):
            Arena(graph, bad).run()


def made(net: Layers, height: int, first: int = 0, end: int | None = None, output: str = "") -> bool:
    """Whether layers first ≤ i < end can run in stripes of so many rows."""
    graph = net.graph(output)
    return Striper(graph, isa=Isa.DSP).cascade(graph.nodes[first:end], height) is not None


def chain(*images: Image) -> Layers:
    """1x1 convolutions of the first image to the channels of each other."""
    net = Layers(x=images[0])
    y = "x"
    for _, _, channels in images[1:]:
        y = net.conv(y, channels)
    return net


def test_a_value_that_is_read_elsewhere_ends_a_cascade() -> None:
    net = chain((6, 2, 4), (6, 2, 4), (6, 2, 4))
    assert made(net, 2)
    net.add("conv2d0", "conv2d1")
    assert not made(net, 2, end=2)
    assert made(net, 2, first=1)
    assert made(net, 2)  # the reader is inside


def test_the_graphs_output_ends_a_cascade() -> None:
    net = chain((6, 2, 4), (6, 2, 4), (6, 2, 4))
    assert not made(net, 2, output="conv2d0")
    assert made(net, 2, end=1, output="conv2d0")


def test_a_view_ends_a_cascade() -> None:
    net = chain((6, 2, 4), (6, 2, 4))
    net.clamp(net.reshape("conv2d0", 6, 4, 2))
    assert [made(net, 2, first, end) for first, end in ((0, 1), (0, 2), (0, 3), (1, 3), (2, 3))] == [
        *(True, False, False, False, True)
    ]


@pytest.mark.parametrize("attrs", [AvgPool2dAttrs(adaptive=(2, 1)), ReshapeAttrs((1, 56))])
def test_a_layer_that_needs_its_input_whole_ends_a_cascade(attrs: object) -> None:
    """7 rows cannot be cut to two equal parts; a vector has no rows."""
    net = chain((7, 2, 4), (7, 2, 4))
    net._layer("avg_pool2d" if isinstance(attrs, AvgPool2dAttrs) else "reshape", attrs, "conv2d0")
    assert made(net, 1, end=1)
    assert not any(made(net, height, 0, 2) for height in (1, 2))


@pytest.mark.parametrize("row_bytes", [1, 2, 3, 4, 6])
def test_stripes_begin_at_words(row_bytes: int) -> None:
    """All but the last row of every stripe but the last."""
    net = chain((9, 1, 4), (9, 1, row_bytes), (9, 1, 4))
    allowed = [height for height in range(1, 9) if height * row_bytes % ALIGNMENT == 0]
    assert [height for height in range(1, 9) if made(net, height)] == allowed


def test_rows_that_a_window_skips_do_not_shift_the_next_from_its_word() -> None:
    """Rows of 2 bytes: stripe 1 reads from row 3 on, rows 0 and 1 are done with, row 2 is never read."""
    net = Layers(x=(5, 1, 2))
    net.conv(net.clamp("x"), 4, (2, 1), stride=3)
    assert not made(net, 1)
    net = Layers(x=(5, 2, 2))
    net.conv(net.clamp("x"), 4, (2, 2), stride=3)
    assert made(net, 1)


def limits(graph: Graph, isa: Isa, count: int) -> list[int]:
    """RAM from what the smallest program needs to what layers one by one do, descending."""
    most = plan(graph, isa=isa, cascades=()).ram_bytes
    with pytest.raises(UserError) as refused:
        plan(graph, isa=isa, ram_limit_bytes=0)
    found = re.search(r" ([\d,]+) bytes of RAM", str(refused.value))
    assert found
    return np.linspace(most, int(found[1].replace(",", "")), count).astype(int).tolist()


def graphs() -> list[tuple[Graph, bool]]:
    """Graphs that need less when they are cut, for kernels of both kinds."""
    net = Layers(x=(24, 24, 3))
    y = net.conv("x", 4, (3, 3), stride=2, pad=(1, 1))
    for n_out, stride in ((4, 1), (8, 2), (8, 1)):
        y = net.bottleneck(y, n_out, stride=stride)
    net.mean(y)
    several = [net.graph(), *map(random_graph, (18, 64, 71, 143))]
    return [(graph, isa) for graph in several for isa in (Isa.DSP, Isa.SCALAR)]


@pytest.mark.parametrize(("graph", "isa"), graphs())
def test_a_limit_is_kept_and_the_tighter_it_is_the_more_it_costs(
    graph: Graph, isa: Isa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One search for all limits, for it remembers its cascades; at last a new one, that finds the same."""
    search = Search(graph, isa)
    monkeypatch.setattr(arena, "Search", lambda *_: search)
    most, *_, least = asked = limits(graph, isa, 12)
    assert least < most
    costs = []
    for limit in asked:
        program = plan(graph, isa=isa, ram_limit_bytes=limit)
        assert program.ram_bytes <= limit
        Arena(graph, program).run()
        costs.append(program.extra_cycles)
        assert bool(program.cascades) == (limit < most)
    assert costs == sorted(costs)
    with pytest.raises(UserError, match=f"{least:,} bytes of RAM .* 1 more than the limit"):
        plan(graph, isa=isa, ram_limit_bytes=least - 1)
    monkeypatch.undo()
    assert program == plan(graph, isa=isa, ram_limit_bytes=least)


def test_room_that_the_placement_wastes_is_found_elsewhere() -> None:
    """Here the cheapest steps that need no more than the limit cannot be placed in it."""
    net = Layers(x=(12, 7, 8))
    first = net.add("x", "x")
    y = net.depthwise(net.depthwise(net.add(net.add(first, first), first), 5), stride=2)
    net.conv(y, 16, (3, 1), pad=(2, 0), dilation=2, groups=8)
    for arena_bytes in range(1424, 1464, 4):
        limit = arena_bytes + STACK_BYTES[Isa.DSP]
        assert plan(net.graph(), isa=Isa.DSP, ram_limit_bytes=limit).ram_bytes <= limit


@pytest.mark.parametrize(("graph", "isa"), graphs())
def test_what_is_nearly_free_keeps_its_budget_and_saves_memory(graph: Graph, isa: Isa) -> None:
    program, one_by_one = plan(graph, isa=isa), plan(graph, isa=isa, cascades=())
    macs = sum(OPS[node.op].macs(graph.call(node)) for node in graph.nodes)
    assert program.extra_cycles <= FREE_CYCLES_PER_MAC[isa] * macs
    assert program.ram_bytes < one_by_one.ram_bytes or program == one_by_one
    assert program == plan(graph, isa=isa)


def test_something_is_nearly_free() -> None:
    assert any(plan(graph, isa=isa).cascades for graph, isa in graphs())


def test_a_refusal_names_the_layers_of_a_cascade() -> None:
    graph, _ = block()
    with pytest.raises(UserError) as refused:
        plan(graph, isa=Isa.SCALAR, ram_limit_bytes=1000)
    assert "layers 'conv2d0' to 'add3' (conv2d to add, 16x16x4 to 16x16x4)" in str(refused.value)


def test_a_graph_without_layers_has_a_plan() -> None:
    x = activation("x", (1, 10))
    assert plan(Graph("g", (), {"x": x}, (Port("x", "x"),), (Port("x", "x"),)), isa=Isa.DSP).arena_bytes == 12
