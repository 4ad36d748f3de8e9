"""How do layers run stripe by stripe? Between two of them only the rows that are still needed are kept.

A cascade's last layer computes its output a stripe of rows at a time; every other layer computes the rows
that the stripe newly needs, into a rolling buffer, where rows that the next stripe needs again move to the
front. No row is computed twice. Of two layers it is the fusion of operators by rows; from the model's input
on it is patch-based inference (Lin et al., MCUNetV2, 2021), with patches as wide as the image.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..ir import Call, Graph, Node, Tensor
from ..kernels import Choice, choices
from ..ops import OPS, Stripe
from ..ops.windows import is_image
from ..targets import Isa

ALIGNMENT = 4
"""Bytes; the DSP kernels load words."""

CALL_CYCLES, MOVED_CYCLES, READ_CYCLES = 90, 0.7, 2.0
"""About what a stripe costs: a kernel's call, a byte that moves, a byte that a kernel reads once more."""


@dataclass(frozen=True)
class Rows:
    """Of a value: stripe i has made the rows before `ends[i]`, and needs none before `starts[i]`."""

    row_bytes: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def buffer_bytes(self) -> int:
        """The rolling buffer: row starts[i] lies at its start during stripe i."""
        return max(e - s for s, e in zip(self.starts, self.ends, strict=True)) * self.row_bytes

    def made(self, stripe: int) -> range:
        """The rows that a stripe adds."""
        return range(self.ends[stripe - 1] if stripe else 0, self.ends[stripe])

    def kept_bytes(self, stripe: int) -> int:
        """What the stripe before has made and this one needs; it moves to the front, by moved_bytes."""
        return max(0, self.ends[stripe - 1] - self.starts[stripe]) * self.row_bytes if stripe else 0

    def moved_bytes(self, stripe: int) -> int:
        """0: what is kept stays where it is."""
        return (self.starts[stripe] - self.starts[stripe - 1]) * self.row_bytes if stripe else 0

    def offset(self, row: int, stripe: int) -> int:
        """Where in the rolling buffer a row lies during a stripe, in bytes."""
        return (row - self.starts[stripe]) * self.row_bytes


@dataclass(frozen=True)
class Piece:
    """A layer's part of a stripe: `rows` of its output, computed by `choice`, for `stripe.call`, from
    `stripe.rows`. All pieces of a layer have the same kernel.
    """

    node: Node
    rows: range
    stripe: Stripe
    choice: Choice


@dataclass(frozen=True)
class Cascade:
    """Consecutive layers in stripes of `height` rows of `output`.

    `inputs` come whole from before, each with the least bytes that the output must begin before it to share
    its memory (None: apart). `rolling` has the values between the layers. `extra_cycles` is an estimate of
    what running by stripes takes longer.
    """

    nodes: tuple[Node, ...]
    height: int
    inputs: Mapping[str, int | None]
    output: str
    rolling: Mapping[str, Rows]
    stripes: tuple[tuple[Piece, ...], ...]
    scratch_bytes: int
    extra_cycles: int


def row_bytes(image: Tensor) -> int:
    """Of one row of (1, height, width, channels)."""
    return image.byte_count // image.shape[1]


