"""Which kernels does run() call, in which order and where in memory? What is alike becomes a loop."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir import Dtype, Graph
from ..manifest import CascadeEntry
from ..plan import Cascade, Piece, Program, Step
from ..plan.cascade import row_bytes
from .buffers import Buffers, Place
from .layers import Layer, shape_key

WORD = 4
LEAST_ROUNDS, LEAST_LEFT_OUT = 3, 8
"""Of layers that come again: fewer rounds, and fewer calls than that left out, are written out."""
MOST_IN_STEP = 64
"""Layers of a round."""


@dataclass(frozen=True)
class Move:
    """`words` at `place` are overwritten by those `distance` bytes behind."""

    place: Place
    distance: int
    words: int


@dataclass(frozen=True)
class KernelArgument:
    """A place as the kernel's parameter has it."""

    place: Place
    dtype: Dtype = Dtype.INT8

    def __str__(self) -> str:
        return str(self.place) if self.dtype is Dtype.INT8 else f"({self.dtype.c} *)({self.place})"


@dataclass(frozen=True)
class KernelCall:
    """A kernel called with `arguments`; then layer number `layer` has so many bytes more at each of
    `outputs`. Within a loop it is `layer_step` numbers further with every round.
    """

    function: str
    arguments: tuple[KernelArgument, ...]
    layer: int
    outputs: tuple[tuple[Place, int], ...]
    layer_step: int = 0

    @property
    def number(self) -> str:
        """The C expression of the layer's number."""
        return f"{self.layer} + (uint32_t)i * {self.layer_step}" if self.layer_step else str(self.layer)


@dataclass(frozen=True)
class Block:
    """`repeat` times the same moves and calls; `title` at the begin of a cascade."""

    moves: tuple[Move, ...]
    calls: tuple[KernelCall, ...]
    repeat: int = 1
    title: str = ""

    def places(self) -> list[Place]:
        """Where it differs from others alike."""
        return [
            place
            for call in self.calls
            for place in (*(a.place for a in call.arguments), *(place for place, _ in call.outputs))
        ]


def blocks(graph: Graph, program: Program, layers: Sequence[Layer], buffers: Buffers) -> list[Block]:
    """All of run()."""
    numbers = {layer.name: number for number, layer in enumerate(layers)}
    found: list[Block] = []
    for step in program.steps:
        if step.cascade:
            stripes = list(_stripes(graph, step, step.cascade, layers, numbers, buffers))
            first, *rest = _looped(stripes)
            found += [replace(first, title=cascade_entry(step.cascade).title), *rest]
        elif not step.view:
            found.append(_whole(graph, step, layers[numbers[step.nodes[0].name]], numbers, buffers))
    return _steps_looped(found)


def _whole(graph: Graph, step: Step, layer: Layer, numbers: Mapping[str, int], buffers: Buffers) -> Block:
    (node,), (function,) = step.nodes, layer.functions.values()
    names = (*graph.activations(node), *node.outputs)
    arguments = [KernelArgument(buffers.value(name), graph.tensors[name].dtype) for name in names]
    arguments[0] = replace(arguments[0], place=arguments[0].place + function.begins_at)
    if function.scratch:
        arguments.append(KernelArgument(buffers.scratch(step)))
    outputs = tuple((buffers.value(name), graph.tensors[name].byte_count) for name in node.outputs)
    return Block((), (KernelCall(function.name, tuple(arguments), numbers[node.name], outputs),))


