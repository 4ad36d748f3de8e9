"""What is a random sequence graph? One that walks, attends, remembers or is a stream, beside all else.

Each surely has a recurrent layer, attention, a state from one run to the next, or is a network of windows of
which a stream can be made; what is drawn around that is what any random graph is made of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import torch
from random_calls import FAMILIES, At, Draw, Misfit
from random_graphs import (
    LEAPS,
    NUDGE,
    NUDGES,
    STEPS,
    Growing,
    RandomGraph,
    applied,
    begun,
    close,
    finished,
    in_a_row,
    nudged,
    usable,
)
from random_streams import BODY, ENDS, Time, shape_and_axis

from firmnet.errors import UserError
from firmnet.ir import Array, Dtype, Graph, QParams, Shape, Tensor
from firmnet.passes.drop_dead import drop_dead
from firmnet.stream import follow, followed

TRIES = 60
"""Of a graph."""
SOME_SCALE = QParams((0.0625,), 0, Dtype.INT8)
OFTEN = 12
"""So often is drawn what a graph must have, before another graph is."""
FOLLOWERS = 6
"""Values that are tried as what a state holds in the next run."""
WALKS = {"rnn", "gru", "lstm"}
SLIDES = {"conv2d", "max_pool2d", "avg_pool2d", *WALKS}
"""Of a stream: one of them reads several places in time, or one after another."""


def random_sequence(seed: int) -> RandomGraph:
    """The sequence graph of this seed."""
    kind = kind_of(seed)
    for attempt in range(TRIES):
        made = KINDS[kind](seed, Draw(f"sequence {seed}, {attempt}"))
        if made:
            return made
    raise AssertionError(f"chance makes no {kind} of seed {seed} in {TRIES} tries")


def kind_of(seed: int) -> str:
    """What the graph of this seed surely has; it may have more."""
    return Draw(f"sequence {seed}").choice([*KINDS])


def _walking(seed: int, draw: Draw) -> RandomGraph | None:
    """A recurrent layer or a cell among other calls."""
    growing = _with(seed, draw, "recurrent")
    return _living(finished(growing), lambda graph: any(node.op in WALKS for node in graph.nodes))


def _attending(seed: int, draw: Draw) -> RandomGraph | None:
    """Attention among other calls: a softmax and a product that it made are there."""
    growing = _with(seed, draw, "attention")
    mine = {node.name for node in growing.sure}

    def attends(graph: Graph) -> bool:
        return {"softmax", "matmul"} <= {node.op for node in graph.nodes if node.name in mine}

    return _living(finished(growing), attends)


def _living(made: RandomGraph, wanted: Callable[[Graph], bool]) -> RandomGraph | None:
    """The graph, if what an output depends on has what is wanted."""
    return made if wanted(drop_dead(made.graph)) else None


def _with(seed: int, draw: Draw, name: str) -> Growing:
    """Calls of a family among 1 to 5 others; where chance finds none that fits, none."""
    growing, family = begun(seed, draw, Growing), FAMILIES[name]
    for shape in _shapes(draw):
        growing.input(shape)
    for _ in range(draw.choice([0, 0, 1, 2])):
        growing.step()
    for _ in range(draw.choice([1, 1, 2])):
        before = len(growing.builder.nodes)
        if any(growing.make(family, draw.choice(family.names)) for _ in range(OFTEN)):
            growing.sure += growing.builder.nodes[before:]
        for _ in range(draw.choice([0, 1, 1, 2])):
            growing.step()
    return growing


def _shapes(draw: Draw) -> list[Shape]:
    """Of 1 or 2 inputs: sequences (N, T, C), or as convolutions have them, (1, C, T); single steps."""
    steps, channels = draw.randint(2, 12), draw.randint(1, 8)
    batch = draw.choice([1, 1, 1, 2, 3])
    several = [(batch, steps, channels), (steps, channels), (1, channels, steps), (batch, channels)]
    first = draw.choices(several, [8, 2, 2, 2])[0]
    others = [first, (batch, draw.randint(1, 9), channels), (batch, channels), (draw.randint(1, 6),)]
    return [first, *([draw.choice(others)] if draw.maybe(0.35) else [])]


@dataclass
class Memory:
    """A state: its number among the values, what it holds at first, and the number of what it takes over."""

    number: int
    initial: Array
    following: int = -1


@dataclass
class Remembering(Growing):
    """A graph with states; what these are in each step is known in the end, until then it is guessed."""

    memories: list[Memory] = field(default_factory=list)

    def state(self, shape: Shape) -> Memory:
        """One more: zeros or noise at first."""
        rng = np.random.default_rng(self.draw.randrange(1 << 30))
        initial = rng.normal(size=shape) * self.draw.choice([0.0, 0.0, 1.0])
        memory = Memory(len(self.values), initial)
        tensor = self.builder.state(f"state_{len(self.memories)}", initial)
        guessed = [initial, *(rng.normal(size=(self.count - 1, *shape)) * 0.5)]
        self.keep(tensor, [torch.from_numpy(np.asarray(x)) for x in guessed])
        self.lines.append(
            f"v{memory.number} = state {shape}, {'noise' if initial.any() else 'zeros'} at first"
        )
        self.memories.append(memory)
        return memory

    def remember(self) -> None:
        """A state, and as a rule what it takes over: a filter, a window of frames, a cell; else any value."""
        for kind in (self.draw.choice([self._filter, self._window, self._cell, self._any]), self._any):
            try:
                return kind()
            except Misfit:
                continue

    def _filter(self) -> None:
        """A share of what it was, and of a value."""
        x, shape = self.draw.activation()
        memory, share = self.state(shape), self.draw.choice([0.5, 0.9, 1.0])
        kept = self.said("mul.Scalar", At(memory.number), share)
        made = self.said("add.Tensor", kept, x, {"alpha": self.draw.choice([1 - share, 0.1, 1.0])})
        memory.following = made.number

    def _window(self) -> None:
        """The last values of something: those that are new behind those that are older."""
        x, shape = self.draw.activation(lambda known: bool(known.shape))
        axis = self.draw.randrange(len(shape))
        kept = self.draw.randint(1, max(1, 16 // shape[axis]))
        places = kept * shape[axis]
        memory = self.state((*shape[:axis], places, *shape[axis + 1 :]))
        both = self.said("cat.default", [At(memory.number), x], axis)
        memory.following = self.said("slice.Tensor", both, axis, shape[axis], places + shape[axis]).number

    def _cell(self) -> None:
        x, shape = self.draw.ranked(1, 2)
        units = self.draw.randint(1, 5)
        kind, gates = self.draw.choice([("rnn_tanh", 1), ("rnn_relu", 1), ("gru", 3), ("lstm", 4)])
        memories = [self.state((*shape[:-1], units)) for _ in range(2 if kind == "lstm" else 1)]
        begins = [At(memory.number) for memory in memories]
        weights = [self.draw.constant(gates * units, n) for n in (shape[-1], units)]
        biases = [self.draw.constant(gates * units) for _ in range(2)]
        first = len(self.values)
        self.said(f"{kind}_cell.default", x, begins if kind == "lstm" else begins[0], *weights, *biases)
        for i, memory in enumerate(memories):
            memory.following = first + i

    def _any(self) -> None:
        """Of the shape of some value; what it takes over is chosen in the end."""
        self.state(self.draw.activation()[1])

    def closed(self) -> bool:
        """Whether every state takes over a value with which the steps stay numbers, and steady ones."""
        open_ones = [memory for memory in self.memories if memory.following < 0]
        for _ in range(FOLLOWERS if open_ones else 1):
            for memory in open_ones:
                memory.following = self._follower(memory)
            if self._walked():
                break
        else:
            return False
        for memory in self.memories:
            state, following = (self.values[i].tensor for i in (memory.number, memory.following))
            self.builder.update(state, following)
            self.lines.append(f"v{memory.number} takes over v{memory.following}")
        return True

    def _follower(self, memory: Memory) -> int:
        """A value of a state's shape, what was made last as a rule."""
        shape = self.draw.known[memory.number].shape
        alike = [
            i
            for i, known in enumerate(self.draw.known)
            if known.shape == shape and i != memory.number and not known.rows and not known.masked
        ]
        late = [i for i in alike if i > memory.number]
        return self.draw.choice(late if late and self.draw.maybe(0.7) else alike or [memory.number])

    def _walked(self) -> bool:
        """The steps one after another: what every value really is; False where it is no use."""
        steps = self._steps(0.0)
        if not steps or not all(
            usable([step[i] for step in steps], known.masked) for i, known in enumerate(self.draw.known)
        ):
            return False
        if any(made.name in LEAPS for made in self.made) or any(known.rows for known in self.draw.known):
            mine = in_a_row(chain(*steps))
            if not all(close(in_a_row(chain(*self._steps(NUDGE))), mine) for _ in range(NUDGES)):
                return False
        for i, value in enumerate(self.values):
            value.real = [step[i] for step in steps]
        return True

    def _steps(self, nudge: float) -> list[list[torch.Tensor]]:
        """Every value in every step; nothing where PyTorch refuses a call."""
        remembered = {memory.number: torch.from_numpy(np.asarray(memory.initial)) for memory in self.memories}
        steps: list[list[torch.Tensor]] = []
        for step in range(self.count):
            reals = [value.real[step].clone() for value in self.values]
            for number, real in remembered.items():
                reals[number] = nudged(real, nudge)
            for i in range(self.draw.inputs):
                reals[i] = nudged(reals[i], 0.0 if self.values[i].rows else nudge)
            for made in self.made:
                answers = applied(made.name, made.arguments, lambda at, of=reals: of[at.number].clone())
                if not answers:
                    return []
                for i, answer in zip(made.values, answers, strict=False):
                    reals[i] = answer.to(torch.float64)
            remembered = {memory.number: reals[memory.following] for memory in self.memories}
            steps.append(reals)
        return steps


