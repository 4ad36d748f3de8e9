"""What does a model cost on its core? Cycles, instructions, memory: of each layer and of the whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import unicorn

from ..artifact import Artifact
from ..codegen import symbols
from ..codegen.blocks import cascade_entry
from ..codegen.model import Library, library
from ..devices.runner import Model, from_artifact
from ..errors import UserError, VerificationError
from ..interpret import Stepper
from ..ir import Array, Graph, wrapped
from ..manifest import CascadeEntry, StreamEntry, stream_of
from ..ops import OPS
from ..targets import Board, Isa, core_named, isa
from .cycles import Cost, Instruction, cost, decode
from .image import RAM_ORIGIN, ProfiledImage, build
from .recorders import UNAVAILABLE, BasicBlock, LoadRecorder, Loads, record_edges
from .simulate import CPU_MODELS, Noted, SimulatedRun, Stretch, simulate, simulate_runs

MODELLED = ("cortex-m4", "cortex-m4f")
"""Cores whose cycles cycles.py knows; of the others only instructions are counted."""
FLASH_SECTIONS = ("text", "weights", "tables", "data")
RUNS = 8
"""Of a model that remembers, from a reset on."""


@dataclass(frozen=True)
class LayerProfile:
    """One kernel. `cycles` is None on cores that are not modelled, `cycles_per_mac` also without any MAC.

    `flash_bytes` are its constants, `flash_read_bytes` all that its loads read from flash (None: not
    measured), `stack_bytes` the deepest stack below run()'s entry while it ran.
    """

    name: str
    op: str
    macs: int
    instructions: int
    cycles: int | None
    cycles_per_mac: float | None
    flash_bytes: int
    flash_read_bytes: int | None
    stack_bytes: int
    kernel: str = ""


@dataclass(frozen=True)
class Profile:
    """The first run() after reset, from its entry to its return, from memory that answers at once.

    ram_bytes = arena_bytes (with input, output and scratch) + variables_bytes + stack_bytes; flash_bytes =
    code_bytes + weights_bytes + tables_bytes: what the model and the library functions it calls have in
    `elf`. `marks`: cycles (where not modelled: instructions) that marking the ends of layers' pieces added
    to a run of its own. `unaligned_cycles`, not in `cycles`: what loads from odd addresses would add (None:
    not measured). What belongs to a board is None where there is none, `one_by_one` without cascades.
    `clock_hz` is the official core's, `baremetal_clock_hz` that of our own build on the same chip
    (None where it is the same). Of `arena_bytes`, `state_bytes` are remembered from run to run, and `later`
    is what the next runs took. `stream`: of a model that is given a hop of a signal per run.
    """

    name: str
    core: str
    cycle_model: str
    board: str | None
    clock_hz: int | None
    flash_wait_states: int | None
    latency_ms: float | None
    macs: int
    instructions: int
    cycles: int | None
    cycles_per_mac: float | None
    unaligned_cycles: int | None
    ram_bytes: int
    arena_bytes: int
    lower_bound_bytes: int
    variables_bytes: int
    stack_bytes: int
    flash_bytes: int
    code_bytes: int
    weights_bytes: int
    tables_bytes: int
    layers: tuple[LayerProfile, ...]
    marks: int
    cascades: tuple[CascadeEntry, ...]
    one_by_one: "OneByOne | None"
    elf: Path
    baremetal_clock_hz: int | None = None
    baremetal_latency_ms: float | None = None
    state_bytes: int = 0
    stream: StreamEntry | None = None
    later: "tuple[LaterRun, ...]" = ()


@dataclass(frozen=True)
class LaterRun:
    """A run() behind the first since a reset; `cycles` is None on cores that are not modelled."""

    instructions: int
    cycles: int | None


@dataclass(frozen=True)
class OneByOne:
    """The same model with its layers one by one: beside it, what cascades cost and save."""

    instructions: int
    cycles: int | None
    arena_bytes: int
    flash_bytes: int


@dataclass(frozen=True)
class KnownLayer:
    """What is known of a layer before it runs; `arrays` are its constants' symbols."""

    name: str
    op: str
    macs: int
    arrays: tuple[str, ...]
    kernel: str


