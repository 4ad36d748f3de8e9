"""What runs as a whole, a layer or a cascade, and what memory is alive meanwhile?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..ir import Graph, Node
from ..kernels import Choice, choices
from ..ops import OPS
from ..targets import Isa
from .cascade import ALIGNMENT, Cascade


@dataclass(frozen=True)
class Step:
    """A layer, or a cascade of layers.

    `inputs`: activations with the least bytes that the only output must begin before them to share their
    memory (None: apart). `buffers`: bytes of memory for the step alone, scratch and rolling buffers, by their
    names below. `choice`: the kernel that runs a layer; those of a cascade are in its pieces. A view has
    neither. `extra_cycles`: about what it takes longer than the cheapest kernel of every layer would.
    `renews`: outputs that are in the memory of a state, and that state.
    """

    nodes: tuple[Node, ...]
    inputs: Mapping[str, int | None]
    outputs: tuple[str, ...]
    buffers: Mapping[str, int]
    choice: Choice | None = None
    cascade: Cascade | None = None
    extra_cycles: int = 0
    renews: Mapping[str, str] = field(default_factory=dict)

    @property
    def view(self) -> bool:
        """The output is the input's memory under another shape."""
        return self.cascade is None and OPS[self.nodes[0].op].view

    @property
    def owners(self) -> Mapping[str, str]:
        """Outputs that are the memory of an input, and that input; others have their own."""
        return {self.outputs[0]: next(iter(self.inputs))} if self.view else self.renews


Choose = Callable[[Sequence[Choice]], Choice]
"""Of the kernels that can run a layer, the cheapest first."""


def cheapest(ways: Sequence[Choice]) -> Choice:
    return ways[0]


def view(graph: Graph, node: Node) -> Step:
    return Step((node,), dict.fromkeys(graph.activations(node)), node.outputs, {})


def single(graph: Graph, node: Node, choice: Choice, extra_cycles: int = 0) -> Step:
    """One layer."""
    inputs: dict[str, int | None] = {}
    for name, distance in zip(graph.activations(node), choice.overlap, strict=True):
        known = inputs.get(name, 0)  # of an input read twice, the larger distance
        apart = distance is None or known is None or len(node.outputs) > 1
        inputs[name] = None if apart else max(distance or 0, known or 0)
    scratch = choice.scratch_bytes
    buffers = {scratch_of(node.name): scratch} if scratch else {}
    renews = _renewed(graph, node)
    return Step((node,), inputs, node.outputs, buffers, choice, extra_cycles=extra_cycles, renews=renews)


def _renewed(graph: Graph, node: Node) -> dict[str, str]:
    """Outputs that are, in the next run, states which the layer alone reads; and these states."""
    changed = {(state.next, state.tensor) for state in graph.states}
    pairs = [(node.outputs[made], node.inputs[read]) for made, read in OPS[node.op].renews.items()]

    def alone(state: str) -> bool:
        read_once = graph.consumers(state) == [node] and node.inputs.count(state) == 1
        return read_once and state not in graph.wanted

    return {made: state for made, state in pairs if (made, state) in changed and alone(state)}


def cascaded(cascade: Cascade) -> Step:
    """A cascade; its layers, one at a time, share their scratch."""
    buffers = {rows_of(name): rows.buffer_bytes for name, rows in cascade.rolling.items()}
    if cascade.scratch_bytes:
        buffers[scratch_of(cascade.nodes[0].name)] = cascade.scratch_bytes
    return Step(
        cascade.nodes, cascade.inputs, (cascade.output,), buffers, None, cascade, cascade.extra_cycles
    )


def steps_with(
    graph: Graph, isa: Isa, cascades: Sequence[Cascade] = (), choose: Choose = cheapest
) -> tuple[Step, ...]:
    """All layers in their order, those of `cascades` as one step each, others by the kernel they `choose`."""

    def alone(node: Node) -> Step:
        if OPS[node.op].view:
            return view(graph, node)
        return single(graph, node, choose(choices(node.op, graph.call(node), isa)))

    first = {cascade.nodes[0].name: cascaded(cascade) for cascade in cascades}
    inside = {node.name for cascade in cascades for node in cascade.nodes}
    return tuple(
        first.get(node.name) or alone(node)
        for node in graph.nodes
        if node.name in first or node.name not in inside
    )


def scratch_of(layer: str) -> str:
    return f"scratch of {layer}"


