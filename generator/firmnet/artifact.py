"""What does a build leave behind? A directory that `verify` can use alone: no torch, no network."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from . import folder
from .arrays import npz_names, open_plain, read_file, read_member, read_npy
from .errors import UserError, first_line
from .graph_file import graph_to_json, read_graph
from .ir import Array, Graph, wrapped
from .limits import MAX_FILE_BYTES, MAX_JSON_BYTES
from .manifest import FORMAT, RECORDS, Edge, Manifest, check_manifest, check_same
from .targets import Board, board_of_json

lock = folder.lock
"""Be the only one that writes or builds the artifact at a path (see folder.lock)."""

BOARD_FILE = "board.json"
"""In firmware/: all that is known of the board. It is a source like the others; no other file is read."""
BUILT = ("build.json", *(f"firmware/firmware{suffix}" for suffix in (".elf", ".bin", ".hex", ".uf2")))
"""What a build adds; it goes when the artifact is generated again."""
KEPT_OBJECTS = ("firmware/.pio", "firmware/lib/micropython")
"""Compiled objects that survive a regeneration; the build decides what of them is stale."""
DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, RecursionError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error),
)
"""What reading a file that was cut off or written over may end in."""


@dataclass(frozen=True)
class Artifact:
    """An artifact directory: manifest, quantized graph, constants, sample inputs, and firmware/."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> "Artifact":
        """Read the manifest; raises UserError when `path` is no artifact or one of another format."""
        path = Path(path)
        if not path.exists():
            _bring_back(path)
        if not (path / "manifest.json").is_file():
            raise UserError(
                f"{path} is not a firmnet artifact (no manifest.json): make one with `firmnet generate`"
            )
        with _reading("manifest.json", path):
            text = read_file(path / "manifest.json", MAX_JSON_BYTES)
            version = json.loads(text).get("format")
            if version == FORMAT:
                manifest = TypeAdapter(Manifest).validate_json(text, strict=True)
                check_manifest(manifest)
                return cls(path, manifest)
        raise UserError(f"{path} has format {version!r}, this firmnet reads {FORMAT}: generate it again")

    @property
    def firmware(self) -> Path:
        """The PlatformIO project."""
        return self.path / "firmware"

    def edited(self) -> tuple[str, ...]:
        """Files that are not as `generate` wrote them, or are gone."""
        return tuple(filter(self.is_edited, self.manifest.files))

    def is_edited(self, name: str) -> bool:
        """Whether a file that `generate` wrote, by its path in the artifact, is not as it was."""
        wanted = self.manifest.files.get(name)
        return wanted is not None and _digest(self.path / name) != wanted

    @cached_property
    def graph(self) -> Graph:
        """The quantized graph: what the oracle computes. UserError unless it is one, and the manifest's."""
        with _reading("graph.json or constants.npz", self.path):
            text = read_file(self.path / "graph.json", MAX_JSON_BYTES)
            graph = read_graph(text, _constants(self.path / "constants.npz"))
            check_same(self.manifest, graph)
            return graph

    @cached_property
    def board(self) -> Board:
        """The board that this was generated for, as its file was then; UserError when that is damaged."""
        with _reading(f"firmware/{BOARD_FILE}", self.path):
            board = board_of_json(read_file(self.firmware / BOARD_FILE, MAX_JSON_BYTES))
            if board.id != self.manifest.board:
                raise ValueError(f"it is of {board.id!r}, the manifest of {self.manifest.board!r}"[:300])
            return board

    @cached_property
    def samples(self) -> Any:
        """A few inputs (N, *sample shape), in the model's own order: to verify with no data at hand.

        Quantized; of several inputs a tuple of as many such arrays; for a model with states one sequence.
        """
        edges = self.manifest.inputs
        with _reading("samples.npy", self.path), open_plain(self.path / "samples.npy") as file:
            array = read_npy(file, (self.path / "samples.npy").stat().st_size)
            return _samples_of(edges[0], array) if len(edges) == 1 else _taken_apart(edges, array)


def _samples_of(edge: Edge, samples: Array) -> Array:
    """The samples of one input; ValueError when there are none, or others."""
    if samples.dtype != edge.dtype.numpy or samples.shape[1:] != edge.sample_shape or not len(samples):
        raise ValueError(
            f"it is {samples.dtype} {samples.shape}, not {edge.dtype} of shape (N, {edge.sample_shape})"[:300]
        )
    return np.ascontiguousarray(samples)


def _taken_apart(edges: Sequence[Edge], rows: Array) -> tuple[Array, ...]:
    """The inverse of _side_by_side; ValueError for anything else."""
    ends = np.cumsum([edge.byte_count for edge in edges])
    if rows.dtype != np.uint8 or rows.shape != (len(rows), ends[-1]) or not len(rows):
        raise ValueError(f"it is {rows.dtype} {rows.shape}, not uint8 of shape (N, {ends[-1]})"[:300])
    parts = np.split(rows, ends[:-1], axis=1)
    return tuple(
        np.ascontiguousarray(part).view(e.dtype.numpy).reshape(len(rows), *e.sample_shape)
        for e, part in zip(edges, parts, strict=True)
    )


