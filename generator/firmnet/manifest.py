"""What does a manifest say of a firmware, does it go together, and is it one of this graph?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from .graph_file import Axes, Extents, Name, Text
from .ir import Array, Dtype, Graph, Node, Port, QParams, Shape
from .kernels import EXCHANGED, KERNELS
from .ops import OPS
from .targets import Runtime

FORMAT = 4
RECORDS = ("graph.json", "constants.npz", "samples.npy")
"""Files beside the manifest, which lists them."""


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"{name!r} is no name of a file in it")
    return name


Count = Annotated[int, Field(ge=0, lt=2**53)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Inside = Annotated[str, AfterValidator(_inside)]
"""The name of a file in the folder: never one outside of it."""


@dataclass(frozen=True)
class StoredValue:
    """How a value lies in memory."""

    shape: Extents
    dtype: Dtype = Dtype.INT8

    @property
    def byte_count(self) -> int:
        return prod(self.shape) * self.dtype.bytes

    def values(self, data: bytes) -> Array:
        """What so many bytes hold, flat."""
        return np.frombuffer(data, self.dtype.numpy.newbyteorder("<")).astype(self.dtype.numpy)


@dataclass(frozen=True)
class Edge:
    """An input or output of the model: the shape as stored, its order (see ir.Port), and how to read it.

    Users meet `model_shape`, and `sample_shape` where there are many; only devices know the stored layout.
    """

    name: Name
    shape: Extents
    order: Axes
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    zero_point: int
    dtype: Dtype = Dtype.INT8

    @property
    def q(self) -> QParams:
        return QParams((self.scale,), self.zero_point, self.dtype)

    @property
    def title(self) -> str:
        """Among others, for people: "audio (1, 6, 8) int16"."""
        return f"{self.name} {self.model_shape}" + (f" {self.dtype}" if self.dtype is not Dtype.INT8 else "")

    @property
    def byte_count(self) -> int:
        """Of one sample in memory."""
        return prod(self.shape) * self.dtype.bytes

    @property
    def model_shape(self) -> Shape:
        """The shape in the model's own order."""
        sizes = dict(zip(self.order or range(len(self.shape)), self.shape, strict=True))
        return tuple(sizes[axis] for axis in sorted(sizes))

    @property
    def sample_shape(self) -> Shape:
        """Of one of many samples: the model's shape without its batch axis of 1, where it has one."""
        shape = self.model_shape
        return shape[1:] if shape[:1] == (1,) else shape

    def stored(self, samples: Array) -> Array:
        """Samples (N, *sample shape) as the firmware stores them, flat: (N, values)."""
        whole = samples.reshape(len(samples), *self.model_shape)
        axes = self.order or range(len(self.shape))
        return whole.transpose(0, *(axis + 1 for axis in axes)).reshape(len(samples), prod(self.shape))

    def samples(self, stored: Array) -> Array:
        """The inverse of `stored`: anything of N times the stored values → (N, *sample shape)."""
        axes = np.argsort(self.order) if self.order else range(len(self.shape))
        whole = stored.reshape(len(stored), *self.shape).transpose(0, *(int(axis) + 1 for axis in axes))
        return whole.reshape(len(stored), *self.sample_shape)


@dataclass(frozen=True)
class Remembered:
    """What the model remembers from one run to the next."""

    name: Name
    shape: Extents
    dtype: Dtype = Dtype.INT8

    @property
    def byte_count(self) -> int:
        return prod(self.shape) * self.dtype.bytes


@dataclass(frozen=True)
class LayerEntry:
    """One layer of the firmware, in execution order; `arrays` are its constants' symbols in the ELF.

    `kernel`: what runs it, as "dsp/conv2d.planes". `uses`: symbols of all its functions and constants, those
    too that are a layer's before, which is alike.
    """

    name: Name
    op: Name
    source: Text
    outputs: Annotated[tuple[StoredValue, ...], Field(min_length=1)]
    macs: Count
    flash_bytes: Count
    arrays: tuple[Name, ...]
    kernel: Text
    uses: tuple[Name, ...] = ()

    @property
    def byte_count(self) -> int:
        """Of all its outputs."""
        return sum(output.byte_count for output in self.outputs)

    def values(self, data: bytes) -> Array:
        """The values of all its outputs, flat, from their bytes one behind the other."""
        ends = np.cumsum([output.byte_count for output in self.outputs])
        parts = zip(self.outputs, ends, strict=True)
        return np.concatenate([o.values(data[end - o.byte_count : end]) for o, end in parts])


@dataclass(frozen=True)
class CascadeEntry:
    """Layers that run stripe by stripe (plan.Cascade), `rows` rows each, for about `extra_cycles` more."""

    layers: Annotated[tuple[Name, ...], Field(min_length=1)]
    stripes: Count
    rows: Count
    extra_cycles: Count

    @property
    def title(self) -> str:
        """For people."""
        ends = dict.fromkeys((self.layers[0], self.layers[-1]))
        height = f"{self.rows} row{'s' * (self.rows > 1)}"
        return f"{' to '.join(ends)} in {self.stripes} stripes of {height}"


@dataclass(frozen=True)
class StreamEntry:
    """A firmware that is given `hop_frames` of a signal per run and computes what its network makes of the
    last `window_frames`, from run number `first_run` since a reset on; or, `from_reset`, of all frames since
    that. Frames follow each other along `axis` of its input, in the model's own order.
    """

    window_frames: Count
    hop_frames: Count
    axis: Count
    first_run: Count
    from_reset: bool = False

    @property
    def title(self) -> str:
        """For people."""
        frames = "1 frame" if self.hop_frames == 1 else f"{self.hop_frames} frames"
        given = f"{frames} per run (axis {self.axis})"
        if self.from_reset:
            return f"{given}; outputs are those of the whole sequence since the reset"
        return (
            f"{given}, of windows of {self.window_frames}; outputs are a window's from run {self.first_run} "
            "after a reset on"
        )