@dataclass(frozen=True)
class Subject:
    """A model to profile: its C, its layers, and `samples` (runs, bytes), one or, of a model that remembers,
    several, with what the oracle makes of them from a reset on.
    """

    model: Model
    entries: tuple[KnownLayer, ...]
    arena_bytes: int
    lower_bound_bytes: int
    samples: Array
    expected: Array
    cascades: tuple[CascadeEntry, ...]
    one_by_one: Library | None
    stream: StreamEntry | None = None


def profile(artifact: Artifact | str | Path, board: Board | None = None, core: str | None = None) -> Profile:
    """Profile an artifact's C on its own board's core, with the first of its samples.

    Or on another `board`, or on a `core` of no board: with the same C where that has the same kernels, else
    generated anew from the artifact's graph. Raises VerificationError when the output is not the oracle's.
    """
    artifact = artifact if isinstance(artifact, Artifact) else Artifact.open(artifact)
    if board and core:
        raise UserError("a board has its own core: choose a board or a core, not both")
    target = None if core else board or artifact.board
    core = core or (target.chip.core if target else "")
    _check_simulated(core)
    own = isa(artifact.board.chip.core)
    edges = artifact.manifest.inputs
    samples = wrapped(artifact.samples, len(edges))
    count = _runs(artifact.graph)
    stored = (edge.stored(x[:count]) for edge, x in zip(edges, samples, strict=True))
    given = [*zip(*stored, strict=True)]
    if isa(core) is own:
        subject = _subject_of(artifact, own, given)
    else:
        limit = artifact.manifest.ram_limit_bytes
        made = library(artifact.graph, isa=isa(core), ram_limit_bytes=limit)
        subject = _subject(artifact.graph, made, isa(core), given)
    return _measure(subject, core, target)


def profile_graph(
    graph: Graph, core: str = "cortex-m4f", *, ram_limit_bytes: int | None = None, seed: int = 0
) -> Profile:
    """Profile a quantized graph that no artifact holds, on seeded noise; errors as in `profile`.

    With `ram_limit_bytes` it is planned to fit, as `firmnet generate --ram-limit` does.
    """
    _check_simulated(core)
    rng = np.random.default_rng(seed)
    tensors = [graph.tensors[port.tensor] for port in graph.inputs]
    given = [
        tuple(rng.integers(t.dtype.low, t.dtype.high + 1, t.shape).astype(t.dtype.numpy) for t in tensors)
        for _ in range(_runs(graph))
    ]
    made = library(graph, isa=isa(core), ram_limit_bytes=ram_limit_bytes)
    return _measure(_subject(graph, made, isa(core), given), core, None)


def _runs(graph: Graph) -> int:
    return RUNS if graph.states else 1


def _check_simulated(core: str) -> None:
    """UserError for a core, known or not, that no simulator runs."""
    if core_named(core).name not in CPU_MODELS:
        raise UserError(f"there is no simulator of a {core}: profile it as one of {', '.join(CPU_MODELS)}")


def _subject_of(artifact: Artifact, isa: Isa, given: Sequence[Sequence[Array]]) -> Subject:
    made = artifact.manifest
    return Subject(
        from_artifact(artifact),
        tuple(
            KnownLayer(layer.name, layer.op, layer.macs, layer.arrays, layer.kernel) for layer in made.layers
        ),
        made.arena_bytes,
        made.lower_bound_bytes,
        _bytes(given),
        _bytes(_outputs(artifact.graph, given)),
        made.cascades,
        library(artifact.graph, isa=isa, cascades=()) if made.cascades else None,
        made.stream,
    )


def _subject(graph: Graph, made: Library, isa: Isa, given: Sequence[Sequence[Array]]) -> Subject:
    outputs = _outputs(graph, given)
    input_bytes, output_bytes = (tuple(x.nbytes for x in arrays[0]) for arrays in (given, outputs))
    layer_bytes = tuple(layer.byte_count for layer in made.layers)
    return Subject(
        Model(graph.name, dict(made.files), input_bytes, output_bytes, layer_bytes),
        tuple(
            KnownLayer(
                layer.name,
                layer.op,
                layer.macs,
                tuple(symbols.of_layer(graph.name, layer.name, key) for key in layer.arrays),
                layer.kernel,
            )
            for layer in made.layers
        ),
        made.program.arena_bytes,
        made.program.lower_bound_bytes,
        _bytes(given),
        _bytes(outputs),
        tuple(map(cascade_entry, made.program.cascades)),
        library(graph, isa=isa, cascades=()) if made.program.cascades else None,
        stream_of(graph),
    )


