"""What can be wrong with a firmware, a board or its line, and what does verify say of each?

Every fault here is real: flipped bits in the image that boots, firmware whose layers compute something else,
frames that a line loses, doubles or damages, boards that hang, reset or lie. benchmarks/harness.py prints the
table.
"""

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from breaking import CALL_FOR_EVER, UNDEFINED, address_of, broken, store_to
from flipping import Flip, flips
from lying import hello_with
from noisy_line import Change, Damage, InFrames, noisy, replaced
from sequence_faults import ANSWERS, REQUESTS, line_with
from torch import nn

import firmnet
from firmnet.api import Deployment
from firmnet.artifact import Artifact, save
from firmnet.build import build
from firmnet.codegen.firmware import firmware
from firmnet.devices import qemu, serial
from firmnet.devices.frames import ANSWER, Frame, Message
from firmnet.devices.serial import SerialDevice
from firmnet.errors import VerificationError
from firmnet.ir import Graph, QParams
from firmnet.verify import golden, verify

TIMEOUT_S = 4.0
"""How long a board may be silent here."""
LIMIT_S = 20.0
"""What verify may take here: hello, the read-back of flash, a run with its repetitions, a few silences."""
SAMPLES = 8
STRIKES_AFTER = 3
"""Answers that come unharmed, before a fault of the line begins."""


@dataclass(frozen=True)
class Told:
    """What became of a fault.

    `how`: "refused" (an error), "named" (what is wrong was found, and where), "recovered" (the board is
    right, and what the line damaged was asked for again) or "VERIFIED", which none may be. `by` is what
    noticed it, `where` the layer, address or step that the sentence names.
    """

    fault: str
    how: str
    by: str
    where: str
    seconds: float
    said: str


SIGNS = (
    ("read-back of flash", r"(0x[0-9a-f]+) is 0x\w+, built as 0x\w+, (.+?)(?:;|$|, 0x)"),
    ("checksums of layers", r"the first wrong layer is ('\w+')"),
    ("fingerprint", r"runs another firmware: its (fingerprint)"),
    ("hello against manifest", r"runs another firmware: (its [\w' ]+) \("),
    ("session in hello", r"the board was reset in the .*the sequence ended before (step \d+)"),
    ("session in hello", r"the board (was reset in the middle of the run, after \d+ good answers)"),
    ("number of the answer", r"(answered request \d+ once more)"),
    ("CRC-32 of the request", r"(gave the answer to request \d+ as that to request \d+)"),
    ("last words of the board", r"the board's processor stopped .*?(layer '\w+')"),
    ("end of the emulator", r"connection broke .*(ended with .+)"),
    ("layers against outputs", r"(every layer is right, yet)"),
    ("CRC-32 of the answer", r"(after \d+ good answers what came back was damaged)"),
    ("timeout", r"(?:sent )?(the same \w+ frame again and again|Ctrl-C, Ctrl-A and a hello frame)"),
)
"""By which words a sentence tells what has noticed the fault, and which of them say where it is."""


def noticed(said: str) -> tuple[str, str]:
    """What noticed a fault and where it is, by the sentence; "" for one that tells neither."""
    for by, words in SIGNS:
        if found := re.search(words, said):
            return by, " ".join(filter(None, found.groups()))
    return "", ""


# ---- what is run ----


def network() -> nn.Module:
    """Convolutions, a table and a linear layer: (1, 1, 8, 8) → (1, 5)."""
    torch.manual_seed(3)
    layers = nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.Tanh()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(72, 5)).eval()


@dataclass(frozen=True)
class Harness:
    """A firmware that is right, and a folder for those that are not."""

    artifact: Artifact
    deployment: Deployment
    folder: Path

    @cached_property
    def flips(self) -> list[Flip]:
        return flips(self.artifact, 60, seed=1)

    def flip(self, part: str, symbol: str) -> Path:
        """A copy of the firmware with one bit of that part flipped."""
        chosen = next(f for f in self.flips if f.part.startswith(part) and f.symbol.endswith(symbol))
        content = bytearray((self.artifact.firmware / "firmware.elf").read_bytes())
        content[chosen.offset] ^= 1 << chosen.bit
        elf = self.folder / f"{part.split()[1]}{symbol}.elf"
        elf.write_bytes(content)
        return elf

    def miscompiled(self, name: str, change: Callable[[Graph], Graph]) -> Artifact:
        """An artifact whose firmware computes another graph than it should, as a faulty generator's would."""
        graph, deployment = self.deployment.graph, self.deployment
        made = firmware(change(graph), deployment.board)
        artifact = save(self.folder / name, made.manifest, graph, deployment.samples, made.files)
        build(artifact, emulate=True)
        return Artifact.open(artifact.path)


