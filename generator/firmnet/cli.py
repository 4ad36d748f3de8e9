"""Which commands are there? One function each; what they print is screen.py's, what they do is api.py's.

Exit codes: 0 done, 1 a check ran and failed, 2 bad input or a missing tool, 70 a fault in firmnet itself,
130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP.
"""

import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from .clean import KEEP_BYTES, KEEP_DAYS
from .errors import QualityWarning, SeveralBoards, UserError
from .faults import FAILED_CHECK, INTERRUPTED, told
from .options import (
    AppOption,
    Arch,
    ArtifactDir,
    BoardOption,
    BoardsFolder,
    Calib,
    Emulate,
    FromStep,
    HopOption,
    Inputs,
    Json,
    Layers,
    ModelArgument,
    NameOption,
    Out,
    OwnFirmware,
    PortOption,
    PrecisionOption,
    ProtocolOption,
    RamLimit,
    RangesOption,
    RuntimeOption,
    StateOption,
    StreamOption,
    TargetAccuracy,
    TargetSnr,
    TimeAxis,
    byte_count,
)
from .processes import AskedToEnd, end_in_order
from .screen import Screen
from .toolchain import find

if TYPE_CHECKING:
    from . import targets
    from .api import Deployment
    from .board_app import BoardApp
    from .build import StockFiles
    from .manifest import Manifest
    from .quantize import Precision
    from .verdict import Verdict

Found = TypeVar("Found")

