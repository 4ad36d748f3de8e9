"""Is the firmware a MicroPython that people can use, with the model in it?"""

import binascii
import struct
import subprocess
import sys
import zlib
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from layered_networks import kernels
from prompt import PATIENCE_S, Prompt, prompt_of

from firmnet.artifact import Artifact
from firmnet.devices.qemu import emulated
from firmnet.interpret import quantize_sample, run_int
from firmnet.ir import Array


@pytest.fixture(scope="module")
def board(small: Artifact) -> Iterator[Prompt]:
    """One booted board for all tests that leave it as they found it."""
    with prompt_of(small) as prompt:
        prompt("import small, _firmnet, gc; from binascii import unhexlify; from array import array")
        yield prompt


def literal(data: bytes) -> str:
    return f"unhexlify('{binascii.hexlify(data).decode()}')"


def best(artifact: Artifact, stored: Array) -> tuple[int, float]:
    """What predict() must return for an int8 input, by the oracle."""
    y = run_int(artifact.graph, stored).ravel()
    edge = artifact.manifest.output
    level = int(y.max()) - edge.zero_point
    return int(y.argmax()), float(np.float32(np.float32(edge.scale) * np.float32(level)))


def test_the_board_boots_to_a_prompt(small: Artifact) -> None:
    with prompt_of(small) as prompt:
        assert prompt.banner.startswith(
            "MicroPython v1.25.0 on 2025-04-15; Netduino Plus 2 with STM32F405RG\n"
        )
        assert prompt("1 + 1") == "2"


@pytest.mark.parametrize("seed", range(4))
def test_predict_takes_int8_in_the_stored_layout(small: Artifact, board: Prompt, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-128, 128, small.manifest.input.shape).astype(np.int8)
    label, score = literal_eval(board(f"small.predict({literal(x.tobytes())})"))
    assert (label, pytest.approx(score, rel=1e-5)) == best(small, x)


@pytest.mark.parametrize("seed", range(4))
def test_predict_takes_float32_in_the_models_own_order(small: Artifact, board: Prompt, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=small.manifest.input.model_shape).astype(np.float32)
    expected = best(small, quantize_sample(small.graph, x))
    sent = literal(x.tobytes())
    label, score = literal_eval(board(f"small.predict({sent})"))
    assert (label, pytest.approx(score, rel=1e-5)) == expected
    board(f"_firmnet.load({sent})")
    stored = tuple(quantize_sample(small.graph, x).ravel().tolist())
    assert literal_eval(board("tuple(small.input)")) == stored
    assert literal_eval(board(f"small.predict(array('f', {sent}))"))[0] == label
    unaligned = f"small.predict(memoryview(b'x' + {sent})[1:])"
    assert literal_eval(board(unaligned))[0] == label


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (
            "small.predict(bytes(7))",
            "expected 64 int8 values (64 bytes) or 64 float32 values (256 bytes), got 7 bytes",
        ),
        (
            "small.predict(b'')",
            "expected 64 int8 values (64 bytes) or 64 float32 values (256 bytes), got 0 bytes",
        ),
        ("small.predict(array('i', [1] * 64))", "expected int8 or float32 values, got type 'i'"),
        ("small.predict(array('H', [1] * 32))", "expected int8 or float32 values, got type 'H'"),
        ("small.predict(array('f', [1.0] * 16))", "expected 64 float32 values, got 16"),
        ("_firmnet.quantize(bytes(64))", "expected a buffer of 256 bytes, got 64"),
        ("_firmnet.run_crc(bytearray(3))", "expected a buffer of {crcs} bytes, got 3"),
        ("_firmnet.dump(0, bytearray(1))", "expected a buffer of 384 bytes, got 1"),
        ("_firmnet.dump(99, bytearray(1))", "layer 99: the model has layers 0 to {last}"),
        ("_firmnet.layer_bytes(-1)", "layer -1: the model has layers 0 to {last}"),
    ],
)
def test_wrong_sizes_raise_value_errors_that_name_the_right_ones(
    small: Artifact, board: Prompt, call: str, complaint: str
) -> None:
    layers = len(small.manifest.layers)
    assert board(call).endswith(f"ValueError: {complaint.format(crcs=4 * layers, last=layers - 1)}")


def test_input_and_output_are_the_models_own_memory(small: Artifact, board: Prompt) -> None:
    x = np.random.default_rng(9).integers(-128, 128, small.manifest.input.shape).astype(np.int8)
    board(f"small.input[:] = array('b', {literal(x.tobytes())})")
    assert board("bytes(_firmnet.input()) == bytes(small.input)") == "True"
    board("y = small.output; small.run()")
    assert literal_eval(board("tuple(y)")) == tuple(run_int(small.graph, x).ravel().tolist())
    assert "TypeError" in board("small.output[0] = 1")


def test_layers_are_written_over_whatever_the_buffer_holds(small: Artifact, board: Prompt) -> None:
    """At an odd address, between bytes that stay."""
    layers, x = small.manifest.layers, np.full(small.manifest.input.shape, -7, np.int8)
    values = [y.tobytes() for y in kernels(small.graph, x)]
    crcs = b"".join(struct.pack("<I", zlib.crc32(y)) for y in values)
    for call, expected in (("run_crc(", crcs), (f"dump({len(layers) - 2}, ", values[-2])):
        board(f"b = bytearray(b'\\x55' * {len(expected) + 6}); m = memoryview(b)[3:-3]")
        for _ in range(2):
            board(f"_firmnet.load({literal(x.tobytes())}); _firmnet.{call}m)")
            assert literal_eval(board("bytes(b)")) == b"UUU" + expected + b"UUU"


