"""Do frames survive any line, and does every failure end in a clear error within its timeout?

The board is a BoardTwin: runtime_micropython/firmnet_link.py itself, over a real socket.
"""

import os
import random
import re
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from board_twin import FLASH, BoardTwin, inputs, listening, powered, save_artifact, two_layers
from noisy_line import Damage, noisy
from serial.urlhandler import protocol_socket

from firmnet.artifact import Artifact
from firmnet.assets import assets
from firmnet.calls import FLOAT_SAMPLES, TIMES
from firmnet.devices import Counters, frames, link, qemu, serial, transparency
from firmnet.devices.frames import ANSWER, Frame, Message, Receiver, step_payload
from firmnet.errors import UserError, VerificationError
from firmnet.interpret import int_values, run_int
from firmnet.ir import Graph
from firmnet.targets import Plugged, PortInfo, find_port, load_board
from firmnet.verify import verify


class Script:
    """A port that delivers prepared bytes in pieces of random size."""

    def __init__(self, data: bytes, seed: int = 0) -> None:
        self.data, self.chance = data, random.Random(seed)

    def read(self, size: int) -> bytes:
        size = self.chance.randint(1, size)
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def write(self, data: bytes) -> int:
        raise AssertionError("a receiver does not write")


def received(data: bytes, seed: int = 0) -> list[Frame]:
    receiver = Receiver(Script(data, seed))
    found = []
    while receiver._port.data or receiver._buffer:  # type: ignore[attr-defined]
        frame = receiver.frame(time.monotonic() + 0.02)
        found += [frame] if frame else []
    return found


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return save_artifact(tmp_path / "twin", two_layers())


@pytest.fixture
def board() -> BoardTwin:
    return BoardTwin(two_layers())


@pytest.fixture
def url(board: BoardTwin) -> Iterator[str]:
    with powered(board) as url:
        yield url


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial sleeps 0.3 s whenever a socket:// port closes; frames here come over a fast line."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(frames, "GAP_S", 0.1)
    monkeypatch.setattr(link, "PATIENCE_S", 0.2)
    monkeypatch.setattr(serial, "APPEARS_S", 0.3)
    monkeypatch.setattr(transparency, "BACK_AT_REPL_S", 2.0)
    monkeypatch.setattr(BoardTwin, "gap_ms", 100)


# -- frames


@pytest.mark.parametrize("seed", range(5))
def test_frames_are_found_between_text_noise_and_false_starts(seed: int) -> None:
    chance = random.Random(seed)
    sent = [
        Frame(
            *(chance.randrange(256), chance.randrange(2**32), chance.randrange(2**32)),
            chance.randbytes(chance.randrange(40)),
        )
        for _ in range(20)
    ]
    data = b""
    for frame in sent:
        data += chance.choice(
            [b"", b"\r\n>>> ", chance.randbytes(9), frames.MAGIC, b"\xf1", Frame(1, 2, 3).encode()[:19]]
        )
        data += frame.encode()
    assert received(data, seed) == sent


