"""Does a random graph mean the same everywhere? In PyTorch, imported, optimized, and in C on every target."""

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from compiler_warnings import WARNINGS
from random_graphs import RandomGraph, random_graph
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.device import side_by_side
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.errors import GraphError, UserError, VerificationError
from firmnet.interpret import run_float, run_int
from firmnet.ir import Array, Graph, unwrapped, wrapped
from firmnet.passes import optimize
from firmnet.plan import least
from firmnet.quantize import apply, calibrate
from firmnet.targets import Isa

TOLERANCE = 1e-6
"""Of a float graph beside PyTorch in float64, of its largest output."""
ROUNDING = 1e-11
"""Of the largest of all its values: what is left where they cancel out."""
TIGHT = 3
"""Every so many graphs are planned in the least memory."""
NOISE = 4
"""Inputs of a quantized graph, beside the extremes."""


@dataclass(frozen=True)
class Target:
    """Where C runs. Not optimized: it computes the same, and compiles in a fraction of the time."""

    name: str
    isa: Isa
    machine: str = ""
    cflags: tuple[str, ...] = NOT_OPTIMIZED
    separate_buffers: bool = False

    def model(self, graph: Graph, tight: bool) -> Model:
        """`tight`: in the least memory that there is for it, stripe by stripe where need be."""
        if self.separate_buffers or not tight:
            return from_graph(graph, isa=self.isa, separate_buffers=self.separate_buffers)
        return from_graph(graph, isa=self.isa, program=least(graph, isa=self.isa))

    def program(self, models: Sequence[Model]) -> Runner:
        flags = (*WARNINGS, *self.cflags)
        if self.machine:
            return core.image(models, self.machine, cflags=flags)
        return host.executable(models, cflags=flags)


HOST = Target("host", Isa.SCALAR)
PORTABLE = Target("portable", Isa.SCALAR, "mps2-an385")
DSP = Target("dsp", Isa.DSP, "mps2-an386")
TARGETS = (HOST, PORTABLE, DSP)
SANITIZED = Target("sanitizers", Isa.SCALAR, cflags=host.SANITIZERS, separate_buffers=True)
"""Every access of an array of its own."""


@dataclass
class Checked:
    """What was found: sentences by seed, and the calls and ops of all graphs."""

    failures: dict[int, list[str]] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    ops: set[str] = field(default_factory=set)

    def fail(self, seed: int, sentence: str) -> None:
        self.failures.setdefault(seed, []).append(sentence)

    def told(self) -> str:
        """Every graph that failed, so that it can be made again."""
        return "\n\n".join(
            "\n".join([text_of(seed), *(f"  {sentence}" for sentence in sentences)])
            for seed, sentences in sorted(self.failures.items())
        )


def text_of(seed: int) -> str:
    try:
        return random_graph(seed).text
    except Exception:
        return f"seed {seed}"


def check_graphs(seeds: Sequence[int], targets: Sequence[Sequence[Target]]) -> Checked:
    """All of these seeds; the first is run on the first of `targets`, and so on by turns."""
    checked, graphs = Checked(), dict[int, Graph]()
    for seed in seeds:
        try:
            made = random_graph(seed)
            checked.calls.update(made.calls)
            checked.ops.update(node.op for node in made.graph.nodes)
            graphs[seed] = integer(made, checked)
            checked.ops.update(node.op for node in graphs[seed].nodes)
        except Exception:
            checked.fail(seed, traceback.format_exc().strip())
    for target in dict.fromkeys(target for some in targets for target in some):
        mine = [seed for seed in graphs if target in targets[seed % len(targets)]]
        _check_c(target, {seed: graphs[seed] for seed in mine}, checked)
    return checked


def integer(made: RandomGraph, checked: Checked) -> Graph:
    """The graph optimized and quantized, its floats compared with PyTorch's on the way."""
    optimized = optimize(made.graph)
    for stage, graph in (("as imported", made.graph), ("optimized", optimized)):
        if sentence := _float_difference(made, graph):
            checked.fail(made.seed, f"{stage}: {sentence}")
    return _quantized(made, optimized)


def _float_difference(made: RandomGraph, graph: Graph) -> str:
    for i, expected in enumerate(made.expected):
        sample = [x[i] for x in made.samples]
        for port, y, wanted in zip(
            graph.outputs, _several(run_float(graph, *sample), graph), expected, strict=True
        ):
            if y.shape != wanted.shape:
                return f"{port.name} has the shape {y.shape}, in PyTorch {wanted.shape}"
            allowed = TOLERANCE * np.max(np.abs(wanted)) + ROUNDING * made.largest
            if not np.max(np.abs(y - wanted)) <= allowed:
                return (
                    f"{port.name} differs from PyTorch by {np.max(np.abs(y - wanted)):.3g} of {allowed:.3g}"
                )
    return ""


