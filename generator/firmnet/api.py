"""What does a Python program call? compile() a network for a board, then save, build, flash and verify it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import artifact as artifacts
from . import build as builder
from . import devices
from .artifact import Artifact
from .board_app import BoardApp, read_app
from .codegen.firmware import Firmware, Footprint, firmware, no_python
from .codegen.project import check_app
from .errors import QualityWarning, UserError
from .inputs import KEPT_STEPS, integers, kept
from .ir import Array, Graph
from .manifest import Edge, Remembered
from .passes import optimize
from .quantize import (
    Accuracy,
    Asked,
    Asking,
    AtEnd,
    Found16,
    FoundRanges,
    LayerQuality,
    Lost,
    Progress,
    check_ranges,
    check_samples,
    check_test,
    lost_events,
    lost_parts,
    measure_accuracy,
    poor_layers,
    poor_outputs,
    quantize,
    read_precision,
    read_samples,
)
from .stream import Recordings, followed, proven, read_recordings, rewritten
from .targets import AskedRuntime, Board, find_port, known_boards, load_board, path_of
from .verdict import Verdict
from .verify import verify as compare
from .written_out import written_out

if TYPE_CHECKING:
    from .frontends import Imported
    from .profile import Profile

SLOWEST_CLOCK_HZ = 12_000_000
"""Of a board that a model in plain Python is waited for."""
AskedState = Mapping[str | int, str | int] | Sequence[str] | None
"""Which inputs take over which outputs: {"h": 1}, ["h=1"]."""
SHOWN_LAYERS = 12
"""Layers that the repr of a deployment names."""
SHOWN_STATES = 3
"""And states."""


@dataclass(repr=False, eq=False)
class Deployment:
    """A network generated for one board: `save`, `build`, `verify` it, or `deploy` for all at once.

    `notes`: what is to know of how the model was read.
    Where the precision was found out: `found`, and `narrow_cost`, what int8 everywhere takes (None: no room).
    Of a stream: `window_cost`, what its network would take that is given whole windows (None: no room).
    """

    graph: Graph
    float_graph: Graph
    board: Board
    quality: tuple[LayerQuality, ...]
    samples: Any
    firmware: Firmware
    test: tuple[Any, Array] | None = None
    accuracy: Accuracy | None = None
    found: Found16 | None = None
    narrow_cost: Footprint | None = None
    lost: tuple[Lost, ...] = ()
    found_ranges: FoundRanges | None = None
    notes: tuple[str, ...] = ()
    window_cost: Footprint | None = None
    at_end: AtEnd | None = None
    growing: tuple[str, ...] = ()
    artifact: Artifact | None = None

    def __repr__(self) -> str:
        """One screen: what it is for, what it takes, the layers, and what to know of them."""
        made = self.firmware.manifest
        layers = [f"{row.name:.40} ({row.op}, {row.snr_db:.1f} dB)" for row in self.quality]
        more = [f"and {len(layers) - SHOWN_LAYERS} more"] if len(layers) > SHOWN_LAYERS else []
        constants = sum(layer.flash_bytes for layer in made.layers)
        lines = [
            f"Deployment of {made.name} for {self.board.name} ({self.board.id})",
            *(f"input     {_shown(edge, made.inputs)}" for edge in made.inputs),
            *(f"output    {_shown(edge, made.outputs)}" for edge in made.outputs),
            *_remembered(made.states),
            f"RAM       {made.arena_bytes:,} B of arena, {made.stack_bytes:,} B of stack",
            f"flash     {constants:,} B of weights and tables, code comes to it",
            *(f"{'' if i else 'layers':<9} {text}" for i, text in enumerate([*layers[:SHOWN_LAYERS], *more])),
            *([self.found_ranges.line()] if self.found_ranges else []),
            *([self.at_end.line()] if self.at_end else []),
            *([self.accuracy.line()] if self.accuracy else []),
            *(self.found.lines() if self.found else []),
            *self.cost_lines,
            *self.stream_lines,
            *([f"runtime   C: {self.firmware.note}"] if self.firmware.note else []),
            *(f"note      {sentence}" for sentence in self.notes),
            *(f"warning   {sentence}" for sentence in self.warnings),
            f"artifact  {self.artifact.path if self.artifact else 'not saved yet: call save()'}",
        ]
        return "\n".join(lines)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What quantization cost that matters, a sentence each; compile() warns of the same."""
        poor = poor_outputs(self.graph, self.quality) or poor_layers(self.quality)
        late = self.at_end.warning() if self.at_end and not poor else ""
        lost = (*filter(None, [poor, late, lost_parts(self.graph, self.quality)]), *lost_events(self.lost))
        return (*lost, *self.growing)

    @property
    def cost_lines(self) -> list[str]:
        """For people, where the precision was found out: what it takes more than int8 everywhere."""
        if not self.narrow_cost:
            return []
        old, new = self.narrow_cost, self.firmware.cost
        return [
            f"RAM {old.ram_bytes:,} -> {new.ram_bytes:,} B, constants in flash {old.flash_bytes:,} -> "
            f"{new.flash_bytes:,} B, about {old.cycles:,} -> {new.cycles:,} cycles"
        ]

    @property
    def stream_lines(self) -> list[str]:
        """For people, of a stream: what it is given, and what a hop costs beside a window."""
        made, whole, stream = self.firmware, self.window_cost, self.firmware.manifest.stream
        if stream is None:
            return []
        lines = [f"stream    {stream.title}"]
        if whole:
            share = made.cost.cycles / max(whole.cycles, 1)
            lines.append(
                f"          about {made.cost.cycles:,} cycles per run, {share:.1%} of the {whole.cycles:,} "
                f"of a whole window; RAM {made.cost.ram_bytes:,} B in place of {whole.ram_bytes:,}"
            )
        return lines

    def save(self, path: str | Path | None = None) -> Artifact:
        """Write the artifact (default: build/<name>-<board>); raises UserError when that cannot be."""
        path = path or (self.artifact.path if self.artifact else default_path(self.graph.name, self.board.id))
        parts = self.firmware
        self.artifact = artifacts.save(path, parts.manifest, self.graph, self.samples, parts.files)
        return self.artifact

    def build(self, path: str | Path | None = None, *, emulate: bool = False) -> builder.BuildReport:
        """Save and compile with PlatformIO; VerificationError when the firmware does not fit the board."""
        return builder.build(self.save(path), emulate=emulate)

    def verify(
        self, inputs: Any = None, *, device: str = "host", layers: bool = False, from_step: int = 0
    ) -> Verdict:
        """Compare the device's every output with the oracle's; `device` as in `open`.

        `from_step`: of a model that remembers, the oracle alone computes so many steps first.
        """
        artifact = self.artifact or self.save()
        with open(device, artifact) as opened:
            values, clipped = integers(artifact, inputs)
            return compare(artifact, opened, values, layers=layers, clipped=clipped, from_step=from_step)

    def deploy(
        self,
        path: str | Path | None = None,
        *,
        emulate: bool = False,
        port: str | None = None,
        protocol: str | None = None,
    ) -> Verdict:
        """Save, build, flash (unless emulated, or behind a connection) and verify."""
        flashes = check_target(self.board, emulate=emulate, port=port, protocol=protocol)
        self.build(path, emulate=emulate)
        assert self.artifact is not None
        if flashes:
            port = flash(self.artifact, port, protocol=protocol)
        return verify(self.artifact, emulate=emulate, port=port)


