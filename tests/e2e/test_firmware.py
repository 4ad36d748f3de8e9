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
from board_checks import random_inputs
from layered_networks import kernels
from prompt import PATIENCE_S, Prompt, prompt_of

from firmnet.artifact import Artifact
from firmnet.devices.qemu import emulated
from firmnet.interpret import run_int
from firmnet.ir import Array
from firmnet.qmath import dequantize_output, quantize_input

UNSIGNED = "unsigned bytes mean nothing to this model: give floats, or int8 as array('b')"


@pytest.fixture(scope="module")
def board(small: Artifact) -> Iterator[Prompt]:
    """One booted board for all tests that leave it as they found it."""
    with prompt_of(small) as prompt:
        prompt("import small, _firmnet, gc; from binascii import unhexlify; from array import array")
        yield prompt


def literal(data: bytes) -> str:
    return f"unhexlify('{binascii.hexlify(data).decode()}')"


def best(artifact: Artifact, x: Array) -> tuple[int, float]:
    """What predict() must return for one int8 sample in the model's own order, by the oracle."""
    real = values(artifact, x)
    return int(real.argmax()), float(real.max())


def values(artifact: Artifact, x: Array) -> Array:
    """The oracle's float32 outputs, flat, in the model's own order."""
    graph, manifest = artifact.graph, artifact.manifest
    y = run_int(graph, *manifest.input.stored(x[np.newaxis]))
    (ordered,) = manifest.output.samples(y.reshape(1, -1))
    return dequantize_output(ordered, graph.tensors[graph.output].q).ravel()


def quantized(artifact: Artifact, x: Array) -> Array:
    """One float sample as int8, in the model's own order."""
    return quantize_input(x, artifact.graph.tensors[artifact.graph.input].q)


def test_the_board_boots_to_a_prompt(small: Artifact) -> None:
    with prompt_of(small) as prompt:
        assert prompt.banner.startswith(
            "MicroPython v1.25.0 on 2025-04-15; Netduino Plus 2 with STM32F405RG\n"
        )
        assert prompt("1 + 1") == "2"


@pytest.mark.parametrize("seed", range(4))
def test_predict_takes_int8_in_the_models_own_order(small: Artifact, board: Prompt, seed: int) -> None:
    (x,) = random_inputs(small, 1, seed)
    for sent in (literal(x.tobytes()), f"array('b', {literal(x.tobytes())})"):
        label, score = literal_eval(board(f"small.predict({sent})"))
        assert (label, pytest.approx(score, rel=1e-5)) == best(small, x)


@pytest.mark.parametrize("seed", range(4))
def test_predict_takes_float32_in_the_models_own_order(small: Artifact, board: Prompt, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=small.manifest.input.sample_shape).astype(np.float32)
    expected = best(small, quantized(small, x))
    sent = literal(x.tobytes())
    label, score = literal_eval(board(f"small.predict({sent})"))
    assert (label, pytest.approx(score, rel=1e-5)) == expected
    board(f"_firmnet.load({sent})")
    stored = tuple(*small.manifest.input.stored(quantized(small, x)[np.newaxis]).tolist())
    assert literal_eval(board("tuple(small.input)")) == stored
    assert literal_eval(board(f"small.predict(array('f', {sent}))"))[0] == label
    unaligned = f"small.predict(memoryview(b'x' + {sent})[1:])"
    assert literal_eval(board(unaligned))[0] == label
    board(f"f = array('f', {sent})")
    for form in ("array('d', f)", "list(f)", "tuple(f)", "memoryview(f)"):
        assert literal_eval(board(f"small.predict({form})"))[0] == label
    assert literal_eval(board("list(small.values())")) == pytest.approx(
        values(small, quantized(small, x)).tolist(), rel=1e-5
    )


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
        ("small.predict(array('d', [1.0] * 128))", "expected 64 float64 values, got 128"),
        ("small.predict([1.0] * 63)", "expected 64 float32 values, got 63"),
        ("small.predict(array('b', [1] * 256))", "expected 64 int8 values, got 256"),
        ("small.predict(array('B', [200] * 64))", UNSIGNED),
        ("small.predict(array('B', [200] * 256))", UNSIGNED),
        ("small.predict(memoryview(bytes(64)))", UNSIGNED),
        (
            "small.predict([[[0.0] * 8] * 8])",
            "give one flat list of 64 numbers, in the model's own order (1, 1, 8, 8)",
        ),
        ("small.predict([float('nan')] * 64)", "value 0 is NaN: the model takes finite numbers"),
        (
            "small.predict([0.0] * 63 + [float('-inf')])",
            "value 63 is infinite: the model takes finite numbers",
        ),
        ("x = [0.0] * 64; x[9] = float('nan'); small.predict(array('d', x))", "value 9 is NaN: {finite}"),
        ("small.predict(memoryview(b'x' + bytes(array('f', x)))[1:])", "value 9 is NaN: {finite}"),
        ("_firmnet.dequantize(bytearray(4))", "expected a buffer of 20 bytes, got 4"),
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
    told = complaint.format(crcs=4 * layers, last=layers - 1, finite="the model takes finite numbers")
    assert board(call).endswith(f"ValueError: {told}")


@pytest.mark.parametrize("given", ["'x' * 64", "None", "7", "(x for x in [0.0] * 64)", "{}"])
def test_what_is_no_array_is_a_type_error(board: Prompt, given: str) -> None:
    assert "TypeError: expected an array, bytes or a list of numbers, got '" in board(
        f"small.predict({given})"
    )


def test_input_and_output_are_the_models_own_memory(small: Artifact, board: Prompt) -> None:
    (x,) = random_inputs(small, 1, seed=9)
    board(f"small.input[:] = array('b', {literal(x.tobytes())})")
    assert board("bytes(_firmnet.input()) == bytes(small.input)") == "True"
    board("y = small.output; small.run()")
    assert literal_eval(board("tuple(y)")) == tuple(run_int(small.graph, x).ravel().tolist())
    assert "TypeError" in board("small.output[0] = 1")


def test_layers_are_written_over_whatever_the_buffer_holds(small: Artifact, board: Prompt) -> None:
    """At an odd address, between bytes that stay."""
    layers, x = small.manifest.layers, np.full(64, -7, np.int8)
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
    board("f = x = b = m = y = None; gc.collect()")
    info = literal_eval(board("small.info()"))
    manifest = small.manifest
    assert (info["name"], info["board"]) == ("small", "Netduino Plus 2")
    assert info["fingerprint"] == manifest.fingerprint
    assert info["firmnet"] == manifest.firmnet
    assert info["arena_bytes"] == manifest.arena_bytes
    for key, edge in (("input", manifest.input), ("output", manifest.output)):
        assert info[key]["shape"] == edge.model_shape
        assert info[key]["scale"] == pytest.approx(edge.scale, rel=1e-5)
        assert info[key]["zero_point"] == edge.zero_point
        assert info[key]["stored"]["shape"] == edge.shape
    assert info["input"]["name"] == small.graph.input
    assert 50_000 < info["heap_free_bytes"] < 131_072
    assert info["clock_hz"] is None  # this machine has no clock to be read


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


def test_the_clock_never_goes_back(board: Prompt) -> None:
    look = (
        "for _ in range(60000):\n now = time.ticks_us()\n back += time.ticks_diff(now, last) < 0\n last = now"
    )
    board("import time")
    board("back, last = 0, time.ticks_us()")
    board(f"exec({look!r})")
    assert board("back") == "0"


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
    assert literal_eval(done.stdout)[0] == best(small, np.zeros((1, 8, 8), np.int8))[0]


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
