"""What does a model cost on its core? Cycles, instructions, memory: of each layer and of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..artifact import Artifact
from ..board import Board, isa, load_board
from ..codegen.model import library
from ..devices.runner import Model, from_artifact
from ..errors import UserError, VerificationError
from ..interpret import run_int
from ..ir import Array, Graph
from ..ops import OPS
from .cycles import Cost, cost
from .image import Image, build
from .simulate import Region, Run, simulate

MODELLED = ("cortex-m4", "cortex-m4f")
"""Cores whose cycles cycles.py knows; of the others only instructions are counted."""


@dataclass(frozen=True)
class LayerProfile:
    """One kernel; `cycles` is None on cores that are not modelled, `cycles_per_mac` also without any MAC.

    `flash_bytes` are its constants; `stack_bytes` the deepest stack since run() began.
    """

    name: str
    op: str
    macs: int
    instructions: int
    cycles: int | None
    cycles_per_mac: float | None
    flash_bytes: int
    stack_bytes: int


@dataclass(frozen=True)
class Profile:
    """The first run() after reset, from its entry to its return, with memory that answers at once.

    ram_bytes = arena_bytes (input, output and scratch included) + variables_bytes + stack_bytes; flash_bytes =
    code_bytes + weights_bytes + tables_bytes: all that the model and the library functions it calls have in `elf`.
    `marks_cycles` (or instructions): what the layers' sum is above the whole, for marking their ends.
    """

    name: str
    core: str
    board: str | None
    modelled: bool
    macs: int
    instructions: int
    cycles: int | None
    cycles_per_mac: float | None
    clock_hz: int | None
    latency_ms: float | None
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
    elf: Path


@dataclass(frozen=True)
class Entry:
    """What is known of a layer before it runs."""

    name: str
    op: str
    macs: int
    flash_bytes: int


@dataclass(frozen=True)
class Subject:
    """A model to profile: its C, its layers, and what the oracle makes of one sample."""

    model: Model
    entries: tuple[Entry, ...]
    arena_bytes: int
    lower_bound_bytes: int
    sample: Array
    expected: Array


def profile(artifact: Artifact | str | Path, board: str | None = None) -> Profile:
    """Profile the C of an artifact's firmware on its own board's core, or on another board's of the same kind.

    Raises VerificationError when the simulated output is not the oracle's, UserError for a board whose core
    the C was not generated for.
    """
    artifact = artifact if isinstance(artifact, Artifact) else Artifact.open(artifact)
    made_for = load_board(artifact.manifest.board)
    target = load_board(board) if board else made_for
    if isa(target.chip.core).dsp != isa(made_for.chip.core).dsp:
        raise UserError(
            f"{artifact.path} was generated for {made_for.id}, whose core has other instructions than "
            f"{target.id}'s: generate it for {target.id}"
        )
    manifest = artifact.manifest
    sample = artifact.samples[0]
    subject = Subject(
        from_artifact(artifact),
        tuple(Entry(layer.name, layer.op, layer.macs, layer.flash_bytes) for layer in manifest.layers),
        manifest.arena_bytes,
        manifest.lower_bound_bytes,
        sample.ravel(),
        run_int(artifact.graph, sample).ravel(),
    )
    return _measure(subject, target.chip.core, target)


def profile_graph(graph: Graph, core: str = "cortex-m4f", *, seed: int = 0) -> Profile:
    """Profile a quantized graph that no artifact holds, on one sample of seeded noise."""
    made = library(graph, dsp=isa(core).dsp)
    rng = np.random.default_rng(seed)
    inputs = [rng.integers(-128, 128, graph.tensors[name].shape).astype(np.int8) for name in graph.inputs]
    sizes = tuple(x.size for x in inputs)
    layers = tuple(layer.size for layer in made.layers)
    subject = Subject(
        Model(graph.name, dict(made.files), sizes, graph.tensors[graph.output].size, layers),
        tuple(Entry(layer.name, layer.op, layer.macs, layer.flash_bytes) for layer in made.layers),
        made.plan.arena_bytes,
        made.plan.lower_bound_bytes,
        np.concatenate([x.ravel() for x in inputs]),
        run_int(graph, *inputs).ravel(),
    )
    return _measure(subject, core, None)


def _measure(subject: Subject, core: str, board: Board | None) -> Profile:
    image = build(subject.model, subject.sample, core)
    whole = _checked(subject, core, simulate(image, core, len(subject.expected)))
    cut = _checked(subject, core, simulate(image, core, len(subject.expected), layers=len(subject.entries)))
    layers = _layers(subject.entries, cut.regions, image, core)
    total = _cost(whole.regions[0], image)
    marked = sum((_cost(region, image) for region in cut.regions), Cost(0, 0))
    modelled = core in MODELLED
    macs = sum(entry.macs for entry in subject.entries)
    clock_hz = board.chip.clock_hz if board else None
    stack_bytes = whole.regions[0].stack_bytes
    tables = sum(e.flash_bytes for e in subject.entries if not OPS[e.op].weighted)
    return Profile(
        name=subject.model.name,
        core=core,
        board=board.id if board else None,
        modelled=modelled,
        macs=macs,
        instructions=total.instructions,
        cycles=total.cycles if modelled else None,
        cycles_per_mac=_ratio(total.cycles, macs) if modelled else None,
        clock_hz=clock_hz,
        latency_ms=total.cycles / clock_hz * 1e3 if modelled and clock_hz else None,
        ram_bytes=image.bytes_of("data", "bss") + stack_bytes,
        arena_bytes=subject.arena_bytes,
        lower_bound_bytes=subject.lower_bound_bytes,
        variables_bytes=image.bytes_of("data", "bss") - subject.arena_bytes,
        stack_bytes=stack_bytes,
        flash_bytes=image.bytes_of("text", "weights", "tables", "data"),
        code_bytes=image.bytes_of("text"),
        weights_bytes=image.bytes_of("weights") - tables,
        tables_bytes=image.bytes_of("tables", "data") + tables,
        layers=layers,
        marks=(marked.cycles - total.cycles) if modelled else marked.instructions - total.instructions,
        elf=image.elf,
    )


def _layers(
    entries: Sequence[Entry], regions: Sequence[Region], image: Image, core: str
) -> tuple[LayerProfile, ...]:
    found = []
    for entry, region in zip(entries, regions, strict=False):
        spent = _cost(region, image)
        modelled = core in MODELLED
        found.append(
            LayerProfile(
                entry.name,
                entry.op,
                entry.macs,
                spent.instructions,
                spent.cycles if modelled else None,
                _ratio(spent.cycles, entry.macs) if modelled else None,
                entry.flash_bytes,
                region.stack_bytes,
            )
        )
    return tuple(found)


def _cost(region: Region, image: Image) -> Cost:
    return cost(region.edges, image.code)


def _ratio(cycles: int, macs: int) -> float | None:
    return cycles / macs if macs else None


def _checked(subject: Subject, core: str, run: Run) -> Run:
    """Refuse to profile wrong results."""
    wrong = int(np.count_nonzero(run.output != subject.expected))
    if wrong:
        raise VerificationError(
            f"{subject.model.name} computes something else on a simulated {core}: {wrong} of {len(subject.expected)} "
            "output values differ from the oracle's; `firmnet verify --layers` names the first wrong layer"
        )
    return run