def _shown(edge: Edge, edges: Sequence[Edge]) -> str:
    """A shape, and what tells it from others."""
    return edge.title if len(edges) > 1 else edge.title.removeprefix(f"{edge.name} ")


def _remembered(states: Sequence[Remembered]) -> list[str]:
    """States in a line each, of many the sum."""
    if len(states) > SHOWN_STATES:
        return [f"remembers {len(states)} states, {sum(state.byte_count for state in states):,} B"]
    return [f"remembers {state.name} {state.shape} {state.dtype}" for state in states]


def default_path(name: str, board: str) -> Path:
    """Where an artifact goes when nobody says where."""
    return Path("build") / f"{name}-{board}"


def load_model(
    model: Any,
    *,
    name: str | None = None,
    example: Any = None,
    calibration: Any = None,
    state: AskedState = None,
) -> "Imported":
    """A torch.nn.Module (with `example`), a `.pt2` path or `file.py:function` → float graph and its data."""
    from .frontends import load

    return load(model, name=name, example=example, calibration=calibration, state=state)


def compile(
    model: Any,
    calibration: Any = None,
    *,
    board: str | Board,
    name: str | None = None,
    example: Any = None,
    state: AskedState = None,
    labels: Sequence[str] = (),
    ranges: Asking = "auto",
    ram_limit_bytes: int | None = None,
    precision: Asked = None,
    target_snr_db: float | None = None,
    target_accuracy: float | None = None,
    runtime: AskedRuntime = "auto",
    app: str | Path | BoardApp | None = None,
    stream: bool = False,
    hop: int | None = None,
    time_axis: int | None = None,
    progress: Progress | None = None,
) -> Deployment:
    """Quantize a trained network and generate its firmware for `board`.

    `model` is a torch.nn.Module, a `.pt2` path or `file.py:function`; `board` a name, or what `load_board`
    gives; `calibration` an array (N, …) of float inputs in the model's own order or the path of a .npy/.npz,
    for a model with several inputs a tuple of arrays, a dict of them by the inputs' names, or an .npz that
    holds them under these; default: what the model's function gave. `example` is what a module's forward is
    called with, where that takes more than one sample of each input in a row: a dict by the names of its
    arguments, or lists and dicts of tensors inside; or whole numbers
    (an embedding).
    `state` says which inputs the model remembers, by the outputs that they take over: {"h": 1} or ["h=1"], by
    names or numbers. Such an input begins with what the example holds (with zeros where there is none), has
    no calibration data, and is no input of the board's model any more. Buffers that forward writes are
    states without a word. Calibration samples of a model that remembers are steps in their order; an array
    (S, T, …) or a list of arrays (T, …) is several sequences, with a reset before each.
    `precision` is that of activations: "int8" (the default, but for what a model computes from itself step by
    step, which is int16 then), "int16", or by the names of layers, inputs and
    states: {"conv1": "int16"}, or ["int16", "conv1=int8"]. Weights are int8. "auto" makes those int16 that
    cost the outputs most as int8, until these have `target_snr_db` (default 30 dB) beside the float network
    on the calibration samples, or `target_accuracy` (a fraction) is reached on the model's test set.
    `ranges` says how those inside the network are chosen: "minmax" covers every value that calibration
    showed, "percentile" 99.99 % of them, "mse" those that make the squared error least, and "auto" takes what
    gives the outputs the best signal-to-noise.
    Within `ram_limit_bytes` for activations, scratch and stack the program is the fastest; without a limit
    it is the smallest that costs next to no time.
    `runtime`: "micropython" gives the board a prompt; "c" the link alone, in 6 KB of flash; "auto" takes
    MicroPython where it fits, and `Deployment.firmware.note` says so where it does not.
    `app`: a Python program of yours that starts at boot, a file, or a folder with a main.py.
    `stream`: the firmware is given `hop` frames of a signal per run (default: the fewest there can be) in
    place of a window, remembers what it needs of older ones, and gives what the network makes of the last
    window, bit for bit, which is shown on the calibration data: windows, or longer recordings.
    `time_axis`: along which axis of the model's input frames follow each other, the batch being axis 0.
    Raises UserError for a board, model or calibration set that
    cannot be used, and for a model that cannot run within the limit.
    """
    target, asked = _board(board), read_precision(precision, target_snr_db, target_accuracy)
    check_ranges(ranges)
    program = app_for(target, app, runtime)
    if calibration is None and not isinstance(model, str | Path):
        raise UserError(
            "the argument `calibration` is missing: give typical float inputs, an array (N, …) or the path "
            "of a .npy or .npz file"
        )
    samples = read_samples(calibration, None) if isinstance(calibration, str | Path) else calibration
    if example is None and samples is not None and not isinstance(model, str | Path):
        example = _example(samples)
    imported = load_model(model, name=name, example=example, calibration=samples, state=state)
    if samples is None:
        samples = imported.calibration
    if samples is None:
        raise UserError(
            "calibration data is missing: return it from the model's function, or give it (on the command "
            "line --calib FILE, in Python the argument `calibration`)"
        )
    graph = optimize(imported.graph)
    if program:
        check_app(program, graph.name)
    if not stream and (hop, time_axis) != (None, None):
        raise UserError(
            "`hop` and `time_axis` are of a stream: give `stream` too (on the command line --stream), or "
            "leave them out"
        )
    for what, number in (("hop", hop), ("time_axis", time_axis)):
        if number is not None and type(number) is not int:
            raise UserError(f"`{what}` is {number!r}: give a whole number")
    recordings = read_recordings(samples, graph, time_axis) if stream else None
    samples = check_samples(recordings.windows if recordings else samples, graph)
    names = tuple(labels) or imported.labels
    scores = graph.tensors[graph.output].size if len(graph.outputs) == 1 else 0
    if names and len(names) != scores:
        raise UserError(f"there are {len(names)} labels for {scores} output values: give one for each")
    test = imported.test and check_test(imported.test, graph)
    if asked.target_accuracy is not None and test is None:
        raise UserError(
            "a target for the accuracy needs a test set: return `test` from the model's function, or give "
            "a target for the signal-to-noise"
        )
    quantized = quantize(graph, samples, ranges, progress, precision=asked, test=test)
    deployed = quantized.graph
    if recordings:
        deployed, samples = _streamed(deployed, recordings, hop)
    made = firmware(deployed, target, names, version("firmnet"), ram_limit_bytes, runtime, program)
    deployment = Deployment(
        graph=deployed,
        float_graph=graph,
        board=target,
        quality=quantized.quality,
        samples=kept(deployed, made.manifest.inputs, samples),
        firmware=made,
        test=test,
        accuracy=measure_accuracy(graph, quantized.graph, test, progress) if test else None,
        found=quantized.found,
        narrow_cost=_cost(quantized.narrow, target, ram_limit_bytes, runtime) if quantized.narrow else None,
        window_cost=_cost(quantized.graph, target, None, runtime) if recordings else None,
        lost=quantized.lost,
        found_ranges=quantized.found_ranges,
        notes=(*imported.notes, *written_out(graph, quantized.graph)),
        at_end=quantized.at_end,
        growing=quantized.growing,
    )
    for sentence in deployment.warnings:
        warnings.warn(sentence, QualityWarning, stacklevel=2)
    return deployment


