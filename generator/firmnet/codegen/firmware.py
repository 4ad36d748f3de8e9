"""What is the whole firmware of a model, as text? Library, board project and their fingerprint."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..board_app import BoardApp
from ..errors import UserError
from ..graph_file import printable
from ..ir import Graph
from ..manifest import FORMAT, LayerEntry, Manifest, edges_of, states_of, stream_of
from ..ops import check_quantized
from ..plan import answers_kept, check_flash, plan_for, sample_bytes
from ..provenance import digest, fingerprint, fingerprint_file
from ..targets import AskedRuntime, Board, isa
from . import symbols
from .blocks import cascade_entry
from .layers import Layer
from .model import fingerprint_source, library
from .project import c_examples, c_project_files, project_files


@dataclass(frozen=True)
class Footprint:
    """What a model takes: RAM for activations, scratch and stack, flash for constants, and about so many
    cycles of a Cortex-M4, by the prices of its kernels.
    """

    ram_bytes: int
    flash_bytes: int
    cycles: int


@dataclass(frozen=True)
class Firmware:
    """The PlatformIO project (path inside firmware/ → text) and its manifest."""

    files: Mapping[str, str]
    manifest: Manifest
    layers: tuple[Layer, ...]
    cost: Footprint
    note: str = ""
    """For people: why it has another runtime than MicroPython, where nobody asked for one."""


def firmware(
    graph: Graph,
    board: Board,
    labels: Sequence[str] = (),
    version: str = "0",
    ram_limit_bytes: int | None = None,
    runtime: AskedRuntime = "micropython",
    app: BoardApp | None = None,
) -> Firmware:
    """Generate everything for one board from a quantized graph; the same input gives the same bytes.

    `runtime` "auto" takes MicroPython, or the C runtime where that does not fit; `Firmware.note` says why.
    `app`: what starts at boot, which takes MicroPython.
    Raises UserError when the model cannot run in `ram_limit_bytes`, or surely does not fit the board.
    """
    check_quantized(graph)
    if runtime == "auto":
        return _that_fits(graph, board, labels, version, ram_limit_bytes, app)
    if runtime == "c" and app:
        raise no_python(app)
    program, limit_bytes = plan_for(graph, board, ram_limit_bytes, runtime)
    lib = library(graph, isa=isa(board.chip.core), program=program)
    flash_bytes = sum(layer.flash_bytes for layer in lib.layers)
    check_flash(graph.name, flash_bytes, board, runtime)
    files = {f"lib/{graph.name}/{name}": text for name, text in lib.files.items()}
    if runtime == "c":
        sample, kept = sample_bytes(graph, board, program), answers_kept(graph, board, program)
        files |= c_project_files(graph, board, sample, kept, labels, version)
    else:
        files |= project_files(graph, board, lib.program.stack_bytes, labels, version, app)
    sources = {name: digest(name, text.encode()) for name, text in files.items()}
    identity = fingerprint(sources, graph.name)
    if runtime == "c":
        files |= c_examples(graph, board)  # they are no part of the firmware, nor of its fingerprint
    files[fingerprint_file(graph.name)] = fingerprint_source(graph.name, identity)
    manifest = Manifest(
        format=FORMAT,
        firmnet=version,
        name=graph.name,
        board=board.id,
        fingerprint=identity.hex(),
        labels=tuple(labels),
        inputs=edges_of(graph, graph.inputs),
        outputs=edges_of(graph, graph.outputs),
        states=states_of(graph),
        stream=stream_of(graph),
        layers=tuple(_entry(graph.name, layer) for layer in lib.layers),
        arena_bytes=lib.program.arena_bytes,
        lower_bound_bytes=lib.program.lower_bound_bytes,
        stack_bytes=lib.program.stack_bytes,
        ram_limit_bytes=limit_bytes,
        cascades=tuple(map(cascade_entry, lib.program.cascades)),
        runtime=runtime,
        app=app.names if app else (),
    )
    cost = Footprint(lib.program.ram_bytes, flash_bytes, round(lib.program.cycles))
    return Firmware(files, manifest, lib.layers, cost)


def no_python(app: BoardApp) -> UserError:
    """The error for an app where there is no MicroPython."""
    return UserError(
        f"the C runtime has no Python for {app.start}: leave --app out, or give the board MicroPython"
    )


def _that_fits(
    graph: Graph,
    board: Board,
    labels: Sequence[str],
    version: str,
    ram_limit_bytes: int | None,
    app: BoardApp | None,
) -> Firmware:
    """With MicroPython, or where that does not fit with the C runtime."""
    if board.micropython is None:
        return firmware(graph, board, labels, version, ram_limit_bytes, "c", app)
    try:
        return firmware(graph, board, labels, version, ram_limit_bytes, app=app)
    except UserError as misfit:
        if app:
            why = re.split("[:;] make ", str(misfit))[0]
            raise UserError(f"{why}; {no_python(app)}") from None
        without = str(misfit)
    made = firmware(graph, board, labels, version, ram_limit_bytes, "c")
    why = re.split("[:;] make ", without.partition(": ")[2])[0]
    return replace(made, note=f"the C runtime is used, for MicroPython does not fit {board.name} ({why})")


def _entry(model: str, layer: Layer) -> LayerEntry:
    arrays = tuple(symbols.of_layer(model, layer.name, key) for key in layer.arrays)
    source = printable(layer.source)
    sizes = layer.macs, layer.flash_bytes
    return LayerEntry(layer.name, layer.op, source, layer.outputs, *sizes, arrays, layer.kernel, layer.uses)
