"""What is a random graph? Seeded calls of operators, each made by its rule and by PyTorch at once."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import torch
from random_calls import FAMILIES, PLACES, At, Constant, Draw, Family, Known, Misfit

from firmnet.frontends.common.arguments import call
from firmnet.frontends.common.builder import Builder, Unsupported
from firmnet.frontends.torch.rules import RULES
from firmnet.ir import Array, Dtype, Graph, Node, Shape, Tensor
from firmnet.ops import OPS
from firmnet.passes import optimize

SAMPLES = 3
STEPS = 5
"""Samples where something is remembered from each to the next."""
LARGEST = 900
"""Elements of a value."""
LARGEST_AMOUNT = 1e4
ATTEMPTS = 40
"""Of a step."""
NUDGE, NUDGES = 1e-9, 12
"""Of what a leap reads: how far, and how often."""
MANY = 400
"""Graphs in which a call is tried."""
NAMES = ("x", "y", "z")
PLAIN = {int, float, bool, str, type(None)}
REFUSALS = (RuntimeError, ValueError, IndexError, TypeError)
"""How PyTorch refuses a call."""
LEAPS = {name for family in FAMILIES.values() for name in family.calls if name in family.leaps}

refused: Counter[str] = Counter()
"""How often a rule refused what PyTorch takes, by operator and reason."""


@dataclass
class Value:
    """An activation, in the graph and in PyTorch: what it is for every sample, float64."""

    tensor: Tensor
    real: list[torch.Tensor]
    rows: int = 0
    truths: bool = False

    @property
    def known(self) -> Known:
        low, high = min(float(x.min()) for x in self.real), max(float(x.max()) for x in self.real)
        masked = low == -math.inf
        return Known(tuple(self.real[0].shape), low, high, self.rows, self.truths, masked)


@dataclass(frozen=True)
class RandomGraph:
    """A float graph, samples (N, …) of each input, and PyTorch's outputs for each of the samples.

    Of a graph with states the samples are steps from a reset on. `default` and `named`: the types of
    activations it is to have (see quantize.apply). `calls`: the operators, and `text` all that was drawn, as
    people read it. `time`: the input's axis, in the model's own order, along which it is to be a stream, and
    how many hops of the least at once. `masked`: infinity keeps some softmax away from something.
    """

    seed: int
    graph: Graph
    samples: tuple[Array, ...]
    expected: list[list[Array]]
    largest: float
    default: Dtype
    named: dict[str, Dtype]
    calls: tuple[str, ...]
    text: str
    time: tuple[int, int] | None = None
    masked: bool = False

    @cached_property
    def optimized(self) -> Graph:
        return optimize(self.graph)


@dataclass(frozen=True)
class Made:
    """A call that was made, and the numbers of its values."""

    name: str
    arguments: tuple[Any, ...]
    values: range


@dataclass
class Growing:
    """A graph half-way, of so many samples. `sure`: nodes that the graph was made for."""

    seed: int
    draw: Draw
    builder: Builder
    count: int = SAMPLES
    samples: list[Array] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    sure: list[Node] = field(default_factory=list)

    def input(self, shape: Shape) -> None:
        """One more: noise of any size, or positive; or numbers of the rows of a table."""
        rng = np.random.default_rng(self.draw.randrange(1 << 30))
        noise = rng.normal(size=(self.count, *shape)) * self.draw.choice([0.1, 1.0, 1.0, 5.0])
        samples = (np.abs(noise) + 0.05 if self.draw.maybe(0.2) else noise).astype(np.float32)
        rows = self.draw.choice([2, 9, 300]) if len(shape) < 3 and self.draw.maybe(0.25) else 0
        if rows:
            samples = rng.integers(0, rows, (self.count, *shape))
            samples.flat[0] += 0 if np.ptp(samples) else 1 - 2 * bool(samples.flat[0])  # never all the same
        number = len(self.values)
        tensor = self.builder.input(NAMES[number], shape)
        self.lines.append(f"v{number} = input {shape}" + (f", numbers of {rows} rows" if rows else ""))
        self.samples.append(samples[:, 0] if shape[:1] == (1,) else samples)
        self.keep(tensor, [torch.from_numpy(x.astype(np.float64)) for x in samples], rows)
        self.draw.inputs += 1

    def step(self) -> None:
        """One more call, of a family that is drawn first; nothing where none was found that fits."""
        for _ in range(ATTEMPTS):
            family = self.draw.choices([*FAMILIES.values()], [each.weight for each in FAMILIES.values()])[0]
            if self.make(family, self.draw.choice(family.names)):
                return

    def make(self, family: Family, name: str) -> bool:
        """Whether this call or phrase was made, with arguments that are drawn."""
        try:
            if name in family.phrases:
                family.phrases[name](self.draw, self.said)
                return True
            return self.call(name, *family.calls[name](self.draw))
        except Misfit:
            return False

    def said(self, name: str, *arguments: Any) -> At:
        """One more call of a phrase."""
        if not self.call(name, *arguments):
            raise Misfit
        return At(len(self.values) - 1)

    def call(self, name: str, *arguments: Any) -> bool:
        """Whether this was called: PyTorch and the rule take it, and what it makes can be gone on with."""
        made, masks = self._computed(name, arguments), _masks(arguments)
        if not made or not usable(made[0], masks):
            return False
        leaps = name in LEAPS or any(real[0].dtype is torch.int64 for real in made)
        if leaps and not self._steady(name, arguments, made):
            return False
        before = len(self.builder.nodes), {**self.builder.tensors}, {**self.builder.expanded}
        self.builder.layer = f"{name.partition('.')[0]}_{len(self.made)}"
        self.builder.readers = frozenset({"softmax"} if masks else ())
        try:
            built = self._built(name, arguments, [tuple(real[0].shape) for real in made])
        except Unsupported as reason:
            refused[f"{name}: {reason}"] += 1
            built = []
        fit = all(usable(real, masks) for real in made[: len(built)])
        if not built or not fit or not self.accepts(built):
            nodes, self.builder.tensors, self.builder.expanded = before
            del self.builder.nodes[nodes:]
            return False
        first = len(self.values)
        for tensor, real in zip(built, made, strict=False):
            rows, truths = PLACES if real[0].dtype is torch.int64 else 0, real[0].dtype is torch.bool
            self.keep(tensor, [y.to(torch.float64) for y in real], rows, truths)
        self.made.append(Made(name, arguments, range(first, len(self.values))))
        results = ", ".join(f"v{i}" for i in range(first, len(self.values)))
        listed = ", ".join(_listed(arguments))
        self.lines.append(f"{results} = {name}({listed})  # {built[0].shape}")
        return True

    def accepts(self, built: list[Tensor]) -> bool:
        """Whether the graph may go on with what a call makes."""
        return True

    def _steady(self, name: str, arguments: tuple[Any, ...], made: list[list[torch.Tensor]]) -> bool:
        """Whether rounding errors in what it reads come out as such."""
        mine = in_a_row(chain(*made))
        return all(
            close(in_a_row(chain(*self._computed(name, arguments, NUDGE))), mine) for _ in range(NUDGES)
        )

    def _computed(
        self, name: str, arguments: tuple[Any, ...], nudge: float = 0.0
    ) -> list[list[torch.Tensor]]:
        """What PyTorch makes: for every output that of every sample. Empty: it refuses."""
        by_sample = []
        for i in range(self.count):
            made = applied(name, arguments, lambda at, i=i: self._read(at, i, nudge))
            if not made:
                return []
            by_sample.append(made)
        return [list(each) for each in zip(*by_sample, strict=True)]

    def _read(self, at: At, sample: int, nudge: float) -> torch.Tensor:
        """A copy of an activation, a little changed."""
        value = self.values[at.number]
        return nudged(value.real[sample], 0.0 if value.rows else nudge)

    def _built(self, name: str, arguments: tuple[Any, ...], shapes: list[Shape]) -> list[Tensor]:
        """What the rule makes, refused where that has another shape as it is by the import."""
        given, keywords = _parted(arguments, lambda at: self.values[at.number].tensor, _real)
        made = call(RULES[f"aten.{name}"], self.builder, given, keywords)
        built = made if isinstance(made, list) else [made]
        for tensor, shape in zip(built, shapes, strict=False):
            if tensor.shape != shape:
                raise Unsupported(f"firmnet would make {tensor.shape} of it, and not {shape}")
        return built

    def keep(self, tensor: Tensor, real: list[torch.Tensor], rows: int = 0, truths: bool = False) -> None:
        """One more value."""
        value = Value(tensor, real, rows, truths)
        self.values.append(value)
        self.draw.known.append(value.known)


def applied(name: str, arguments: tuple[Any, ...], read: Callable[[At], torch.Tensor]) -> list[torch.Tensor]:
    """What PyTorch makes of what `read` says of each activation. Empty: it refuses."""
    operator, overload = name.split(".")
    function = getattr(getattr(torch.ops.aten, operator), overload)
    given, keywords = _parted(arguments, lambda at: read(at).to(at.dtype), _torch)
    try:
        made = function(*given, **keywords)
    except REFUSALS:
        return []
    return list(made) if isinstance(made, tuple | list) else [made]


def _masks(arguments: tuple[Any, ...]) -> bool:
    """Whether infinity keeps a softmax away from something."""
    return any(
        a == -math.inf
        if isinstance(a, float)
        else isinstance(a, Constant) and bool(np.isneginf(a.array).any())
        for a in arguments
    )


def _listed(arguments: tuple[Any, ...]) -> list[str]:
    """As in a call."""
    keywords = arguments[-1] if isinstance(arguments[-1], dict) else {}
    return [str(a) for a in arguments if a is not keywords] + [f"{k}={v}" for k, v in keywords.items()]


def nudged(x: torch.Tensor, nudge: float) -> torch.Tensor:
    """A copy, every value a little changed."""
    return x + nudge * torch.randn_like(x) * (x.abs() + 1) if nudge else x.clone()


def in_a_row(values: Iterable[torch.Tensor]) -> torch.Tensor:
    """All of them, float64."""
    return torch.cat([x.double().ravel() for x in values])


def close(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether they differ by rounding errors only."""
    return torch.allclose(y, x, rtol=1e-3, atol=1e-6)