@pytest.mark.parametrize("bit", range(0, 8 * 27, 11))
def test_a_frame_with_any_bit_flipped_is_dropped_and_the_next_one_found(bit: int) -> None:
    broken = bytearray(Frame(Message.RUN, 5, 7, b"abc").encode())
    broken[bit // 8] ^= 1 << bit % 8
    following = Frame(9, 5, 1, b"next")
    assert received(bytes(broken) + following.encode()) == [following]


def test_a_length_that_is_damage_is_not_waited_for() -> None:
    huge = frames.HEADER.pack(frames.MAGIC, Message.RUN, 2, 1, 1, 2**31, 0) + bytes(40)
    assert received(huge + Frame(1, 1, 1, b"x").encode()) == [Frame(1, 1, 1, b"x")]


def test_all_sides_use_the_same_numbers() -> None:
    source = (assets("runtime_micropython") / "firmnet_link.py").read_text()
    scope: dict[str, object] = {}
    for line in re.findall(r"^[A-Z_, ]+ = [^#\n]*", source, re.MULTILINE):
        exec(line, scope)
    by_c_alone = {Message.PREDICT, Message.INFO}  # MicroPython has a prompt for them
    kinds = {kind.name: int(kind) for kind in Message}
    assert {kind: scope.get(kind) for kind in kinds} == {
        **kinds,
        **dict.fromkeys(kind.name for kind in by_c_alone),
    }
    assert [scope[n] for n in ("MAGIC", "VERSION", "ANSWER")] == [frames.MAGIC, frames.VERSION, frames.ANSWER]


def test_the_c_runtime_uses_the_same_numbers() -> None:
    source = (assets("templates") / "runtime_c" / "firmnet_link.c").read_text()
    found, value = dict[str, int](), 0
    for names in re.findall(r"^enum \{ (.*) \};", source, re.MULTILINE):
        for name, given in re.findall(r"(\w+)(?: = (\w+))?(?:, |$)", names):
            value = int(given, 0) if given else value + 1
            found[name] = value
    wanted = {kind.name: int(kind) for kind in Message}
    assert found == {**wanted, "VERSION": frames.VERSION, "ANSWER": frames.ANSWER}
    assert re.search(r"#define TIMES (\d+)u", source)[1] == str(TIMES)  # type: ignore[index]


# -- a board that works


PORTS = ("input x int8 64", "output scores int8 10")


def test_outputs_checksums_dumps_and_counters_come_back(artifact: Artifact, url: str) -> None:
    x = inputs(5)
    with serial.open(artifact, url) as device:
        sizes = zlib.crc32(struct.pack("<II", 16, 10))
        assert device.hello == link.Hello(bytes(range(32)), 2, sizes, 0, 0, 8, 115_200, "twin", "0", PORTS)
        result = device.run(x)
        np.testing.assert_array_equal(
            result.outputs, np.concatenate([run_int(artifact.graph, one[None]) for one in x])
        )
        assert result.cycles is not None
        assert set(result.cycles) == {42}
        assert device.run(x[:2], layers=True).layers.shape == (2, 2)  # type: ignore[union-attr]
        np.testing.assert_array_equal(
            device.dump(x[0], 0), int_values(artifact.graph, x[:1])["hidden"].ravel()
        )
        counters = device.counters()
        assert counters == Counters(8, 0, 12345, 640, 42)
        assert device.link.resends == 0


def test_more_requests_than_sequence_numbers(artifact: Artifact, url: str) -> None:
    with serial.open(artifact, url) as device:
        assert verify(artifact, device, inputs(300)).ok


def test_the_repl_comes_back_after_close(artifact: Artifact, board: BoardTwin, url: str) -> None:
    for _ in range(2):
        with serial.open(artifact, url):
            assert board.serving
        deadline = time.monotonic() + 5
        while board.serving and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not board.serving
    assert board.executed == ["import firmnet_link; firmnet_link.serve()"] * 2


def test_a_board_left_serving_is_taken_over(artifact: Artifact, board: BoardTwin, url: str) -> None:
    with serial.open(artifact, url) as first:
        first.link.leave = lambda: None  # type: ignore[method-assign]  # the host process was killed
        port = first._port
        first._port = serial.open_port("loop://", 115200)
        second = serial.SerialDevice(artifact, port, "line", "board", 10)
        assert second.run(inputs(1)).outputs.shape == (1, 10)
        assert len(board.executed) == 1
        second.close()


def test_silence_gives_the_repl_back_and_the_next_request_knocks_again(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "AWAKE_S", 0.1)
    board = BoardTwin(two_layers(), idle_ms=200)
    with powered(board) as url, serial.open(artifact, url) as device:
        deadline = time.monotonic() + 5
        while board.serving and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not board.serving
        assert verify(artifact, device, inputs(2)).ok
        # at first, after the silence, and after the module was called at the prompt
        assert [code for code in board.executed if "serve()" in code] == [board.executed[0]] * 3


def test_a_board_found_back_at_its_repl_is_made_to_serve_again(artifact: Artifact) -> None:
    board = BoardTwin(two_layers(), idle_ms=100)
    with powered(board) as url, serial.open(artifact, url) as device:
        time.sleep(0.3)  # longer than the board waits, shorter than the host believes it waits
        assert not board.serving
        assert verify(artifact, device, inputs(2)).ok
        # at first, after the silence, and after the module was called at the prompt
        assert [code for code in board.executed if "serve()" in code] == [board.executed[0]] * 3


def test_the_repl_executes_between_requests(artifact: Artifact, url: str) -> None:
    with serial.open(artifact, url) as device:
        assert device.repl("import _firmnet; _firmnet.write(_firmnet.name().encode())") == "twin"
        with pytest.raises(VerificationError, match=r"'1 / 0' failed on the board: .*ZeroDivisionError"):
            device.repl("1 / 0")
        assert verify(artifact, device, inputs(2)).ok


# -- verdicts


def flipped(layer: str, bit: int = 6) -> Graph:
    """The network with one bit of one weight of `layer` flipped."""
    graph = two_layers()
    weight = graph.tensors[f"{layer}_weight"]
    values = weight.values.copy()
    values.view(np.uint8)[3, 5] ^= 1 << bit
    return graph.with_nodes(graph.nodes, **{weight.name: replace(weight, data=values)})


def test_a_verdict_says_how_many_are_exact(artifact: Artifact, url: str) -> None:
    with serial.open(artifact, url) as device:
        verdict = verify(artifact, device, inputs(9), layers=True)
    assert verdict.ok
    head = f"verified: 9 of 9 outputs bit-exact on netduinoplus2 ({url}), every layer too"
    called = "predict() right for 3 float32 samples"
    assert verdict.sentence() == f"{head}, {len(FLASH):,} bytes of its flash as built, {called}"
    assert verdict.to_json()["exact"] == 9
    assert verdict.to_json()["image_bytes"] == len(FLASH)


def test_a_board_with_another_byte_in_flash_is_not_verified(artifact: Artifact, board: BoardTwin) -> None:
    board.flash[66_000] ^= 0x40
    with powered(board) as url, serial.open(artifact, url) as device:
        with pytest.raises(VerificationError, match=r"the flash of .* 0x080101d0 is 0x.., built as 0x.., in"):
            verify(artifact, device, inputs(1))
        board.flash[66_000] ^= 0x40
        assert verify(artifact, device, inputs(1)).ok


def test_a_board_that_does_not_tell_its_flash_is_not_verified(artifact: Artifact, board: BoardTwin) -> None:
    del board.flash[-1]
    with (
        powered(board) as url,
        serial.open(artifact, url) as device,
        pytest.raises(VerificationError, match=r"cannot answer a image frame.*neither in flash nor in RAM"),
    ):
        verify(artifact, device, inputs(1))


@pytest.mark.parametrize("layer", ["hidden", "scores"])
@pytest.mark.parametrize("layers", [False, True])
def test_a_flipped_weight_bit_is_traced_to_its_layer(artifact: Artifact, layer: str, layers: bool) -> None:
    x = inputs(6)
    with powered(BoardTwin(flipped(layer))) as url, serial.open(artifact, url) as device:
        verdict = verify(artifact, device, x, layers=layers)
    assert not verdict.ok
    assert verdict.layer is not None
    assert verdict.layer.name == layer
    assert verdict.layer.example is not None
    truth = int_values(artifact.graph, x[verdict.layer.example.input][None])[layer].ravel()
    assert verdict.layer.example.expected == truth[verdict.layer.example.element]
    assert f"the first wrong layer is {layer!r}" in verdict.sentence()


def test_a_wrong_layer_behind_right_outputs_is_a_failure_when_layers_are_checked(artifact: Artifact) -> None:
    hurt = flipped("hidden", bit=0)
    pairs = [(int_values(artifact.graph, x[None]), int_values(hurt, x[None])) for x in inputs(2000)]
    hidden = [
        i
        for i, (a, b) in enumerate(pairs)
        if (a["hidden"] != b["hidden"]).any() and (a["scores"] == b["scores"]).all()
    ]
    x = inputs(2000)[hidden]
    with powered(BoardTwin(hurt)) as url, serial.open(artifact, url) as device:
        assert verify(artifact, device, x).ok
        verdict = verify(artifact, device, x, layers=True)
    assert (verdict.ok, verdict.exact, verdict.inputs_with_wrong_layers) == (False, len(x), len(x))
    assert verdict.layer is not None
    assert verdict.layer.name == "hidden"


class Fickle(BoardTwin):
    """A board whose RUN answers have a wrong first byte: always, or the first time only."""

    always, runs = True, 0

    def _c_module(self) -> SimpleNamespace:
        def run() -> None:
            self._run()
            self.runs += 1
            self._y[0][0] ^= self.always or self.runs == 1

        module = super()._c_module()
        module.run = run
        return module


@pytest.mark.parametrize(
    ("always", "said"),
    [
        (True, r"every layer is right, yet in 3 more runs the same wrong"),
        (False, r"it answered otherwise: it"),
    ],
    ids=["steady", "unsteady"],
)
def test_whether_a_board_computes_the_same_twice_is_tried(
    artifact: Artifact, always: bool, said: str
) -> None:
    board = Fickle(two_layers())
    board.always = always
    with powered(board) as url, serial.open(artifact, url) as device:
        verdict = verify(artifact, device, inputs(3))
    assert verdict.steady is always
    assert re.search(said, verdict.sentence())


def test_layers_that_the_manifest_leaves_out_cannot_pass_for_checked(artifact: Artifact, url: str) -> None:
    fewer = replace(artifact.manifest, layers=artifact.manifest.layers[1:])
    board = BoardTwin(two_layers().with_nodes(two_layers().nodes[1:]))
    part = Artifact(artifact.path, fewer)
    with (
        powered(board) as line,
        serial.open(part, line) as device,
        pytest.raises(UserError, match=r"does not list every layer of its graph \(hidden\)"),
    ):
        verify(part, device, inputs(1), layers=True)


def test_another_firmware_is_refused_by_its_fingerprint(tmp_path: Path, url: str) -> None:
    other = save_artifact(tmp_path / "other", two_layers(), fingerprint=bytes(32))
    with serial.open(other, url) as device:
        with pytest.raises(VerificationError, match=r"runs another firmware.*firmnet flash"):
            verify(other, device, inputs(1))
        with pytest.raises(VerificationError, match=r"runs another firmware: its fingerprint"):
            device.run(inputs(1))


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 63), np.int8), np.zeros((2, 64), np.float32), np.zeros((0, 64), np.int8)]
)
def test_inputs_that_do_not_fit_are_refused(artifact: Artifact, url: str, bad: np.ndarray) -> None:
    with (
        serial.open(artifact, url) as device,
        pytest.raises(UserError, match=r"inputs must be int8|no input"),
    ):
        verify(artifact, device, bad)