screen = Screen()
app = typer.Typer(
    name="firmnet",
    help="Puts small PyTorch networks on microcontrollers and proves, bit for bit, what the board computes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Outcome:
    """What a command hands back: its result for machines, and whether the check it made was passed."""

    data: Any
    ok: bool = True


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"firmnet {version('firmnet')}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """The options before any command."""


@app.command()
def deploy(
    model: ModelArgument,
    board: BoardOption,
    folder: BoardsFolder = None,
    calib: Calib = None,
    out: Out = None,
    emulate: Emulate = False,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    inputs: Inputs = None,
    name: NameOption = None,
    state: StateOption = None,
    ranges: RangesOption = "auto",
    ram_limit: RamLimit = None,
    precision: PrecisionOption = None,
    target_snr: TargetSnr = None,
    target_accuracy: TargetAccuracy = None,
    runtime: RuntimeOption = "auto",
    program: AppOption = None,
    stream: StreamOption = False,
    hop: HopOption = None,
    time_axis: TimeAxis = None,
    layers: Layers = False,
    json: Json = False,
) -> Outcome:
    """Generate, build, flash and verify: from a model to a board that is proven to compute it."""
    from . import api
    from .artifact import Artifact
    from .quantize import read_precision, read_samples

    target = _board(board, folder)
    started = api.app_for(target, program, runtime)
    if emulate:
        _check_tools(target)

    def look(port: str | None) -> bool:
        with screen.waiting("looking for the board"):
            return api.check_target(target, emulate=emulate, port=port, protocol=protocol)

    flashes, port = _of_one_board(look, port)
    if not emulate and not flashes:
        screen.line(f"flashing is skipped: behind {port} there must be a board with this very firmware")
    if inputs:
        read_samples(inputs, None)
    aim = read_precision(precision, target_snr, target_accuracy)
    streamed = {"stream": stream, "hop": hop, "time_axis": time_axis}
    generated = _generate(
        model, target, calib, out, name, state, ranges, ram_limit, aim, runtime, started, **streamed
    )
    artifact = Path(generated.data["artifact"])
    if inputs:
        api.inputs_for(Artifact.open(artifact), inputs)  # what cannot be verified with is not built for
    built = build(artifact, emulate)
    flashed = flash(artifact, port, protocol).data if flashes else None
    screen.line(f"artifact  {artifact}")
    verified = verify(artifact, inputs, emulate, flashed["port"] if flashed else port, layers)
    return Outcome(
        {**generated.data, "build": built.data, "flash": flashed, "verdict": verified.data}, verified.ok
    )


@app.command()
def generate(
    model: ModelArgument,
    board: BoardOption,
    folder: BoardsFolder = None,
    calib: Calib = None,
    out: Out = None,
    name: NameOption = None,
    state: StateOption = None,
    ranges: RangesOption = "auto",
    ram_limit: RamLimit = None,
    precision: PrecisionOption = None,
    target_snr: TargetSnr = None,
    target_accuracy: TargetAccuracy = None,
    runtime: RuntimeOption = "auto",
    program: AppOption = None,
    stream: StreamOption = False,
    hop: HopOption = None,
    time_axis: TimeAxis = None,
    json: Json = False,
) -> Outcome:
    """Turn a trained model into a firmware project: import, calibrate, quantize, write C."""
    from . import api
    from .quantize import read_precision

    target = _board(board, folder)
    started = api.app_for(target, program, runtime)
    aim = read_precision(precision, target_snr, target_accuracy)
    streamed = {"stream": stream, "hop": hop, "time_axis": time_axis}
    outcome = _generate(
        model, target, calib, out, name, state, ranges, ram_limit, aim, runtime, started, **streamed
    )
    place = outcome.data["artifact"]
    screen.line(f"artifact in {place}; next: `firmnet build {shlex.quote(place)}`")
    return outcome


def _generate(
    model: str,
    target: "targets.Board",
    calib: Path | None,
    out: Path | None,
    name: str | None,
    state: list[str] | None,
    ranges: Literal["auto", "mse", "percentile", "minmax"],
    ram_limit: int | None,
    precision: "Precision",
    runtime: "targets.AskedRuntime",
    program: "BoardApp | None",
    **streamed: Any,
) -> Outcome:
    from . import api
    from .artifact import check_place

    if out:
        check_place(out)
    with screen.step("generate") as step:
        deployment = api.compile(
            model,
            calib,
            board=target,
            name=name,
            state=state,
            ranges=ranges,
            ram_limit_bytes=ram_limit,
            precision=precision,
            runtime=runtime,
            app=program,
            progress=step.advance,
            **streamed,
        )
        artifact = deployment.save(out)
        made = artifact.manifest
        step.summary = (
            f"{made.name} for {made.board}: {len(made.layers)} layers, "
            f"RAM {made.arena_bytes:,} B of activations and scratch, {made.stack_bytes:,} B of stack"
        )
    _show_made(deployment, made, ram_limit)
    return Outcome(
        {
            "artifact": str(artifact.path),
            "manifest": made,
            "quality": deployment.quality,
            "ranges": deployment.found_ranges,
            "at_end": deployment.at_end,
            "accuracy": deployment.accuracy,
            "precision": deployment.found,
            "cost": {
                "int8": deployment.narrow_cost,
                "chosen": deployment.firmware.cost,
                "window": deployment.window_cost,
            },
            "notes": deployment.notes,
            "warnings": deployment.warnings,
        }
    )


def _show_made(deployment: "Deployment", made: "Manifest", ram_limit: int | None) -> None:
    """What was generated, what it costs and what quantization lost."""
    for what, edges in (("takes", made.inputs), ("gives", made.outputs)):
        if len(edges) > 1:
            screen.line(f"{what}: {', '.join(edge.title for edge in edges)}")
    if made.states and not made.stream:
        states = ", ".join(f"{state.name} {state.shape} {state.dtype}" for state in made.states)
        screen.line(f"remembers from run to run: {states}")
    for note in deployment.notes:
        screen.line(f"note: {note}")
    for line in deployment.stream_lines:
        screen.line(line)
    for cascade in made.cascades:
        screen.line(f"{cascade.title}: less RAM for about {cascade.extra_cycles:,} cycles")
    if made.app:
        more = f" and {len(made.app) - 1} more" if len(made.app) > 1 else ""
        screen.line(f"app       {made.app[0]}{more}: the board starts it at boot; Ctrl-C stops it")
    if made.ram_limit_bytes != ram_limit:
        runtime = "MicroPython" if made.runtime == "micropython" else "the C runtime"
        screen.line(f"planned within {made.ram_limit_bytes:,} B, what {runtime} leaves of the RAM")
    elif ram_limit is not None:
        spare = ram_limit - made.arena_bytes - made.stack_bytes
        cost = sum(cascade.extra_cycles for cascade in made.cascades)
        screen.line(
            f"the RAM limit of {ram_limit:,} B is kept, {spare:,} B to spare; it costs "
            + (f"about {cost:,} cycles (`firmnet profile` counts them)" if cost else "0 cycles")
        )
    rows = [(row.name, row.op, f"{row.snr_db:.1f}", f"{row.own_snr_db:.1f}") for row in deployment.quality]
    screen.line("signal to noise of the integers beside the float network: up to each layer, and of it alone")
    screen.table(("layer", "op", "SNR dB", "alone dB"), rows)
    if deployment.found_ranges:
        screen.line(deployment.found_ranges.line())
    if deployment.at_end:
        screen.line(deployment.at_end.line())
    if deployment.found:
        for line in (*deployment.found.lines(), *deployment.cost_lines):
            screen.line(line)
    if deployment.accuracy:
        screen.line(deployment.accuracy.line())
    if deployment.firmware.note:
        screen.line(f"note: {deployment.firmware.note}")
    for warning in deployment.warnings:
        screen.warning(warning)


@app.command()
def build(artifact: ArtifactDir, emulate: Emulate = False, json: Json = False) -> Outcome:
    """Compile an artifact's firmware with PlatformIO and show what it takes of the board."""
    from . import api
    from .artifact import Artifact

    with screen.step("build") as step:
        report = api.build(artifact, emulate=emulate, progress=step.note)
        step.summary = str(artifact)
    for line in report.sizes.lines():
        screen.line(line)
    screen.line(Artifact.open(artifact).board.clock_line(report.env))
    if warning := report.warning():
        screen.warning(warning)
    return Outcome(report)


@app.command()
def flash(
    artifact: ArtifactDir, port: PortOption = None, protocol: ProtocolOption = None, json: Json = False
) -> Outcome:
    """Write a built firmware to the board that is plugged in."""
    from . import api

    def write(port: str | None) -> str:
        with screen.step("flash") as step:
            found = api.flash(artifact, port, protocol=protocol, progress=step.note)
            step.summary = found or "done; it talks over a UART: `firmnet verify` wants its adapter as --port"
        return found

    found, _ = _of_one_board(write, port)
    return Outcome({"port": found})


@app.command()
def verify(
    artifact: ArtifactDir,
    inputs: Inputs = None,
    emulate: Emulate = False,
    port: PortOption = None,
    layers: Layers = False,
    own_firmware: OwnFirmware = False,
    from_step: FromStep = 0,
    json: Json = False,
) -> Outcome:
    """Compare every output of the board with the host's integer oracle, bit for bit."""
    from . import api

    if emulate and (port or own_firmware):
        other = "--port" if port else "--own-firmware"
        raise UserError(f"--emulate and {other} cannot be used together: leave one out")

    def compare(port: str | None) -> "Verdict":
        with screen.step("verify") as step:
            found = api.verify(
                artifact,
                inputs,
                emulate=emulate,
                port=port,
                layers=layers,
                own_firmware=own_firmware,
                from_step=from_step,
                progress=step.advance,
            )
            step.summary = found.device
        return found

    verdict, _ = _of_one_board(compare, port)
    return _told(verdict)


def _told(verdict: "Verdict") -> Outcome:
    """What came of a verification, for people and machines."""
    screen.line(verdict.sentence(), "bold green" if verdict.ok else "bold red")
    if verdict.coverage and (limits := verdict.coverage.limits()):
        screen.line(limits)
    if verdict.warning:
        screen.warning(f"{verdict.warning}; give more inputs, as different as those the model will meet")
    return Outcome(verdict.to_json(), verdict.ok)


@app.command("export-mpy")
def export_mpy(
    artifact: ArtifactDir,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the files; default: ARTIFACT/mpy.", metavar="DIR"),
    ] = None,
    arch: Arch = None,
    romfs: Annotated[
        bool, typer.Option("--romfs", help="Also one image for `mpremote romfs deploy`.")
    ] = False,
    json: Json = False,
) -> Outcome:
    """Compile the model into .mpy files for a board that has a MicroPython of its own."""
    from . import api

    folder = out or artifact / "mpy"
    with screen.step("export-mpy") as step:
        made = api.export_mpy(artifact, folder, arch=arch, romfs=romfs)
        step.summary = (
            f"{made.architecture}: {made.code_bytes:,} B of code, {made.constant_bytes:,} B of constants"
        )
    _warn_of_plain_python(made)
    written = {**made.files, **({f"{Path(made.module).stem}.romfs": made.image} if romfs else {})}
    for name, content in written.items():
        screen.line(f"{len(content):>9,} B  {folder / name}")
    screen.line(f"next: `firmnet push {shlex.quote(str(artifact))} --port PORT` writes and verifies them")
    sizes = {name: len(content) for name, content in written.items()}
    return Outcome({"folder": str(folder), "architecture": made.architecture, "files": sizes})