def test_running_takes_no_heap(board: Prompt) -> None:
    board("import micropython")
    assert board("micropython.heap_lock(); small.run(); micropython.heap_unlock()").strip() in ("", "0")


def test_info_tells_what_this_firmware_is(small: Artifact, board: Prompt) -> None:
    info = literal_eval(board("small.info()"))
    manifest = small.manifest
    assert (info["name"], info["board"]) == ("small", "Netduino Plus 2")
    assert info["fingerprint"] == manifest.fingerprint
    assert info["firmnet"] == manifest.firmnet
    assert info["arena_bytes"] == manifest.arena_bytes
    assert info["input"]["shape"] == manifest.input.model_shape
    assert info["output"]["zero_point"] == manifest.output.zero_point
    assert 50_000 < info["heap_free_bytes"] < 131_072


@pytest.mark.parametrize(
    "module",
    ["array", "binascii", "collections", "firmnet_link", "gc", "io", "json", "math", "micropython", "os",
     "random", "select", "struct", "sys", "time", "vfs"],
)  # fmt: skip
def test_module_is_there(board: Prompt, module: str) -> None:
    assert board(f"import {module}") == ""


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("2**100", str(2**100)),
        ("f'{1/3:.3f}'", "'0.333'"),
        ("_firmnet.crc32(b'123456789')", str(0xCBF43926)),
        ("_firmnet.crc32(b'6789', _firmnet.crc32(b'12345'))", str(0xCBF43926)),
        ("exec('@micropython.viper\\ndef f(x: int) -> int:\\n return 3 * x'); f(14)", "42"),
        ("import select, sys; p = select.poll(); p.register(sys.stdin, 1); p.poll(0)", "[]"),
        ("_firmnet.read(bytearray(4), 30)", "0"),
        (
            "import time; t = time.ticks_ms(); time.sleep_ms(20); time.ticks_diff(time.ticks_ms(), t) >= 20",
            "True",
        ),
    ],
)
def test_at_the_prompt(board: Prompt, line: str, printed: str) -> None:
    assert board(line) == printed


def test_ctrl_c_stops_a_program(board: Prompt) -> None:
    board.start("exec('print(\\'on\\')\\nwhile True: pass')", says="on")
    assert board.key(b"\x03").endswith("KeyboardInterrupt: \n")
    assert board("1 + 1") == "2"


def test_soft_resets_leave_everything_alive(small: Artifact) -> None:
    with prompt_of(small) as prompt:
        free = []
        for _ in range(5):
            prompt("x = bytearray(20000)")
            assert "MPY: soft reboot" in prompt.key(b"\x04")
            assert "NameError" in prompt("x")
            prompt("import small, gc; gc.collect()")
            assert literal_eval(prompt("small.predict(bytes(64))"))[0] in range(5)
            free.append(int(prompt("gc.mem_free()")))
        # the collector sees stale words on the stack as pointers: a block more or less is no leak
        assert max(free) - min(free) < 500, f"memory is lost at every reset: {free}"


def mpremote(artifact: Artifact, *words: str) -> subprocess.CompletedProcess[str]:
    """One mpremote command against a freshly booted board."""
    with emulated(artifact) as board:
        with serial.serial_for_url(board.url, timeout=PATIENCE_S) as port:
            Prompt(port)  # what arrives before the board has booted is lost
        command = [sys.executable, "-m", "mpremote", "connect", board.url, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_mpremote_executes(small: Artifact) -> None:
    done = mpremote(small, "exec", "import small; print(small.predict(bytes(64)))")
    assert done.returncode == 0, done.stderr
    assert literal_eval(done.stdout)[0] == best(small, np.zeros((1, 8, 8, 1), np.int8))[0]


def test_mpremote_shows_exceptions(small: Artifact) -> None:
    done = mpremote(small, "exec", "import small; small.predict(bytes(3))")
    assert done.returncode == 1
    assert "ValueError: expected 64 int8 values" in done.stdout + done.stderr


def test_mpremote_pastes_long_programs(small: Artifact) -> None:
    text = "".join(chr(ord("a") + i % 26) for i in range(6000))
    done = mpremote(small, "exec", f"x = '{text}'; print(len(x), x[-3:])")
    assert done.stdout == f"6000 {text[-3:]}\n", done.stderr


def test_mpremote_resumes_and_resets(small: Artifact) -> None:
    done = mpremote(
        small, "resume", "exec", "x = 7", "resume", "exec", "print(x)", "soft-reset", "exec", "print('x')"
    )
    assert done.stdout == "7\nx\n", done.stderr


def test_mpremote_mounts_the_hosts_files(small: Artifact, tmp_path: Path) -> None:
    (tmp_path / "borrowed.py").write_text("import small\nprint('output', len(small.output))\n")
    done = mpremote(small, "mount", str(tmp_path), "exec", "import borrowed")
    # mpremote's own line comes before or after: it goes through another buffer
    assert "output 5" in done.stdout.splitlines(), done.stderr
