"""Where does every activation live? Tensor lifetimes become offsets in one static arena."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .ir import Graph, Node
from .ops import OPS

ALIGNMENT = 4
"""Bytes; the DSP kernels load words."""


@dataclass(frozen=True)
class Plan:
    """Arena offsets in bytes per activation (views included) and per layer that needs scratch.

    `lower_bound_bytes` is the most that is alive at any one layer: no placement can be smaller.
    """

    offsets: Mapping[str, int]
    scratch: Mapping[str, int]
    arena_bytes: int
    lower_bound_bytes: int


@dataclass(frozen=True)
class Storage:
    """Memory that one or more tensors share, alive from layer index `birth` to `death`, both included."""

    names: tuple[str, ...]
    size: int
    birth: int
    death: int

    def meets(self, other: "Storage") -> bool:
        return self.birth <= other.death and other.birth <= self.death


def plan(graph: Graph, *, dsp: bool, overlap: bool = True) -> Plan:
    """Place all activations of a quantized graph: views and in-place results share, the rest is packed."""
    storages = _storages(graph, dsp, overlap)
    scratch = [
        Storage((f"scratch of {node.name}",), _aligned(size), i, i)
        for i, node in enumerate(graph.nodes)
        if (size := OPS[node.op].cost(graph.call(node), dsp).scratch_bytes)
    ]
    orders = (
        lambda s: (-s.size, s.birth),
        lambda s: (s.birth, -s.size),
        lambda s: (s.birth - s.death, -s.size),
    )
    placed = min((_pack(sorted([*storages, *scratch], key=order)) for order in orders), key=_extent)
    offsets = {name: offset for storage, offset in placed for name in storage.names}
    return Plan(
        {name: offset for name, offset in offsets.items() if name in graph.tensors},
        {node.name: offsets[key] for node in graph.nodes if (key := f"scratch of {node.name}") in offsets},
        _extent(placed),
        _lower_bound([*storages, *scratch], len(graph.nodes)),
    )


def _storages(graph: Graph, dsp: bool, overlap: bool) -> list[Storage]:
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last_use[graph.output] = len(graph.nodes)

    def fresh(name: str, birth: int) -> Storage:
        return Storage((name,), _aligned(graph.tensors[name].size), birth, last_use.get(name, birth))

    owner = {name: fresh(name, -1) for name in graph.inputs}
    for i, node in enumerate(graph.nodes):
        storage = fresh(node.output, i)
        host = _host(graph, node, i, owner, dsp if overlap else None)
        if host is not None:
            names = (*host.names, node.output)
            storage = replace(
                storage,
                names=names,
                size=max(host.size, storage.size),
                birth=host.birth,
                death=max(host.death, storage.death),
            )
        owner.update(dict.fromkeys(storage.names, storage))
    return list({id(storage): storage for storage in owner.values()}.values())


def _host(
    graph: Graph, node: Node, index: int, owner: Mapping[str, Storage], dsp: bool | None
) -> Storage | None:
    """The storage whose memory the node's output takes over: a view's input, or an input that dies here."""
    op = OPS[node.op]
    if op.view:
        return owner[node.inputs[0]]
    if dsp is None:
        return None
    for name, distance in zip(graph.activations(node), op.overlap(graph.call(node), dsp), strict=True):
        others = [owner[o] for o in graph.activations(node) if o != name]
        fits = distance == 0 and graph.tensors[node.output].size <= graph.tensors[name].size
        if fits and owner[name].death == index and owner[name] not in others:
            return owner[name]
    return None


def _pack(storages: Iterable[Storage]) -> list[tuple[Storage, int]]:
    """Greedy best fit: each storage goes to the smallest gap between those alive at the same time."""
    placed: list[tuple[Storage, int]] = []
    for storage in storages:
        busy = sorted((offset, offset + other.size) for other, offset in placed if storage.meets(other))
        best, end = None, 0
        for start, stop in busy:
            gap = start - end
            if gap >= storage.size and (best is None or gap < best[0]):
                best = (gap, end)
            end = max(end, stop)
        placed.append((storage, best[1] if best else end))
    return placed


def _extent(placed: list[tuple[Storage, int]]) -> int:
    return max((offset + storage.size for storage, offset in placed), default=0)


def _lower_bound(storages: list[Storage], layers: int) -> int:
    return max(sum(s.size for s in storages if s.birth <= i <= s.death) for i in range(-1, layers + 1))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
