"""Which boards has a test run, who talks to them, and were they flashed? For pytest_plugin.py.

A test run may have several workers (pytest-xdist), each a process of its own. What is done once per run
(generate, build, flash) the first one does that needs it, and the others find its record in a folder
that they share. A port belongs to one test at a time, whichever process runs it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from . import api, devices
from .artifact import Artifact
from .build import check_flashable, choose_env, is_connection
from .cache import cache_dir
from .devices import Device, HasClock, Timed
from .errors import UserError, VerificationError
from .folder import lock
from .provenance import built
from .targets import core_named
from .under_test import EMULATORS, SERIAL, UnderTest
from .verify import Golden, check_fingerprint, golden

FIRMWARE = (*EMULATORS, SERIAL)
"""Kinds of devices that run the whole firmware, with its counters."""
WHAT_IT_IS = {
    "host": "this machine",
    "core": "an emulated core",
    **dict.fromkeys(EMULATORS, "an emulated board"),
    SERIAL: "a board",
}


@dataclass(frozen=True)
class Meter:
    """What a device was, and what its own clock had counted when a test began."""

    device: Device
    told: tuple[tuple[str, object], ...]
    runs: int
    microseconds: int

    def properties(self) -> list[tuple[str, object]]:
        """For JUnit: board, firmware, clock, and what this test took of the board's time, if it has any."""
        if not isinstance(self.device, HasClock):
            return list(self.told)
        now = self.device.timed()
        return [
            *self.told,
            ("firmnet_inferences", now.runs - self.runs),
            ("firmnet_microseconds", now.microseconds - self.microseconds),
        ]