def _torch(constant: Constant) -> torch.Tensor:
    return torch.from_numpy(constant.array)


def _real(constant: Constant) -> Array:
    """As frontends give them to rules."""
    return constant.array.astype(np.float64)


def _parted(arguments: tuple[Any, ...], of: Any, constant: Any) -> tuple[list[Any], dict[str, Any]]:
    """Positional arguments and keywords, activations and constants put in."""

    def resolved(argument: Any) -> Any:
        kind = type(argument)
        if kind in PLAIN:
            return argument
        if kind is list:
            return [resolved(each) for each in argument]
        if kind is At:
            return of(argument)
        return constant(argument) if isinstance(argument, Constant) else argument

    keywords = arguments[-1] if isinstance(arguments[-1], dict) else {}
    return [resolved(a) for a in arguments if a is not keywords], {
        k: resolved(v) for k, v in keywords.items()
    }


def usable(real: Sequence[torch.Tensor], masks: bool = False) -> bool:
    """Neither large, nor empty, nor infinite; but for what `masks`."""
    first = real[0]
    if not 0 < first.numel() <= LARGEST or first.ndim > 6:
        return False
    least = -math.inf if masks else -LARGEST_AMOUNT
    extremes = (torch.aminmax(x.double()) for x in real)
    return all(least <= float(low) and float(high) <= LARGEST_AMOUNT for low, high in extremes)


