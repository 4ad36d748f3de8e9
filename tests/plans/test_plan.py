"""Does the arena keep every value until its last reader has run, in as little memory as can be?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import numpy as np
import pytest

from firmnet.errors import UserError
from firmnet.ir import Array, Call, Graph, Node, Port, QParams, Shape, Tensor
from firmnet.kernels import KERNELS, Kernel
from firmnet.ops import OPS, Op
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.plan import STACK_BYTES, Program, placement, plan
from firmnet.plan.cascade import ALIGNMENT
from firmnet.targets import Isa

Q = QParams((0.1,), 0)


@dataclass(frozen=True)
class StreamAttrs:
    size: int
    distances: tuple[int | None, ...]
    scratch_bytes: int = 0


class Stream(Op):
    """An op that gives values of any size."""

    name = "stream"
    attrs = StreamAttrs

    def shape(self, attrs: StreamAttrs, *inputs: Shape) -> Shape:
        return (1, attrs.size)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        raise NotImplementedError


class StreamKernel(Kernel):
    """Any kernel as the planner sees it: a distance per input, scratch."""

    op = "stream"

    def cycles(self, call: Call) -> float:
        return 0.0

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return tuple(call.attrs.distances)

    def scratch_bytes(self, call: Call) -> int:
        scratch: int = call.attrs.scratch_bytes
        return scratch


@pytest.fixture(autouse=True)
def stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "stream", Stream())
    monkeypatch.setitem(KERNELS, "stream", [StreamKernel()])


def graph_of(inputs: dict[str, int], nodes: list[Node], output: str) -> Graph:
    tensors = {name: Tensor(name, (1, size), Q) for name, size in inputs.items()}
    for node in nodes:
        shape = OPS[node.op].shape(node.attrs, *[tensors[name].shape for name in node.inputs])
        tensors[node.output] = Tensor(node.output, shape, Q)
    return Graph(
        "g", tuple(nodes), tensors, tuple(Port(name, name) for name in inputs), (Port(output, output),)
    )


def layer(name: str, *inputs: str, size: int, over: tuple[int | None, ...], scratch: int = 0) -> Node:
    return Node(name, "stream", StreamAttrs(size, over, scratch), inputs, (name,))


def random_graph(seed: int) -> Graph:
    """Branching: 1 to 3 inputs per layer, one perhaps read twice, of any distance or none, views between."""
    rng = np.random.default_rng(seed)
    inputs = {name: int(rng.integers(1, 60)) for name in "xz"[: rng.integers(1, 3)]}
    sizes, nodes = dict(inputs), list[Node]()
    for i in range(int(rng.integers(1, 12))):
        recent = list(sizes)[-4:]
        read = tuple(str(name) for name in rng.choice(recent, rng.integers(1, 4)))
        name = f"n{i}"
        if rng.random() < 0.2:
            nodes.append(Node(name, "reshape", ReshapeAttrs((1, sizes[read[0]])), read[:1], (name,)))
            sizes[name] = sizes[read[0]]
            continue
        size = int(rng.integers(1, 60))
        over = tuple(None if rng.random() < 0.2 else int(rng.integers(0, size + 9)) for _ in read)
        scratch = int(rng.integers(1, 30)) if rng.random() < 0.4 else 0
        nodes.append(layer(name, *read, size=size, over=over, scratch=scratch))
        sizes[name] = size
    return graph_of(inputs, nodes, str(rng.choice([node.output for node in nodes])))


class Arena:
    """Bytes that hold the tag of the value last written there."""

    def __init__(self, graph: Graph, program: Program) -> None:
        self.graph, self.program = graph, program
        self.bytes = np.full(program.arena_bytes, -1)
        self.roots = {name: name for name in graph.given}
        for node in graph.nodes:
            self.roots[node.output] = self.roots[node.inputs[0]] if OPS[node.op].view else node.output
        self.tags = {name: tag for tag, name in enumerate(graph.tensors)}

    def place(self, name: str, part: slice = slice(None)) -> Array:
        begin = self.program.offsets[name]
        view: Array = self.bytes[begin : begin + self.graph.tensors[name].size][part]
        return view

    def write(self, name: str, part: slice = slice(None)) -> None:
        self.place(name, part)[:] = self.tags[name]

    def read(self, name: str, part: slice = slice(None)) -> None:
        whole = self.place(name, part) == self.tags[self.roots[name]]
        assert whole.all(), f"{name} was overwritten before its last reader"

    def run(self, node: Node) -> None:
        """The most careless kernel that keeps its word: it reads a byte just before the last chance to.

        At distance d that is input byte j − d before output byte j; what lies apart is read at the end.
        """
        inputs = list(zip(node.inputs, node.attrs.distances, strict=True))
        scratch = slice(0, 0)
        if node.attrs.scratch_bytes:
            begin = self.program.scratch[node.name]
            scratch = slice(begin, begin + node.attrs.scratch_bytes)
        self.bytes[scratch] = -2
        for j in range(node.attrs.size):
            for name, distance in inputs:
                if distance is not None and distance <= j < distance + self.graph.tensors[name].size:
                    self.read(name, slice(j - distance, j - distance + 1))
            self.write(node.output, slice(j, j + 1))
        for name, distance in inputs:
            self.read(name, slice(max(0, 0 if distance is None else node.attrs.size - distance), None))
        assert (self.bytes[scratch] == -2).all(), f"{node.name} wrote over its own scratch"


def run_in_arena(graph: Graph, program: Program) -> None:
    """Every layer writes its tag in execution order; each read must find its value's tag."""
    arena = Arena(graph, program)
    for name in graph.given:
        arena.write(name)
    for node in graph.nodes:
        if not OPS[node.op].view:
            arena.run(node)
    arena.read(graph.output)


