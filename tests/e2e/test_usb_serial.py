"""Do people have all of a board with an Arduino core: its USB port, whatever goes over it, and its pins?

A copy of firmnet gets one more board: an emulated one with an Arduino core, whose `Serial` behaves as USB
does (usb_core/). The very arduino.cpp, arduino_pins.cpp, MicroPython and link run there.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import firmnet
from firmnet.assets import assets

CORE = Path(__file__).parent / "usb_core"
TESTS = Path(__file__).parents[1]

SHAPES = {
    "2049": (3, 683, 3, "micropython"),
    "2116": (46, 46, 4, "micropython"),
    "100000": (250, 400, 50, "micropython"),
    "16384_in_c": (128, 128, 16, "c"),
}
"""Input bytes → height, width, pooling, runtime: around the 2,048 bytes of the receive ring, and far beyond.

The C runtime's ring has 256.
"""

DEPLOY = """
import json, sys
import numpy as np, torch
from torch import nn
import firmnet
from firmnet.devices import qemu
from firmnet.verify import verify

for size, (height, width, pool, runtime) in json.loads(sys.argv[1]).items():
    torch.manual_seed(0)
    parts = (height // pool) * (width // pool)
    model = nn.Sequential(nn.AvgPool2d(pool), nn.Flatten(), nn.Linear(parts, 10)).eval()
    samples = np.random.default_rng(0).random((3, 1, height, width), np.float32)
    deployment = firmnet.compile(model, samples, board="usb_board", name="pool", runtime=runtime)
    deployment.build(size, emulate=True)
    values = np.random.default_rng(1).integers(-128, 128, (2, 1, height, width)).astype(np.int8)
    with qemu.open(deployment.artifact, timeout_s=120) as device:
        verdict = verify(deployment.artifact, device, values, layers=True)
    print(json.dumps([size, verdict.ok, verdict.sentence()]), flush=True)
"""
CRASH = """
import json, sys
from pathlib import Path
from breaking import CALL_FOR_EVER, CALL_SLOWLY_FOR_EVER, UNDEFINED, broken, changed
from firmnet.artifact import Artifact
from firmnet.devices import qemu, serial
from firmnet.devices.crash import Crashed
from firmnet.devices.emulator import running

artifact, folder = Artifact.open(sys.argv[1]), Path(sys.argv[2])
JUMPS = "from machine import mem32; mem32[mem32[0xE000ED08] + 64] = 0xA0000001"
for code in json.loads(sys.argv[3]):
    elf = artifact.firmware / "firmware.elf"
    if code != "in an interrupt":
        known = {"none": UNDEFINED, "for ever": CALL_FOR_EVER, "painted": CALL_SLOWLY_FOR_EVER}
        instructions = known[code.rpartition(", ")[2]]
        elf = broken(artifact, artifact.manifest.layers[0].name, instructions, folder)
    else:
        (folder / "broken.elf").write_bytes(elf.read_bytes())
        elf = folder / "broken.elf"
    if code.startswith(("threads", "in an")):
        changed(elf, "core_has_threads", b"\\1")
    without_mpu = ["-global", "cortex-m4-arm-cpu.pmsav7-dregion=0"] if "painted" in code else []

    def command(listener):
        return [*qemu.command(artifact.board, elf, listener), *without_mpu]

    with running(command, qemu.ending) as emulator:
        first = ""
        try:
            with serial.open(artifact, emulator.url, timeout_s=10) as device:
                if code == "in an interrupt":
                    device.repl(JUMPS)
                device.run(artifact.samples[:1])
        except Crashed as crash:
            first = str(crash)
        try:
            serial.open(artifact, emulator.url, timeout_s=5).close()
        except Crashed as crash:
            print(json.dumps([code, first, str(crash)]), flush=True)
"""
HANG_ON = """
import json, socket, sys, time
from pathlib import Path
from breaking import HANG, broken, changed
from firmnet.artifact import Artifact
from firmnet.devices import qemu, serial
from firmnet.devices.crash import Crashed

artifact, folder = Artifact.open(sys.argv[1]), Path(sys.argv[2])
BEGIN = "import machine, time, pool; dog = machine.WDT(timeout=1000); "
FED_LATE = BEGIN + "time.sleep_ms(900); dog.feed(); machine.mem32[0xE000ED0C] = 0x05FA0004"
HANGS = BEGIN + "pool.predict([0.0] * 2116)"
elf = broken(artifact, artifact.manifest.layers[0].name, HANG, folder)
for threads, typed in ((0, (FED_LATE, HANGS, "")), (1, (HANGS,))):
    changed(elf, "core_has_threads", bytes([threads]))
    with qemu.emulated(artifact, elf) as emulator:
        for code in typed:
            with socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2]))) as wire:
                wire.sendall(code.encode() + b"\\r")
                time.sleep(1.3 if code else 0)
            told = ""
            try:
                serial.open(artifact, emulator.url, timeout_s=20).close()
            except Crashed as crash:
                told = str(crash)
            print(json.dumps(told), flush=True)
"""
EMULATE = """
import sys
from firmnet.artifact import Artifact
from firmnet.devices import qemu