def random_graph(seed: int) -> RandomGraph:
    """1 to 3 inputs, 2 to 6 calls, 1 to 3 outputs: what nothing reads, at times what something reads too."""
    growing = _begun(seed)
    for _ in range(growing.draw.randint(2, 6)):
        growing.step()
    _joined(growing)
    return finished(growing)


def graph_with(family: Family, name: str) -> RandomGraph | None:
    """A random graph that ends with this call or phrase; None where chance never gets to it."""
    for seed in range(MANY):
        growing = _begun(seed)
        for _ in range(growing.draw.choice([0, 0, 1, 2])):
            growing.step()
        if growing.make(family, name):
            return finished(growing)
    return None


def _begun(seed: int) -> Growing:
    """With its inputs."""
    growing = begun(seed, Draw(seed), Growing)
    for shape in _shapes(growing.draw):
        growing.input(shape)
    return growing


Grows = TypeVar("Grows", bound=Growing)


def begun(seed: int, draw: Draw, kind: type[Grows], **options: Any) -> Grows:
    """Without any."""
    torch.default_generator.manual_seed(seed)  # of nudges; torch.manual_seed notes its callers, for longer
    return kind(seed, draw, Builder(f"graph_{seed}"), **options)


def finished(growing: Growing, time: tuple[int, int] | None = None) -> RandomGraph:
    """With the outputs and types that it is to have."""
    outputs = _outputs(growing)
    returned = {f"out_{n}": _returned(growing, growing.values[i].tensor) for n, i in enumerate(outputs)}
    tables = {node.inputs[0] for node in growing.builder.nodes if node.op == "embedding"}
    inputs = [value.tensor for value in growing.values[: growing.draw.inputs]]
    graph = growing.builder.graph(inputs, returned)
    default, named = _precision(growing.draw, graph)
    asked = ", ".join([f"all {default}", *(f"{name} {dtype}" for name, dtype in named.items())])
    said = f"return {', '.join(f'v{i}' for i in outputs)}"
    return RandomGraph(
        growing.seed,
        graph,
        tuple(
            x if tensor.name in tables else x.astype(np.float32)
            for tensor, x in zip(inputs, growing.samples, strict=True)
        ),
        [[growing.values[i].real[s].numpy() for i in outputs] for s in range(growing.count)],
        _largest(growing),
        default,
        named,
        tuple(made.name for made in growing.made),
        "\n".join([f"seed {growing.seed}", *growing.lines, said, asked]),
        time,
        any(_masks(made.arguments) for made in growing.made),
    )


