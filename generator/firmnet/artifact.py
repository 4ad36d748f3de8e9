"""What does a build leave behind? A directory that `verify` can use alone: no torch, no network."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from . import folder
from .errors import UserError, first_line
from .ir import Array, Graph, Node, QParams, Shape, Tensor
from .ops import OPS

lock = folder.lock
"""Be the only one that writes or builds the artifact at a path (see folder.lock)."""

FORMAT = 2
PARTS = ("graph.json", "constants.npz", "samples.npy")
BUILT = ("build.json", *(f"firmware/firmware{suffix}" for suffix in (".elf", ".bin", ".hex")))
"""What a build adds; it goes when the artifact is generated again."""
KEPT = ("firmware/.pio", "firmware/lib/micropython")
"""Compiled objects that survive a regeneration; the build decides what of them is stale."""
DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What reading a file that was cut off or written over may end in."""


@dataclass(frozen=True)
class Edge:
    """The model's input or output: stored shape (batch first), order (see ir.Graph), and how to read int8."""

    shape: Shape
    order: Shape
    scale: float
    zero_point: int

    @property
    def model_shape(self) -> Shape:
        """The shape in the model's own order."""
        sizes = dict(zip(self.order or range(len(self.shape)), self.shape, strict=True))
        return tuple(sizes[axis] for axis in sorted(sizes))


@dataclass(frozen=True)
class LayerEntry:
    """One kernel of the firmware, in execution order; `arrays` are its constants' symbols in the ELF."""

    name: str
    op: str
    source: str
    shape: Shape
    macs: int
    flash_bytes: int
    arrays: tuple[str, ...]


@dataclass(frozen=True)
class CascadeEntry:
    """Layers that run stripe by stripe (plan.Cascade), `rows` rows each, for about `extra_cycles` more."""

    layers: tuple[str, ...]
    stripes: int
    rows: int
    extra_cycles: int

    @property
    def title(self) -> str:
        """For people."""
        ends = dict.fromkeys((self.layers[0], self.layers[-1]))
        height = f"{self.rows} row{'s' * (self.rows > 1)}"
        return f"{' to '.join(ends)} in {self.stripes} stripes of {height}"


@dataclass(frozen=True)
class Manifest:
    """manifest.json: which firmware this is and how to talk to it."""

    format: int
    firmnet: str
    name: str
    board: str
    fingerprint: str
    labels: tuple[str, ...]
    input: Edge
    output: Edge
    layers: tuple[LayerEntry, ...]
    arena_bytes: int
    lower_bound_bytes: int
    stack_bytes: int = 0  # reserved beside the arena
    ram_limit_bytes: int | None = None  # as asked for
    cascades: tuple[CascadeEntry, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # every other file written → its SHA-256


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
        try:
            raw = json.loads((path / "manifest.json").read_text())
            if raw.get("format") != FORMAT:
                raise UserError(
                    f"{path} has format {raw.get('format')}, this firmnet reads {FORMAT}: generate it again"
                )
            return cls(path, TypeAdapter(Manifest).validate_python(raw))
        except (ValueError, ValidationError, AttributeError) as error:
            raise UserError(
                f"{path / 'manifest.json'} is damaged ({first_line(error)}): generate it again"
            ) from None

    @property
    def firmware(self) -> Path:
        """The PlatformIO project."""
        return self.path / "firmware"

    def edited(self) -> tuple[str, ...]:
        """Files that are not as `generate` wrote them, or are gone."""
        return tuple(
            name for name, digest in self.manifest.files.items() if _digest(self.path / name) != digest
        )

    @cached_property
    def graph(self) -> Graph:
        """The quantized graph: what the oracle computes."""
        with (
            _reading("graph", self.path),
            np.load(self.path / "constants.npz", allow_pickle=False) as constants,
        ):
            return graph_from_json(json.loads((self.path / "graph.json").read_text()), constants)

    @cached_property
    def samples(self) -> Array:
        """A few int8 inputs (N, *stored shape without batch): enough to verify with no data at hand."""
        with _reading("set of samples", self.path):
            samples: Array = np.load(self.path / "samples.npy", allow_pickle=False)
            return samples


def _digest(path: Path) -> str:
    try:
        return folder.sha256(path.read_bytes())
    except OSError:
        return ""


@contextmanager
def _reading(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise UserError(f"the {what} in {path} is damaged ({first_line(error)}): generate it again") from None


def save(
    path: str | Path,
    manifest: Manifest,
    graph: Graph,
    samples: Array,
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
        "samples.npy": _npy(samples),
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
            folder.replace(place, files, _owner, KEPT)
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
        raw = json.loads((path / "manifest.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return all((path / name).is_file() for name in ("manifest.json", *PARTS))
    return isinstance(raw, dict) and {"firmnet", "fingerprint", "board", "layers"} <= raw.keys()


def _owner(path: Path) -> folder.Claim:
    """What of the artifact at `path` firmnet wrote: the files on its list, and what a build adds.

    It removes only what is as it was written. Without a list (a damaged manifest, an older firmnet) it writes
    over its own files and leaves every other one.
    """
    try:
        listed = json.loads((path / "manifest.json").read_bytes()).get("files")
    except (OSError, ValueError, RecursionError, AttributeError):
        listed = None
    always = {"manifest.json", *PARTS, *BUILT}
    built = tuple(f"{place}/" for place in KEPT)
    if not isinstance(listed, dict):
        return folder.Claim(
            lambda name: name in always or name.startswith("firmware/"),
            lambda name: name in always or name.startswith(built),
        )
    return folder.Claim(
        lambda name: name in always or name in listed,
        lambda name: name in always or name.startswith(built) or _digest(path / name) == listed.get(name),
    )


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """Everything of a graph but its constants' values."""
    tensors = [
        {
            "name": t.name,
            "shape": t.shape,
            "qparams": t.qparams and asdict(t.qparams),
            "constant": t.data is not None,
        }
        for t in graph.tensors.values()
    ]
    nodes = [{**vars(node), "attrs": asdict(node.attrs)} for node in graph.nodes]
    return {**vars(graph), "nodes": nodes, "tensors": tensors}


def graph_from_json(raw: Mapping[str, Any], constants: Mapping[str, Array]) -> Graph:
    """The inverse of graph_to_json; `constants` gives the values by tensor name."""
    tensors = {
        t["name"]: Tensor(
            t["name"],
            tuple(t["shape"]),
            TypeAdapter(QParams).validate_python(t["qparams"]) if t["qparams"] else None,
            constants[t["name"]] if t["constant"] else None,
        )
        for t in raw["tensors"]
    }
    nodes = tuple(
        Node(
            n["name"],
            n["op"],
            _attrs(n["op"], n["attrs"]),
            tuple(n["inputs"]),
            n["output"],
            n["source"],
        )
        for n in raw["nodes"]
    )
    orders = tuple(raw["input_order"]), tuple(raw["output_order"])
    return Graph(raw["name"], nodes, tensors, tuple(raw["inputs"]), raw["output"], *orders)


def _attrs(op: str, raw: Mapping[str, Any]) -> Any:
    kind: type[Any] = OPS[op].attrs
    return TypeAdapter(kind).validate_python(raw)


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
