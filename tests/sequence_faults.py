"""What becomes of a sequence whose line loses, doubles or damages a frame, or whose board is reset?

The board is the one behind a URL, whatever it is: a process of this machine or an emulator.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from noisy_line import Damage, InFrames, noisy, replaced

from firmnet.artifact import Artifact
from firmnet.devices import serial
from firmnet.devices.frames import ANSWER, Frame, Message
from firmnet.errors import VerificationError
from firmnet.interpret import Stepper
from firmnet.ir import Array
from firmnet.verify import count_of, verify

STRUCK = 6
"""The frame of its kind that is hit; steps behind it are under way by then."""


@dataclass
class Once:
    """Changes one frame of a kind: the STRUCK-th, or another."""

    kind: int
    change: Callable[[bytes], bytes]
    struck: int = STRUCK
    seen: int = 0

    def __call__(self, frame: Frame, raw: bytes) -> bytes:
        self.seen += frame.kind == self.kind
        return self.change(raw) if frame.kind == self.kind and self.seen == self.struck else raw


def lost(raw: bytes) -> bytes:
    return b""


def damaged(raw: bytes) -> bytes:
    """One bit of its payload."""
    return raw[:-9] + bytes([raw[-9] ^ 0x10]) + raw[-8:]


def cut_off(raw: bytes) -> bytes:
    return raw[: len(raw) - 11]


def doubled(raw: bytes) -> bytes:
    return raw + raw


REQUESTS: dict[str, Callable[[bytes], bytes]] = {
    "a request lost": lost,
    "a request damaged": damaged,
    "a request cut off": cut_off,
}
ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "an answer lost": lost,
    "an answer damaged": damaged,
    "an answer cut off": cut_off,
}
DOUBLED = {"a request doubled", "an answer doubled"}
"""What no honest line does: it is refused, and the step is named."""


def line_with(
    fault: str, url: str, kind: Message = Message.RUN, struck: int = STRUCK
) -> AbstractContextManager[str]:
    """The URL of a line to that board on which this happens once."""
    change = {**REQUESTS, **ANSWERS}.get(fault, doubled)
    if fault.startswith("a request"):
        return noisy(url, Damage(towards=InFrames(Once(kind, change, struck))), 0)
    return noisy(url, Damage(back=InFrames(Once(kind | ANSWER, change, struck))), 0)


def check_faulty_sequence(artifact: Artifact, samples: tuple[Array, ...], url: str, fault: str) -> None:
    """All is right all the same, and no step was run twice or left out."""
    with line_with(fault, url) as line, serial.open(artifact, line) as device:
        device.reset()
        before, window = device.counters().runs, device.hello.window
        assert window > 1, "several requests are under way"
        outputs = device.run(samples).outputs
        count = count_of(artifact, samples)
        assert device.counters().runs - before == count
        assert device.link.resends > 0
        held, runs = device.state, Stepper(artifact.graph)
        stored = [edge.stored(x) for edge, x in zip(artifact.manifest.inputs, samples, strict=True)]
        made = [runs(*sample) for sample in zip(*stored, strict=True)]
        for state in artifact.graph.states:
            np.testing.assert_array_equal(held[state.name], runs.state[state.tensor])
        for edge, port, y in zip(artifact.manifest.outputs, artifact.graph.outputs, outputs, strict=True):
            right = np.stack([values[port.tensor].ravel() for values in made])
            np.testing.assert_array_equal(edge.samples(right), y)


def check_doubled_frame(artifact: Artifact, samples: tuple[Array, ...], url: str, fault: str) -> None:
    with line_with(fault, url) as line, serial.open(artifact, line) as device:
        try:
            device.run(samples)
        except VerificationError as error:
            said = str(error)
        else:
            raise AssertionError("it was not noticed")
    assert "once more instead of request" in said, said
    assert "the sequence ended before step" in said, said


def check_interrupted_sequence(
    artifact: Artifact, samples: tuple[Array, ...], first: str, second: str
) -> None:
    """A board that begins anew between two steps ends the sequence, and the step is named."""
    answers = Once(Message.RUN | ANSWER, lambda raw: raw)
    frames = InFrames(answers)

    def when(data: bytes) -> bool:
        frames(data)
        return answers.seen >= STRUCK

    with replaced(first, second, when) as line, serial.open(artifact, line, timeout_s=4.0) as device:
        try:
            verify(artifact, device, samples)
        except VerificationError as error:
            said = str(error)
        else:
            raise AssertionError("it was not noticed")
    assert "was reset" in said, said
    assert "the sequence ended before step" in said, said
    step = int(said.partition("ended before step ")[2].partition(",")[0])
    assert STRUCK - 1 <= step <= STRUCK + 8, said


def check_damaged_state(artifact: Artifact, samples: tuple[Array, ...], url: str, fault: str) -> None:
    """What is to be remembered arrives damaged: it is sent again, and nothing is run with half of it."""
    rng = np.random.default_rng(5)
    wanted = {
        state.name: rng.integers(state.dtype.low, state.dtype.high + 1, state.shape).astype(state.dtype.numpy)
        for state in artifact.manifest.states
    }
    with line_with(fault, url, Message.SET_STATE, 1) as line, serial.open(artifact, line) as device:
        before = device.counters().runs
        device.resume(wanted, 40)
        for name, x in device.state.items():
            np.testing.assert_array_equal(x, wanted[name])
        assert device.counters().runs == before
        assert device.link.resends > 0
        runs = Stepper(artifact.graph, state={s.tensor: wanted[s.name] for s in artifact.graph.states})
        stored = [edge.stored(x) for edge, x in zip(artifact.manifest.inputs, samples, strict=True)]
        values = runs(*[x[0] for x in stored])
        outputs = device.run(tuple(x[:1] for x in samples)).outputs
        for edge, port, y in zip(artifact.manifest.outputs, artifact.graph.outputs, outputs, strict=True):
            np.testing.assert_array_equal(edge.samples(values[port.tensor].reshape(1, -1)), y)