with qemu.emulated(Artifact.open(sys.argv[1])) as emulator:
    print(emulator.url, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Copy:
    """A copy of firmnet that knows usb_board; paths of artifacts are relative to `top`."""

    top: Path

    def python(self, script: str, *arguments: str) -> "subprocess.Popen[str]":
        """That script, with this copy as `firmnet`."""
        return subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            cwd=self.top,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(self.top / "generator"), str(TESTS)))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def booted(self, artifact: str) -> Iterator[socket.socket]:
        """The wire to a running board; nobody has opened its port yet."""
        with self.python(EMULATE, artifact) as process:
            assert process.stdin
            assert process.stdout
            port = int(process.stdout.readline().rpartition(":")[2])
            with process.stdin, socket.create_connection(("127.0.0.1", port)) as wire:
                yield wire


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    top = tmp_path_factory.mktemp("usb")
    ignored = shutil.ignore_patterns("_assets", "__pycache__")
    shutil.copytree(Path(firmnet.__file__).parent, top / "generator" / "firmnet", ignore=ignored)
    for name in ("boards", "templates", "runtime_micropython"):
        shutil.copytree(assets(name), top / name)
    shutil.copyfile(CORE / "usb_board.toml", top / "boards" / "usb_board.toml")
    shutil.copyfile(CORE / "core.c", top / "boards" / "baremetal" / "glue" / "cmsdk_uart.c")
    shutil.copyfile(CORE / "faults.c", top / "boards" / "baremetal" / "faults.c")
    layout = top / "boards" / "baremetal" / "cortexm.ld"  # a core's stack ends the RAM: below it lies more
    layout.write_text(layout.read_text().replace("__stack_is_low", "0"))
    (top / "core").mkdir()
    shutil.copyfile(CORE / "Arduino.h", top / "core" / "Arduino.h")
    project = top / "templates" / "project" / "platformio.ini.j2"
    names = ("arduino.cpp", "arduino_faults.c", "arduino_pins.cpp", "arduino_uart.cpp")
    without = " ".join(("build_src_filter = +<*>", *(f"-<{name}>" for name in names)))
    assert without in project.read_text()
    arduino = (
        "build_src_filter = +<*>",
        f"build_flags =\n  ${{env.build_flags}}\n  -DARDUINO=10819\nbuild_src_flags = -I{top}/core",
    )
    project.write_text(project.read_text().replace(without, "\n".join(arduino)))
    return Copy(top)


@pytest.fixture(scope="module")
def deployed(copy: Copy) -> dict[str, tuple[bool, str]]:
    """Each size's verdict, from one process that deploys them all."""
    process = copy.python(DEPLOY, json.dumps(SHAPES))
    said, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    return {size: (ok, sentence) for size, ok, sentence in map(json.loads, said.splitlines())}


@pytest.mark.parametrize("size", SHAPES)
def test_inputs_of_any_size_arrive_whole(deployed: dict[str, tuple[bool, str]], size: str) -> None:
    ok, sentence = deployed[size]
    assert ok, sentence


IS_NONE = "layer 'layer_0', called by 'run', 'timed_run': it came upon an instruction that is none"
OVERFLOWN = "16,384 bytes has overflown; raise stack_bytes in [micropython] of usb_board.toml"
FAULTS = {
    "2116": {
        "none": IS_NONE,
        "for ever": OVERFLOWN,
        "threads, none": IS_NONE,
        "threads, for ever": OVERFLOWN,
        "for ever, painted": OVERFLOWN,
        "threads, for ever, painted": OVERFLOWN,
        "in an interrupt": "stopped at 0xa0000000, where no code is known: it jumped to an address where no",
    },
    "16384_in_c": {"for ever": "its stack of 1,536 bytes has overflown"},
}
"""Artifact → where and how its processor is made to stop → what is said."""


@pytest.mark.parametrize("size", FAULTS)
def test_faults_are_told_as_by_our_own_builds(
    copy: Copy, deployed: dict[str, tuple[bool, str]], size: str, tmp_path: Path
) -> None:
    process = copy.python(CRASH, size, str(tmp_path), json.dumps(list(FAULTS[size])))
    said, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    told = {code: (first, later) for code, first, later in map(json.loads, said.splitlines())}
    assert list(told) == list(FAULTS[size])
    for code, what in FAULTS[size].items():
        assert what in told[code][0]
        assert told[code][1] == told[code][0], "who comes later is told the same"


def test_a_program_that_hung_until_its_watchdog_bit_is_told_once(
    copy: Copy, deployed: dict[str, tuple[bool, str]], tmp_path: Path
) -> None:
    process = copy.python(HANG_ON, "2116", str(tmp_path))
    said, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    fed_late, hung, later, hung_in_a_thread = map(json.loads, said.splitlines())
    assert (fed_late, later) == ("", "")
    for told in (hung, hung_in_a_thread):
        assert "before its last reset the board's processor was busy in 'pool__layer_0__kernel'" in told
        assert "layer 'layer_0', called by 'run', 'timed_run': its watchdog" in told
        unfed = re.search(r"not fed for (\d+) ms, was about to reset it; feed", told)
        assert unfed
        assert 875 <= int(unfed[1]) < 1000