def harness(folder: Path) -> Harness:
    """Generate and build it."""
    calibration = np.random.default_rng(0).normal(size=(24, 1, 8, 8)).astype(np.float32)
    deployment = firmnet.compile(network(), calibration, board="netduinoplus2", name="harness")
    deployment.build(folder / "harness", emulate=True)
    assert deployment.artifact is not None
    return Harness(Artifact.open(deployment.artifact.path), deployment, folder)


# ---- what is wrong with the firmware ----


def shifted_zero_point(graph: Graph) -> Graph:
    q = graph.tensors["layer_2"].q
    return changed(graph, "layer_2", qparams=replace(q, zero_point=q.zero_point + 1))


def swapped_channels(graph: Graph) -> Graph:
    order = [1, 0, *range(2, 8)]
    for name in ("layer_2_weight", "layer_2_bias"):
        tensor = graph.tensors[name]
        assert tensor.data is not None
        q = tensor.q
        scale = np.asarray(q.scale)[order] if np.size(q.scale) > 1 else q.scale
        graph = changed(graph, name, data=tensor.data[order], qparams=QParams(scale, q.zero_point, q.dtype))
    return graph


def off_by_one_shift(graph: Graph) -> Graph:
    """Requantized with one shift less: as if what is added up were worth twice as much."""
    for name in ("layer_5_weight", "layer_5_bias"):
        q = graph.tensors[name].q
        graph = changed(graph, name, qparams=replace(q, scale=np.asarray(q.scale) * 2))
    return graph


def changed(graph: Graph, name: str, **fields: object) -> Graph:
    return replace(graph, tensors={**graph.tensors, name: replace(graph.tensors[name], **fields)})


# ---- what is wrong with the line, or with what the board says ----


@dataclass
class Strikes:
    """Changes answers of one kind: from the STRIKES_AFTER-th on, or only that one."""

    change: Change
    always: bool = True
    kind: Message = Message.RUN
    seen: int = 0

    def __call__(self, frame: Frame, raw: bytes) -> bytes:
        if frame.kind != self.kind | ANSWER:
            return raw
        self.seen += 1
        hit = self.seen > STRIKES_AFTER if self.always else self.seen == STRIKES_AFTER + 1
        return self.change(frame, raw) if hit else raw


def dropped_byte(frame: Frame, raw: bytes) -> bytes:
    return raw[:-7] + raw[-6:]


def duplicated(frame: Frame, raw: bytes) -> bytes:
    return raw + raw