def _streamed(graph: Graph, recordings: Recordings, hop: int | None) -> tuple[Graph, Array]:
    """The quantized graph of a window as that of a hop, proven to be it, and hops to verify with."""
    found = followed(graph, recordings.axis, hop)
    stream = rewritten(graph, found)
    assert stream.stream
    axis, frames = stream.stream.axis, found.hop
    proven(graph, stream, found, recordings.hops(axis, frames))
    count = stream.stream.first_run + KEPT_STEPS
    hops = np.stack([*islice(recordings.hops(axis, frames), count)]).astype(np.float32)
    return stream, hops[:, 0] if recordings.batch else hops


def app_for(board: Board, app: str | Path | BoardApp | None, runtime: AskedRuntime) -> BoardApp | None:
    """A program of the user's, checked; UserError where that board, or that runtime, would not run it."""
    program = read_app(app, board.chip.core) if isinstance(app, str | Path) else app
    if program and (runtime == "c" or not board.micropython):
        raise no_python(program)
    return program


def _cost(graph: Graph, board: Board, ram_limit_bytes: int | None, runtime: AskedRuntime) -> Footprint | None:
    """What a graph would take of a board; None: it has no room there."""
    try:
        return firmware(graph, board, ram_limit_bytes=ram_limit_bytes, runtime=runtime).cost
    except UserError:
        return None