@pytest.mark.parametrize("overlap", [True, False], ids=["overlapping", "apart"])
def test_no_value_is_overwritten_before_its_last_reader(overlap: bool) -> None:
    for seed in range(200):
        graph = random_graph(seed)
        program = plan(graph, isa=Isa.DSP, overlap=overlap)
        run_in_arena(graph, program)
        assert program.lower_bound_bytes <= program.arena_bytes
        assert all(offset % ALIGNMENT == 0 for offset in program.offsets.values())
        assert all(offset % ALIGNMENT == 0 for offset in program.scratch.values())


def placed(graph: Graph, x: int) -> Program:
    """y at 0, x where it is told to be."""
    return replace(plan(graph, isa=Isa.DSP), offsets={"x": x, "y": 0}, arena_bytes=48)


def test_the_careless_kernel_sees_a_distance_that_is_too_small() -> None:
    """Otherwise the test above could not fail."""
    graph = graph_of({"x": 40}, [layer("y", "x", size=40, over=(8,))], "y")
    for distance in (0, 4):
        with pytest.raises(AssertionError, match="x was overwritten"):
            run_in_arena(graph, placed(graph, x=distance))
    run_in_arena(graph, placed(graph, x=8))


def test_one_layer_needs_exactly_its_lower_bound() -> None:
    for seed in range(300):
        graph = random_graph(seed)
        node = graph.nodes[0]
        if not OPS[node.op].view:
            inputs = {name: graph.tensors[name].size for name in graph.given}
            program = plan(graph_of(inputs, [node], node.output), isa=Isa.DSP)
            assert program.arena_bytes == program.lower_bound_bytes
            assert program.peak_layers == (node.name,)


def test_no_order_of_few_blocks_needs_less() -> None:
    """Every order of up to 6 blocks tried: the search finds the least memory."""

    def blocks(rng: np.random.Generator) -> Iterator[tuple[int, dict[int, int]]]:
        count = int(rng.integers(2, 7))
        sizes = [int(size) for size in rng.integers(1, 40, count)]
        gaps: list[dict[int, int]] = [{} for _ in sizes]
        for a in range(count):
            for b in range(a):
                if rng.random() < 0.7:
                    gaps[a][b] = sizes[a] if rng.random() < 0.6 else int(rng.integers(0, sizes[a]))
                    gaps[b][a] = sizes[b]
        return zip(sizes, gaps, strict=True)

    for seed in range(60):
        sizes, gaps = zip(*blocks(np.random.default_rng(seed)), strict=True)
        best = min(
            placement.extent(sizes, placement._stacked(order, sizes, gaps))
            for order in permutations(range(len(sizes)))
        )
        assert placement.extent(sizes, placement.place(sizes, gaps)) == best


