"""How do many models run in one program? Requests and results are files; C twin: templates/core/runner.c."""

import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from ..arrays import read_file
from ..artifact import Artifact
from ..codegen.model import fingerprint_source, library
from ..codegen.templates import render
from ..errors import UserError, VerificationError, first_line
from ..ir import Array, Graph
from ..limits import MAX_JSON_BYTES
from ..manifest import states_of
from ..plan import Cascade, Program
from ..provenance import fingerprint_on_disk
from ..targets import Isa
from .compiled import grouped, template_files

FINGERPRINT_BYTES = 32


class Wanted(IntEnum):
    """What is wanted after each inference."""

    RUN = 0  # the output
    CHECK = 1  # the output and the CRC-32 of every layer, then of what every state holds
    DUMP = 2  # one layer's output
    COUNT = 3  # the output and the ticks the inference took
    PROFILE = 4  # the output and the ticks of every layer
    IDENTIFY = 5  # the fingerprint; no inference


@dataclass(frozen=True)
class Model:
    """The C library of a model and the sizes of what goes in and comes out, in bytes."""

    name: str
    files: dict[str, str]
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    layer_bytes: tuple[int, ...]
    state_bytes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Request:
    """inputs: int8 (N, bytes), all inputs of a model side by side.

    `state`: what its states hold at first, as bytes; None: as after a reset.
    """

    model: str
    inputs: Array
    kind: Wanted = Wanted.RUN
    layer: int = 0
    state: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """outputs int8 (N, bytes), side by side; words uint32 (N, layers or 1) where the kind has any.

    `state`: what the model's states hold afterwards.
    """

    outputs: Array
    words: Array
    state: bytes = b""


@dataclass(frozen=True)
class Runner:
    """Models in one program; `launch` runs it in a folder with requests.bin and leaves results.bin there."""

    models: tuple[Model, ...]
    launch: Callable[[Path], None]

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One start of the program for all requests; raises VerificationError when it ends too early."""
        with tempfile.TemporaryDirectory(prefix="firmnet-") as scratch:
            folder = Path(scratch)
            (folder / "requests.bin").write_bytes(b"".join(map(self._encode, requests)))
            self.launch(folder)
            results = (folder / "results.bin").read_bytes()
        return self._decode(requests, results)

    def model(self, name: str) -> Model:
        return next(model for model in self.models if model.name == name)

    def _encode(self, request: Request) -> bytes:
        model = self.model(request.model)
        inputs = np.ascontiguousarray(request.inputs, np.int8)
        wanted = 0 if request.kind is Wanted.IDENTIFY else sum(model.input_bytes)
        if inputs.ndim != 2 or inputs.shape[1] != wanted:
            raise ValueError(f"model {model.name!r} takes {wanted} bytes per inference, got {inputs.shape}")
        resumed = request.state is not None and self._state_bytes(request) > 0
        header = (self.models.index(model), request.kind, request.layer, len(inputs), resumed)
        return struct.pack("<5I", *header) + (request.state or b"" if resumed else b"") + inputs.tobytes()

    def _decode(self, requests: Sequence[Request], results: bytes) -> list[Answer]:
        sizes = [self._sizes(request) for request in requests]
        states = [self._state_bytes(request) for request in requests]
        expected = sum(
            len(request.inputs) * sum(size) + state
            for request, size, state in zip(requests, sizes, states, strict=True)
        )
        if len(results) != expected:
            raise VerificationError(
                f"the models' program wrote {len(results)} of {expected} bytes of results"
            )
        answers, offset = [], 0
        for request, (output_bytes, word_bytes), state in zip(requests, sizes, states, strict=True):
            count = len(request.inputs) * (output_bytes + word_bytes)
            rows = np.frombuffer(results, np.int8, count, offset).reshape(-1, output_bytes + word_bytes)
            words = np.ascontiguousarray(rows[:, output_bytes:]).view("<u4")
            offset += count
            answers.append(Answer(rows[:, :output_bytes], words, results[offset : offset + state]))
            offset += state
        return answers

    def _state_bytes(self, request: Request) -> int:
        return 0 if request.kind is Wanted.IDENTIFY else sum(self.model(request.model).state_bytes)

    def _sizes(self, request: Request) -> tuple[int, int]:
        """Bytes of output and of words per row."""
        model = self.model(request.model)
        words = {
            Wanted.CHECK: len(model.layer_bytes) + len(model.state_bytes),
            Wanted.PROFILE: len(model.layer_bytes),
            Wanted.COUNT: 1,
        }
        outputs = {Wanted.IDENTIFY: FINGERPRINT_BYTES}
        if request.kind is Wanted.DUMP:
            outputs[Wanted.DUMP] = model.layer_bytes[request.layer]
        return outputs.get(request.kind, sum(model.output_bytes)), 4 * words.get(request.kind, 0)


def from_graph(
    graph: Graph,
    *,
    isa: Isa,
    separate_buffers: bool = False,
    ram_limit_bytes: int | None = None,
    cascades: Sequence[Cascade] | None = None,
    program: Program | None = None,
) -> Model:
    """A quantized graph as a model of a program, which asks for no edges; see codegen.model.library."""
    made = library(
        graph,
        isa=isa,
        separate_buffers=separate_buffers,
        ram_limit_bytes=ram_limit_bytes,
        cascades=cascades,
        program=program,
        edges=False,
    )
    inputs, outputs = (
        tuple(graph.tensors[port.tensor].byte_count for port in ports)
        for ports in (graph.inputs, graph.outputs)
    )
    layers = tuple(layer.byte_count for layer in made.layers)
    states = tuple(state.byte_count for state in states_of(graph))
    return Model(graph.name, dict(made.files), inputs, outputs, layers, states)


def from_artifact(artifact: Artifact) -> Model:
    """The very C of an artifact's firmware, with the fingerprint of the sources as they lie there now."""
    manifest = artifact.manifest
    folder = artifact.firmware / "lib" / manifest.name
    files = {path.name: _source(path) for path in sorted(folder.glob("*.[ch]"))}
    fingerprint = fingerprint_on_disk(artifact)
    files[f"{manifest.name}_fingerprint.c"] = fingerprint_source(manifest.name, fingerprint)
    inputs, outputs = (
        tuple(edge.byte_count for edge in edges) for edges in (manifest.inputs, manifest.outputs)
    )
    layers = tuple(layer.byte_count for layer in manifest.layers)
    states = tuple(state.byte_count for state in manifest.states)
    return Model(manifest.name, files, inputs, outputs, layers, states)


def _source(path: Path) -> str:
    try:
        return read_file(path, MAX_JSON_BYTES).decode()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): generate the artifact again") from None


def program_files(models: Sequence[Model], *runtime: str) -> dict[str, str]:
    """All to compile: the models, their table, the runner and the `runtime` files of templates/core."""
    names = [model.name for model in models]
    most_layers = max(1, *(len(model.layer_bytes) for model in models))
    files = grouped([model.files for model in models], names)
    files["models.h"] = render("core/models.h.j2", names=names, most_layers=most_layers)
    for name, text in template_files("runner.h", "runner.c", *runtime).items():
        if name.endswith(".c"):  # one unit with the constants: every one of its own starts a compiler
            files["constants.c"] += f'#include "{name}.inc"\n'
            name += ".inc"
        files.setdefault(name, text)
    return files