# -- lines and boards that fail


@pytest.mark.parametrize("seed", range(3))
def test_damage_in_both_directions_costs_time_but_no_bit(artifact: Artifact, url: str, seed: int) -> None:
    damage = Damage(flip=1 / 600, drop=1 / 1200)
    with noisy(url, damage, seed) as line, serial.open(artifact, line, timeout_s=10) as device:
        verdict = verify(artifact, device, inputs(20))
        assert damage.done > 0
        assert device.link.resends > 0
    assert verdict.ok


def test_a_port_that_nobody_answers_at(artifact: Artifact) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        number = gone.getsockname()[1]
    with pytest.raises(UserError, match=rf"cannot open serial port socket://127.0.0.1:{number}.*--port"):
        serial.open(artifact, f"socket://127.0.0.1:{number}")


@pytest.mark.parametrize("port", ["/dev/ttyNONE"])
def test_a_port_that_does_not_exist(artifact: Artifact, port: str) -> None:
    with pytest.raises(UserError, match=rf"cannot open serial port {port}.*serial ports seen here"):
        serial.open(artifact, port)


def swallow(line: socket.socket) -> None:
    while line.recv(4096):
        pass


def babble(line: socket.socket) -> None:
    chance = random.Random(1)
    while True:
        line.sendall(bytes(128 + chance.randrange(128) for _ in range(50)))
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("peer", "said"),
    [
        (swallow, "nothing came back; is it powered"),
        (babble, "it prints by itself all the time .*bytes .. .*baud rate"),
    ],
    ids=["silent", "garbage"],
)
def test_a_peer_that_is_no_board(artifact: Artifact, peer: object, said: str) -> None:
    start = time.monotonic()
    with (
        listening(peer) as url,
        pytest.raises(VerificationError, match=rf"Ctrl-C.*for 0[.]\d+ s, {said}"),
    ):
        serial.open(artifact, url, timeout_s=0.5)
    assert time.monotonic() - start < 10


