"""Does the C runtime answer as the MicroPython one does, on any line, and is what it cannot do said?

The board is the generated C itself, in a process of this machine behind a real socket.
"""

import random
import socket
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
from board_twin import FLASH, BoardTwin, inputs, save_artifact, two_layers
from board_twin import powered as twin_powered
from c_board import SANITIZERS, c_artifact, compiled, powered
from cases import cases_of
from noisy_line import Damage, even_parity, noisy, replacing, without
from sequence_faults import (
    ANSWERS,
    DOUBLED,
    REQUESTS,
    check_damaged_state,
    check_doubled_frame,
    check_faulty_sequence,
    check_interrupted_sequence,
)
from serial.urlhandler import protocol_socket

from firmnet.artifact import Artifact
from firmnet.calls import prediction
from firmnet.devices import frames, link, serial
from firmnet.devices.frames import Frame, Message, step_payload
from firmnet.errors import UserError, VerificationError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import Stepper, int_values
from firmnet.ir import Array, Dtype, Graph, Node, Port
from firmnet.ops import OPS
from firmnet.ops.linear import LinearAttrs
from firmnet.passes import optimize
from firmnet.quantize import quantize
from firmnet.verify import verify

LABELS = (*"abcdefghi", "größe")


def remembering() -> Graph:
    """Two inputs, a running sum of one of them in int16, and three outputs of two types."""
    rng, b = np.random.default_rng(0), Builder("remembering")
    rescale = OPS["rescale"].attrs()
    x, y = b.input("audio", (1, 6, 8)), b.input("mode", (1, 12))
    carry = b.state("carry", rng.normal(size=(1, 6, 8)))
    total = b.add("add", OPS["add"].attrs(), b.add("rescale", rescale, x, name="wide"), carry, name="total")
    b.update(carry, total)
    narrow = b.add("rescale", rescale, total, name="narrow")
    weight, bias = b.constant("w", rng.normal(size=(5, 8))), b.constant("c", rng.normal(size=5))
    scores = b.add("linear", LinearAttrs(), narrow, weight, bias, name="scores")
    kept = b.add("rescale", rescale, total, name="kept")
    now = b.add("rescale", rescale, y, name="now")
    drawn = [(rng.normal(size=(6, 8)), rng.normal(size=12)) for _ in range(16)]
    samples = tuple(np.stack(each).astype(np.float32) for each in zip(*drawn, strict=True))
    wide = dict.fromkeys(("wide", "total", "kept"), Dtype.INT16)
    graph = b.graph((x, y), {"scores": scores, "kept": kept, "now": now})
    return quantize(optimize(graph), samples, precision=wide).graph


def steps(artifact: Artifact, count: int) -> tuple[Array, ...]:
    rng = np.random.default_rng(2)
    return tuple(
        rng.integers(e.dtype.low, e.dtype.high + 1, (count, *e.sample_shape)).astype(e.dtype.numpy)
        for e in artifact.manifest.inputs
    )


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(frames, "GAP_S", 0.1)
    monkeypatch.setattr(link, "PATIENCE_S", 0.2)
    monkeypatch.setattr(serial, "APPEARS_S", 0.3)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return c_artifact(tmp_path_factory.mktemp("c") / "twin", two_layers(), inputs(4), LABELS)


@pytest.fixture(scope="module")
def program(artifact: Artifact) -> Path:
    return compiled(artifact, artifact.path.parent / "board")


@pytest.fixture
def url(program: Path) -> Iterator[str]:
    with powered(program) as url:
        yield url


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    graph = remembering()
    drawn = tuple(
        np.zeros((2, *graph.tensors[port.tensor].shape[1:]), graph.tensors[port.tensor].dtype.numpy)
        for port in graph.inputs
    )
    return c_artifact(tmp_path_factory.mktemp("c") / "remembering", graph, drawn)


@pytest.fixture(scope="module")
def stateful_program(stateful: Artifact) -> Path:
    return compiled(stateful, stateful.path.parent / "board", *SANITIZERS)