def _remembering(seed: int, draw: Draw) -> RandomGraph | None:
    """1 to 3 states among other calls; the samples are steps."""
    growing = begun(seed, draw, Remembering, count=STEPS)
    for shape in _shapes(draw):
        growing.input(shape)
    actions = [growing.step] * draw.randint(1, 4) + [growing.remember] * draw.choice([1, 1, 1, 2, 3])
    draw.shuffle(actions)
    for action in actions:
        action()
    if not growing.closed():
        return None
    return _living(finished(growing), lambda graph: bool(graph.states))


@dataclass
class Streaming(Growing):
    """A network of windows with time along an axis of its only input."""

    axis: int = 0
    causal: bool = False
    axes: dict[int, int] = field(default_factory=dict)
    scaled: dict[str, Tensor] = field(default_factory=dict)
    """What was followed before, with the scale that it had then."""

    def accepts(self, built: list[Tensor]) -> bool:
        """Whether a stream may go on with these; if so, they are among what goes on with time, if they do."""
        begin, found = self.values[0].tensor, {}
        for i, tensor in enumerate(built):
            try:
                graph = _with_scales(self.builder.graph(begin, tensor), self.scaled)
                timed = follow(graph, self.axis, None).timed
            except UserError:
                return False
            if tensor.name in timed:
                found[len(self.values) + i] = timed[tensor.name].axis
        self.axes |= found
        return True

    def along(self) -> None:
        """One more step of what streams are made of."""
        names = [*BODY]
        for _ in range(OFTEN):
            name = self.draw.choices(names, [BODY[each][1] for each in names])[0]
            try:
                BODY[name][0](self.draw, self.said, Time(self.axes, self.causal))
                return
            except Misfit:
                continue