def test_micropython_without_firmnet_is_told_apart(artifact: Artifact) -> None:
    board = BoardTwin(two_layers(), modules=())
    with (
        powered(board) as url,
        pytest.raises(VerificationError, match=r"no module named 'firmnet_link'.*firmnet flash"),
    ):
        serial.open(artifact, url)


def test_a_board_that_goes_silent_half_way(artifact: Artifact, url: str) -> None:
    damage = Damage(silent_after=1000)
    with noisy(url, damage, 0) as line, serial.open(artifact, line, timeout_s=1) as device:
        device.run(inputs(2))
        with pytest.raises(
            VerificationError, match=r"after \d+ good answers nothing valid came back.*reset button"
        ):
            verify(artifact, device, inputs(50))


def test_a_board_that_is_unplugged_half_way(artifact: Artifact, url: str) -> None:
    with (
        noisy(url, Damage(broken_after=1000), 0) as line,
        serial.open(artifact, line, timeout_s=1) as device,
        pytest.raises(VerificationError, match=r"the connection broke after \d+ bytes"),
    ):
        verify(artifact, device, inputs(50))


class Faltering(BoardTwin):
    """A board that computes for `seconds`, damages every other answer, or is reset in run `resets_at`."""

    seconds, damages, resets_at = 0.0, False, 0
    runs = sent = 0

    def _c_module(self) -> SimpleNamespace:
        module = super()._c_module()
        module.write = self._write
        return module

    def _run(self) -> None:
        self.runs += 1
        if self.runs == self.resets_at:
            self.reset()
            raise RuntimeError("hard fault")
        time.sleep(self.seconds)
        super()._run()

    def _write(self, part: bytes) -> None:
        data = bytearray(part)
        if data[2] == Message.RUN | ANSWER and self.damages:
            self.sent += 1
            data[-6] ^= self.sent % 2
        self._line.sendall(data)