def test_all_is_verified_as_on_a_board_with_micropython(artifact: Artifact, url: str) -> None:
    with serial.open(artifact, url) as device:
        verdict = verify(artifact, device, inputs(20), layers=True)
        told = f"{len(FLASH):,} bytes of its flash as built, predict() right for 3 float32 samples"
        assert verdict.sentence().endswith(f"bit-exact on netduinoplus2 ({url}), every layer too, {told}")
        for i, name in enumerate(("hidden", "scores")):
            expected = int_values(artifact.graph, inputs(1))[name].ravel()
            np.testing.assert_array_equal(device.dump(inputs(1)[0], i), expected)
        assert device.hello.ports == ("input x int8 64", "output scores int8 10")
        counters = device.counters()
        assert (counters.runs, counters.bad_frames, counters.heap_free_bytes) == (20 + 3 + 2, 0, None)
        told_of_itself = device.info()
        assert (told_of_itself["labels"], told_of_itself["clock_hz"]) == (LABELS, None)
        assert device.link.resends == 0
        with pytest.raises(UserError, match="runs the C runtime, which has no prompt"):
            device.repl("1")


def test_states_several_ports_and_types(stateful: Artifact, stateful_program: Path) -> None:
    x = steps(stateful, 9)
    with powered(stateful_program) as url, serial.open(stateful, url) as device:
        verdict = verify(stateful, device, x, layers=True)
        assert verdict.ok, verdict.sentence()
        assert verdict.calls is not None
        assert verdict.calls.samples == 3


def test_whole_numbers_go_in_and_no_label_comes_out(tmp_path: Path) -> None:
    (call,) = (case.call for case in cases_of("embedding") if case.label == "int32_of_20_rows")
    tensors = {tensor.name: tensor for tensor in (*call.inputs, call.output)}
    nodes = (Node("y", "embedding", call.attrs, ("x", "table"), ("y",)),)
    graph = Graph("looked_up", nodes, tensors, (Port("x", "x"),), (Port("y", "y"),))
    numbers = np.random.default_rng(0).integers(0, 20, (6, *call.inputs[0].shape[1:])).astype(np.int32)
    artifact = c_artifact(tmp_path / "artifact", graph, numbers)
    program = compiled(artifact, tmp_path / "board", *SANITIZERS)
    with powered(program) as url, serial.open(artifact, url) as device:
        verdict = verify(artifact, device, numbers, layers=True)
        assert device.hello.ports[0] == f"input x int32 {4 * numbers[0].size}"
    assert verdict.ok, verdict.sentence()
    assert verdict.calls is not None
    assert verdict.calls.samples == 3


def test_a_dump_of_a_later_step_is_made_once_more_when_it_is_lost(
    stateful: Artifact, stateful_program: Path
) -> None:
    """The line loses the end of the first answer: the board must remember what was before that step."""
    x = steps(stateful, 4)
    with powered(stateful_program) as url, serial.open(stateful, url) as device:
        device.run(tuple(each[:2] for each in x))
        lose_one_answer(device)
        names = [layer.name for layer in stateful.manifest.layers]
        got = device.dump(tuple(each[2] for each in x), names.index("total"))
        after = device.run(tuple(each[3:] for each in x)).outputs
        assert device.link.resends > 0
    runs, edges = Stepper(stateful.graph), stateful.manifest.inputs
    for i in range(4):
        values = runs(*(edge.stored(each[i : i + 1])[0] for edge, each in zip(edges, x, strict=True)))
        if i == 2:
            np.testing.assert_array_equal(got, values["total"].ravel())
    np.testing.assert_array_equal(after[0].ravel(), values["scores"].ravel())


def lose_one_answer(device: serial.SerialDevice) -> None:
    port, read = device._port, device._port.read
    lost: list[bytes] = []

    def losing(size: int = 1) -> bytes:
        data = bytes(read(size))
        if data and len(lost) < 2:
            lost.append(data)
            return b""
        return data

    port.read = losing  # type: ignore[method-assign]


def test_a_bad_line_costs_time_but_no_bit(artifact: Artifact, url: str) -> None:
    damage = Damage(flip=1 / 800, drop=1 / 1600)
    with noisy(url, damage, 0) as line, serial.open(artifact, line) as device:
        assert verify(artifact, device, inputs(40), layers=True).ok
        assert device.link.resends > 0
    assert damage.done > 5


def test_a_step_is_computed_once_in_another_session_too(stateful: Artifact, stateful_program: Path) -> None:
    (row,) = [b"".join(each[0].tobytes() for each in steps(stateful, 1))]
    with powered(stateful_program) as url, serial.open(stateful, url) as device:
        device.reset()
        size = sum(edge.byte_count for edge in stateful.manifest.outputs) + 4
        first = device._ask(Message.RUN, step_payload(0, row), size)
        assert device._ask(Message.RUN, step_payload(0, row), size) == first
        device.link.enter()
        assert device._ask(Message.RUN, step_payload(0, row), size) == first
        assert device.counters().runs == 1
        other = bytes(len(row))
        for step, inputs_ in ((0, other), (2, row)):
            with pytest.raises(VerificationError, match="another step was asked for"):
                device._ask(Message.RUN, step_payload(step, inputs_), size)
        assert device._ask(Message.RUN, step_payload(1, row), size) != first


