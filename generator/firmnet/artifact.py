"""What does a build leave behind? A directory that `verify` can use alone: no torch, no network."""

import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from .errors import UserError, first_line
from .ir import Array, Graph, Node, QParams, Shape, Tensor
from .ops import OPS

FORMAT = 1
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


@dataclass(frozen=True)
class Artifact:
    """An artifact directory: manifest, quantized graph, constants, sample inputs, and firmware/."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> "Artifact":
        """Read the manifest; raises UserError when `path` is no artifact or one of another format."""
        path = Path(path)
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


@contextmanager
def _reading(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise UserError(f"the {what} in {path} is damaged ({first_line(error)}): generate it again") from None


def save(
    path: str | Path, manifest: Manifest, graph: Graph, samples: Array, firmware: Mapping[str, str | bytes]
) -> Artifact:
    """Write an artifact so that `path` holds the old one or the new one, never half of either.

    Unchanged files keep their modification times and compiled objects stay, so the next build is short.
    Raises UserError when `path` cannot be written or holds something that is not an artifact.
    """
    path = Path(path)
    constants = {name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None}
    files: dict[str, bytes] = {
        "manifest.json": _json(asdict(manifest)),
        "graph.json": _json(graph_to_json(graph)),
        "constants.npz": _npz(constants),
        "samples.npy": _npy(samples),
    }
    files |= {
        f"firmware/{name}": text.encode() if isinstance(text, str) else text
        for name, text in firmware.items()
    }
    check_place(path)
    try:
        place = path.resolve()  # a link to an artifact stays one
        place.parent.mkdir(parents=True, exist_ok=True)
        _swap_in(place, files)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}): choose another directory with -o") from None
    return Artifact(path, manifest)


def check_place(path: Path) -> None:
    """Raise UserError when an artifact cannot be put at `path`: known before the work of making one."""
    why = ""
    if path.exists() and not path.is_dir():
        why = "is a file"
    elif path.is_dir() and path.samefile("."):
        why = "is the current directory"
    elif path.is_dir() and any(path.iterdir()) and not (path / "manifest.json").is_file():
        why = "is not empty and not a firmnet artifact"
    if why:
        raise UserError(f"{path} {why}: choose another directory with -o")


def _swap_in(path: Path, files: Mapping[str, bytes]) -> None:
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        for name, content in files.items():
            target, old = staging / name, path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if old.is_file() and old.read_bytes() == content:
                shutil.copy2(old, target)
            else:
                target.write_bytes(content)
        staging.chmod(0o755)
        if path.exists():
            for name in KEPT:
                if (path / name).exists():
                    (staging / name).parent.mkdir(parents=True, exist_ok=True)
                    (path / name).rename(staging / name)
            retired = staging.with_name(staging.name + "-old")
            path.rename(retired)
            try:
                os.replace(staging, path)
            except BaseException:
                retired.rename(path)
                raise
            shutil.rmtree(retired, ignore_errors=True)
        else:
            os.replace(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


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