@pytest.mark.parametrize("under_way", [1, 8])
def test_an_answer_that_is_damaged_is_sent_again_and_not_computed_again(
    artifact: Artifact, under_way: int
) -> None:
    board = Faltering(two_layers())
    board.damages = True
    with powered(board) as url, serial.open(artifact, url) as device:
        device.link.most_under_way = under_way
        assert verify(artifact, device, inputs(20)).ok
        assert 20 <= device.link.resends <= 20 * (1 if under_way == 1 else 2)
        assert board.runs - FLOAT_SAMPLES == device.counters().runs == 20  # and as many calls at the prompt


def test_a_board_that_computes_for_long_is_waited_for(artifact: Artifact) -> None:
    board = Faltering(two_layers())
    board.seconds = 1.0  # five times as long as the first wait
    with powered(board) as url, serial.open(artifact, url, timeout_s=1.5) as device:
        assert verify(artifact, device, inputs(3)).ok
        assert board.runs - FLOAT_SAMPLES == device.counters().runs == 3  # and as many calls at the prompt
        assert device.link.resends < 9


def test_a_board_that_computes_beyond_the_timeout_is_given_up(artifact: Artifact) -> None:
    board = Faltering(two_layers())
    board.seconds = 2.0
    with (
        powered(board) as url,
        serial.open(artifact, url, timeout_s=0.5) as device,
        pytest.raises(VerificationError, match=r"the same run frame again and again for 0\.\d+ s"),
    ):
        device.run(inputs(1))


