"""Does a random graph mean the same everywhere? In PyTorch, imported, optimized, and in C on every target.

Of one that remembers, or is made a stream, outputs and states are compared after every run.
"""

import re
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from compiler_warnings import WARNINGS
from random_graphs import RandomGraph, random_graph
from random_sequences import WALKS
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.device import side_by_side
from firmnet.devices.runner import Answer, Model, Request, Runner, Wanted, from_graph
from firmnet.errors import GraphError, UserError, VerificationError
from firmnet.interpret import Stepper, in_model_order, model_shape
from firmnet.ir import Array, Graph, unwrapped
from firmnet.ops import check_quantized
from firmnet.ops.numbers import least_rows
from firmnet.passes.drop_dead import drop_dead
from firmnet.plan import least
from firmnet.quantize import apply, calibrate
from firmnet.quantize.runs import SampleRuns, float_runs
from firmnet.stream import follow, followed, proven, rewritten
from firmnet.targets import Isa

TOLERANCE = 1e-6
"""Of a float graph beside PyTorch in float64, of its largest output."""
ROUNDING = 1e-11
"""Of the largest of all its values: what is left where they cancel out."""
LEFT_BY_MASKS = 1e-7
"""Likewise: what is kept out by infinity in PyTorch keeps a weight of e^-18 here."""
BEHIND_MASKS = 1e-4
"""Instead of TOLERANCE where there is a tangent: near its pole it makes thousands of times as much."""
TIGHT = 3
"""Every so many graphs are planned in the least memory."""
NOISE = 4
"""Inputs of a quantized graph, beside the extremes."""
MOST_RUNS = 40
RUNS_BEHIND = 4
"""Runs of a stream behind its first window."""
Drawn = Callable[[int], RandomGraph]
"""The graph of a seed."""


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
    """What was found: sentences by seed, the calls and ops of all graphs, and how many have what."""

    draw: Drawn = random_graph
    seeds: Sequence[int] = ()
    kinds: Counter[str] = field(default_factory=Counter)
    failures: dict[int, list[str]] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    ops: set[str] = field(default_factory=set)

    def fail(self, seed: int, sentence: str) -> None:
        self.failures.setdefault(seed, []).append(sentence)

    def told(self) -> str:
        """Every graph that failed, so that it can be made again."""
        return "\n\n".join(
            "\n".join([self._text_of(seed), *(f"  {sentence}" for sentence in sentences)])
            for seed, sentences in sorted(self.failures.items())
        )

    def _text_of(self, seed: int) -> str:
        try:
            return self.draw(seed).text
        except Exception:
            return f"seed {seed}"


def check_graphs(
    seeds: Sequence[int], targets: Sequence[Sequence[Target]], draw: Drawn = random_graph
) -> Checked:
    """All of these seeds; the first is run on the first of `targets`, and so on by turns."""
    checked, graphs = Checked(draw, seeds), dict[int, Graph]()
    for seed in seeds:
        try:
            made = draw(seed)
            checked.calls.update(made.calls)
            checked.ops.update(node.op for node in made.graph.nodes)
            graphs[seed] = integer(made, checked)
            checked.ops.update(node.op for node in graphs[seed].nodes)
            checked.kinds.update(kinds_of(made, graphs[seed]))
        except Exception:
            checked.fail(seed, traceback.format_exc().strip())
    for target in dict.fromkeys(target for some in targets for target in some):
        mine = [seed for seed in graphs if target in targets[seed % len(targets)]]
        _check_c(target, {seed: graphs[seed] for seed in mine}, checked)
    return checked


def kinds_of(made: RandomGraph, graph: Graph) -> set[str]:
    """What of a sequence graph it has, as the integer graph or the imported one still shows it."""
    ops, imported = ({node.op for node in each.nodes} for each in (graph, drop_dead(made.graph)))
    found = {
        "recurrent": bool(ops & WALKS),
        "attention": "attention" in ops or {"softmax", "matmul"} <= imported,
        "state": bool(graph.states),
        "stream": graph.stream is not None,
    }
    return {kind for kind, has in found.items() if has}


def integer(made: RandomGraph, checked: Checked) -> Graph:
    """The graph optimized, quantized and made a stream, if it is to be one.

    Its floats are compared with PyTorch's on the way.
    """
    runs = [float_runs(graph, made.samples) for graph in (made.graph, made.optimized)]
    for stage, floats in zip(("as imported", "optimized"), runs, strict=True):
        if sentence := _float_difference(made, floats):
            checked.fail(made.seed, f"{stage}: {sentence}")
    quantized = _quantized(made, runs[1])
    graph = _stream(made, quantized) if made.time else quantized
    return replace(graph, name=f"graph_{made.seed}")