def _quantized(made: RandomGraph, optimized: Graph) -> Graph:
    """With the types that are asked for; int8 where two of them contradict each other."""
    observed = calibrate(optimized, unwrapped(made.samples))
    inputs, layers = ([each.name for each in some] for some in (optimized.inputs, optimized.nodes))
    named = {name: dtype for name, dtype in made.named.items() if name in (*inputs, *layers)}
    try:
        quantized = apply(optimized, observed, named, made.default)
    except GraphError as error:
        if not named or not re.search("shares its values|computes with int8 alone", str(error)):
            raise
        quantized = apply(optimized, observed)
    return replace(quantized, name=f"graph_{made.seed}")


def _several(made: object, graph: Graph) -> tuple[Array, ...]:
    return wrapped(made, len(graph.outputs))


def noise(graph: Graph, seed: int) -> Array:
    """int8 (N, bytes of all inputs): seeded, the last two all lowest and all highest."""
    rng, found = np.random.default_rng(seed), []
    for port in graph.inputs:
        tensor = graph.tensors[port.tensor]
        low, high = tensor.dtype.low, tensor.dtype.high
        values = rng.integers(low, high + 1, (NOISE + 2, tensor.size))
        values[-2:] = [[low], [high]]
        found.append(values.astype(tensor.dtype.numpy))
    return side_by_side(found)


def oracle(graph: Graph, rows: Array) -> Array:
    """What run_int says, int8 (N, bytes of all outputs)."""
    tensors = [graph.tensors[port.tensor] for port in graph.inputs]
    ends = np.cumsum([tensor.byte_count for tensor in tensors])[:-1]
    outputs = []
    for row in rows:
        parts = zip(np.split(row, ends), tensors, strict=True)
        given = [np.ascontiguousarray(part).view(t.dtype.numpy).reshape(t.shape) for part, t in parts]
        outputs.append(_several(run_int(graph, *given), graph))
    return side_by_side([np.stack([y.ravel() for y in each]) for each in zip(*outputs, strict=True)])


def _check_c(target: Target, graphs: dict[int, Graph], checked: Checked) -> None:
    """All in one program; those that do not compile are left out, those that end it are found."""
    models = _generated(target, graphs, checked)
    program = _built(target, models, checked)
    if not program:
        return
    rows = {seed: noise(graphs[seed], seed) for seed in models}
    for seed, outputs in _answers(program, rows, target, checked):
        expected = oracle(graphs[seed], rows[seed])
        if not np.array_equal(outputs, expected):
            count = int((outputs != expected).sum())
            checked.fail(seed, f"C on {target.name}: {count} of {expected.size} bytes differ from the oracle")


def _generated(target: Target, graphs: dict[int, Graph], checked: Checked) -> dict[int, Model]:
    """Those for which C is generated at all."""
    models = {}
    for seed, graph in graphs.items():
        try:
            models[seed] = target.model(graph, tight=seed % TIGHT == 0)
        except Exception:
            checked.fail(seed, f"generating C for {target.name}: {traceback.format_exc().strip()}")
    return models


def _built(target: Target, models: dict[int, Model], checked: Checked) -> Runner | None:
    """All compiled together; where that fails one by one, and those that do not compile leave `models`."""
    with suppress(UserError, VerificationError):
        return target.program(together([*models.values()])) if models else None
    while models:
        try:
            return target.program([*models.values()])
        except (UserError, VerificationError) as error:
            found = re.search(r"graph_(\d+)/", str(error))
            if not found or int(found[1]) not in models:
                raise
            checked.fail(int(found[1]), f"C for {target.name}: {error}")
            del models[int(found[1])]
    return None


def _answers(
    program: Runner, rows: dict[int, Array], target: Target, checked: Checked
) -> Iterator[tuple[int, Array]]:
    """Seed and outputs; of those that end the program a failure."""
    try:
        answers = program.ask([Request(f"graph_{seed}", x) for seed, x in rows.items()])
    except (UserError, VerificationError) as error:
        if len(rows) < 2:
            checked.fail(next(iter(rows)), f"C on {target.name}: {error}")
            return
        seeds = [*rows]
        for part in (seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]):
            yield from _answers(program, {seed: rows[seed] for seed in part}, target, checked)
    else:
        yield from ((seed, answer.outputs) for seed, answer in zip(rows, answers, strict=True))