def open(device: str, artifact: Artifact | str | Path) -> devices.Device:
    """A device to run the artifact: "host", "core" (bare emulated core), "qemu" or "rp2040js" (emulated
    board), a port.
    """
    return devices.open(device, _opened(artifact))


def build(
    artifact: Artifact | str | Path,
    *,
    emulate: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> builder.BuildReport:
    """Compile an artifact's firmware with PlatformIO: for the board, or for its emulator."""
    return builder.build(_opened(artifact), emulate=emulate, progress=progress)


def check_target(
    board: str | Board, *, emulate: bool = False, port: str | None = None, protocol: str | None = None
) -> bool:
    """Whether a deployment to this board will flash it; a connection (socket://…) is only verified over.

    UserError, in seconds, for a target that cannot be had: no emulator, board, uploader or such URL.
    """
    target = _board(board)
    if emulate and (port or protocol):
        other = "--port" if port else "--protocol"
        raise UserError(f"--emulate and {other} cannot be used together: leave one out")
    if emulate and target.emulator is None:
        able = ", ".join(id for id, other in known_boards().known.items() if other.board.emulator)
        raise UserError(f"board {target.id!r} has no emulator: leave out --emulate, or choose one of {able}")
    if emulate:
        return False
    if port and builder.is_connection(port):
        devices.check_url(port)
        if protocol:
            raise UserError(f"--protocol {protocol} is to flash, which nobody does over {port}: leave it out")
        return False
    builder.check_flashable(target, devices.computer(), port, protocol)
    return True


def flash(
    artifact: Artifact | str | Path,
    port: str | None = None,
    *,
    protocol: str | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> str:
    """Write the built firmware and return the port on which the board came back; "" where it has none.

    `port` names the board by port, drive, serial number or place on USB, `protocol` one of the ways that it
    offers. `progress` is called with what is going on, and how many lines an uploader has printed.
    """
    return builder.flash(
        _opened(artifact), devices.computer(), port=port, protocol=protocol, progress=progress
    )


def verify(
    artifact: Artifact | str | Path,
    inputs: Any = None,
    *,
    emulate: bool = False,
    port: str | None = None,
    layers: bool = False,
    own_firmware: bool = False,
    from_step: int = 0,
    progress: devices.RunsDone | None = None,
) -> Verdict:
    """Compare every output element of the oracle with the emulated board's, or the board's at `port`.

    `own_firmware`: that board runs a program of yours with the generated files and the link in it.
    `from_step`: of a model that remembers so many steps are left to the oracle, and the board begins with
    what it remembers then.
    """
    opened = _opened(artifact)
    given = integers(opened, inputs)
    emulator = opened.board.emulator
    emulated = emulator.kind if emulator else "qemu"
    address = emulated if emulate else port_of(opened.board, port)
    with open(address, opened) as device:
        return _compared(opened, device, given, layers, own_firmware, progress, from_step)


def export_mpy(
    artifact: Artifact | str | Path,
    folder: str | Path | None = None,
    *,
    arch: str | None = None,
    romfs: bool = False,
) -> builder.StockFiles:
    """Compile an artifact's model for boards with a MicroPython of somebody else's; what was written.

    To `folder` (default: mpy/ in the artifact): the model's module, what computes, constants, the link.
    `arch`: "python" makes that plain Python, which runs everywhere, slowly; default: machine code for the
    artifact's core, or plain Python where MicroPython loads none. `romfs`: also as one image.
    """
    opened = _opened(artifact)
    made = builder.export(opened, arch)
    builder.write_files(made, Path(folder or opened.path / "mpy"), romfs=romfs)
    return made


def push(
    artifact: Artifact | str | Path,
    port: str,
    inputs: Any = None,
    *,
    layers: bool = False,
    arch: str | None = None,
    romfs: bool = True,
    chosen: Callable[[builder.StockFiles], None] = lambda made: None,
    sent: Callable[[int], None] = lambda done: None,
    progress: devices.RunsDone | None = None,
) -> Verdict:
    """Write a model's files to a board with a MicroPython of somebody else's, and verify it there.

    `arch` as in `export_mpy`; by default also plain Python where the board runs no code of a Cortex-M.
    To the board's partition for ROMFS where there is one with room, and nothing of others in it, unless
    `romfs` is false. `chosen` is called with what is written, `sent` with the bytes written so far,
    `progress` with the inferences made.
    """
    opened = _opened(artifact)
    given, address = integers(opened, inputs), port_of(opened.board, port)

    made: list[builder.StockFiles] = []

    def files(its: str) -> builder.StockFiles:
        made.append(builder.export(opened, arch or (None if devices.is_thumb(its) else builder.PYTHON)))
        chosen(made[-1])
        return made[-1]

    devices.push(files, address, opened.board.link.baud, sent, romfs=romfs)
    timeout_s = devices.TIMEOUT_S + made[-1].run_cycles / SLOWEST_CLOCK_HZ
    with devices.open_stock(opened, address, timeout_s=timeout_s) as device:
        return _compared(opened, device, given, layers, True, progress)


def _compared(
    artifact: Artifact,
    device: devices.Device,
    given: tuple[Any, float | None],
    layers: bool,
    own_firmware: bool,
    progress: devices.RunsDone | None,
    from_step: int = 0,
) -> Verdict:
    """The verdict on an opened device; `given` are the inputs and how many of their values are clipped."""
    values, clipped = given
    return compare(
        artifact,
        device,
        values,
        layers=layers,
        progress=progress,
        clipped=clipped,
        own_firmware=own_firmware,
        from_step=from_step,
    )


def profile(
    artifact: Artifact | str | Path, *, board: str | Board | None = None, core: str | None = None
) -> "Profile":
    """Cycles, RAM and flash of an artifact's C, layer by layer, from an instruction-set simulator.

    On its own board, another one, or a core of no board. VerificationError when its output is not right.
    """
    from .profile import profile as measure

    return measure(_opened(artifact), _board(board) if board else None, core)


def inputs_for(artifact: Artifact, inputs: Any = None) -> Any:
    """Quantized inputs (N, *sample shape) in the model's own order, for `verify` and every device's `run`.

    From nothing (the artifact's samples), from float samples or ones that are quantized already, or from a
    file of either, all of shape (N, …) in the model's own order. A model with several inputs takes and is
    given a tuple of as many arrays, or takes a dict of them by the inputs' names, or an .npz that holds them.
    """
    return integers(artifact, inputs)[0]


def _example(samples: Any, axes: int = 2) -> Any:
    """The first sample, float32 with a batch of 1: what torch.export traces a module with.

    Of several inputs a tuple or dict of their first samples, as the samples are. `axes`: the least that they
    have, 1 where one of several is a number in each sample; alone, a line of numbers is no set of samples.
    """
    if isinstance(samples, Mapping):
        return {name: _example(each, 1 if len(samples) > 1 else axes) for name, each in samples.items()}
    if isinstance(samples, tuple):
        return tuple(_example(each, 1 if len(samples) > 1 else axes) for each in samples)
    try:
        array = np.asarray(samples)
    except ValueError:
        raise UserError("calibration data must be float samples of one shape, not a ragged list") from None
    if array.ndim and not len(array):
        raise UserError("calibration data is empty: give at least one sample")
    if array.ndim < axes or array.dtype.kind != "f":
        shown = f"{array.dtype} {array.shape}"
        numbers = (
            "; where the model takes whole numbers (an embedding), give one sample of them in int64, of "
            "shape (1, …), as the argument `example`"
        )
        raise UserError(
            f"calibration data must be float samples of shape (N, …), not {shown}"
            f"{numbers if array.dtype.kind in 'iu' and array.ndim >= axes else ''}"
        )
    return array[:1].astype(np.float32)


def port_of(board: Board, port: str | None = None) -> str:
    """Where the board talks: a port by any of its names, a URL, or the only port that it can be.

    UserError where there is none, or several that it could be.
    """
    if port and builder.is_connection(port):
        return port
    seen = devices.computer().plugged()
    return path_of(seen, port) if port else find_port(board, seen)


def _board(board: str | Board) -> Board:
    return board if isinstance(board, Board) else load_board(board)


def _opened(artifact: Artifact | str | Path) -> Artifact:
    return artifact if isinstance(artifact, Artifact) else Artifact.open(artifact)