def _stripes(
    graph: Graph,
    step: Step,
    cascade: Cascade,
    layers: Sequence[Layer],
    numbers: Mapping[str, int],
    buffers: Buffers,
) -> Iterator[Block]:
    def place(name: str, row: int, stripe: int) -> Place:
        if name in cascade.rolling:
            return buffers.rolling(name) + cascade.rolling[name].offset(row, stripe)
        return buffers.value(name) + row * row_bytes(graph.tensors[name])

    def call(piece: Piece, stripe: int) -> KernelCall:
        layer = layers[numbers[piece.node.name]]
        function = layer.functions[shape_key(piece.stripe.call)]
        output = place(piece.node.output, piece.rows.start, stripe)
        names = graph.activations(piece.node)
        arguments = [
            KernelArgument(place(name, rows.start, stripe), graph.tensors[name].dtype)
            for name, rows in zip(names, piece.stripe.rows, strict=True)
        ]
        arguments[0] = replace(arguments[0], place=arguments[0].place + function.begins_at)
        made = piece.stripe.call.output
        arguments.append(KernelArgument(output, made.dtype))
        if function.scratch:
            arguments.append(KernelArgument(buffers.scratch(step)))
        outputs = ((output, made.byte_count),)
        return KernelCall(function.name, tuple(arguments), numbers[piece.node.name], outputs)

    for i, pieces in enumerate(cascade.stripes):
        moves = (
            Move(buffers.rolling(name), rows.moved_bytes(i), rows.kept_bytes(i) // WORD)
            for name, rows in cascade.rolling.items()
            if rows.kept_bytes(i) and rows.moved_bytes(i)
        )
        yield Block(tuple(moves), tuple(call(piece, i) for piece in pieces))


def _looped(stripes: Sequence[Block]) -> list[Block]:
    """Neighbours that differ by the same steps in all their places, joined."""
    found: list[Block] = []
    for stripe in stripes:
        joined = _joined(found[-1], stripe) if found else None
        if joined:
            found[-1] = joined
        else:
            found.append(stripe)
    return found


def _steps_looped(found: Sequence[Block]) -> list[Block]:
    """With a loop for layers that come again and again, as those of a loop that a network has written out.

    Of the loops that could begin at a layer the one that leaves out most calls.
    """
    made: list[Block] = []
    at = 0
    while at < len(found):
        again = [n for n, b in enumerate(found[at + 1 : at + 1 + MOST_IN_STEP], 1) if _same(found[at], b)]
        loops = [found[at], *(_rounds(found, at, size) for size in again)]
        best = max(loops, key=lambda loop: len(loop.calls) * (loop.repeat - 1))
        left_out = len(best.calls) * (best.repeat - 1)
        if best is found[at] or best.repeat < LEAST_ROUNDS or left_out < LEAST_LEFT_OUT:
            made.append(found[at])
            at += 1
        else:
            made.append(best)
            at += len(best.calls) * best.repeat
    return made


def _same(a: Block, b: Block) -> bool:
    """Whether they begin with the same function."""
    return [call.function for call in a.calls[:1]] == [call.function for call in b.calls[:1]]


def _rounds(found: Sequence[Block], at: int, size: int) -> Block:
    """So many layers from there on, as a loop over as many more that are the same as there are."""
    loop = _step(found, at, size)
    while loop.calls:
        at += size
        joined = _joined(loop, _step(found, at, size), layers=True)
        if joined is None:
            break
        loop = joined
    return loop


def _step(found: Sequence[Block], at: int, size: int) -> Block:
    """The calls of these layers as one; none where some of them are in a loop or a cascade already."""
    blocks = found[at : at + size]
    plain = all(len(b.calls) == 1 and not b.moves and not b.title and b.repeat == 1 for b in blocks)
    return Block((), tuple(call for b in blocks for call in b.calls) if plain else ())


def _joined(loop: Block, stripe: Block, layers: bool = False) -> Block | None:
    """The loop with one more round, if the stripe is that; `layers`: of other layers, as far on as it is."""
    further = stripe.calls[0].layer - loop.calls[0].layer if layers and stripe.calls else 0
    if not _alike(loop, stripe, further):
        return None
    layer_step = further if loop.repeat == 1 else loop.calls[0].layer_step
    if further != loop.repeat * layer_step:
        return None
    distances = [b.offset - a.offset for a, b in zip(loop.places(), stripe.places(), strict=True)]
    steps = distances if loop.repeat == 1 else [place.step for place in loop.places()]
    if distances != [loop.repeat * step for step in steps]:
        return None
    walk = iter(steps)

    def walking(place: Place) -> Place:
        return replace(place, step=next(walk))

    calls = tuple(
        replace(
            call,
            arguments=tuple(replace(a, place=walking(a.place)) for a in call.arguments),
            outputs=tuple((walking(place), size) for place, size in call.outputs),
            layer_step=layer_step,
        )
        for call in loop.calls
    )
    return replace(loop, calls=calls, repeat=loop.repeat + 1)


def _alike(a: Block, b: Block, further: int) -> bool:
    """Whether they move and call the same, wherever, for layers so much further on."""
    return (
        a.moves == b.moves
        and [(call.function, call.layer + further, _sizes(call)) for call in a.calls]
        == [(call.function, call.layer, _sizes(call)) for call in b.calls]
        and [place.array for place in a.places()] == [place.array for place in b.places()]
    )


def _sizes(call: KernelCall) -> list[int]:
    return [size for _, size in call.outputs]


def cascade_entry(cascade: Cascade) -> CascadeEntry:
    """What the manifest says of it."""
    layers = tuple(node.name for node in cascade.nodes)
    return CascadeEntry(layers, len(cascade.stripes), cascade.height, cascade.extra_cycles)
