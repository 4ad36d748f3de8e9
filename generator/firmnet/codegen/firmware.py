"""What is the whole firmware of a model, as text? Library, board project and their fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph_file import printable
from ..ir import Graph
from ..manifest import FORMAT, LayerEntry, Manifest, edges_of, states_of
from ..ops import check_quantized
from ..plan import check_flash, plan_for
from ..provenance import digest, fingerprint, fingerprint_file
from ..targets import Board, isa
from . import symbols
from .blocks import cascade_entry
from .layers import Layer
from .model import fingerprint_source, library
from .project import project_files


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


def firmware(
    graph: Graph,
    board: Board,
    labels: Sequence[str] = (),
    version: str = "0",
    ram_limit_bytes: int | None = None,
) -> Firmware:
    """Generate everything for one board from a quantized graph; the same input gives the same bytes.

    Raises UserError when the model cannot run in `ram_limit_bytes`, or surely does not fit the board.
    """
    check_quantized(graph)
    program, limit_bytes = plan_for(graph, board, ram_limit_bytes)
    lib = library(graph, isa=isa(board.chip.core), program=program)
    flash_bytes = sum(layer.flash_bytes for layer in lib.layers)
    check_flash(graph.name, flash_bytes, board)
    files = {f"lib/{graph.name}/{name}": text for name, text in lib.files.items()}
    files |= project_files(graph, board, lib.program.stack_bytes, labels, version)
    sources = {name: digest(name, text.encode()) for name, text in files.items()}
    identity = fingerprint(sources, graph.name)
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
        layers=tuple(_entry(graph.name, layer) for layer in lib.layers),
        arena_bytes=lib.program.arena_bytes,
        lower_bound_bytes=lib.program.lower_bound_bytes,
        stack_bytes=lib.program.stack_bytes,
        ram_limit_bytes=limit_bytes,
        cascades=tuple(map(cascade_entry, lib.program.cascades)),
    )
    cost = Footprint(lib.program.ram_bytes, flash_bytes, round(lib.program.cycles))
    return Firmware(files, manifest, lib.layers, cost)


def _entry(model: str, layer: Layer) -> LayerEntry:
    arrays = tuple(symbols.of_layer(model, layer.name, key) for key in layer.arrays)
    source = printable(layer.source)
    return LayerEntry(
        layer.name, layer.op, source, layer.outputs, layer.macs, layer.flash_bytes, arrays, layer.kernel
    )