@app.command()
def push(
    artifact: ArtifactDir,
    port: Annotated[
        str,
        typer.Option(
            "--port",
            "-p",
            help="The board's port by any name, or a pyserial URL (socket://host:port).",
            metavar="PORT",
        ),
    ],
    inputs: Inputs = None,
    layers: Layers = False,
    arch: Arch = None,
    romfs: Annotated[
        bool,
        typer.Option("--romfs/--no-romfs", help="Write to the board's ROMFS where it has one with room."),
    ] = True,
    json: Json = False,
) -> Outcome:
    """Write the model's .mpy files to a board that has a MicroPython of its own, and verify it there."""
    from . import api

    with screen.step("push") as step:
        verdict = api.push(
            artifact,
            port,
            inputs,
            layers=layers,
            arch=arch,
            romfs=romfs,
            chosen=_warn_of_plain_python,
            sent=lambda done: step.note("bytes", done),
            progress=step.advance,
        )
        step.summary = verdict.device
    return _told(verdict)


def _warn_of_plain_python(made: "StockFiles") -> None:
    """How slow it is, where the model is no machine code."""
    if made.run_cycles:
        seconds = made.run_cycles / 100_000_000
        screen.warning(
            "plain Python, bit for bit the same, but some 300 times slower than machine code: about "
            f"{seconds:.2g} s per inference on a Cortex-M of 100 MHz"
        )


