"""Where does every activation live? Tensor lifetimes become offsets in one static arena."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UserError
from ..ir import Graph, shape_text
from ..kernels import Choice
from ..targets import Isa
from .cascade import Cascade
from .choice import Search
from .placement import extent, place
from .step import (
    Choose,
    Distances,
    Step,
    Storage,
    cheapest,
    distances,
    need,
    rows_of,
    scratch_of,
    steps_with,
    storages,
)

STACK_BYTES = {Isa.SCALAR: 448, Isa.DSP: 448, Isa.HELIUM: 448}
"""What run() may take of the stack beside the arena.

Kernels in assembly take up to 212. In plain C, which a limit of RAM may choose on any core, compilers spill
more: up to 404 on a Cortex-M0+, 384 on a Cortex-M7, 256 on a Cortex-M4 (`benchmarks/stack.py` measures them).
"""


@dataclass(frozen=True)
class Program:
    """What `plan` decides: the steps of a graph, each with its kernels, and arena offsets in bytes.

    `offsets`: of every activation that is whole in memory (views included); `rolling`: of the rolling buffers
    of those that are not, by tensor; `scratch`: per layer that needs any. `lower_bound_bytes` is what
    `peak_layers` alone (one, or those of a cascade) need, inputs and output overlapping as the kernels allow:
    no placement of these steps can be smaller.
    """

    steps: tuple[Step, ...]
    offsets: Mapping[str, int]
    rolling: Mapping[str, int]
    scratch: Mapping[str, int]
    arena_bytes: int
    stack_bytes: int
    lower_bound_bytes: int
    peak_layers: tuple[str, ...]

    @property
    def ram_bytes(self) -> int:
        """Input, output, everything between, scratch, and the stack of run()."""
        return self.arena_bytes + self.stack_bytes

    @property
    def cascades(self) -> tuple[Cascade, ...]:
        return tuple(step.cascade for step in self.steps if step.cascade)

    @property
    def choices(self) -> dict[str, tuple[Choice, ...]]:
        """Per layer that is no view, the kernels that run it: one, or one for each piece in a cascade."""
        found: dict[str, list[Choice]] = {}
        for step in self.steps:
            if step.choice:
                found[step.nodes[0].name] = [step.choice]
            for stripe in step.cascade.stripes if step.cascade else ():
                for piece in stripe:
                    found.setdefault(piece.node.name, []).append(piece.choice)
        return {layer: tuple(chosen) for layer, chosen in found.items()}

    @property
    def cycles(self) -> float:
        """What all kernels take on a Cortex-M4, by their prices."""
        return sum(choice.cycles for chosen in self.choices.values() for choice in chosen)

    @property
    def extra_cycles(self) -> int:
        """About what cascades and dearer kernels take longer than all layers one by one, by the cheapest."""
        return sum(step.extra_cycles for step in self.steps)


def plan(
    graph: Graph,
    *,
    isa: Isa,
    overlap: bool = True,
    ram_limit_bytes: int | None = None,
    cascades: Sequence[Cascade] | None = None,
    choose: Choose = cheapest,
) -> Program:
    """Place all activations of a quantized graph: views share their input's memory, results as ops allow.

    An input is overwritten after its last reader, the graph's own input too. Within `ram_limit_bytes` the
    program is the fastest there is: layers one by one, by their cheapest kernels, else the cascades and the
    dearer kernels that keep the limit and cost the least; TooLarge when none do. With no limit it has those
    that cost nearly nothing; or the cascades given, and the kernels that layers outside of them `choose`.
    """
    if cascades is not None:
        return _placed(graph, steps_with(graph, isa, cascades, choose), isa, overlap)
    search = Search(graph, isa)
    if ram_limit_bytes is None:
        return _placed(graph, search.nearly_free(), isa, overlap)
    tried = []
    for steps in search.ever_smaller(ram_limit_bytes - STACK_BYTES[isa]):
        tried.append(_placed(graph, steps, isa, overlap))
        if tried[-1].ram_bytes <= ram_limit_bytes:
            return tried[-1]
    raise _too_large(graph, min(tried, key=lambda found: found.arena_bytes), ram_limit_bytes)


def least(graph: Graph, *, isa: Isa) -> Program:
    """The smallest program that is found: a limit of its `ram_bytes` is kept."""
    steps = Search(graph, isa).ever_smaller(0)
    return min((_placed(graph, each, isa, True) for each in steps), key=lambda found: found.arena_bytes)


def _placed(graph: Graph, steps: tuple[Step, ...], isa: Isa, overlap: bool) -> Program:
    alive = storages(graph, steps)
    sharing = distances(steps, alive) if overlap else {}
    needs = [need(alive, sharing, i) for i in range(len(steps))]
    peak = max(range(len(steps)), key=lambda i: needs[i], default=-1)
    lower_bound = max(needs[peak] if steps else 0, need(alive, sharing, -1))

    sizes = [storage.size for storage in alive]
    placed = place(sizes, _gaps(alive, sharing), lower_bound)
    offsets = {name: offset for s, offset in zip(alive, placed, strict=True) for name in s.names}
    return Program(
        steps,
        {name: offset for name, offset in offsets.items() if name in graph.tensors},
        {name: offsets[rows_of(name)] for name in graph.tensors if rows_of(name) in offsets},
        {
            node.name: offsets[key]
            for step in steps
            for node in step.nodes
            if (key := scratch_of(step.nodes[0].name)) in offsets
        },
        extent(sizes, placed),
        STACK_BYTES[isa],
        lower_bound,
        tuple(node.name for node in steps[peak].nodes) if steps else (),
    )


def _gaps(alive: Sequence[Storage], sharing: Distances) -> list[dict[int, int]]:
    """For place(): how far apart two storages that are alive together lie."""
    gaps: list[dict[int, int]] = [
        {other: storage.size for other, b in enumerate(alive) if other != i and storage.meets(b)}
        for i, storage in enumerate(alive)
    ]
    for (y, x), distance in sharing.items():
        gaps[y][x] = distance
    return gaps


SMALLER = "a stride or a pooling layer before it, fewer channels, a smaller input"
"""What helps."""


class TooLarge(UserError):
    """No program keeps the limit."""


def _too_large(graph: Graph, program: Program, ram_limit_bytes: int) -> TooLarge:
    """Names what needs the most in the smallest program."""
    missing = program.ram_bytes - ram_limit_bytes
    in_cascades = ", with layers in cascades," if program.cascades else ""
    return TooLarge(
        f"model {graph.name!r} needs{in_cascades} {program.ram_bytes:,} bytes of RAM "
        f"({program.arena_bytes:,} of arena, {program.stack_bytes} of stack), {missing:,} more than the "
        f"limit of {ram_limit_bytes:,}: raise the limit, or make {largest(graph, program)} smaller "
        f"({SMALLER})"
    )


def largest(graph: Graph, program: Program) -> str:
    """The layer that needs the most, with its shapes, or the layers of a cascade."""
    nodes = [node for node in graph.nodes if node.name in program.peak_layers]
    if not nodes:
        return "the input"
    names = (*graph.activations(nodes[0]), nodes[-1].outputs[0])
    *inputs, output = [shape_text(graph.tensors[name].shape) for name in names]
    layers = f"layer {nodes[0].name!r} ({nodes[0].op}"
    if len(nodes) > 1:
        layers = f"layers {nodes[0].name!r} to {nodes[-1].name!r} ({nodes[0].op} to {nodes[-1].op}"
    return f"{layers}, {' and '.join(inputs)} to {output})"