class Striper:
    """Makes cascades of a graph's layers; remembers what its layers said of their rows."""

    def __init__(self, graph: Graph, isa: Isa) -> None:
        self.graph, self.isa = graph, isa
        self._reach: dict[str, list[tuple[range, ...]] | None] = {}
        self._striped: dict[tuple[str, int, int], Stripe | None] = {}
        self._choices: dict[object, dict[str, Choice]] = {}
        self._made: dict[tuple[str, str, int], Cascade | None] = {}

    def reach(self, node: Node) -> list[tuple[range, ...]] | None:
        """Per row of the output, the rows that it reads of each activation; None: it needs them whole."""
        if node.name not in self._reach:
            self._reach[node.name] = self._reached(node)
        return self._reach[node.name]

    def rolling_bytes(self, nodes: Sequence[Node], height: int) -> int | None:
        """Bytes of all rolling buffers, or None when no cascade can be made of the nodes."""
        rows = self._rows(nodes, height)
        return None if rows is None else sum(r.buffer_bytes for r in self._between(nodes, rows).values())

    def cascade(self, nodes: Sequence[Node], height: int) -> Cascade | None:
        """None when a layer needs its input whole, a value between is read elsewhere, or a piece would not
        begin at a word.
        """
        key = nodes[0].name, nodes[-1].name, height
        if key not in self._made:
            self._made[key] = self._cascade(nodes, height)
        return self._made[key]

    def _cascade(self, nodes: Sequence[Node], height: int) -> Cascade | None:
        rows = self._rows(nodes, height)
        output = nodes[-1].output
        stripes = rows and self._stripes(nodes, rows, len(rows[output].ends))
        if not rows or not stripes:
            return None
        rolling = self._between(nodes, rows)
        pieces = [piece for stripe in stripes for piece in stripe]
        read = sum(self._read_again(node, pieces) for node in nodes)
        moved = sum(
            r.kept_bytes(i) for r in rolling.values() for i in range(len(stripes)) if r.moved_bytes(i)
        )
        scratch = {id(piece.choice): piece.choice.scratch_bytes for piece in pieces}
        extra = CALL_CYCLES * (len(pieces) - len(nodes)) + MOVED_CYCLES * moved + READ_CYCLES * read
        inputs = {name: self._distance(name, rows, stripes, output) for name in rows if name not in rolling}
        del inputs[output]
        return Cascade(
            tuple(nodes),
            height,
            inputs,
            output,
            rolling,
            tuple(stripes),
            max(scratch.values()),
            int(extra),
        )

    def _stripes(
        self, nodes: Sequence[Node], rows: Mapping[str, Rows], count: int
    ) -> list[tuple[Piece, ...]] | None:
        """None when some rows of a layer, though each alone can, cannot be computed together."""
        columns = []
        for node in nodes:
            made = [rows[node.output].made(i) for i in range(count)]
            stripes = [self._stripe(node, each) if each else None for each in made]
            if any(each and stripe is None for each, stripe in zip(made, stripes, strict=True)):
                return None
            chosen = iter(self._chosen(node, [stripe for stripe in stripes if stripe]))
            columns.append(
                [
                    Piece(node, each, stripe, next(chosen)) if stripe else None
                    for each, stripe in zip(made, stripes, strict=True)
                ]
            )
        return [tuple(piece for piece in stripe if piece) for stripe in zip(*columns, strict=True)]

    def _reached(self, node: Node) -> list[tuple[range, ...]] | None:
        if len(node.outputs) > 1:
            return None
        shape = self.graph.tensors[node.output].shape
        if OPS[node.op].view or not is_image(shape):
            return None
        found = [self._stripe(node, range(row, row + 1)) for row in range(shape[1])]
        return None if None in found else [stripe.rows for stripe in found if stripe]

    def _stripe(self, node: Node, rows: range) -> Stripe | None:
        key = node.name, rows.start, rows.stop
        if key not in self._striped:
            self._striped[key] = OPS[node.op].stripe(self.graph.call(node), rows)
        return self._striped[key]

    def _between(self, nodes: Sequence[Node], rows: Mapping[str, Rows]) -> dict[str, Rows]:
        return {node.output: rows[node.output] for node in nodes[:-1]}

    def _rows(self, nodes: Sequence[Node], height: int) -> dict[str, Rows] | None:
        """Of every value that the nodes read or write; None when they cannot run as a cascade."""
        reaches = [self.reach(node) for node in nodes]
        if None in reaches or not self._closed(nodes):
            return None
        total = self.graph.tensors[nodes[-1].output].shape[1]
        made = {nodes[-1].output: [min((i + 1) * height, total) for i in range(-(-total // height))]}
        needed: dict[str, list[int]] = {}
        read_from: dict[str, set[int]] = {}
        for node, reach in zip(reversed(nodes), reversed(reaches), strict=True):
            assert reach is not None
            ends = made[node.output]
            ends[-1] = len(reach)  # rows that nobody reads are part of the layer's output all the same
            for i, name in enumerate(self.graph.activations(node)):
                end = [reach[e - 1][i].stop if e else 0 for e in ends]
                begin = [reach[e][i].start if e < len(reach) else FAR for e in [0, *ends[:-1]]]
                made[name] = [*map(max, made.get(name, end), end)]
                needed[name] = [*map(min, needed.get(name, begin), begin)]
                read_from.setdefault(name, set()).update(begin)
        needed[nodes[-1].output] = [0] * len(made[nodes[-1].output])
        found = {name: self._values_rows(name, needed[name], ends) for name, ends in made.items()}
        aligned = (self._aligned(rows, read_from.get(name, ())) for name, rows in found.items())
        return found if all(aligned) else None

    def _closed(self, nodes: Sequence[Node]) -> bool:
        """Whether nothing but the last output is read elsewhere, and all else is read."""
        inside = {node.name for node in nodes}
        readers = [{reader.name for reader in self.graph.consumers(node.output)} for node in nodes[:-1]]
        kept = {*self.graph.wanted} & {node.output for node in nodes[:-1]}
        return not kept and all(names and names <= inside for names in readers)

    def _values_rows(self, name: str, needed: Sequence[int], ends: Sequence[int]) -> Rows:
        starts = tuple(min(n, e) for n, e in zip(needed, [0, *ends[:-1]], strict=True))
        return Rows(row_bytes(self.graph.tensors[name]), starts, tuple(ends))

    def _aligned(self, rows: Rows, read_from: Iterable[int]) -> bool:
        """Whether the buffer and all pieces, written or read, begin at words during every stripe."""
        firsts = [*rows.starts, *rows.ends[:-1], *read_from]
        return all(first * rows.row_bytes % ALIGNMENT == 0 for first in firsts)

    def _read_again(self, node: Node, pieces: Sequence[Piece]) -> int:
        """Bytes of activations that the node's pieces read beyond once each."""
        total = 0
        for i, name in enumerate(self.graph.activations(node)):
            tensor = self.graph.tensors[name]
            read = sum(len(piece.stripe.rows[i]) for piece in pieces if piece.node is node)
            total += max(0, read - tensor.shape[1]) * row_bytes(tensor)
        return total

    def _chosen(self, node: Node, stripes: Sequence[Stripe]) -> list[Choice]:
        """One kernel for all of a layer's pieces, the cheapest that accepts them: they share its weights."""
        ways = [self._ways(node, stripe) for stripe in stripes]
        kinds = set.intersection(*[set(each) for each in {id(way): way for way in ways}.values()])
        prices = {kind: sum(way[kind].cycles for way in ways) for kind in ways[0] if kind in kinds}
        best = min(prices, key=lambda kind: prices[kind])
        return [way[best] for way in ways]

    def _ways(self, node: Node, stripe: Stripe) -> dict[str, Choice]:
        """By label, the cheapest first, what can compute some rows of a layer."""
        if id(stripe) not in self._choices:  # stripes are kept, so that no other has this id
            self._choices[id(stripe)] = self._ways_of_shape(node, stripe.call)
        return self._choices[id(stripe)]

    def _ways_of_shape(self, node: Node, call: Call) -> dict[str, Choice]:
        key = node.name, call.attrs, call.output.shape, *(t.shape for t in call.inputs if t.data is None)
        if key not in self._choices:
            self._choices[key] = {each.label: each for each in choices(node.op, call, self.isa)}
        return self._choices[key]

    def _distance(
        self, name: str, rows: Mapping[str, Rows], stripes: Sequence[Sequence[Piece]], output: str
    ) -> int | None:
        """By how many bytes the output must begin before an input to share its memory."""
        x, y = rows[name], rows[output]
        distances = [0]
        for i, stripe in enumerate(stripes):
            if i + 1 < len(stripes) and x.starts[i + 1] < x.ends[-1]:
                distances.append(y.ends[i] * y.row_bytes - x.starts[i + 1] * x.row_bytes)
            last = stripe[-1]
            reads = self.graph.activations(last.node)
            if name not in reads:
                continue
            allowed = last.choice.overlap
            for read, made, distance in zip(reads, last.stripe.rows, allowed, strict=True):
                if read == name and distance is None:
                    return None
                if read == name and distance is not None:
                    distances.append(last.rows.start * y.row_bytes + distance - made.start * x.row_bytes)
        return max(distances)


FAR = 1 << 30
"""A row that no value has."""