def rows_of(tensor: str) -> str:
    return f"rows of {tensor}"


@dataclass(frozen=True)
class Storage:
    """Memory of a tensor and its views, or a buffer of a step; alive from step `birth` to step `death`."""

    names: tuple[str, ...]
    size: int
    birth: int
    death: int

    def meets(self, other: "Storage") -> bool:
        return self.birth <= other.death and other.birth <= self.death


Distances = Mapping[tuple[int, int], int]
"""(index of a step's output, index of an input that dies there) → least bytes from the first to the second.

The two may share memory at that distance; every other two storages that are alive together lie apart.
"""


def storages(graph: Graph, steps: Sequence[Step]) -> list[Storage]:
    """All memory that the steps need, in order of birth."""
    return sorted([*_tensors(graph, steps), *_buffers(steps)], key=lambda storage: storage.birth)


def _tensors(graph: Graph, steps: Sequence[Step]) -> list[Storage]:
    """One per tensor that is not a view, in order of birth: inputs and states (-1), then every step's
    outputs.

    States live for ever, so that nothing shares their memory.
    """
    last_use = {name: i for i, step in enumerate(steps) for name in step.inputs}
    last_use |= dict.fromkeys((*graph.wanted, *(state.tensor for state in graph.states)), len(steps))
    found: list[Storage] = []
    owner: dict[str, int] = {}

    def begin(name: str, birth: int) -> None:
        owner[name] = len(found)
        size = aligned(graph.tensors[name].byte_count)
        found.append(Storage((name,), size, birth, last_use.get(name, birth)))

    for name in graph.given:
        begin(name, -1)
    for i, step in enumerate(steps):
        for name in step.outputs:
            if name not in step.owners:
                begin(name, i)
                continue
            owner[name] = owner[step.owners[name]]
            viewed = found[owner[name]]
            death = max(viewed.death, last_use.get(name, i))
            found[owner[name]] = replace(viewed, names=(*viewed.names, name), death=death)
    return found


def _buffers(steps: Sequence[Step]) -> Iterator[Storage]:
    for i, step in enumerate(steps):
        for name, size in step.buffers.items():
            yield Storage((name,), aligned(size), i, i)


def distances(steps: Sequence[Step], storages: Sequence[Storage]) -> Distances:
    """Which outputs may lie over which inputs."""
    index = {name: i for i, storage in enumerate(storages) for name in storage.names}
    return {pair: bytes_ for i, step in enumerate(steps) for pair, bytes_ in _over(i, step, storages, index)}


def _over(
    i: int, step: Step, storages: Sequence[Storage], index: Mapping[str, int]
) -> Iterator[tuple[tuple[int, int], int]]:
    """Over which inputs the output of step i may lie, and how far from their begin at least."""
    if step.owners or len(step.outputs) > 1:
        return
    y = index[step.outputs[0]]
    found: dict[int, int | None] = {}
    for name, distance in step.inputs.items():
        x = index[name]
        if storages[x].death == i:
            known = found.get(x, 0)
            found[x] = None if distance is None or known is None else max(distance, known)
    for x, distance in found.items():
        if distance is not None:
            yield (y, x), min(aligned(distance), storages[y].size)


def need_instead(storages: Sequence[Storage], i: int, step: Step, other: Step) -> int:
    """What `need` says of step i when another runs in place of it, which reads and makes the same tensors."""
    here = [s for s in storages if s.birth <= i <= s.death and s.names[0] not in step.buffers]
    here += [Storage((name,), aligned(size), i, i) for name, size in other.buffers.items()]
    index = {name: at for at, storage in enumerate(here) for name in storage.names}
    return need(here, dict(_over(i, other, here, index)), i)


def need(storages: Sequence[Storage], distances: Distances, step: int) -> int:
    """The least memory for what is alive at one step: exact, were there no other steps.

    Inputs that may share memory with the output lie above its begin, the one that may begin lowest first.
    """
    alive = {i for i, s in enumerate(storages) if s.birth <= step <= s.death}
    sharing = sorted((d, x, y) for (y, x), d in distances.items() if storages[y].birth == step)
    apart = alive - {i for _, x, y in sharing for i in (x, y)}
    end = 0
    for distance, x, _ in sharing:
        end = max(end, distance) + storages[x].size
    outputs = {y for _, _, y in sharing}
    return sum(storages[i].size for i in apart) + max(end, *(storages[y].size for y in outputs), 0)


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