def _largest(growing: Growing) -> float:
    reals = chain(
        *(v.real for v, known in zip(growing.values, growing.draw.known, strict=True) if not known.masked)
    )
    return max(float(x.abs().max()) for x in reals)


def _returned(growing: Growing, tensor: Tensor) -> Tensor:
    """A value as an output: what a state was before is handed on as a copy, as import does it."""
    if tensor.name not in growing.builder.states:
        return tensor
    return growing.builder.add("rescale", OPS["rescale"].attrs(), tensor, name=f"{tensor.name}_out")


def _shapes(draw: Draw) -> list[Shape]:
    """Of 1 to 3 inputs: often the same, or one that repeats over another."""
    first = _shape(draw)
    shapes = [first]
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        alike = tuple(n if draw.maybe(0.7) else 1 for n in first)
        shapes.append(draw.choice([first, alike, _shape(draw)]))
    return shapes


def _shape(draw: Draw) -> Shape:
    """An image as a rule; ranks 1 to 5, some of more than one sample, some axes of 1."""

    def sizes(count: int, most: int) -> list[int]:
        return [1 if draw.maybe(0.12) else draw.randint(2, most) for _ in range(count)]

    kind = draw.choices(["image", "line", "volume", "row", "any"], [9, 4, 1, 3, 4])[0]
    if kind == "any":
        rank = draw.randint(1, 5)
        return tuple(sizes(rank, {1: 30, 2: 12, 3: 7, 4: 5, 5: 3}[rank]))
    spatial = {"image": [11, 11], "line": [20], "volume": [4, 5, 5], "row": []}[kind]
    channels = draw.choice([1, 2, 3, 4, 5, 6, 8, 12]) if spatial else draw.randint(1, 30)
    shape = (1, channels, *(sizes(1, most)[0] for most in spatial))
    return shape if math.prod(shape) <= LARGEST else (1, 2, *shape[2:])


def _joined(growing: Growing) -> None:
    """The last value and another, at times."""
    if not growing.draw.maybe(0.3):
        return
    last = growing.values[-1].tensor.shape
    others = [i for i, value in enumerate(growing.values[:-1]) if value.tensor.shape == last]
    if others and last:
        at, other = At(len(growing.values) - 1), At(growing.draw.choice(others))
        axis = growing.draw.randrange(len(last))
        how = growing.draw.choice([("cat.default", [at, other], axis), ("add.Tensor", at, other)])
        growing.call(*how)


def _outputs(growing: Growing) -> list[int]:
    """Numbers of 1 to 3 values: what nothing reads, the latest first; at times any other."""
    read = {tensor for node in growing.builder.nodes for tensor in node.inputs}
    some = [i for i, value in enumerate(growing.values) if not growing.draw.known[i].masked]
    loose = [i for i in some if growing.values[i].tensor.name not in read]
    found = loose[::-1][: growing.draw.choice([1, 2, 3])] or [some[-1]]
    if len(found) < 3 and growing.draw.maybe(0.25):
        found.append(growing.draw.choice(some))
    return list(dict.fromkeys(found))


def _precision(draw: Draw, graph: Graph) -> tuple[Dtype, dict[str, Dtype]]:
    """int8 as a rule; int16 for all, or for some layers and inputs."""
    kind = draw.choices(["int8", "int16", "some"], [6, 2, 3])[0]
    if kind != "some":
        return Dtype(kind), {}
    names = [*(port.name for port in graph.inputs), *(node.name for node in graph.nodes)]
    return Dtype.INT8, {name: Dtype.INT16 for name in names if draw.maybe(0.35)}