def test_a_reset_in_the_midst_of_the_run_is_not_papered_over(artifact: Artifact) -> None:
    board = Faltering(two_layers())
    board.resets_at = 3
    with (
        powered(board) as url,
        serial.open(artifact, url) as device,
        pytest.raises(
            VerificationError, match=r"the board was reset in the middle of the run, after \d+ good"
        ),
    ):
        verify(artifact, device, inputs(5))


def test_a_firmware_of_the_first_link_is_named(artifact: Artifact) -> None:
    def old(line: socket.socket) -> None:
        while data := line.recv(4096):
            if b"\x01" in data:
                line.sendall(b"raw REPL; CTRL-B to exit\r\n>")
            if b"serve" in data:
                line.sendall(b"OK" + link.OLD_READY + b"\xaa\x5c\x8b\x0c")

    with (
        listening(old) as url,
        pytest.raises(VerificationError, match=r"link version 1, this firmnet version 6"),
    ):
        serial.open(artifact, url)


def test_a_request_the_board_cannot_meet_is_explained(artifact: Artifact, url: str) -> None:
    with serial.open(artifact, url) as device:
        device.link.request(Message.RESTART)
        with pytest.raises(
            VerificationError, match=r"the board cannot answer a dump frame: .*no layer 9, the model has 2"
        ):
            device.link.request(Message.DUMP, step_payload(0, inputs(1).tobytes(), 9), 8)
        assert verify(artifact, device, inputs(1)).ok


# -- choosing a port or an emulator


@pytest.mark.parametrize(
    ("usb_ids", "said"),
    [
        ([], r"no Arduino Nano 33 BLE found on USB: connect it.*seen here: none"),
        (["1234:5678"], r"no Arduino Nano 33 BLE found.*/dev/tty0 \(thing\)"),
        (
            ["2341:805a"] * 2,
            r"/dev/tty0 and /dev/tty1 could all be Arduino Nano 33 BLE: choose one with --port",
        ),
    ],
    ids=["none", "another", "two"],
)
def test_a_port_is_never_guessed(usb_ids: list[str], said: str) -> None:
    seen = tuple(PortInfo(f"/dev/tty{i}", "thing", usb_id) for i, usb_id in enumerate(usb_ids))
    with pytest.raises(UserError, match=said):
        find_port(load_board("nano33ble"), Plugged(seen))


def test_the_only_port_with_the_boards_usb_id_is_taken() -> None:
    seen = PortInfo("/dev/ttyS0", "n/a"), PortInfo("/dev/ttyACM3", "Nano", "2341:805a")
    assert find_port(load_board("nano33ble"), Plugged(seen)) == "/dev/ttyACM3"


def test_a_missing_emulator_comes_with_the_line_that_installs_it(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "firmware.elf").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match=r"qemu-system-arm is not installed.*apt-get install.*qemu-system-arm"
    ):
        qemu.QemuDevice(artifact, 1, tmp_path / "firmware.elf")


def test_a_port_that_another_program_has_open_is_not_shared() -> None:
    board, line = os.openpty()
    try:
        with (
            serial.open_port(os.ttyname(line), 115_200),
            pytest.raises(UserError, match="another program has it open: close its terminal, monitor"),
        ):
            serial.open_port(os.ttyname(line), 115_200)
    finally:
        os.close(board)
        os.close(line)


@pytest.mark.parametrize("damage", ["{", "[]"])
def test_a_damaged_build_report_is_one_sentence(artifact: Artifact, damage: str) -> None:
    artifact.firmware.mkdir(exist_ok=True)
    (artifact.firmware / "firmware.elf").touch()
    (artifact.path / "build.json").write_text(damage)
    with pytest.raises(UserError, match=r"is not built: run `firmnet build .* --emulate`"):
        qemu.open(artifact)


def test_what_was_not_built_is_not_emulated(artifact: Artifact) -> None:
    (artifact.path / "build.json").unlink()
    with pytest.raises(UserError, match=r"is not built: run `firmnet build .* --emulate`"):
        qemu.open(artifact)