@pytest.mark.parametrize(
    ("size", "distance", "arena_bytes"),
    [(40, 0, 40), (40, 8, 48), (24, 0, 40), (24, 12, 52), (80, 40, 80), (80, 44, 84), (80, None, 120)],
)
def test_input_sits_in_its_output(size: int, distance: int | None, arena_bytes: int) -> None:
    graph = graph_of({"x": 40}, [layer("y", "x", size=size, over=(distance,))], "y")
    assert plan(graph, isa=Isa.DSP).arena_bytes == arena_bytes


def test_a_sum_of_two_dying_inputs_takes_the_place_of_one() -> None:
    layers = [
        layer("a", "x", size=40, over=(None,)),
        layer("b", "x", size=40, over=(0,)),
        layer("sum", "a", "b", size=40, over=(0, 0)),
    ]
    assert plan(graph_of({"x": 40}, layers, "sum"), isa=Isa.DSP).arena_bytes == 80


def test_an_input_that_is_read_later_lies_apart() -> None:
    layers = [layer("a", "x", size=40, over=(0,)), layer("b", "a", "x", size=40, over=(0, 0))]
    assert plan(graph_of({"x": 40}, layers, "b"), isa=Isa.DSP).arena_bytes == 80


def test_a_view_keeps_its_memory_alive() -> None:
    view = Node("v", "reshape", ReshapeAttrs((1, 40)), ("x",), ("v",))
    layers = [
        view,
        layer("a", "x", size=40, over=(0,)),
        layer("b", "v", "a", size=40, over=(0, 0)),
    ]
    program = plan(graph_of({"x": 40}, layers, "b"), isa=Isa.DSP)
    assert program.offsets["v"] == program.offsets["x"]
    assert program.arena_bytes == 80


def test_a_chain_of_elementwise_layers_needs_one_buffer() -> None:
    chain = [layer(o, i, size=40, over=(0,)) for i, o in zip("xab", "abc", strict=True)]
    program = plan(graph_of({"x": 40}, chain, "c"), isa=Isa.DSP)
    assert program.arena_bytes == program.lower_bound_bytes == 40


@pytest.mark.parametrize("length", [1, 7, 30, 200])
def test_a_chain_takes_the_least_memory_there_is(length: int) -> None:
    """Layers that grow and shrink, none quite in place: every capacity below the arena is too small."""
    rng = np.random.default_rng(length)
    sizes = [4 * int(size) for size in rng.integers(20, 5000, length + 1)]
    names = ["x", *(f"n{i}" for i in range(length))]
    distances = [max(0, after - before) + 64 for before, after in pairwise(sizes)]
    layers = [
        layer(y, x, size=size, over=(distance,))
        for (x, y), size, distance in zip(pairwise(names), sizes[1:], distances, strict=True)
    ]
    arena_bytes = plan(graph_of({"x": sizes[0]}, layers, names[-1]), isa=Isa.DSP).arena_bytes
    assert chain_fits(sizes, distances, arena_bytes)
    assert not chain_fits(sizes, distances, arena_bytes - ALIGNMENT)


def chain_fits(sizes: list[int], distances: list[int], capacity: int) -> bool:
    """Where can each tensor begin, given where the one before it can? Only the ends of that range matter."""
    lowest, highest = 0, capacity - sizes[0]
    for before, size, distance in zip(sizes, sizes[1:], distances, strict=False):
        below = min(highest - min(distance, size), capacity - size)
        above = lowest + before
        if below < 0 and above + size > capacity:
            return False
        lowest = 0 if below >= 0 else above
        highest = capacity - size if above + size <= capacity else below
    return highest >= 0


def test_a_plan_is_the_same_every_time() -> None:
    assert plan(random_graph(7), isa=Isa.DSP) == plan(random_graph(7), isa=Isa.DSP)


def test_a_limit_that_holds_changes_nothing() -> None:
    graph = random_graph(7)
    program = plan(graph, isa=Isa.DSP)
    assert plan(graph, isa=Isa.DSP, ram_limit_bytes=program.arena_bytes + STACK_BYTES[Isa.DSP]) == program


def test_a_limit_too_low_names_the_layer_and_the_bytes() -> None:
    layers = [layer("small", "x", size=40, over=(None,)), layer("big", "small", size=400, over=(None,))]
    graph = graph_of({"x": 40}, layers, "big")
    with pytest.raises(
        UserError, match=r"888 bytes of RAM .* 12 more than the limit of 876.*'big'.* 40 to 400"
    ):
        plan(graph, isa=Isa.DSP, ram_limit_bytes=876)