def _outputs(graph: Graph, given: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Of each run from a reset on, as stored."""
    step, found = Stepper(graph), []
    for inputs in given:
        values = step(*inputs)
        found.append([values[port.tensor] for port in graph.outputs])
    return found


def _bytes(runs: Sequence[Sequence[Array]]) -> Array:
    """Those of each run side by side, uint8 (runs, bytes)."""
    return np.stack([np.frombuffer(b"".join(x.tobytes() for x in arrays), np.uint8) for arrays in runs])


@dataclass(frozen=True)
class _Figures:
    """What the runs showed: the whole; each layer, and behind the last of them the rest of run()."""

    total: Cost
    stack_bytes: int
    costs: tuple[Cost, ...]
    stacks: tuple[int, ...]
    loads: tuple[Loads, ...] | None
    later: tuple[Cost, ...]


def _measure(subject: Subject, core: str, board: Board | None) -> Profile:
    image = build(subject.model, subject.samples, core)
    seen = _run(subject, image, core)
    modelled = core in MODELLED
    cycles = seen.total.cycles if modelled else None
    marked = sum(seen.costs, Cost(0, 0))
    macs = sum(entry.macs for entry in subject.entries)
    clock_hz = board.chip.clock_hz if board else None
    own_hz = board.baremetal_clock_hz if board and board.baremetal_clock_hz != clock_hz else None
    memory = image.bytes_of("data", "bss")
    tables = sum(_flash_bytes(entry, image) for entry in subject.entries if not _of_weights(entry))
    return Profile(
        name=subject.model.name,
        state_bytes=sum(subject.model.state_bytes),
        core=core,
        cycle_model="Cortex-M4, zero wait states" if modelled else "not cycle-modelled",
        board=board.id if board else None,
        clock_hz=clock_hz,
        flash_wait_states=board.chip.flash_wait_states if board else None,
        latency_ms=cycles / clock_hz * 1e3 if cycles and clock_hz else None,
        macs=macs,
        instructions=seen.total.instructions,
        cycles=cycles,
        cycles_per_mac=cycles / macs if cycles and macs else None,
        unaligned_cycles=sum(each.unaligned_cycles for each in seen.loads) if seen.loads else None,
        ram_bytes=memory + seen.stack_bytes,
        arena_bytes=subject.arena_bytes,
        lower_bound_bytes=subject.lower_bound_bytes,
        variables_bytes=memory - subject.arena_bytes,
        stack_bytes=seen.stack_bytes,
        flash_bytes=image.bytes_of(*FLASH_SECTIONS),
        code_bytes=image.bytes_of("text"),
        weights_bytes=image.bytes_of("weights") - tables,
        tables_bytes=image.bytes_of("tables", "data") + tables,
        layers=tuple(_layer(subject, image, seen, i, modelled) for i in range(len(subject.entries))),
        marks=marked.cycles - seen.total.cycles
        if modelled
        else marked.instructions - seen.total.instructions,
        cascades=subject.cascades,
        one_by_one=_one_by_one(subject, core),
        elf=image.elf,
        baremetal_clock_hz=own_hz,
        baremetal_latency_ms=cycles / own_hz * 1e3 if cycles and own_hz else None,
        stream=subject.stream,
        later=tuple(LaterRun(run.instructions, run.cycles if modelled else None) for run in seen.later),
    )


def _one_by_one(subject: Subject, core: str) -> OneByOne | None:
    if subject.one_by_one is None:
        return None
    model = replace(subject.model, files=dict(subject.one_by_one.files))
    image = build(model, subject.samples, core)
    (whole,) = _checked(
        subject, core, simulate(image, core, subject.model.output_bytes, record_edges)
    ).regions
    total = cost(whole.noted, lambda at: decode(image.code(at), at.address))
    cycles = total.cycles if core in MODELLED else None
    return OneByOne(
        total.instructions, cycles, subject.one_by_one.program.arena_bytes, image.bytes_of(*FLASH_SECTIONS)
    )


def _layer(
    subject: Subject, image: ProfiledImage, seen: _Figures, index: int, modelled: bool
) -> LayerProfile:
    entry, spent = subject.entries[index], seen.costs[index]
    return LayerProfile(
        name=entry.name,
        op=entry.op,
        macs=entry.macs,
        instructions=spent.instructions,
        cycles=spent.cycles if modelled else None,
        cycles_per_mac=spent.cycles / entry.macs if modelled and entry.macs else None,
        flash_bytes=_flash_bytes(entry, image),
        flash_read_bytes=seen.loads[index].flash_bytes if seen.loads else None,
        stack_bytes=seen.stacks[index],
        kernel=entry.kernel,
    )


def _of_weights(entry: KnownLayer) -> bool:
    return OPS[entry.op].weighted or OPS[entry.op].learned


def _flash_bytes(entry: KnownLayer, image: ProfiledImage) -> int:
    try:
        return sum(image.symbol_bytes[array] for array in entry.arrays)
    except KeyError as error:
        raise UserError(
            f"layer {entry.name!r} has a constant {error} in the manifest that its sources do not have: "
            "generate the artifact again"
        ) from None


def _run(subject: Subject, image: ProfiledImage, core: str) -> _Figures:
    """One run without an observer for the whole, one cut into pieces of layers, one that looks at loads; of a
    model that remembers several in a row.
    """

    @cache
    def block(at: BasicBlock) -> tuple[Instruction, ...]:
        return decode(image.code(at), at.address)

    size = subject.model.output_bytes
    (whole,) = _checked(subject, core, simulate(image, core, size, record_edges)).regions
    run = _checked(subject, core, simulate(image, core, size, record_edges, observed=True))
    cut = _by_layer(subject, run)
    return _Figures(
        cost(whole.noted, block),
        whole.stack_bytes,
        tuple(sum((cost(region.noted, block) for region in regions), Cost(0, 0)) for regions in cut),
        tuple(max(region.stack_bytes for region in regions) for regions in cut),
        _loads(subject, image, core),
        tuple(_later(subject, image, core, block)),
    )


def _later(
    subject: Subject, image: ProfiledImage, core: str, block: Callable[[BasicBlock], tuple[Instruction, ...]]
) -> Iterator[Cost]:
    """What each run but the first takes, every one checked."""
    count = len(subject.samples)
    runs = simulate_runs(image, core, count, subject.model.output_bytes, record_edges) if count > 1 else []
    for number, run in enumerate(runs):
        (whole,) = _checked(subject, core, run, number).regions
        if number:
            yield cost(whole.noted, block)


def _by_layer(subject: Subject, run: SimulatedRun[Noted]) -> list[list[Stretch[Noted]]]:
    """The regions of each layer, and behind the last of them the rest of run()."""
    return [run.of(layer) for layer in (*range(len(subject.entries)), None)]


def _loads(subject: Subject, image: ProfiledImage, core: str) -> tuple[Loads, ...] | None:
    """The loads of each layer and of the rest; None when the run that looks at them went wrong."""
    try:
        run = simulate(image, core, subject.model.output_bytes, _load_recorder, observed=True)
    except (VerificationError, *UNAVAILABLE):
        return None
    if not np.array_equal(run.output, subject.expected[0]):
        return None
    cut = _by_layer(subject, run)
    return tuple(sum((region.noted for region in regions), Loads(0, 0)) for regions in cut)


def _load_recorder(cpu: unicorn.Uc) -> LoadRecorder:
    return LoadRecorder(cpu, RAM_ORIGIN)


def _checked(subject: Subject, core: str, run: SimulatedRun[Noted], number: int = 0) -> SimulatedRun[Noted]:
    """Refuse to profile wrong results, of the run of this number."""
    expected = subject.expected[number]
    wrong = int(np.count_nonzero(run.output != expected))
    if wrong:
        when = f" in run {number + 1}" if number else ""
        raise VerificationError(
            f"{subject.model.name} computes something else on a simulated {core}{when}: {wrong} of "
            f"{expected.size} bytes of the outputs differ from the oracle's; "
            "`firmnet verify --layers` names the first wrong layer"
        )
    return run