class Bench:
    """Lends devices to tests. `shared` is a folder of all workers of this run; `alone`: there are no others.

    With `flashes` boards get the firmware first; artifacts made from models go to build/ in `root`.
    """

    def __init__(self, shared: Path, root: Path, *, flashes: bool, alone: bool) -> None:
        self._shared, self._root = shared / "firmnet", root
        self._flashes, self._alone = flashes, alone
        self._golden: dict[Path, Golden] = {}
        self._open: tuple[tuple[str, Path], Device] | None = None
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._put_away()

    # ---- what runs ----

    def artifact(self, under: UnderTest) -> Artifact:
        """The artifact that was given, or the one of this run's model; built where an emulator needs that."""
        path = under.artifact or self._once(
            f"generate {under.model} {under.board} {under.runtime}", lambda: self._made(under)
        )
        artifact = Artifact.open(path)
        if under.kind in EMULATORS and (self._flashes or under.model):
            self._build(artifact, emulate=True)
        return artifact

    def golden(self, artifact: Artifact) -> Golden:
        """The golden vectors of an artifact, computed once."""
        if artifact.path not in self._golden:
            self._golden[artifact.path] = golden(artifact)
        return self._golden[artifact.path]

    def _made(self, under: UnderTest) -> str:
        deployment = api.compile(under.model, board=under.board, runtime=under.runtime)
        return str(deployment.save(self._root / api.default_path(deployment.graph.name, under.board)).path)

    def _build(self, artifact: Artifact, emulate: bool) -> None:
        """Built once, for boards or for emulators; UserError when this run wants both and they differ."""
        board = artifact.board
        done = self._once(f"build {artifact.path}", lambda: api.build(artifact, emulate=emulate).env)
        if done != choose_env(board, emulate=emulate):
            raise UserError(
                f"{artifact.path} holds one build, and the {board.name} and its emulator run different ones: "
                "test one of them, or give each an artifact of its own"
            )

    # ---- who talks to it ----

    @contextmanager
    def borrowed(self, under: UnderTest, artifact: Artifact) -> Iterator[Device]:
        """The device, as after a reset of its model; flashed first, if that was asked for.

        While this is the only process of the run a device stays open from test to test, for as long as the
        tests are of the same one.
        """
        wanted = (under.device, artifact.path)
        if self._open and self._open[0] == wanted and _answers(self._open[1]):
            yield self._open[1]
            return
        self._put_away()
        with ExitStack() as stack:
            device = self._opened(under, artifact, stack)
            if self._alone:
                self._open, self._closing = (wanted, device), stack.pop_all()
            yield device

    def lacks(self, under: UnderTest, artifact: Artifact, mark: str, names: Sequence[str]) -> str:
        """Why a test with this mark cannot run on the device; "" where it can."""
        what = WHAT_IT_IS[under.kind]
        if mark == "firmnet_needs_board" and under.kind != SERIAL:
            return f"needs a real board: {under.device} is {what}"
        if mark == "firmnet_needs_counters" and under.kind not in FIRMWARE:
            return f"needs a firmware that counts: {under.device} is {what}"
        if mark != "firmnet_needs_core":
            return ""
        cores = [core_named(name) for name in names]
        if not cores:
            raise UserError(
                "the mark firmnet_needs_core names no core: write firmnet_needs_core('cortex-m4')"
            )
        core = "" if under.kind == "host" else artifact.board.chip.core
        return "" if core in names else f"needs {' or '.join(names)}: {under.device} is {core or what}"

    def meter(self, under: UnderTest, artifact: Artifact, device: Device) -> Meter:
        """Begins now."""
        told: list[tuple[str, object]] = [
            ("firmnet_board", artifact.manifest.board),
            ("firmnet_device", device.name),
            ("firmnet_fingerprint", artifact.manifest.fingerprint),
        ]
        if under.kind in FIRMWARE:
            told.append(("firmnet_clock_hz", artifact.board.clock_hz(built(artifact).env)))
        now = device.timed() if isinstance(device, HasClock) else Timed()
        return Meter(device, tuple(told), now.runs, now.microseconds)

    def _opened(self, under: UnderTest, artifact: Artifact, stack: ExitStack) -> Device:
        address = under.device
        if under.kind == SERIAL:
            address = under.device.partition(":")[2]
            if self._flashes:
                address = self._flashed(artifact, address)
            address = api.port_of(artifact.board, address or None)
            stack.enter_context(_alone_at(address))
        device = stack.enter_context(devices.open(address, artifact))
        check_fingerprint(artifact, device)
        return device

    def _flashed(self, artifact: Artifact, port: str) -> str:
        """Build and flash it once in this run; the board's port then, "" if unknown."""
        if is_connection(port):
            raise UserError(
                f"{port} is a connection, over which nothing can be flashed: flash the board where it is "
                "plugged in, and leave out --firmnet-flash here"
            )
        return self._once(f"flash {artifact.path} {port}", lambda: self._flash(artifact, port))

    def _flash(self, artifact: Artifact, port: str) -> str:
        check_flashable(artifact.board, devices.computer(), port or None)
        self._build(artifact, emulate=False)
        with _alone_at(port or artifact.board.id):
            return api.flash(artifact, port or None) or port

    def _put_away(self) -> None:
        self._open, closing = None, self._closing
        self._closing = ExitStack()
        closing.close()

    def _once(self, what: str, work: Callable[[], str]) -> str:
        """What `work` came to, for the first worker of this run that asks; its errors are kept, too."""
        folder = self._shared / hashlib.sha256(what.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / "record.json"
        with lock(folder, on_wait=_in_silence):
            if not record.exists():
                record.write_text(json.dumps(_outcome(work)))
            outcome, said = json.loads(record.read_text())
        if outcome == "done":
            return str(said)
        raise VerificationError(said) if outcome == "failed" else UserError(said)


def _outcome(work: Callable[[], str]) -> tuple[str, str]:
    try:
        return "done", work()
    except VerificationError as error:
        return "failed", str(error)
    except UserError as error:
        return "refused", str(error)


def _answers(device: Device) -> bool:
    """Whether a device that a test had is fit for the next one; its model is reset."""
    try:
        device.reset()
    except (UserError, VerificationError, OSError):
        return False
    return True


@contextmanager
def _alone_at(port: str) -> Iterator[None]:
    """Be the only test, of any process of this user, that talks to a port; waits until that can be."""
    name = port.lower() if "://" in port else os.path.realpath(port)
    folder = cache_dir() / "ports" / hashlib.sha256(name.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder, on_wait=_in_silence):
        yield


def _in_silence(_: str) -> None:
    """Another worker is at it, as is usual."""