@pytest.mark.parametrize("fault", [*REQUESTS, *ANSWERS])
def test_a_sequence_goes_on_over_a_bad_line(stateful: Artifact, stateful_program: Path, fault: str) -> None:
    with powered(stateful_program) as url:
        check_faulty_sequence(stateful, steps(stateful, 20), url, fault)


@pytest.mark.parametrize("fault", sorted(DOUBLED))
def test_a_frame_that_comes_twice_is_refused_with_the_step(
    stateful: Artifact, stateful_program: Path, fault: str
) -> None:
    with powered(stateful_program) as url:
        check_doubled_frame(stateful, steps(stateful, 20), url, fault)


@pytest.mark.parametrize("fault", ["a request damaged", "a request cut off", "an answer lost"])
def test_a_state_is_set_whole_or_not_at_all(stateful: Artifact, stateful_program: Path, fault: str) -> None:
    with powered(stateful_program) as url:
        check_damaged_state(stateful, steps(stateful, 20), url, fault)


def test_an_interrupted_sequence_ends_with_the_step(stateful: Artifact, stateful_program: Path) -> None:
    with powered(stateful_program) as first, powered(stateful_program) as second:
        check_interrupted_sequence(stateful, steps(stateful, 20), first, second)


def test_with_half_of_a_state_nothing_is_run(stateful: Artifact, stateful_program: Path) -> None:
    """Its frame breaks off, and nobody sends it again; a reset helps."""
    x = steps(stateful, 2)
    row = b"".join(each[0].tobytes() for each in x)
    size = sum(edge.byte_count for edge in stateful.manifest.outputs) + 4
    with powered(stateful_program) as url, serial.open(stateful, url) as device:
        first = device.run(x).outputs
        state = b"".join(held.tobytes() for held in device.state.values())
        number = device.link._number = device.link._number + 1
        raw = Frame(Message.SET_STATE, device.link._session, number, step_payload(2, state)).encode()
        device._port.write(raw[:-30])
        time.sleep(0.5)
        with pytest.raises(VerificationError, match="another step was asked for than the next one"):
            device._ask(Message.RUN, step_payload(2, row), size)
        with pytest.raises(VerificationError, match="has run 4,294,967,295 steps, where 2 were asked for"):
            _ = device.state
        device.reset()
        for a, b in zip(device.run(x).outputs, first, strict=True):
            np.testing.assert_array_equal(a, b)
        for kind in (Message.STATE, Message.SET_STATE):
            with pytest.raises(VerificationError, match="no such request, or its payload has another length"):
                device._ask(kind, bytes(5), 0)