def until(wire: socket.socket, marker: bytes, timeout_s: float = 30.0) -> bytes:
    """What comes, up to and with the marker."""
    said, deadline = b"", time.monotonic() + timeout_s
    wire.settimeout(0.2)
    while marker not in said:
        assert time.monotonic() < deadline, said[-200:]
        try:
            said += wire.recv(4096)
        except TimeoutError:
            continue
    return said


@pytest.fixture
def wire(copy: Copy, deployed: dict[str, tuple[bool, str]]) -> Iterator[socket.socket]:
    """A board at its prompt, whose port was opened late."""
    with copy.booted("2116") as wire:
        time.sleep(0.5)
        wire.sendall(b"\r\n")
        until(wire, b">>> ")
        yield wire


def test_what_a_slow_host_is_told_arrives_whole(wire: socket.socket) -> None:
    wire.sendall(b"for i in range(3000): print(i)\r\n\r\n")
    assert until(wire, b"2999\r\n>>> ").split()[-3001:-1] == [str(i).encode() for i in range(3000)]


def test_a_program_typed_in_faster_than_it_runs_arrives_whole(wire: socket.socket) -> None:
    lines = [b"import time; total = 0\r\n", *[b"time.sleep_ms(2); total += 1\r\n"] * 300]
    wire.sendall(b"".join(lines) + b"print('sum', total)\r\n")
    until(wire, b"sum 300\r\n")


def test_ctrl_c_stops_a_program_that_reads_nothing_of_what_is_sent(wire: socket.socket) -> None:
    wire.sendall(b"while True: pass\r\n\r\n")
    until(wire, b"... ")
    wire.sendall(b"#" * 10_000)
    time.sleep(0.5)
    wire.sendall(b"\x03")
    until(wire, b"KeyboardInterrupt")


def asked(wire: socket.socket, line: str) -> str:
    """What a line prints at the prompt."""
    wire.sendall(line.encode() + b"\r\n")
    return until(wire, b">>> ").decode().partition("\r\n")[2].rpartition("\r\n")[0].replace("\r\n", "\n")


@pytest.fixture
def pins(copy: Copy, wire: socket.socket) -> Callable[[str], object]:
    """A board whose machine is imported; `core(pin)` is what was asked of a pin of its core."""
    with (copy.top / "2116" / "firmware" / "firmware.elf").open("rb") as file:
        (symbol,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("core_pins")
    asked(wire, "import time; from machine import *")
    words = f"[mem32[{symbol['st_value']} + 16 * pin + 4 * i] for i in range(4)]"
    asked(wire, f"core = lambda pin: {words}")
    return lambda line: literal_eval(asked(wire, line) or "None")


def test_pins_are_driven_and_read_through_the_core(
    wire: socket.socket, pins: Callable[[str], object]
) -> None:
    pins("p = Pin('LED', Pin.OUT, value=1)")
    assert pins("p(), Pin(13)(), Pin('D13')(), core(13)[:2]") == (1, 1, 1, [1, 1])
    assert pins("p.toggle(), p(), core(13)[1]") == (None, 0, 0)
    assert pins("Pin('A1', Pin.IN, Pin.PULL_UP)(), core(15)[0]") == (1, 2)
    assert pins("Pin('D2', Pin.IN, Pin.PULL_DOWN)(), core(2)[0]") == (0, 3)
    pins("p = Pin('D4', Pin.OPEN_DRAIN, Pin.PULL_UP, value=0)")
    assert pins("core(4)[:2], p(), p.on(), core(4)[0], p()") == ([1, 0], 0, None, 2, 1)
    for name in ("D20", "A2", "PA5", "GP2"):
        assert f"ValueError: this board has no pin '{name}'" in asked(wire, f"Pin('{name}')")


def test_the_cores_converter_and_pwm_are_used(wire: socket.socket, pins: Callable[[str], object]) -> None:
    assert pins("ADC('A1').read_u16() >> 4") == (15 << 10) >> 2 & 0xFFF
    pins("w = PWM('D5', freq=50, duty_u16=40000)")
    assert pins("core(5)[2:]") == [50, 40000]
    pins("w.duty_ns(5_000_000)")
    assert pins("core(5)[2:], w.deinit(), core(5)[2]") == ([50, 16384], None, 0)
    assert "ValueError: pin 'D4' has no PWM" in asked(wire, "PWM('D4', freq=50)")
    assert "ValueError: pin 'D5' has no analog input" in asked(wire, "ADC('D5')")


def test_buses_and_timers_run_without_interrupts_of_ours(
    wire: socket.socket, pins: Callable[[str], object]
) -> None:
    assert pins("I2C(0).scan()") == []
    assert asked(wire, "I2C(0)") == "SoftI2C(scl=D7, sda=D6, freq=500000)"
    pins("n = []; t = Timer(period=5, callback=n.append); x = time.ticks_ms()")
    pins("exec('while len(n) < 4 and time.ticks_diff(time.ticks_ms(), x) < 9000: pass')")
    assert pins("len(n) >= 4, t.deinit(), freq()") == (True, None, 25_000_000)