def _side_by_side(samples: Any, edges: Sequence[Edge]) -> Array:
    """Samples of one input as they are, of several their bytes, uint8 (N, bytes)."""
    if len(edges) == 1:
        array: Array = np.asarray(samples)
        return array
    flat = [np.ascontiguousarray(x).reshape(len(x), -1) for x in wrapped(samples, len(edges))]
    return np.concatenate([x.view(np.uint8) for x in flat], axis=1)


def _constants(path: Path) -> dict[str, Array]:
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        return {name: read_member(archive, name) for name in npz_names(archive, MAX_FILE_BYTES)}


def _digest(path: Path) -> str:
    try:
        return folder.sha256(read_file(path, MAX_FILE_BYTES))
    except (OSError, ValueError):
        return ""


@contextmanager
def _reading(what: str, path: Path) -> Iterator[None]:
    """Whatever a file that was damaged, by accident or on purpose, may end in becomes one sentence."""
    try:
        yield
    except ValidationError as error:
        raise UserError(f"the {what} in {path} is damaged ({_found(error)}): generate it again") from None
    except DAMAGE as error:
        raise UserError(f"the {what} in {path} is damaged ({first_line(error)}): generate it again") from None


def _found(error: ValidationError) -> str:
    """The first thing that pydantic has found."""
    problem = error.errors(include_url=False)[0]
    return ": ".join(filter(None, (".".join(map(str, problem["loc"]))[:120], problem["msg"])))


def save(
    path: str | Path,
    manifest: Manifest,
    graph: Graph,
    samples: Any,
    firmware: Mapping[str, str | bytes],
    on_wait: Callable[[str], None] = folder.say,
) -> Artifact:
    """Write an artifact so that `path` holds the old one or the new one, never half of either.

    Unchanged files keep their modification times and compiled objects stay, so the next build is short; so do
    files that firmnet did not write. Waits, saying so by `on_wait`, while another process writes or builds
    it. Raises UserError when `path` cannot be written or holds something that is not an artifact.
    """
    path = Path(path)
    constants = {name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None}
    files: dict[str, bytes] = {
        "graph.json": _json(graph_to_json(graph)),
        "constants.npz": _npz(constants),
        "samples.npy": _npy(_side_by_side(samples, manifest.inputs)),
    }
    files |= {
        f"firmware/{name}": text.encode() if isinstance(text, str) else text
        for name, text in firmware.items()
    }
    manifest = replace(manifest, files={name: folder.sha256(files[name]) for name in sorted(files)})
    files = {"manifest.json": _json(asdict(manifest)), **files}
    check_place(path)
    try:
        place = path.resolve()  # a link to an artifact stays one
        place.parent.mkdir(parents=True, exist_ok=True)
        with folder.lock(place, on_wait):
            check_place(path)
            folder.replace(place, files, _owner, KEPT_OBJECTS)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}): choose another directory with -o") from None
    return Artifact(path, manifest)


def _bring_back(path: Path) -> None:
    """What stood at `path` before a save that was killed half-way, if there was one."""
    with suppress(OSError, RuntimeError):
        place = path.resolve()
        if folder.left_over(place):
            with folder.lock(place):
                folder.recover(place, _owner)


def check_place(path: Path) -> None:
    """Raise UserError when an artifact cannot be put at `path`: known before the work of making one."""
    try:
        why = _why_not(path)
    except (OSError, RuntimeError) as error:  # a loop of links
        why = f"cannot be looked at ({first_line(error)})"
    if why:
        raise UserError(f"{path} {why}: choose another directory with -o")


def _why_not(path: Path) -> str:
    if path.exists() and not path.is_dir():
        return "is a file"
    if path.is_dir() and Path.cwd().is_relative_to(path.resolve()):
        return "is the current directory, or holds it"
    if path.is_dir() and any(path.iterdir()) and not _is_ours(path):
        foreign = (path / "manifest.json").exists()
        return (
            "has a manifest.json that firmnet did not write"
            if foreign
            else "is not empty and not a firmnet artifact"
        )
    return ""


def _is_ours(path: Path) -> bool:
    """Whether a folder is an artifact; one whose manifest is damaged is known by its other files."""
    try:
        raw = json.loads(read_file(path / "manifest.json", MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return all((path / name).is_file() for name in ("manifest.json", *RECORDS))
    return isinstance(raw, dict) and {"firmnet", "fingerprint", "board", "layers"} <= raw.keys()


def _owner(path: Path) -> folder.Claim:
    """What of the artifact at `path` firmnet wrote: the files on its list, and what a build adds.

    It removes only what is as it was written. Without a list (a damaged manifest, an older firmnet) it writes
    over its own files and leaves every other one.
    """
    try:
        raw = json.loads(read_file(path / "manifest.json", MAX_JSON_BYTES))
        listed, name = raw.get("files"), raw.get("name")
    except (OSError, ValueError, RecursionError, AttributeError):
        listed = name = None
    # every build writes the fingerprint anew
    always = {"manifest.json", *RECORDS, *BUILT, f"firmware/lib/{name}/{name}_fingerprint.c"}
    built = tuple(f"{place}/" for place in KEPT_OBJECTS)
    if not isinstance(listed, dict):
        return folder.Claim(
            lambda name: name in always or name.startswith("firmware/"),
            lambda name: name in always or name.startswith(built),
        )
    return folder.Claim(
        lambda name: name in always or name in listed,
        lambda name: name in always or name.startswith(built) or _digest(path / name) == listed.get(name),
    )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _npz(arrays: Mapping[str, Array]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