REFUSALS = {
    "a layer that is not there": (Message.DUMP, lambda: step_payload(0, bytes(64), 9), "has no such layer"),
    "too little": (Message.RUN, lambda: step_payload(0, bytes(63)), "its payload has another length"),
    "an unknown request": (99, lambda: b"what", "no such request"),
    "NaN": (Message.PREDICT, lambda: struct.pack("<64f", *[float("nan")] * 64), "a value is NaN or"),
    "half a sample": (Message.PREDICT, lambda: bytes(128), "no room for such a sample"),
    "memory that is none": (
        Message.IMAGE,
        lambda: struct.pack("<3I", 0xE000E000, 4, 0),
        "neither in flash nor",
    ),
    "memory up to its end and on": (
        Message.IMAGE,
        lambda: struct.pack("<3I", 0x080FFFFF, 2, 0),
        "neither in flash",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_met_is_refused_in_words(artifact: Artifact, url: str, name: str) -> None:
    kind, payload, said = REFUSALS[name]
    with serial.open(artifact, url) as device:
        device.reset()
        session, number = device.link._session, device.link._number + 1
        device._port.write(Frame(kind, session, number, payload()).encode())
        answer = device.link._receiver.frame(time.monotonic() + 2)
        assert answer is not None
        assert (answer.kind, answer.number) == (Message.FAULT, number)
        assert said in answer.payload[4:].decode()


def test_where_there_is_no_room_for_a_sample_or_for_answers_that_is_said(
    artifact: Artifact, tmp_path: Path
) -> None:
    source = artifact.firmware / "src" / "deployed.c"
    text = source.read_text()
    try:
        less = text.replace("fn_sample_bytes = 256u", "fn_sample_bytes = 0u")
        source.write_text(less.replace("fn_kept_count = 4u", "fn_kept_count = 1u"))
        program = compiled(artifact, tmp_path / "board")
    finally:
        source.write_text(text)
    with powered(program) as url, serial.open(artifact, url) as device:
        assert device.hello.window == 1
        lose_one_answer(device)
        said = verify(artifact, device, inputs(2)).sentence()
        assert device.link.resends > 0
        assert "predict() was not checked: its input or its results find no room" in said
        with pytest.raises(VerificationError, match="there is no room for such a sample"):
            device._ask(Message.PREDICT, bytes(256), 16)


def test_another_byte_in_flash_is_found(artifact: Artifact, program: Path) -> None:
    flash = bytearray(FLASH)
    flash[66_000] ^= 0x40
    with (
        powered(program, bytes(flash)) as url,
        serial.open(artifact, url) as device,
        pytest.raises(VerificationError, match=r"the flash of .* 0x080101d0 is 0x.., built as 0x.., in"),
    ):
        verify(artifact, device, inputs(1))


def test_boards_of_the_other_kind_are_known(artifact: Artifact, url: str, tmp_path: Path) -> None:
    """Each is greeted as what the artifact says, and answers as what it is."""
    plain = save_artifact(tmp_path / "twin", two_layers())
    with serial.open(plain, url) as device, pytest.raises(VerificationError, match="runs another firmware"):
        device.run(inputs(1))
    board = BoardTwin(two_layers())
    with twin_powered(board) as other, serial.open(artifact, other) as device:
        with pytest.raises(VerificationError, match="runs another firmware: its fingerprint"):
            device.run(inputs(1))
        assert board.executed


def test_no_keys_are_sent_to_a_board_that_answers(artifact: Artifact, url: str) -> None:
    sent = b""
    with noisy(url, Damage(towards=lambda data: seen(data)), 0) as line:

        def seen(data: bytes) -> bytes:
            nonlocal sent
            sent += data
            return data

        with serial.open(artifact, line) as device:
            device.run(inputs(2))
    assert sent.startswith(frames.MAGIC)
    assert b"\x03\x03" not in sent
    assert received(sent)


def received(data: bytes) -> bool:
    """Whether it is frames from end to end."""
    while data:
        *_, length, _ = frames.HEADER.unpack_from(data)
        frame, data = data[: 24 + length], data[24 + length :]
        if zlib.crc32(frame[2:16] + frame[20:-4]) != struct.unpack("<I", frame[-4:])[0]:
            return False
    return True


LINES = {
    "a parity bit": (bytes, even_parity, "from the board it changes the eighth bit"),
    "XON and XOFF swallowed": (without(0x11, 0x13), without(0x11, 0x13), "swallows XON and XOFF.*-ixon"),
    "Ctrl-C eaten": (without(0x03), bytes, "towards the board it swallows the control characters 0x03"),
    "telnet": (bytes, replacing(b"\xff", b"\xff\xff"), "from the board it doubles or drops 0xFF.*rfc2217://"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_changes_bytes_is_named(artifact: Artifact, url: str, name: str) -> None:
    towards, back, said = LINES[name]
    with (
        noisy(url, Damage(towards=towards, back=back), 0) as line,
        pytest.raises(VerificationError, match=rf"the line does not carry every byte: .*{said}"),
        serial.open(artifact, line) as device,
    ):
        verify(artifact, device, inputs(20))


def test_a_person_who_presses_enter_is_told_what_this_is(url: str) -> None:
    target = urlsplit(url)
    with socket.create_connection((target.hostname, target.port)) as line:
        line.settimeout(2)
        line.sendall(b"\r\nhelp()\r\n")
        said = b""
        while b"\r\n" not in said:
            said += line.recv(100)
    assert b"twin: firmnet's C runtime has no prompt; `firmnet verify` talks to it\r\n" in said


ARDUINO = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
extern "C" {
unsigned long millis(void);
unsigned long micros(void);
}
struct Port {
    void begin(unsigned long) {}
    int available() { return got < 0 ? 0 : 1; }
    int read() { int byte = got; got = -1; return byte; }
    size_t write(const uint8_t *, size_t n) { return n; }
    void print(const char *text) { fputs(text, stdout); }
    void print(uint32_t value) { printf("%u", value); }
    void println(float value) { printf("%g\\n", value); }
    int got = -1;
};
extern Port Serial;
"""
SKETCH = """
#include "Arduino.h"
#include "{sketch}"
Port Serial;
static unsigned long now = 10000;
unsigned long millis(void) {{ return now; }}
unsigned long micros(void) {{ return now * 1000; }}
int main() {{ setup(); loop(); now += 100; loop(); now += 1000; loop(); return 0; }}
"""


@pytest.mark.parametrize("which", ["artifact", "stateful"])
def test_the_examples_compile_and_compute(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """main.c with the C library alone; the sketch with a stand-in for Arduino, where it runs twice."""
    made = request.getfixturevalue(which)
    name, project = made.manifest.name, made.firmware
    strict = [
        "-Wall",
        "-Wextra",
        "-Werror",
        "-I",
        project / "lib" / name,
        "-I",
        project / "include",
        "-I",
        tmp_path,
    ]
    sources = [project / "examples" / "main.c", *(project / "lib" / name).glob("*.c")]
    subprocess.run(["gcc", *strict, *sources, "-lm", "-o", tmp_path / "example"], check=True)
    said = subprocess.run(tmp_path / "example", capture_output=True, text=True, check=True).stdout
    zeros = [np.zeros(edge.sample_shape, np.float32) for edge in made.manifest.inputs]
    right = prediction(made, *zeros)
    assert said.splitlines()[-1] == f"largest: {right.index}, {right.score:g}"

    (tmp_path / "Arduino.h").write_text(ARDUINO)
    sketch = project / "examples" / f"{name}_sketch" / f"{name}_sketch.ino"
    (tmp_path / "sketch.cpp").write_text(SKETCH.format(sketch=sketch))
    objects = []
    for source in [*sources[1:], project / "src" / "deployed.c", project / "src" / "firmnet_link.c"]:
        objects.append(tmp_path / f"{source.stem}.o")
        subprocess.run(["gcc", *strict, "-c", source, "-o", objects[-1]], check=True)
    subprocess.run(["g++", *strict, tmp_path / "sketch.cpp", *objects, "-o", tmp_path / "sketch"], check=True)
    told = subprocess.run(tmp_path / "sketch", capture_output=True, text=True, check=True).stdout.splitlines()
    label = made.manifest.labels[right.index] if made.manifest.labels else "value"
    assert len(told) == 2
    assert made.manifest.states or told == [f"{label} {right.index} {right.score:g}"] * 2


def test_a_firmware_of_somebody_else_is_verified_but_for_its_flash(artifact: Artifact, program: Path) -> None:
    with powered(program, b"another build") as url, serial.open(artifact, url) as device:
        with pytest.raises(VerificationError, match="does not hold the firmware that was built"):
            verify(artifact, device, inputs(2))
        verdict = verify(artifact, device, inputs(2), own_firmware=True)
    assert verdict.ok
    assert "its flash not compared (a firmware of your own), predict() right" in verdict.sentence()


def test_chance_breaks_nothing(artifact: Artifact, tmp_path: Path) -> None:
    """Whatever comes, no memory is touched that is not the link's, and the next request is answered."""
    program, chance = compiled(artifact, tmp_path / "board", *SANITIZERS), random.Random(5)
    with powered(program) as url, serial.open(artifact, url, timeout_s=20) as device:
        for _ in range(15):
            device.run(inputs(1))
            session, number = device.link._session, device.link._number
            for _ in range(30):
                device._port.write(mangled(chance, session, number))
            device.link._receiver.stray.clear()
            quiet(device)
        assert verify(artifact, device, inputs(3), layers=True).ok


def mangled(chance: random.Random, session: int, number: int) -> bytes:
    """A frame with anything in it, whole or not; its session and number are often right."""
    kind = chance.choice([*Message, chance.randrange(256)])
    size = chance.choice([0, 4, 12, 13, 64, 76, 77, 256, chance.randrange(400)])
    payload = chance.choice([step_payload(chance.randrange(4), bytes(64), chance.randrange(9)), b""])
    payload += chance.randbytes(max(0, size - len(payload)))
    if kind == Message.IMAGE:
        payload = struct.pack("<III", chance.choice([0x08000000, 0x080FFFF0]), chance.randrange(64), 0)
    sender = chance.choice([session, session, chance.randrange(2**32)])
    data = bytearray(Frame(kind, sender, number + chance.randrange(3), payload).encode())
    if chance.random() < 0.5:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])


def quiet(device: serial.SerialDevice) -> None:
    """Read until the board says nothing more."""
    while device._port.read(4096):
        pass
    device.link._receiver.discard()
    device.link.enter()
    device.reset()
