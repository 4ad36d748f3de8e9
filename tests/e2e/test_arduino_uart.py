"""Is the UART beside the port the Arduino core's own, on the right pins, and never asked for what stops it?

The very arduino_uart.cpp runs on this machine over stand-ins of the two cores' serial classes.
"""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from firmnet.assets import assets

NO_PARITY, EVEN, ODD = range(3)
LACKS, RANGE, FORMAT = -1, -3, -4

CONFIG = """
#define FN_SECOND_UART 1
#define FN_SECOND_UART_TX "TX"
#define FN_SECOND_UART_RX "RX"
"""

COMMON = f"""
#include <stddef.h>
#include <stdint.h>
enum {{ SERIAL_8N1 = {0x10}, SERIAL_8E1, SERIAL_8O1, SERIAL_8N2 = {0x20}, SERIAL_8E2, SERIAL_8O2 }};
extern uint32_t now_us;
extern "C" uint32_t micros(void);
struct line {{
    uint32_t tx, rx, baud, config, opened;
    uint8_t sent[256], come[256];
    uint32_t n_sent, n_come, n_read, waiting;
}};
extern line wire;
struct one {{
    void open(uint32_t baud, uint32_t config) {{ wire.baud = baud; wire.config = config; wire.opened++; }}
    void end() {{ wire.opened--; wire.n_read = wire.n_come; }}
    int available() {{ return (int)(wire.n_come - wire.n_read); }}
    int read() {{ return available() ? wire.come[wire.n_read++] : -1; }}
    operator bool() {{ return wire.opened == 1; }}
}};
"""

MBED = """
#define ARDUINO_ARCH_MBED 1
#define NRF52840_XXAA 1
namespace arduino {
struct UART : one {
    UART(int tx, int rx, int = -1, int = -1) { wire.tx = (uint32_t)tx; wire.rx = (uint32_t)rx; }
    void begin(unsigned long baud, uint16_t config) { open((uint32_t)baud, config); }
    size_t write(uint8_t byte) { wire.sent[wire.n_sent++] = byte; return 1; }
};
}
"""
STM32 = """
#define ARDUINO_ARCH_STM32 1
#define SERIAL_TX_BUFFER_SIZE 8
struct HardwareSerial : one {
    HardwareSerial(uint32_t rx, uint32_t tx, uint32_t = 0, uint32_t = 0) { wire.tx = tx; wire.rx = rx; }
    void begin(unsigned long baud, uint8_t config) { open((uint32_t)baud, config); }
    int availableForWrite() { return SERIAL_TX_BUFFER_SIZE - 1 - (int)wire.waiting; }
    size_t write(uint8_t byte) { wire.sent[wire.n_sent++] = byte; wire.waiting++; return 1; }
};
"""

REST = """
#include "Arduino.h"
#include "fn_machine.h"
uint32_t now_us;
line wire;
extern "C" uint32_t micros(void) { return now_us; }
extern "C" int32_t fn_pin_called(const char *name) { return name[0] == 'T' ? 6 : 7; }
extern "C" line *the_wire(void) { return &wire; }
extern "C" void passes(uint32_t us) { now_us += us; }
extern "C" void comes(uint8_t byte) { wire.come[wire.n_come++] = byte; }
"""


class Line(ctypes.Structure):
    """What the core was asked for, and what went over its wire."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("tx", "rx", "baud", "config", "opened")),
        ("sent", ctypes.c_uint8 * 256),
        ("come", ctypes.c_uint8 * 256),
        *((name, ctypes.c_uint32) for name in ("n_sent", "n_come", "n_read", "waiting")),
    ]


@pytest.fixture
def core(tmp_path: Path) -> Callable[[str], ctypes.CDLL]:
    def made(kind: str) -> ctypes.CDLL:
        there = tmp_path / kind
        there.mkdir()
        (there / "Arduino.h").write_text("#pragma once\n" + COMMON + (MBED if kind == "mbed" else STM32))
        (there / "fn_board_config.h").write_text(CONFIG)
        (there / "rest.cpp").write_text(REST)
        runtime = assets("templates") / "micropython"
        command = [
            "g++",
            "-std=gnu++14",
            "-shared",
            "-fPIC",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-DARDUINO=10819",
        ]
        include = [f"-I{there}", f"-I{runtime}"]
        files = [str(runtime / "arduino_uart.cpp"), str(there / "rest.cpp"), "-o", str(there / "core.so")]
        subprocess.run([*command, *include, *files], check=True)
        library = ctypes.CDLL(str(there / "core.so"))
        library.the_wire.restype = ctypes.POINTER(Line)
        return library

    return made


def test_the_cores_uart_sends_and_receives(core: Callable[[str], ctypes.CDLL]) -> None:
    for kind, sends in (("mbed", 20), ("stm32", 7)):
        board = core(kind)
        wire = board.the_wire().contents
        assert (board.fn_uart_waiting(), board.fn_uart_get(), board.fn_uart_put(1)) == (0, -1, 0)
        board.fn_uart_close()  # a soft reset before anything was opened
        assert board.fn_uart_open(9600, EVEN, 1) == 0
        assert (wire.tx, wire.rx, wire.baud, wire.config, wire.opened) == (6, 7, 9600, 0x11, 1)
        assert board.fn_uart_sent() == 1
        assert [board.fn_uart_put(byte) for byte in range(20)] == [1] * sends + [0] * (20 - sends)
        assert bytes(wire.sent[: wire.n_sent]) == bytes(range(sends))
        assert board.fn_uart_sent() == 0
        board.passes(3000)  # longer than a byte takes
        wire.waiting = 0
        assert board.fn_uart_sent() == 1
        for byte in b"\xff\0!":
            board.comes(byte)
        assert board.fn_uart_waiting() == 3
        assert [board.fn_uart_get() for _ in range(4)] == [0xFF, 0, ord("!"), -1]
        assert board.fn_uart_open(115_200, NO_PARITY, 1) == 0
        assert (wire.config, wire.opened) == (0x10, 1)
        board.fn_uart_close()
        assert wire.opened == 0


def test_what_a_core_cannot_do_is_refused(core: Callable[[str], ctypes.CDLL]) -> None:
    """mbed rounds rates of an nRF down in silence, and ends the program at odd parity or two stop bits."""
    nano, nucleo = core("mbed"), core("stm32")
    assert [nano.fn_uart_open(baud, NO_PARITY, 1) for baud in (100_000, 300, 2_000_000)] == [RANGE] * 3
    assert [nano.fn_uart_open(9600, parity, stop) for parity, stop in ((ODD, 1), (EVEN, 2))] == [FORMAT] * 2
    assert nano.the_wire().contents.opened == 0
    assert [nucleo.fn_uart_open(baud, NO_PARITY, 1) for baud in (10, 3_000_000)] == [RANGE] * 2
    assert nucleo.fn_uart_open(100_000, ODD, 2) == 0
    assert nucleo.the_wire().contents.config == 0x22