def _with_scales(graph: Graph, known: dict[str, Tensor]) -> Graph:
    """The float graph with some scale for each activation, which tells how integers would be rounded.

    `known`: what had one before; what has one now is added.
    """
    for name, tensor in graph.tensors.items():
        if tensor.data is None and (name not in known or known[name].shape != tensor.shape):
            known[name] = replace(tensor, qparams=SOME_SCALE)
    some = {name: known[name] if tensor.data is None else tensor for name, tensor in graph.tensors.items()}
    return replace(graph, tensors=some)


def _streaming(seed: int, draw: Draw) -> RandomGraph | None:
    """A network of windows, of which a stream can be made."""
    shape, axis = shape_and_axis(draw)
    growing = begun(seed, draw, Streaming, axis=axis, causal=draw.maybe(0.45))
    growing.input(shape)
    growing.axes[0] = axis
    for _ in range(draw.randint(1, 5)):
        growing.step() if draw.maybe(0.3) else growing.along()
    end = draw.choice(ENDS)
    for _ in range(OFTEN if end else 0):
        try:
            end(draw, growing.said, Time(growing.axes, growing.causal))
            break
        except Misfit:
            continue
    for _ in range(draw.choice([0, 0, 1])):
        growing.step()
    made = finished(growing, (axis, draw.randint(1, 3)))
    graph = _with_scales(made.optimized, {})
    try:
        found = followed(graph, axis, None)
    except UserError:
        return None
    over_time = {
        node.name for node in graph.nodes if node.name in found.walks or node.outputs[0] in found.timed
    }
    return made if any(node.op in SLIDES and node.name in over_time for node in graph.nodes) else None


KINDS: Mapping[str, Callable[[int, Draw], RandomGraph | None]] = {
    "recurrent": _walking,
    "attention": _attending,
    "state": _remembering,
    "stream": _streaming,
}
