"""Does the example work on a Pico with a sensor on its bus, and does a Pico have its pins?

The firmware talks bit by bit to circuits/accelerometer.mjs, and cannot tell that from an LSM6DSL.
"""

import json
import shutil
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
from prompt import Prompt

import firmnet
from firmnet.devices.rp2040js import emulated
from firmnet.emulators import rp2040js
from firmnet.errors import UserError

EXAMPLE = Path(__file__).parents[2] / "examples" / "accelerometer"
CIRCUIT = Path(__file__).parent / "circuits" / "accelerometer.mjs"
STEPS_PER_G = 1 / 0.122e-3
PERIOD_US = 10_000
"""A sensor in a hurry: 26 readings a second would take an emulated Pico half a minute."""


@pytest.fixture(scope="module")
def scope() -> dict[str, Any]:
    """The example's own functions."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile((EXAMPLE / "model.py").read_text(), "model.py", "exec"), names)
    return names


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the LED did."""
    return tmp_path_factory.mktemp("circuit") / "led"


@pytest.fixture(scope="module")
def port(
    scope: dict[str, Any], log: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serial.SerialBase]:
    """A Pico that runs the example; it lies still, is shaken, turned, and lies still again."""
    try:
        rp2040js()
    except UserError as error:
        pytest.skip(str(error))
    source = f"{EXAMPLE / 'model.py'}:model"
    deployment = firmnet.compile(source, board="pico", app=EXAMPLE / "app.py")
    deployment.build(tmp_path_factory.mktemp("motion") / "artifact", emulate=True)
    readings, labels = scope["motions"](12, 3)
    chosen = [int(np.flatnonzero(labels == kind)[0]) for kind in (0, 1, 2, 0)]
    steps = np.concatenate([readings[i].T for i in chosen]) * STEPS_PER_G
    shutil.copy(CIRCUIT, log.parent)
    motion = {"readings": steps.round().astype(int).tolist(), "period_us": PERIOD_US, "log": str(log)}
    (log.parent / "motion.json").write_text(json.dumps(motion))
    assert deployment.artifact
    with (
        emulated(deployment.artifact, circuit=log.parent / CIRCUIT.name) as board,
        serial.serial_for_url(board.url, timeout=60) as port,
    ):
        yield port


def test_the_example_tells_motions_apart_and_shows_them(port: serial.SerialBase, log: Path) -> None:
    said = list[str]()
    while len(said) < 4:  # after what the board says of the program
        line = port.readline().decode()
        assert line, f"no more after {said}"
        said += [word for word in line.split()[:1] if word in ("still", "shaken", "turned")]
    assert said == ["still", "shaken", "turned", "still"]
    assert log.read_text().split()[:3] == ["off", "on", "off"]


def test_a_pico_has_its_pins(port: serial.SerialBase) -> None:
    port.write(b"\x03")
    ask = Prompt(port)
    ask("from machine import *")
    assert ask("Pin('LED', Pin.OUT, value=1)") == "Pin('LED', OUT)"
    assert literal_eval(ask("mem32[0xD0000010] >> 25 & 1, mem32[0xD0000020] >> 25 & 1")) == (1, 1)
    assert literal_eval(ask("Pin(25).value(), Pin(25).off(), Pin(25).value()")) == (1, None, 0)
    assert literal_eval(ask("[Pin(2, Pin.IN, pull).value() for pull in (Pin.PULL_UP, Pin.PULL_DOWN)]")) == [
        1,
        0,
    ]
    assert literal_eval(ask("ADC('A0').read_u16(), freq()")) == (0, 125_000_000)
    ask("w = PWM('GP25', freq=1000, duty_u16=16384)")
    divisor, high, top = literal_eval(ask("[mem32[0x40050000 + 0x14 * 4 + i] for i in (4, 12, 16)]"))
    assert 125e6 * 16 / divisor / (top + 1) == pytest.approx(1000, rel=0.001)
    assert (high >> 16) / (top + 1) == pytest.approx(0.25, rel=0.001)
    assert "ValueError: the watchdog of this chip cannot wait 9000 ms" in ask("WDT(timeout=9000)")
    assert "ValueError: this board has no pin 'GP30'" in ask("Pin('GP30')")
    assert literal_eval(ask("I2C(0).scan()")) == [0x6A]
    ask("import time; n = []; t = Timer(period=5, callback=n.append); x = time.ticks_ms()")
    ask("exec('while len(n) < 3 and time.ticks_diff(time.ticks_ms(), x) < 2000: pass')")
    assert literal_eval(ask("t.deinit(), len(n) >= 3")) == (None, True)
