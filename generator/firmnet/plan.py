"""Where does every activation live? Tensor lifetimes become offsets in one static arena."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .errors import UserError
from .ir import Graph
from .ops import OPS
from .placement import extent, place

ALIGNMENT = 4
"""Bytes; the DSP kernels load words."""

STACK_BYTES = 256
"""What run() may take of the stack beside the arena; kernels take 104 to 204 (see `firmnet profile`)."""


@dataclass(frozen=True)
class Plan:
    """Arena offsets in bytes per activation (views included) and per layer that needs scratch.

    `lower_bound_bytes` is what `peak_layer` alone needs, its inputs and output overlapping as its kernel
    allows: no placement can be smaller.
    """

    offsets: Mapping[str, int]
    scratch: Mapping[str, int]
    arena_bytes: int
    lower_bound_bytes: int
    peak_layer: str

    @property
    def ram_bytes(self) -> int:
        """Input, output, everything between, scratch, and the stack of run()."""
        return self.arena_bytes + STACK_BYTES


@dataclass(frozen=True)
class Storage:
    """Memory of a tensor and its views, or a layer's scratch; alive from layer `birth` to `death`."""

    names: tuple[str, ...]
    size: int
    birth: int
    death: int

    def meets(self, other: "Storage") -> bool:
        return self.birth <= other.death and other.birth <= self.death


Distances = Mapping[tuple[int, int], int]
"""(index of a layer's output, index of an input that dies there) → least bytes from the first to the second.

The two may share memory at that distance; every other two storages that are alive together lie apart.
"""


def plan(graph: Graph, *, dsp: bool, overlap: bool = True, ram_limit_bytes: int | None = None) -> Plan:
    """Place all activations of a quantized graph: views share their input's memory, results as ops allow.

    An input is overwritten after its last reader, the graph's own input too. The smallest plan is also the
    fastest, for sharing memory costs no time; UserError when even that is above `ram_limit_bytes`.
    """
    storages = sorted([*_tensors(graph), *_scratch(graph, dsp)], key=lambda storage: storage.birth)
    distances = _distances(graph, storages, dsp) if overlap else {}
    needs = {node.name: _need(storages, distances, i) for i, node in enumerate(graph.nodes)}
    peak = max(needs, key=lambda name: needs[name], default=graph.output)
    lower_bound = max(needs.get(peak, 0), _need(storages, distances, -1))

    sizes = [storage.size for storage in storages]
    placed = place(sizes, _gaps(storages, distances), lower_bound)
    offsets = {name: offset for s, offset in zip(storages, placed, strict=True) for name in s.names}
    memory = Plan(
        {name: offset for name, offset in offsets.items() if name in graph.tensors},
        {node.name: offsets[key] for node in graph.nodes if (key := _scratch_name(node.name)) in offsets},
        extent(sizes, placed),
        lower_bound,
        peak,
    )
    if ram_limit_bytes is not None:
        _require_fit(graph, memory, ram_limit_bytes)
    return memory


def _require_fit(graph: Graph, memory: Plan, ram_limit_bytes: int) -> None:
    """Raise UserError, naming the layer that needs the most, when the plan is larger than the limit."""
    missing = memory.ram_bytes - ram_limit_bytes
    if missing > 0:
        raise UserError(
            f"model {graph.name!r} needs {memory.ram_bytes:,} bytes of RAM ({memory.arena_bytes:,} of arena, "
            f"{STACK_BYTES} of stack), {missing:,} more than the limit of {ram_limit_bytes:,}: "
            f"raise the limit, or make {_what_is_large(graph, memory)} smaller "
            "(a stride or a pooling layer before it, fewer channels, a smaller input)"
        )


def _what_is_large(graph: Graph, memory: Plan) -> str:
    """The layer that needs the most, with its shapes."""
    for node in graph.nodes:
        if node.name == memory.peak_layer:
            shapes = [graph.tensors[name].shape[1:] for name in (*graph.activations(node), node.output)]
            *inputs, output = ["x".join(map(str, shape)) for shape in shapes]
            return f"layer {node.name!r} ({node.op}, {' and '.join(inputs)} to {output})"
    return "the input"


def _tensors(graph: Graph) -> list[Storage]:
    """One per tensor that is not a view, in order of birth: graph inputs (-1), then every layer's output."""
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last_use[graph.output] = len(graph.nodes)
    storages: list[Storage] = []
    owner: dict[str, int] = {}

    def begin(name: str, birth: int) -> None:
        owner[name] = len(storages)
        size = _aligned(graph.tensors[name].size)
        storages.append(Storage((name,), size, birth, last_use.get(name, birth)))

    for name in graph.inputs:
        begin(name, -1)
    for i, node in enumerate(graph.nodes):
        if not OPS[node.op].view:
            begin(node.output, i)
            continue
        owner[node.output] = owner[node.inputs[0]]
        viewed = storages[owner[node.output]]
        death = max(viewed.death, last_use.get(node.output, i))
        storages[owner[node.output]] = replace(viewed, names=(*viewed.names, node.output), death=death)
    return storages


def _scratch(graph: Graph, dsp: bool) -> Iterator[Storage]:
    for i, node in enumerate(graph.nodes):
        if size := OPS[node.op].cost(graph.call(node), dsp).scratch_bytes:
            yield Storage((_scratch_name(node.name),), _aligned(size), i, i)


def _scratch_name(layer: str) -> str:
    return f"scratch of {layer}"


def _distances(graph: Graph, storages: Sequence[Storage], dsp: bool) -> Distances:
    """Which outputs may lie over which inputs; an input read twice keeps the larger distance."""
    index = {name: i for i, storage in enumerate(storages) for name in storage.names}
    found: dict[tuple[int, int], int | None] = {}
    for i, node in enumerate(graph.nodes):
        if OPS[node.op].view:
            continue
        y = index[node.output]
        allowed = OPS[node.op].overlap(graph.call(node), dsp)
        for name, distance in zip(graph.activations(node), allowed, strict=True):
            x = index[name]
            if storages[x].death == i:
                known = found.get((y, x), 0)
                either = None if distance is None or known is None else max(distance, known)
                found[y, x] = either
    return {
        (y, x): min(_aligned(distance), storages[y].size)
        for (y, x), distance in found.items()
        if distance is not None
    }


def _gaps(storages: Sequence[Storage], distances: Distances) -> list[dict[int, int]]:
    """For place(): how far apart two storages that are alive together lie."""
    gaps: list[dict[int, int]] = [
        {other: storage.size for other, b in enumerate(storages) if other != i and storage.meets(b)}
        for i, storage in enumerate(storages)
    ]
    for (y, x), distance in distances.items():
        gaps[y][x] = distance
    return gaps


def _need(storages: Sequence[Storage], distances: Distances, layer: int) -> int:
    """The least memory for what is alive at one layer: exact, were there no other layers.

    Inputs that may share memory with the output lie above its begin, the one that may begin lowest first.
    """
    alive = {i for i, s in enumerate(storages) if s.birth <= layer <= s.death}
    sharing = sorted((d, x, y) for (y, x), d in distances.items() if storages[y].birth == layer)
    apart = alive - {i for _, x, y in sharing for i in (x, y)}
    end = 0
    for distance, x, _ in sharing:
        end = max(end, distance) + storages[x].size
    outputs = {y for _, _, y in sharing}
    return sum(storages[i].size for i in apart) + max(end, *(storages[y].size for y in outputs), 0)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