def truncated(frame: Frame, raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def swallowed(frame: Frame, raw: bytes) -> bytes:
    """A queue of 32 bytes that is full: the rest is lost."""
    return raw[:32]


def held_up(frame: Frame, raw: bytes) -> bytes:
    """A queue of 16 bytes that is full: the rest waits."""
    time.sleep(0.02 * len(raw) / 16)
    return raw


def late(seconds: float) -> Change:
    def change(frame: Frame, raw: bytes) -> bytes:
        time.sleep(seconds)
        return raw

    return change


class Reordered:
    """Every other answer comes behind the one after it."""

    held = b""

    def __call__(self, frame: Frame, raw: bytes) -> bytes:
        out, self.held = (b"", raw) if not self.held else (raw + self.held, b"")
        return out


class Replayed:
    """The answer to the first of them, again and again."""

    first = b""

    def __call__(self, frame: Frame, raw: bytes) -> bytes:
        self.first = self.first or raw
        return self.first


def garbage_first(frame: Frame, raw: bytes) -> bytes:
    return random.Random(frame.number).randbytes(300) + raw if frame.kind == Message.HELLO | ANSWER else raw


def lying(**changes: object) -> Change:
    def change(frame: Frame, raw: bytes) -> bytes:
        return hello_with(frame, **changes).encode() if frame.kind == Message.HELLO | ANSWER else raw

    return change


LINE: dict[str, Callable[[], Change]] = {
    "dropped byte, once": lambda: Strikes(dropped_byte, always=False),
    "dropped byte in every answer": lambda: Strikes(dropped_byte),
    "duplicated frame": lambda: Strikes(duplicated, always=False),
    "truncated frame, once": lambda: Strikes(truncated, always=False),
    "truncated frame, every answer": lambda: Strikes(truncated),
    "reordered frames": lambda: Strikes(Reordered()),
    "garbage before hello": lambda: garbage_first,
    "slow board, 1 s for each answer": lambda: Strikes(late(1.0)),
    "slow board, never in time": lambda: Strikes(late(3 * TIMEOUT_S)),
    "full output queue that waits": lambda: Strikes(held_up),
    "full output queue that loses, once": lambda: Strikes(swallowed, always=False),
    "full output queue that loses": lambda: Strikes(swallowed),
    "lying hello: fingerprint": lambda: lying(fingerprint=bytes(32)),
    "lying hello: layers": lambda: lying(layer_count=3),
    "lying hello: sizes": lambda: lying(sizes=1),
    "replayed answer": lambda: Strikes(Replayed()),
}


SEQUENCES = {f"in a sequence: {fault}": fault for fault in (*REQUESTS, *ANSWERS)}
"""What a line does once, while several steps of a model that remembers are under way."""
INTERRUPTED = "in a sequence: reset"


# ---- each of them, verified ----


def told(
    artifact: Artifact,
    fault: str,
    opened: Callable[[], AbstractContextManager[SerialDevice]],
    *,
    layers: bool = False,
) -> Told:
    """Verify some samples by the device that `opened` gives."""
    began, resends, verdict = time.monotonic(), 0, None
    inputs = np.asarray(artifact.samples)[:SAMPLES]
    try:
        with opened() as device:
            verdict = verify(artifact, device, inputs, layers=layers)
            resends, said = device.link.resends, verdict.sentence()
    except VerificationError as error:
        said = str(error)
    seconds = time.monotonic() - began
    if verdict and verdict.ok:
        how = "recovered" if fault in LINE or fault in SEQUENCES else "VERIFIED"
        by = f"asked again {resends} times" if resends else "passed over"
        return Told(fault, how, by, f"all {len(inputs)} outputs right", seconds, said)
    by, where = noticed(said)
    how = "named" if verdict or by == "read-back of flash" else "refused"
    return Told(fault, how, by, where, seconds, said)


def on_line(artifact: Artifact, fault: str) -> Told:
    """One of LINE."""

    @contextmanager
    def opened() -> Iterator[SerialDevice]:
        damage = Damage(back=InFrames(LINE[fault]()))
        with (
            qemu.emulated(artifact) as emulator,
            noisy(emulator.url, damage, 0) as line,
            serial.open(artifact, line, timeout_s=TIMEOUT_S) as device,
        ):
            yield device

    return told(artifact, fault, opened)


class Recurrent(nn.Module):
    """A state that is computed from itself: (1, 6) → (1, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("h", torch.zeros(1, 8))
        self.x, self.w, self.y = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.h = torch.tanh(self.x(x) + self.w(self.h))
        return self.y(self.h)


def recurrent(folder: Path) -> Artifact:
    """A firmware whose model remembers."""
    torch.manual_seed(3)
    steps = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    deployment = firmnet.compile(Recurrent().eval(), steps, board="netduinoplus2", name="recurrent")
    deployment.build(folder / "recurrent", emulate=True)
    assert deployment.artifact is not None
    return Artifact.open(deployment.artifact.path)


def in_sequence(artifact: Artifact) -> Iterator[Told]:
    for fault, what in SEQUENCES.items():

        @contextmanager
        def opened(what: str = what) -> Iterator[SerialDevice]:
            with (
                qemu.emulated(artifact) as emulator,
                line_with(what, emulator.url) as line,
                serial.open(artifact, line, timeout_s=TIMEOUT_S) as device,
            ):
                yield device

        yield told(artifact, fault, opened)
    interrupted = reset_in_the_middle(artifact, "reset while it infers")
    yield replace(interrupted, fault=INTERRUPTED)


def in_firmware(harness: Harness) -> Iterator[Told]:
    """Flipped bits, and layers that compute something else."""
    right = harness.artifact
    for fault, part, symbol in (
        ("bit-flipped weight", "a constant of layer", "_weight"),
        ("bit-flipped table", "a constant of layer", "_table"),
        ("bit-flipped code", "the code of layer", "_kernel"),
    ):
        elf = harness.flip(part, symbol)
        yield told(right, fault, lambda elf=elf: qemu.QemuDevice(right, TIMEOUT_S, elf))
    for fault, change in (
        ("shifted zero point", shifted_zero_point),
        ("swapped channels", swapped_channels),
        ("off-by-one shift", off_by_one_shift),
    ):
        wrong = harness.miscompiled(change.__name__, change)
        yield told(wrong, fault, lambda wrong=wrong: qemu.QemuDevice(wrong, TIMEOUT_S), layers=True)
    stale = wrong.firmware / "firmware.elf"
    yield told(right, "stale image", lambda: qemu.QemuDevice(right, TIMEOUT_S, stale))


RESETS = {
    "reset while it infers": lambda: Seen(Message.RUN, 4),
    "reset as its prompt is asked for": lambda: Seen(Message.RUN, SAMPLES, then=b"raw REPL", times=1),
    "reset as something is typed": lambda: Seen(Message.RUN, SAMPLES, then=b"raw REPL", times=4),
}


class Seen:
    """Whether so many answers of a kind have come by, and behind them so often some text."""

    def __init__(self, kind: Message, count: int, then: bytes = b"", times: int = 0) -> None:
        self._kind, self._left, self._then, self._times = kind | ANSWER, count, then, times
        self._text = b""
        self._frames = InFrames(self._count)

    def _count(self, frame: Frame, raw: bytes) -> bytes:
        self._left -= frame.kind == self._kind
        self._text = b""
        return b""

    def __call__(self, data: bytes) -> bool:
        self._text += self._frames(data)
        return self._left <= 0 and self._text.count(self._then) >= self._times


def reset_in_the_middle(artifact: Artifact, fault: str) -> Told:
    """The board begins anew at one of these moments; its port stays open."""

    @contextmanager
    def opened() -> Iterator[SerialDevice]:
        with (
            qemu.emulated(artifact) as first,
            qemu.emulated(artifact) as second,
            replaced(first.url, second.url, when=RESETS[fault]()) as line,
            serial.open(artifact, line, timeout_s=TIMEOUT_S) as device,
        ):
            yield device

    return told(artifact, fault, opened)


def stopped(harness: Harness, fault: str, code: bytes) -> Told:
    """The processor stops in the second layer; its flash is not read back, which would find the cause."""
    right = harness.artifact
    elf = broken(right, "layer_2", code, harness.folder)
    began, how, said = time.monotonic(), "VERIFIED", ""
    try:
        with qemu.QemuDevice(right, TIMEOUT_S, elf) as device:
            device.run(np.asarray(right.samples)[:SAMPLES])
    except VerificationError as error:
        how, said = "refused", str(error)
    return Told(fault, how, *noticed(said), time.monotonic() - began, said)


def killed(artifact: Artifact, fault: str, number: signal.Signals) -> Told:
    """The emulator hangs, or is gone, after the board has said hello."""

    @contextmanager
    def opened() -> Iterator[SerialDevice]:
        with qemu.open(artifact, timeout_s=TIMEOUT_S) as device:
            os.kill(device.emulator.pid, number)
            yield device

    return told(artifact, fault, opened)


def all_told(harness: Harness) -> Iterator[Told]:
    """The whole table, row by row."""
    yield from in_firmware(harness)
    for fault in LINE:
        yield on_line(harness.artifact, fault)
    for fault in RESETS:
        yield reset_in_the_middle(harness.artifact, fault)
    guard = address_of(harness.artifact, "__stack_guard")
    yield stopped(harness, "stack overflow", CALL_FOR_EVER)
    yield stopped(harness, "a guard hit", store_to(guard))
    yield stopped(harness, "instruction that is none", UNDEFINED)
    yield killed(harness.artifact, "board that hangs", signal.SIGSTOP)
    yield killed(harness.artifact, "board that is unplugged", signal.SIGKILL)
    yield from in_sequence(recurrent(harness.folder))


# ---- many inferences on a bad line ----


@dataclass(frozen=True)
class Endured:
    """Inferences on a line that damages frames: how many came, wrong ones among them, and what it took."""

    inferences: int
    wrong: int
    frames: int
    damaged: int
    resends: int
    seconds: float


class Damaging:
    """A share of the frames comes with a flipped bit, short of a byte, cut off or behind noise."""

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._chance = share, random.Random(seed)
        self.frames = self.damaged = 0

    def __call__(self, frame: Frame, raw: bytes) -> bytes:
        self.frames += 1
        if self._chance.random() >= self._share:
            return raw
        self.damaged += 1
        at = self._chance.randrange(len(raw))
        noise, flipped = self._chance.randbytes(9), raw[at] ^ 1 << self._chance.randrange(8)
        before, after = raw[:at], raw[at + 1 :]
        return self._chance.choice([before + bytes([flipped]) + after, before + after, before, noise + raw])


def endured(artifact: Artifact, inferences: int, share: float = 0.01) -> Endured:
    """Run seeded noise on the emulated board behind such a line, and compare every output."""
    shape = artifact.manifest.input.sample_shape
    noise = np.random.default_rng(5).integers(-128, 128, (inferences, *shape)).astype(np.int8)
    damaging = Damaging(share, 6)
    damage = Damage(towards=InFrames(damaging), back=InFrames(damaging))
    with (
        qemu.emulated(artifact) as emulator,
        noisy(emulator.url, damage, 0) as line,
        serial.open(artifact, line) as device,
    ):
        began = time.monotonic()
        answers = device.run(noise).outputs
        seconds, resends = time.monotonic() - began, device.link.resends
    right = golden(artifact, noise).outputs
    wrong = int((answers != right).reshape(inferences, -1).any(axis=1).sum())
    return Endured(inferences, wrong, damaging.frames, damaging.damaged, resends, seconds)