@dataclass(frozen=True)
class Manifest:
    """manifest.json: which firmware this is and how to talk to it."""

    format: int
    firmnet: Text
    name: Name
    board: Text
    fingerprint: Sha256
    labels: tuple[str, ...]
    inputs: Annotated[tuple[Edge, ...], Field(min_length=1)]
    outputs: Annotated[tuple[Edge, ...], Field(min_length=1)]
    layers: tuple[LayerEntry, ...]
    arena_bytes: Count
    lower_bound_bytes: Count
    stack_bytes: Count  # reserved beside the arena
    states: tuple[Remembered, ...] = ()
    stream: StreamEntry | None = None
    ram_limit_bytes: Count | None = None  # as asked for, or what the board has room for
    cascades: tuple[CascadeEntry, ...] = ()
    runtime: Runtime = "micropython"
    app: tuple[Text, ...] = ()  # the user's own files in the firmware, that which starts at boot first
    files: Mapping[Inside, Sha256] = field(default_factory=dict)  # every other file written → its SHA-256

    @property
    def input(self) -> Edge:
        """The only input."""
        (edge,) = self.inputs
        return edge

    @property
    def output(self) -> Edge:
        """The only output."""
        (edge,) = self.outputs
        return edge


def check_manifest(made: Manifest) -> None:
    """Raise ValueError where what the manifest says does not go together."""
    if unlisted := [name for name in RECORDS if name not in made.files]:
        raise ValueError(f"its list of files lacks {unlisted[0]}")  # an edit of that would not be noticed
    names = [layer.name for layer in made.layers]
    if len({*names}) != len(names):
        raise ValueError("a layer is there twice")
    for edge in (*made.inputs, *made.outputs):
        if not edge.dtype.low <= edge.zero_point <= edge.dtype.high:
            raise ValueError(f"{edge.dtype} has no zero point {edge.zero_point}")
        if edge.order and sorted(edge.order) != list(range(len(edge.shape))):
            raise ValueError(f"{edge.order} is no order of {len(edge.shape)} axes")
    values = prod(made.outputs[0].shape) if len(made.outputs) == 1 else 0
    if made.labels and len(made.labels) != values:
        raise ValueError(f"there are {len(made.labels)} labels for {values} output values")
    if made.lower_bound_bytes > made.arena_bytes:
        raise ValueError(f"an arena of {made.arena_bytes} bytes is less than {made.lower_bound_bytes}")
    for cascade in made.cascades:
        if not {*cascade.layers} <= {*names}:
            raise ValueError("a cascade has a layer that is not there")


def check_same(made: Manifest, graph: Graph) -> None:
    """Raise ValueError unless graph and manifest tell of one model."""
    for what, edges, ports in (
        ("inputs", made.inputs, graph.inputs),
        ("outputs", made.outputs, graph.outputs),
    ):
        if edges != edges_of(graph, ports):
            raise ValueError(f"the {what} of the manifest are not those of the graph")
    if made.name != graph.name:
        raise ValueError(f"the manifest is of {made.name!r}, the graph of {graph.name!r}")
    if made.states != states_of(graph):
        raise ValueError("the states of the manifest are not those of the graph")
    if made.stream != stream_of(graph):
        raise ValueError("the stream of the manifest is not that of the graph")
    layers = {n.name: (n.op, stored_outputs(graph, n)) for n in graph.nodes if not OPS[n.op].view}
    listed = {layer.name: (layer.op, layer.outputs) for layer in made.layers}
    if missing := [name for name in layers if name not in listed]:
        raise ValueError(f"the manifest does not list every layer of its graph ({', '.join(missing)})")
    if [*layers.items()] != [*listed.items()]:  # in their order, by which a board numbers them
        raise ValueError("the layers of the manifest are not those of the graph")
    calls = {node.name: graph.call(node) for node in graph.nodes}
    for layer in made.layers:
        macs = OPS[layer.op].macs(calls[layer.name])
        if layer.macs != macs:  # how long a device may take is reckoned from it
            raise ValueError(f"layer {layer.name!r} has {layer.macs} multiply-accumulates, not {macs}")
        known = [kernel.label for kernel in KERNELS[layer.op]]
        if layer.kernel.removesuffix(EXCHANGED) not in known:
            raise ValueError(f"layer {layer.name!r} cannot be run by {layer.kernel[:80]!r}")


def edges_of(graph: Graph, ports: Iterable[Port]) -> tuple[Edge, ...]:
    """Inputs or outputs of a quantized graph as the manifest has them."""
    tensors = [(port, graph.tensors[port.tensor]) for port in ports]
    return tuple(Edge(p.name, t.shape, p.order, t.scale, t.zero_point, t.dtype) for p, t in tensors)


def states_of(graph: Graph) -> tuple[Remembered, ...]:
    """The states of a quantized graph as the manifest has them."""
    tensors = [(state.name, graph.tensors[state.tensor]) for state in graph.states]
    return tuple(Remembered(name, tensor.shape, tensor.dtype) for name, tensor in tensors)


def stream_of(graph: Graph) -> StreamEntry | None:
    """Of a graph that runs hop by hop, as the manifest has it."""
    s = graph.stream
    return StreamEntry(s.window, s.hop, s.axis, s.first_run, s.from_reset) if s else None


def stored_outputs(graph: Graph, node: Node) -> tuple[StoredValue, ...]:
    """What a layer of a quantized graph leaves in memory."""
    return tuple(StoredValue(graph.tensors[name].shape, graph.tensors[name].dtype) for name in node.outputs)