def _stream(made: RandomGraph, window: Graph) -> Graph:
    """The stream of a quantized network of windows, shown to be it on noise."""
    assert made.time
    (axis, times), rng = made.time, np.random.default_rng(made.seed)
    found = followed(window, axis, None)
    with suppress(UserError):  # of a window that is too short for so many frames at once
        found = follow(window, found.axis, found.hop * times)
    stream = rewritten(window, found)
    check_quantized(stream)
    shape = model_shape(stream.tensors[stream.input], stream.inputs[0].order)
    reach = np.abs(made.samples[0]).max()
    hops = [rng.normal(size=shape) * reach / 2 for _ in range(found.window // found.hop + RUNS_BEHIND)]
    assert proven(window, stream, found, hops) >= 3
    return stream


def _float_difference(made: RandomGraph, floats: SampleRuns) -> str:
    for i, expected in enumerate(made.expected):
        values = floats[i]
        for port, wanted in zip(floats.graph.outputs, expected, strict=True):
            y = in_model_order(port, values[port.tensor])
            if y.shape != wanted.shape:
                return f"{port.name} has the shape {y.shape}, in PyTorch {wanted.shape}"
            own = BEHIND_MASKS if made.masked and "tan.default" in made.calls else TOLERANCE
            share = LEFT_BY_MASKS if made.masked else ROUNDING
            allowed = own * np.max(np.abs(wanted)) + share * made.largest
            if not np.max(np.abs(y - wanted)) <= allowed:
                return (
                    f"{port.name} differs from PyTorch by {np.max(np.abs(y - wanted)):.3g} of {allowed:.3g}"
                )
    return ""


def _quantized(made: RandomGraph, floats: SampleRuns) -> Graph:
    """With the types that are asked for; int8 where two of them contradict each other.

    What named rows of a table that nothing is made of is real numbers like any other.
    """
    optimized = floats.graph
    tables = least_rows(optimized)
    given = zip(optimized.inputs, made.samples, strict=True)
    samples = [x if port.tensor in tables else x.astype(np.float32) for port, x in given]
    observed = calibrate(optimized, unwrapped(samples), floats=floats)
    inputs, layers = ([each.name for each in some] for some in (optimized.inputs, optimized.nodes))
    named = {name: dtype for name, dtype in made.named.items() if name in (*inputs, *layers)}
    try:
        quantized = apply(optimized, observed, named, made.default)
    except GraphError as error:
        if not named or not re.search("shares its values|computes with int8 alone", str(error)):
            raise
        quantized = apply(optimized, observed)
    return quantized


def noise(graph: Graph, seed: int) -> Array:
    """int8 (N, bytes of all inputs): seeded, all lowest and all highest among them; of a stream several hops.

    Of a graph with states these are in the middle: what they leave is seen afterwards.
    """
    rng, found = np.random.default_rng(seed), []
    hops = graph.stream.first_run + RUNS_BEHIND if graph.stream else 0
    count = min(max(hops, NOISE + 2 + 2 * bool(graph.states)), MOST_RUNS)
    for port in graph.inputs:
        tensor = graph.tensors[port.tensor]
        low, high = tensor.dtype.low, tensor.dtype.high
        values = rng.integers(low, high + 1, (count, tensor.size))
        at = count // 2 if graph.states else count - 2
        values[at : at + 2] = [[low], [high]]
        found.append(values.astype(tensor.dtype.numpy))
    return side_by_side(found)


def oracle(graph: Graph, rows: Array) -> tuple[Array, Array]:
    """What run_int says, run after run from a reset on.

    int8 (N, bytes of all outputs), and uint32 (N, states): checksums of what each state holds afterwards.
    """
    tensors = [graph.tensors[port.tensor] for port in graph.inputs]
    ends = np.cumsum([tensor.byte_count for tensor in tensors])[:-1]
    step, outputs, sums = Stepper(graph), [], []
    for row in rows:
        parts = zip(np.split(row, ends), tensors, strict=True)
        values = step(*(np.ascontiguousarray(part).view(t.dtype.numpy).reshape(t.shape) for part, t in parts))
        outputs.append([values[port.tensor] for port in graph.outputs])
        sums.append([zlib.crc32(step.state[state.tensor].tobytes()) for state in graph.states])
    made = side_by_side([np.stack([y.ravel() for y in each]) for each in zip(*outputs, strict=True)])
    return made, np.array(sums, np.uint32)


def _check_c(target: Target, graphs: dict[int, Graph], checked: Checked) -> None:
    """All in one program; those that do not compile are left out, those that end it are found."""
    models = _generated(target, graphs, checked)
    program = _built(target, models, checked)
    if not program:
        return
    rows = {seed: noise(graphs[seed], seed) for seed in models}
    requests = {
        seed: Request(f"graph_{seed}", x, Wanted.CHECK if graphs[seed].states else Wanted.RUN)
        for seed, x in rows.items()
    }
    for seed, answer in _answers(program, requests, target, checked):
        expected, sums = oracle(graphs[seed], rows[seed])
        where = f"C on {target.name}"
        if (wrong := answer.outputs != expected).any():
            count, run = int(wrong.sum()), int(wrong.any(axis=1).argmax()) + 1
            checked.fail(
                seed, f"{where}: {count} of {wrong.size} bytes differ from the oracle, the first in run {run}"
            )
        for i, state in enumerate(graphs[seed].states):
            held = answer.words[:, i - len(graphs[seed].states)]
            if (wrong := held != sums[:, i]).any():
                checked.fail(
                    seed,
                    f"{where}: the state {state.name!r} is not the oracle's after run {wrong.argmax() + 1}",
                )


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
    program: Runner, requests: dict[int, Request], target: Target, checked: Checked
) -> Iterator[tuple[int, Answer]]:
    """Seed and answer; of those that end the program a failure."""
    try:
        answers = program.ask([*requests.values()])
    except (UserError, VerificationError) as error:
        if len(requests) < 2:
            checked.fail(next(iter(requests)), f"C on {target.name}: {error}")
            return
        seeds = [*requests]
        for part in (seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]):
            yield from _answers(program, {seed: requests[seed] for seed in part}, target, checked)
    else:
        yield from zip(requests, answers, strict=True)
