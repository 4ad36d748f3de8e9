"""Does an official build, Arduino core and all, compute what the host says? Where PlatformIO has it."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from breaking import CALL_FOR_EVER, HANG, UNDEFINED, broken
from elftools.elf.elffile import ELFFile
from gdb_stub import GdbStub
from torch import nn

import firmnet
from firmnet.artifact import Artifact
from firmnet.build import build
from firmnet.devices import qemu, serial
from firmnet.devices.crash import Crashed
from firmnet.devices.emulator import Emulated, EmulatedDevice, running
from firmnet.toolchain import pio_mode
from firmnet.verify import verify

BOARD = "b_l475e_iot01a"
"""The only one whose chip QEMU emulates as far as its core reaches."""
CLOCK_SETUP = "SystemClock_Config"
"""The core waits there for clocks and for the wait states of flash; QEMU has neither to show."""


@contextmanager
def emulated(artifact: Artifact, elf: Path, port: int = 0) -> Iterator[Emulated]:
    """The image as it is: it begins under a debugger, which makes it return from its setting of clocks."""
    port = port or free_port()

    def command(listener: int) -> list[str]:
        return [*qemu.command(artifact.board, elf, listener), "-S", "-gdb", f"tcp:127.0.0.1:{port}"]

    with running(command, qemu.ending) as board, ThreadPoolExecutor(1) as debugger:
        skipped = debugger.submit(skip_clocks, elf, port)
        yield board
        skipped.result()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def skip_clocks(elf: Path, port: int, begin: str = "?") -> None:
    with GdbStub(port) as processor:
        processor.ask(begin)
        processor.return_from(address(elf, CLOCK_SETUP))
        processor.ask("D")


def address(elf: Path, function: str) -> int:
    with elf.open("rb") as file:
        (symbol,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(function)
        return int(symbol["st_value"]) & ~1


@pytest.mark.parametrize("runtime", ["micropython", "c"])
def test_it_is_verified_layer_by_layer_and_tells_of_faults(runtime: str, tmp_path: Path) -> None:
    if pio_mode("ststm32") == "offline":
        pytest.skip("PlatformIO's ststm32 is not installed, and its registry does not answer")
    torch.manual_seed(0)
    head = (nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    model = nn.Sequential(*head, nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 3)).eval()
    calibration = np.random.default_rng(0).normal(size=(16, 2, 8, 8)).astype(np.float32)
    made = firmnet.compile(model, calibration, board=BOARD, name="official", runtime=runtime)
    artifact = made.save(tmp_path / "artifact")
    assert build(artifact).env == BOARD
    noise = np.random.default_rng(5).integers(-128, 128, (12, 2, 8, 8), dtype=np.int8)
    emulator = emulated(artifact, artifact.firmware / "firmware.elf")
    with EmulatedDevice(artifact, emulator, "official image in qemu", 20.0) as device:
        sentence = verify(artifact, device, noise, layers=True).sentence()
    assert sentence.startswith("verified: 12 of 12 outputs bit-exact"), sentence
    assert "every layer too" in sentence
    for layer, code, what in [("layer_2", UNDEFINED, "is none"), ("layer_6", CALL_FOR_EVER, "has overflown")]:
        elf = broken(artifact, layer, code, tmp_path)
        told = pytest.raises(Crashed, match=rf"the code of layer '{layer}', called by .*{what}")
        with emulated(artifact, elf) as board, told, serial.open(artifact, board.url, timeout_s=20) as device:
            device.run(artifact.samples[:1])
    if runtime == "micropython":
        check_a_watchdog_is_told_of(artifact, tmp_path)


def check_a_watchdog_is_told_of(artifact: Artifact, folder: Path) -> None:
    """This emulator's resets nothing: the debugger does."""
    elf, port = broken(artifact, "layer_2", HANG, folder), free_port()
    with emulated(artifact, elf, port) as board:
        serial.open(artifact, board.url, timeout_s=20).close()
        with socket.create_connection(("127.0.0.1", int(board.url.rpartition(":")[2]))) as wire:
            wire.sendall(b"import machine, official; dog = machine.WDT(timeout=1000); ")
            wire.sendall(b"official.predict([0.0] * 128)\r")
            time.sleep(3)
        skip_clocks(elf, port, f"qRcmd,{b'system_reset'.hex()}")
        told = pytest.raises(
            Crashed, match=r"before its last reset .* the code of layer 'layer_2'.* not fed for 87"
        )
        with told:
            serial.open(artifact, board.url, timeout_s=20)
        serial.open(artifact, board.url, timeout_s=20).close()
