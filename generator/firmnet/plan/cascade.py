"""How do layers run stripe by stripe? Between two of them only the rows that are still needed are kept.

A cascade's last layer computes its output a stripe of rows at a time; every other layer computes the rows
that the stripe newly needs, into a rolling buffer, where rows that the next stripe needs again move to the
front. No row is computed twice. Of two layers it is the fusion of operators by rows; from the model's input
on it is patch-based inference (Lin et al., MCUNetV2, 2021), with patches as wide as the image.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

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
    what running by stripes takes longer, and by dearer kernels than the cheapest.
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


Reach = Sequence[tuple[range, ...]]
"""Per row of a layer's output, the rows that it reads of each activation."""


@dataclass(frozen=True)
class Sketch:
    """A cascade whose kernels are not chosen yet: which rows of every value its stripes make and need.

    `reaches`: of each of its layers.
    """

    graph: Graph
    nodes: tuple[Node, ...]
    height: int
    rows: Mapping[str, Rows]
    reaches: tuple[Reach, ...]

    @property
    def output(self) -> str:
        return self.nodes[-1].output

    @property
    def rolling(self) -> dict[str, Rows]:
        """Of the values between the layers."""
        return {node.output: self.rows[node.output] for node in self.nodes[:-1]}

    @property
    def rolling_bytes(self) -> int:
        """Of all rolling buffers."""
        return sum(rows.buffer_bytes for rows in self.rolling.values())

    @cached_property
    def made(self) -> tuple[tuple[range, ...], ...]:
        """Per layer, the rows of its output that each stripe adds; none where it is empty."""
        count = len(self.rows[self.output].ends)
        return tuple(tuple(map(self.rows[node.output].made, range(count))) for node in self.nodes)

    @cached_property
    def extra_cycles(self) -> int:
        """About what it takes longer than its layers whole, by the cheapest kernels that it can have."""
        pieces = sum(bool(rows) for made in self.made for rows in made)
        moved = sum(
            rows.kept_bytes(i)
            for rows in self.rolling.values()
            for i in range(len(rows.ends))
            if rows.moved_bytes(i)
        )
        calls = CALL_CYCLES * (pieces - len(self.nodes))
        return int(calls + MOVED_CYCLES * moved + READ_CYCLES * self._read_again())

    def _read_again(self) -> int:
        """Bytes of activations that pieces read beyond once each."""
        total = 0
        for node, reach, made in zip(self.nodes, self.reaches, self.made, strict=True):
            for i, name in enumerate(self.graph.activations(node)):
                read = sum(reach[rows[-1]][i].stop - reach[rows[0]][i].start for rows in made if rows)
                tensor = self.graph.tensors[name]
                total += max(0, read - tensor.shape[1]) * row_bytes(tensor)
        return total