@app.command()
def profile(
    artifact: ArtifactDir,
    board: Annotated[
        str | None, typer.Option("--board", "-b", help="Another board than the artifact's.", metavar="ID")
    ] = None,
    folder: BoardsFolder = None,
    core: Annotated[
        str | None, typer.Option("--core", help="A core instead of a board: cortex-m7, …", metavar="CORE")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Also draw the time per layer: .svg, .png or .pdf.", metavar="FILE"),
    ] = None,
    json: Json = False,
) -> Outcome:
    """Run the model in an instruction-set simulator: cycles, RAM and flash, layer by layer."""
    from . import api
    from . import profile as profiling

    if plot:
        profiling.check_plot(plot)
    target = _board(board, folder) if board else None
    with screen.step("profile") as step:
        result = api.profile(artifact, board=target, core=core)
        step.summary = f"{result.name} on {result.board or result.core} ({result.cycle_model})"
    screen.table(profiling.HEADS, profiling.rows(result))
    for line in profiling.lines(result):
        screen.line(line)
    if plot:
        profiling.plot(result, plot)
        screen.line(f"plot      {plot}")
    return Outcome(result)


@app.command()
def boards(folder: BoardsFolder = None, json: Json = False) -> Outcome:
    """List the boards firmnet knows, its own and yours."""
    from .targets import known_boards

    found = known_boards(folder)
    screen.table(
        ("board", "core", "MHz", "bare-metal MHz", "flash KiB", "RAM KiB", "emulator", "name", "from"),
        [
            (
                board.id,
                board.chip.core,
                f"{board.chip.clock_hz / 1e6:g}",
                f"{board.baremetal_clock_hz / 1e6:g}" if board.baremetal_clock_hz else "-",
                str(board.chip.flash_bytes // 1024),
                str(board.chip.ram_bytes // 1024),
                board.emulator.machine if board.emulator else "",
                board.name,
                "firmnet" if known.ours else str(known.path),
            )
            for known in found.known.values()
            for board in [known.board]
        ],
    )
    _tell(found.notes())
    return Outcome(
        [
            {**vars(known.board), "file": known.path, "from": "firmnet" if known.ours else "user"}
            for known in found.known.values()
        ]
    )


@app.command()
def doctor(json: Json = False) -> Outcome:
    """Check that every tool is there, and name the command that installs what is missing."""
    from .doctor import examine

    with screen.waiting("checking this machine"):
        checks = examine()
    rows = [(c.name, c.state, ": ".join(filter(None, (c.found, c.fix)))) for c in checks]
    screen.table(("what", "state", "what was found, or how to get it"), rows)
    return Outcome(checks, ok=all(check.state != "missing" for check in checks))


@app.command()
def clean(
    older_than: Annotated[
        float, typer.Option("--older-than", min=0, help="Days without use after which to go.", metavar="DAYS")
    ] = KEEP_DAYS,
    max_size: Annotated[
        int | None,
        typer.Option(
            "--max-size",
            parser=byte_count,
            help="Most that may stay (500M, 2G); default: 1G.",
            metavar="BYTES",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Remove all, what has to be fetched anew too."),
    ] = False,
    json: Json = False,
) -> Outcome:
    """Make room: remove compiled objects and programs that were not used for long, or everything kept."""
    from .clean import clean as empty

    freed = empty(
        older_than_days=older_than,
        max_bytes=max_size or KEEP_BYTES,
        everything=everything,
        on_wait=lambda: screen.warning("a build is going on: waiting for it"),
    )
    for line in freed.lines():
        screen.line(line)
    return Outcome(freed)


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(help="Where; default: the current directory.", metavar="[DIR]")
    ] = Path("."),
    json: Json = False,
) -> Outcome:
    """Begin a project: a small model, tests of it on boards, a workflow for GitHub. Overwrites nothing."""
    from .starter import start_project

    started = start_project(folder)
    screen.line(f"written   {', '.join(started.written)}")
    if started.kept:
        screen.line(f"kept      {', '.join(started.kept)}")
    place = "" if folder == Path(".") else f"cd {shlex.quote(str(folder))} && "
    screen.line(f"next: `{place}pytest`, then `pytest --firmnet-device qemu`; README.md says more")
    return Outcome(started)


@app.command()
def demo(out: Out = None, json: Json = False) -> Outcome:
    """Train on handwritten digits, deploy to the emulated board and check all 599 held-out images."""
    from .artifact import check_place
    from .demo import BOARD
    from .demo import demo as run
    from .targets import load_board

    _check_tools(load_board(BOARD))
    if out:
        check_place(out)
    with screen.steps() as steps:
        result = run(out, steps.begin, steps.advance)
    for line in result.lines():
        screen.line(line)
    return Outcome(result.to_json(), result.verdict.ok)


def _board(id: str, folder: Path | None) -> "targets.Board":
    """The board a command is about; tells what is odd about it, and which other boards are left out."""
    from .targets import known_boards

    found = known_boards(folder)
    board = found.named(id)
    _tell(found.notes(id))
    return board


def _of_one_board(act: Callable[[str | None], Found], port: str | None) -> tuple[Found, str | None]:
    """What `act` does with the board at `port`, and that port.

    Where it could be several, the person at the terminal is asked; without a terminal it stays an error.
    """
    while True:
        try:
            return act(port), port
        except SeveralBoards as several:
            heading = f"these could all be {several.what}:"
            chosen = screen.choose(heading, [title for _, title in several.choices])
            if chosen is None or several.choices[chosen][0] == port:
                raise
            port = several.choices[chosen][0]


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        screen.warning(note)


def _check_tools(board: "targets.Board") -> None:
    """Fail before minutes of work when the build or the emulator is sure to fail after it."""
    from .emulators import emulator_for, rp2040js

    find("arm-none-eabi-gcc")
    if board.emulator and board.emulator.kind == "rp2040js":
        rp2040js(screen.line)
    elif board.emulator:
        emulator_for(board.emulator.machine, screen.line)


def main(arguments: Sequence[str] | None = None) -> None:
    """The `firmnet` command: runs it and exits with one of the codes above, never with a traceback."""
    global screen
    warnings.simplefilter("ignore", QualityWarning)  # generate prints them
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # NumPy's products here are small: two threads make the oracle several times slower on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Known before parsing, for a usage error is reported in JSON too.
    screen = Screen(json="--json" in arguments)
    end_in_order()
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    """The exit code of one command line."""
    try:
        outcome = typer.main.get_command(app).main(arguments, prog_name="firmnet", standalone_mode=False)
        if not isinstance(outcome, Outcome):
            return int(outcome or 0)
        screen.result(outcome.data)
        return 0 if outcome.ok else FAILED_CHECK
    except KeyboardInterrupt:
        return INTERRUPTED
    except AskedToEnd as asked:
        return 128 + asked.number
    except BrokenPipeError:
        _give_up_stdout()  # whoever read our output has gone
        return FAILED_CHECK
    except Exception as error:
        # the terminal went away, and with it where bars are drawn
        if isinstance(error.__context__, AskedToEnd):
            return 128 + error.__context__.number
        return _report(error, arguments)


def _give_up_stdout() -> None:
    """Keep the interpreter from complaining at exit about what could not be written."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: Exception, arguments: Sequence[str]) -> int:
    """Say in one sentence what went wrong; the exit code for it."""
    if os.environ.get("FIRMNET_TRACEBACK") == "1":
        traceback.print_exception(error)
    sentence, code = told(error, arguments)
    if sentence:
        screen.error(sentence)
        try:
            screen.result({"error": sentence, "exit_code": code})
        except OSError:  # the sentence is on stderr
            _give_up_stdout()
    return code
