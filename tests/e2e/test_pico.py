"""Does a Pico do over its own USB what a person needs, and reach its clocks? In rp2040js, our own host."""

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial
import torch
from breaking import CALL_FOR_EVER, UNDEFINED, broken, store_to
from torch import nn

import firmnet
from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.devices import rp2040js
from firmnet.devices.crash import Crashed, explain, last_words
from firmnet.devices.emulator import EmulatedDevice
from firmnet.emulators import rp2040js as fetched
from firmnet.errors import UserError, VerificationError
from firmnet.interpret import int_values
from firmnet.targets import load_board
from firmnet.targets.board import Baremetal, Connection

SIDE = 128
"""16,384 bytes of input: eight times what the board's ring holds."""


@pytest.fixture(scope="module", autouse=True)
def emulator() -> None:
    try:
        fetched()
    except UserError as error:
        pytest.skip(str(error))


def compiled(board: object, runtime: str) -> firmnet.Deployment:
    torch.manual_seed(0)
    model = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear((SIDE // 16) ** 2, 10)).eval()
    samples = np.random.default_rng(0).random((1, 1, SIDE, SIDE), np.float32)
    return firmnet.compile(model, samples, board=board, name="pool", runtime=runtime)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    made = compiled("pico", "micropython")
    made.build(tmp_path_factory.mktemp("pico") / "artifact", emulate=True)
    assert made.artifact
    return made.artifact


@pytest.fixture(scope="module")
def pool_in_c(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """With a probe's UART as its port."""
    pico = load_board("pico")
    own = Baremetal("rp2040_uart", 125_000_000, 20, {"FN_USART": 0}, "uf2")
    port, pins = Connection("uart", 921_600), dataclasses.replace(pico.pins, uart=None)
    board = dataclasses.replace(pico, id="probed", baremetal=own, link=port, pins=pins)
    made = compiled(board, "c")
    made.build(tmp_path_factory.mktemp("uart") / "artifact", emulate=True)
    assert made.artifact
    return made.artifact


@pytest.mark.parametrize("made", ["pool", "pool_in_c"])
def test_large_inputs_arrive_whole_over_usb_and_over_the_uart(
    made: str, request: pytest.FixtureRequest
) -> None:
    artifact: Artifact = request.getfixturevalue(made)
    x = np.random.default_rng(1).integers(-128, 128, (1, 1, SIDE, SIDE)).astype(np.int8)
    (stored,) = artifact.manifest.input.stored(x)
    expected = int_values(artifact.graph, stored)
    with devices.open("rp2040js", artifact) as device:
        for index, layer in enumerate(artifact.manifest.layers):
            np.testing.assert_array_equal(device.dump(x[0], index), expected[layer.name].ravel(), layer.name)


# ---- the port ----


def until(wire: serial.SerialBase, marker: bytes, timeout_s: float = 60.0) -> bytes:
    """What comes, up to and with the marker."""
    said, deadline = b"", time.monotonic() + timeout_s
    while marker not in said:
        assert time.monotonic() < deadline, said[-200:]
        said += wire.read(4096)
    return said


@contextmanager
def opened(url: str) -> Iterator[serial.SerialBase]:
    with serial.serial_for_url(url, timeout=0.05) as wire:
        yield wire


SLOW = """
    export default ({ mcu }) => Object.defineProperty(mcu, "clkSys", { get: () => 12_500_000, set() {} });
"""
"""A tenth of the instructions in each second of the board's: what it waits for comes sooner for the tests."""


@pytest.fixture(scope="module")
def prompt(pool: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serial.SerialBase]:
    circuit = tmp_path_factory.mktemp("slow") / "circuit.mjs"
    circuit.write_text(SLOW)
    with rp2040js.emulated(pool, circuit=circuit) as emulator, opened(emulator.url) as wire:
        wire.write(b"\r\n")
        until(wire, b">>> ")
        yield wire


def test_what_a_slow_host_is_told_arrives_whole(prompt: serial.SerialBase) -> None:
    prompt.write(b"for i in range(1000): print(i)\r\n\r\n")
    time.sleep(1)
    assert until(prompt, b"999\r\n>>> ").split()[-1001:-1] == [str(i).encode() for i in range(1000)]


def test_packets_that_are_full_need_no_more_to_come(prompt: serial.SerialBase) -> None:
    prompt.write(b"import sys; n = sys.stdout.buffer.write(bytes(64)); n = sys.stdin.buffer.read(1)\r\n")
    until(prompt, bytes(64))
    prompt.write(b" \r\n")
    until(prompt, b">>> ")


def test_ctrl_c_stops_a_program_that_reads_nothing_of_what_is_sent(prompt: serial.SerialBase) -> None:
    prompt.write(b"while True: pass\r\n\r\n")
    until(prompt, b"... ")
    prompt.write(b"#" * 10_000)
    time.sleep(1)
    prompt.write(b"\x03")
    until(prompt, b"KeyboardInterrupt")


@pytest.mark.parametrize(
    ("code", "cause", "told"),
    [
        ("reset()", 2, None),
        ("WDT(timeout=100)", 3, None),
        ("WDT(timeout=1200)\r\nwhile True: pass\r\n", 3, "its watchdog, not fed for"),
    ],
    ids=["asked", "watchdog", "watchdog that tells"],
)
def test_it_comes_back_after_a_reset_and_knows_why(
    pool: Artifact, prompt: serial.SerialBase, code: str, cause: int, told: str | None
) -> None:
    """A watchdog that has time enough says before what hangs."""
    prompt.write(f"\r\nimport machine; machine.{code}\r\n".encode())
    said, deadline = b"", time.monotonic() + 60
    while f"cause {cause}\r\n".encode() not in said:
        assert time.monotonic() < deadline, said[-200:]
        prompt.write(b"\r\nimport machine; print('cause', machine.reset_cause())\r\n")
        time.sleep(1)
        said += prompt.read(4096)
    crash = last_words(said)
    assert (crash is None) == (told is None), said[-600:]
    if crash and told:
        assert told in explain(crash, pool)


def test_nobody_at_the_port_does_not_stop_a_program(pool: Artifact) -> None:
    with rp2040js.emulated(pool) as emulator:
        with opened(emulator.url) as wire:
            wire.write(
                b"import time\r\nfor i in range(400): print('x' * 50); time.sleep_ms(1); n = i\r\n\r\n"
            )
            until(wire, b"x" * 50)
        time.sleep(2)
        with opened(emulator.url) as wire:
            wire.write(b"print('n', n)\r\n")
            until(wire, b"n 399\r\n")


def ended(artifact: Artifact, circuit: str, folder: Path) -> str:
    """How the board ended with this wired to it, while somebody had its port open."""
    (folder / "circuit.mjs").write_text(circuit)
    try:
        with (
            rp2040js.emulated(artifact, circuit=folder / "circuit.mjs") as emulator,
            opened(emulator.url) as wire,
        ):
            try:
                until(wire, b"never said")
            except serial.SerialException as error:
                raise UserError(str(error)) from None
    except UserError as error:
        return str(error)
    raise AssertionError("it went on")


def test_opened_at_1200_baud_and_closed_it_starts_the_bootloader(pool: Artifact, tmp_path: Path) -> None:
    touch = """
        export default ({ port, after }) => after(200_000, async () => {
            await port.setLineCoding(1200);
            await port.setLineState(false);
        });
    """
    assert ended(pool, touch, tmp_path).endswith("the firmware started the bootloader")


def test_it_reaches_its_clocks(pool: Artifact, tmp_path: Path) -> None:
    """As the emulator reckons them, by registers of its own."""
    look = """
        export default ({ mcu, after, say }) => after(200_000, () => {
            const { clkSys, clkPeri, pllUsb, clocks } = mcu;
            say(JSON.stringify({ clkSys, clkPeri, usb: pllUsb.frequency, reference: clocks.refFreq }));
            process.exit(3);
        });
    """
    said = ended(pool, look, tmp_path)
    reached = {"clkSys": 125_000_000, "clkPeri": 125_000_000, "usb": 48_000_000, "reference": 12_000_000}
    assert json.loads(said[said.index("{") :]) == reached


def test_a_host_that_asks_for_more_is_answered_or_refused(pool: Artifact, tmp_path: Path) -> None:
    ask = """
        export default ({ mcu, port, after, say }) => after(200_000, async () => {
            const told = {};
            told.device = await port.ask(0x80, 6, 0x0100, 0, 64);
            told.product = await port.ask(0x80, 6, 0x0302, 0x0409, 255);
            told.part = await port.ask(0x80, 6, 0x0200, 0, 64);
            told.coding = await port.ask(0xa1, 0x21, 0, 0, 7);
            told.status = await port.ask(0x80, 0, 0, 0, 2);
            told.configuration = await port.ask(0x80, 8, 0, 0, 1);
            await port.ask(0x02, 1, 0, 0x02, 0); // both directions of the data are counted anew
            await port.ask(0x02, 1, 0, 0x82, 0);
            await port.ask(0x01, 11, 0, 1, 0);
            port.ask(0x80, 6, 0x0600, 0, 10); // what it would be at high speed
            after(1000, async () => {
                told.refused = mcu.usbCtrl.epStallArm;
                port.request = null;
                told.setting = await port.ask(0x81, 10, 0, 1, 1);
                say(JSON.stringify(told));
                process.exit(3);
            });
        });
    """
    said = ended(pool, ask, tmp_path)
    told = json.loads(said[said.index("{") :])
    assert bytes(told["device"][8:12]) == bytes.fromhex("8a2e0a00")
    assert bytes(told["product"][2:]).decode("utf-16-le") == load_board("pico").name
    assert (len(told["part"]), told["part"][2]) == (64, 75)
    assert told["coding"] == [*(115_200).to_bytes(4, "little"), 0, 0, 8]
    assert (told["status"], told["configuration"], told["refused"], told["setting"]) == ([0, 0], [1], 3, [0])


# ---- when it stops ----


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (UNDEFINED, "it cannot tell why (HardFault)"),
        (store_to(0xA000_0000), "it cannot tell why (HardFault)"),
        (CALL_FOR_EVER, "its stack of 16,384 bytes has overflown"),
    ],
    ids=["undefined", "nowhere", "overflow"],
)
def test_a_fault_is_told_over_usb_with_its_layer(
    pool: Artifact, tmp_path: Path, code: bytes, what: str
) -> None:
    elf = broken(pool, "layer_2", code, tmp_path)
    board = EmulatedDevice(pool, rp2040js.emulated(pool, elf), "rp2040js", 30)
    with board as device, pytest.raises(Crashed) as told:
        device.run(pool.samples[:1])
    assert what in str(told.value)
    assert "'layer_2'" in str(told.value)


def test_a_stack_of_the_c_runtime_that_overflows_is_told(pool_in_c: Artifact, tmp_path: Path) -> None:
    """Into RAM that nothing else uses: this core could not tell of a fault where there is none."""
    elf = broken(pool_in_c, "layer_2", CALL_FOR_EVER, tmp_path)
    board = EmulatedDevice(pool_in_c, rp2040js.emulated(pool_in_c, elf), "rp2040js", 30)
    with board as device, pytest.raises(Crashed, match=r"'layer_2'.* stack of 2,048 bytes has overflown"):
        device.run(pool_in_c.samples[:1])


def test_a_second_stage_that_the_boot_rom_would_not_take_is_said(pool: Artifact, tmp_path: Path) -> None:
    elf = (pool.firmware / "firmware.elf").read_bytes()
    stage = (pool.firmware / "firmware.bin").read_bytes()[:252]
    assert elf.count(stage) == 1
    (tmp_path / "other.elf").write_bytes(elf.replace(stage, stage[:-1] + b"\1"))
    with pytest.raises(VerificationError, match="the chip's ROM would show its drive"):
        EmulatedDevice(pool, rp2040js.emulated(pool, tmp_path / "other.elf"), "rp2040js", 5)


def test_qemu_is_not_what_emulates_it(pool: Artifact) -> None:
    with pytest.raises(UserError, match="emulated by another program: name 'rp2040js' as the device"):
        devices.open("qemu", pool)