class Striper:
    """Makes cascades of a graph's layers; remembers what its layers said of their rows."""

    def __init__(self, graph: Graph, isa: Isa) -> None:
        self.graph, self.isa = graph, isa
        self._reach: dict[str, Reach | None] = {}
        self._striped: dict[tuple[str, int, int], Stripe | None] = {}
        self._choices: dict[object, dict[str, Choice]] = {}

    def reach(self, node: Node) -> Reach | None:
        """Per row of the output, the rows that it reads of each activation; None: it needs them whole."""
        if node.name not in self._reach:
            self._reach[node.name] = self._reached(node)
        return self._reach[node.name]

    def cascade(self, nodes: Sequence[Node], height: int) -> Cascade | None:
        """By the cheapest kernels; None when there is none, see `sketch`."""
        sketch = self.sketch(nodes, height)
        return next(self.cascades(sketch), None) if sketch else None

    def sketch(self, nodes: Sequence[Node], height: int) -> Sketch | None:
        """None when a layer needs its input whole, a value between is read elsewhere, or a piece would not
        begin at a word.
        """
        reaches = [reach for reach in map(self.reach, nodes) if reach is not None]
        if len(reaches) < len(nodes) or not self._closed(nodes):
            return None
        rows = self._rows(nodes, reaches, height)
        return Sketch(self.graph, tuple(nodes), height, rows, tuple(reaches)) if rows else None

    def cascades(self, sketch: Sketch) -> Iterator[Cascade]:
        """By the cheapest kernels, then by ever dearer ones with less scratch.

        None at all when some rows of a layer, though each alone can, cannot be computed together.
        """
        stripes = [
            [self._stripe(node, rows) for rows in made if rows]
            for node, made in zip(sketch.nodes, sketch.made, strict=True)
        ]
        layers = [[stripe for stripe in of_layer if stripe] for of_layer in stripes]
        if all(map(all, stripes)):
            ways = [self._ways(node, of_layer) for node, of_layer in zip(sketch.nodes, layers, strict=True)]
            for chosen in _ever_less_scratch(ways):
                yield self._cascade(sketch, layers, chosen)

    def _cascade(
        self, sketch: Sketch, stripes: Sequence[Sequence[Stripe]], chosen: Sequence["_PieceKernel"]
    ) -> Cascade:
        columns = []
        for node, made, of_layer, way in zip(sketch.nodes, sketch.made, stripes, chosen, strict=True):
            pieces = map(Piece, repeat(node), filter(None, made), of_layer, way.choices)
            columns.append([next(pieces) if rows else None for rows in made])
        made_of = tuple(tuple(filter(None, stripe)) for stripe in zip(*columns, strict=True))
        read = [name for name in sketch.rows if name not in sketch.rolling and name != sketch.output]
        return Cascade(
            nodes=sketch.nodes,
            height=sketch.height,
            inputs={name: self._distance(name, sketch.rows, made_of, sketch.output) for name in read},
            output=sketch.output,
            rolling=sketch.rolling,
            stripes=made_of,
            scratch_bytes=max(way.scratch_bytes for way in chosen),
            extra_cycles=sketch.extra_cycles + round(sum(way.extra_cycles for way in chosen)),
        )

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

    def _rows(self, nodes: Sequence[Node], reaches: Sequence[Reach], height: int) -> dict[str, Rows] | None:
        """Of every value that the nodes read or write; None where pieces would not begin at words."""
        total = self.graph.tensors[nodes[-1].output].shape[1]
        made = {nodes[-1].output: [min((i + 1) * height, total) for i in range(-(-total // height))]}
        needed: dict[str, list[int]] = {}
        read_from: dict[str, set[int]] = {}
        for node, reach in zip(reversed(nodes), reversed(reaches), strict=True):
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

    def _ways(self, node: Node, stripes: Sequence[Stripe]) -> list["_PieceKernel"]:
        """The kernels that accept all of a layer's pieces, which share its weights; the cheapest first."""
        each = [self._choices_of(node, stripe) for stripe in stripes]
        kinds = set.intersection(*[set(one) for one in {id(one): one for one in each}.values()])
        found = [[one[kind] for one in each] for kind in each[0] if kind in kinds]
        prices = [sum(choice.cycles for choice in chosen) for chosen in found]
        ways = [
            _PieceKernel(tuple(chosen), price - min(prices))
            for chosen, price in zip(found, prices, strict=True)
        ]
        return sorted(ways, key=lambda way: way.extra_cycles)

    def _choices_of(self, node: Node, stripe: Stripe) -> dict[str, Choice]:
        """By label, the cheapest first, what can compute some rows of a layer."""
        if id(stripe) not in self._choices:  # stripes are kept, so that no other has this id
            self._choices[id(stripe)] = self._choices_of_shape(node, stripe.call)
        return self._choices[id(stripe)]

    def _choices_of_shape(self, node: Node, call: Call) -> dict[str, Choice]:
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


@dataclass(frozen=True)
class _PieceKernel:
    """A kernel for all pieces of a layer, `choices`; the cheapest takes `extra_cycles` less."""

    choices: tuple[Choice, ...]
    extra_cycles: float

    @cached_property
    def scratch_bytes(self) -> int:
        """Of the piece that needs the most."""
        return max(
            choice.scratch_bytes for choice in {id(choice): choice for choice in self.choices}.values()
        )


def _ever_less_scratch(ways: Sequence[Sequence[_PieceKernel]]) -> Iterator[list[_PieceKernel]]:
    """Per layer one of its ways: the cheapest, then those that need less scratch, and so on."""
    chosen = [of_layer[0] for of_layer in ways]
    while True:
        yield chosen
        most = max(way.scratch_bytes for way in chosen)
        less = [next((way for way in of_layer if way.scratch_bytes < most), None) for of_layer in ways]
        chosen = [way for way in less if way]
        if len(chosen) < len(ways):
            return
