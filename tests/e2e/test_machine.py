"""Does `machine` do on a chip's pins what MicroPython promises? On emulated chips, by their registers.

QEMU's STM32L475 has pins, its STM32F405 has timers and a converter; neither has both.
"""

import socket
from ast import literal_eval
from collections.abc import Iterator

import numpy as np
import pytest
import serial
from board_checks import random_inputs
from prompt import Prompt, prompt_of

from firmnet.artifact import Artifact
from firmnet.devices import qemu
from firmnet.devices.emulator import running

GPIOA_L4, TIMER_3 = 0x4800_0000, 0x4000_0400


@pytest.fixture(scope="module")
def pins(small_l475: Artifact) -> Iterator[Prompt]:
    """A board whose pins are emulated."""
    with prompt_of(small_l475) as prompt:
        prompt("import machine, time; from machine import *")
        yield prompt


@pytest.fixture(scope="module")
def timers(small: Artifact) -> Iterator[Prompt]:
    """A board whose timers are emulated."""
    with prompt_of(small) as prompt:
        prompt("import machine, time; from machine import *")
        yield prompt


def said(prompt: Prompt, line: str) -> object:
    return literal_eval(prompt(line))


def test_a_pin_that_is_driven_is_read_back(pins: Prompt) -> None:
    pins("p = Pin('PA5', Pin.OUT, value=1)")
    assert said(pins, f"p(), p.value(), Pin('D13')(), mem32[{GPIOA_L4 + 0x14}] >> 5 & 1") == (1, 1, 1, 1)
    assert said(pins, f"mem32[{GPIOA_L4}] >> 10 & 3, mem32[{GPIOA_L4 + 4}] >> 5 & 1") == (1, 0)
    assert said(pins, "p.off(), p(), p.on(), p(), p.toggle(), p()") == (None, 0, None, 1, None, 0)
    assert pins("p") == "Pin('PA5', OUT)"


def test_a_pin_that_is_pulled_reads_so(pins: Prompt) -> None:
    assert said(pins, "Pin('BUTTON', Pin.IN, Pin.PULL_UP)()") == 1
    assert said(pins, "Pin('BUTTON', Pin.IN, Pin.PULL_DOWN)()") == 0


def test_an_open_drain_pin_is_low_or_let_go(pins: Prompt) -> None:
    pins("p = Pin('D7', Pin.OPEN_DRAIN, Pin.PULL_UP, value=0)")
    assert said(pins, "p(), p.on(), p()") == (0, None, 1)


def test_a_signal_is_the_pin_inverted(pins: Prompt) -> None:
    pins("s = Signal('LED', Pin.OUT, invert=True, value=1)")
    assert said(pins, "s(), Pin('PB14')(), s.off(), s(), Pin('PB14')()") == (1, 0, None, 0, 1)
    pins("s = Signal(Pin('PB14'), invert=True); s.on()")
    assert said(pins, "Pin('LED')()") == 0


def test_a_pin_that_changes_calls_a_function(pins: Prompt) -> None:
    pins("n = []; p = Pin('D12', Pin.IN, Pin.PULL_DOWN); i = p.irq(n.append, Pin.IRQ_RISING)")
    pins("p.init(Pin.IN, Pin.PULL_UP); time.sleep_ms(10)")
    assert said(pins, "len(n), n[0] is p, i.flags() == Pin.IRQ_RISING, n.clear()") == (1, True, True, None)
    assert said(pins, "p.init(Pin.IN, Pin.PULL_DOWN), time.sleep_ms(10), n") == (None, None, [])
    assert said(pins, "i.trigger(Pin.IRQ_FALLING) == Pin.IRQ_RISING") is True
    pins("p.init(Pin.IN, Pin.PULL_UP); time.sleep_ms(10); Pin('D12').init(Pin.IN, Pin.PULL_DOWN)")
    assert said(pins, "time.sleep_ms(10), len(n), p.irq(None) is i") == (None, 1, True)
    assert said(pins, "p.init(Pin.IN, Pin.PULL_UP), time.sleep_ms(10), len(n)") == (None, None, 1)
    assert "ValueError: a pin's function runs between instructions here" in pins("p.irq(n.append, hard=True)")


def test_a_free_bus_has_nobody(pins: Prompt) -> None:
    assert pins("I2C(2)") == "SoftI2C(scl=PB10, sda=PB11, freq=500000)"
    assert said(pins, "I2C(2).scan(), SoftI2C('D15', 'D14', freq=100_000).scan()") == ([], [])
    assert "OSError: [Errno 19]" in pins("I2C(2).readfrom_mem(0x6a, 0x0f, 1)") or "OSError: 19" in pins(
        "I2C(2).readfrom_mem(0x6a, 0x0f, 1)"
    )


def test_a_bus_reads_what_its_wire_carries(pins: Prompt) -> None:
    pins("p = Pin('D12'); s = SPI(1, 100_000); p.init(Pin.IN, Pin.PULL_DOWN)")
    assert said(pins, "s.read(2)") == b"\0\0"
    pins("p.init(Pin.IN, Pin.PULL_UP)")
    assert said(pins, "s.read(2)") == b"\xff\xff"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Pin('PZ1')", "this board has no pin 'PZ1'"),
        ("Pin('PA16')", "this board has no pin 'PA16'"),
        ("Pin(5)", "this board has no pin 5: give its name, as 'LED'"),
        ("Pin('PA5', 7)", "a pin's mode is Pin.IN, Pin.OUT or Pin.OPEN_DRAIN"),
        ("I2C(3)", "no I2C(3): this board has I2C(1)"),
        ("ADC('PD1')", "pin 'PD1' has no analog input"),
        ("PWM('PC13', freq=50)", "pin 'PC13' has no PWM"),
        ("WDT(timeout=40_000)", "the watchdog of this chip cannot wait 40000 ms"),
        ("WDT(1)", "there is one watchdog, WDT(0)"),
        ("freq(1)", "the clock is set as the board starts, and stays: 'clock_hz' in its board file"),
    ],
)
def test_what_a_board_has_not_is_a_value_error_that_names_it(pins: Prompt, line: str, complaint: str) -> None:
    assert pins(line).endswith(f"ValueError: {complaint}")


def test_a_converter_that_does_not_answer_is_an_os_error(pins: Prompt) -> None:
    """QEMU's chip has none."""
    assert pins("ADC('A0')").endswith("OSError: the converter does not answer")


def test_the_board_tells_its_clock_and_why_it_was_reset(pins: Prompt, timers: Prompt) -> None:
    assert said(pins, "freq(), reset_cause() == PWRON_RESET") == (80_000_000, True)
    assert said(timers, "freq()") == 168_000_000
    assert said(pins, "len(unique_id())") == 12
    lacks = "OSError: this board has no bootloader that it could start: its probe writes it"
    assert timers("bootloader()").endswith(lacks)  # an emulator has none


def test_a_timer_calls_between_instructions_and_in_waits(pins: Prompt) -> None:
    pins("n = []; t = Timer(period=5, callback=n.append)")
    pins("x = time.ticks_ms()")
    pins("exec('while len(n) < 5 and time.ticks_diff(time.ticks_ms(), x) < 5000: pass')")
    assert said(pins, "len(n) >= 5 and all(x is t for x in n)") is True
    pins("n.clear(); time.sleep_ms(100); k = len(n)")
    assert said(pins, "k > 3") is True
    assert said(pins, "t.deinit(), n.clear(), time.sleep_ms(30), n") == (None, None, None, [])
    pins("t = Timer(mode=Timer.ONE_SHOT, period=5, callback=n.append); time.sleep_ms(60)")
    assert said(pins, "len(n)") == 1


def test_ctrl_c_stops_a_loop_while_a_timer_runs(pins: Prompt) -> None:
    pins("n = []; t = Timer(period=2, callback=lambda t: len(n) < 500 and n.append(0))")
    pins.start("print('on') or exec('while True: pass')", says="on")
    assert "KeyboardInterrupt" in pins.key(b"\x03")
    assert said(pins, "t.deinit(), len(n) > 0") == (None, True)


def test_a_timer_waits_while_frames_are_served(small_l475: Artifact) -> None:
    """What it printed would lie in the middle of an answer."""
    with qemu.open(small_l475) as device:
        device.link.execute(
            "from machine import Timer\nn=[]\nt=Timer(period=1,callback=lambda t:n.append(print('noise')))"
        )
        for x in random_inputs(small_l475, 5, seed=0):
            assert device.run(x[np.newaxis]).outputs.shape == (1, 5)
        assert device.link.resends == 0
        assert "noise" in device.link.execute(
            "t.deinit()\nimport time\ntime.sleep_ms(5)\nassert n\nprint('noise')"
        )


def test_a_soft_reset_ends_timers(pins: Prompt) -> None:
    pins("t = Timer(period=3, callback=lambda t: print('late'))")
    assert "late" not in pins.key(b"\x04").partition("soft reboot")[2]
    pins("import machine, time; from machine import *")
    assert said(pins, "time.sleep_ms(20), reset_cause() == SOFT_RESET") == (None, True)


def test_a_reset_begins_anew(pins: Prompt) -> None:
    pins("kept = 1; freed = Pin('PA5', Pin.OUT, value=1)")
    assert "MicroPython v1" in pins("reset()")
    pins("import machine, time; from machine import *")
    assert said(pins, f"'kept' in globals(), mem32[{GPIOA_L4}] >> 10 & 3 == 1") == (False, False)


def test_pwm_sets_its_timers_registers(timers: Prompt) -> None:
    """TIM3, channel 3: 84 MHz by 3 and 28,000."""
    timers("w = PWM('PB0', freq=1000, duty_u16=16384)")
    words = "[mem32[{}] for x in (0x28, 0x2c, 0x3c, 0x1c, 0x20, 0x00)]".format(f"{TIMER_3} + x")
    psc, arr, ccr, *modes = literal_eval(timers(words))
    assert (psc + 1) * (arr + 1) in (84_000, 168_000)
    assert ccr == pytest.approx((arr + 1) / 4, abs=1)
    assert modes == [0x68, 0x100, 0x81]
    timers("w.duty_u16(65535)")
    assert said(timers, f"mem32[{TIMER_3 + 0x3C}]") == arr + 1
    timers("w.freq(50); w.duty_ns(1_500_000)")
    psc, arr, ccr, *_ = literal_eval(timers(words))
    assert 1.5e-3 * 50 * (arr + 1) == pytest.approx(ccr, abs=1)
    timers("w.deinit()")
    assert said(timers, f"mem32[{TIMER_3 + 0x20}], w.freq()") == (0, 0)
    assert timers("PWM('PB0', freq=200_000_000)").endswith(
        "ValueError: the timer of pin 'PB0' cannot run at 200000000 Hz"
    )


def test_an_adc_reads_16_bits(timers: Prompt) -> None:
    """QEMU's converter gives 7 more at every reading of 12 bits."""
    timers("a = ADC('A0')")
    first, second = literal_eval(timers("a.read_u16(), a.read_u16()"))
    assert second - first == 7 << 4


def test_the_second_uart_sends_and_receives(small: Artifact) -> None:
    """QEMU's second serial port is USART2."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        second = ["-serial", f"tcp:127.0.0.1:{listener.getsockname()[1]}"]

        def command(console: int) -> list[str]:
            return [*qemu.command(small.board, small.firmware / "firmware.elf", console), *second]

        with running(command, qemu.ending) as board, serial.serial_for_url(board.url, timeout=10) as port:
            wire, _ = listener.accept()
            with wire:
                ask = Prompt(port)
                ask("from machine import UART; u = UART(2, 9600, timeout=2000, timeout_char=100)")
                assert ask("u").startswith("UART(2, baudrate=9600, bits=8, parity=None, stop=1, timeout=2000")
                assert literal_eval(
                    ask("u.write(b'abc\\r\\n\\x00\\xff'), u.flush(), u.txdone(), u.any()")
                ) == (7, None, True, 0)
                assert wire.recv(7, socket.MSG_WAITALL) == b"abc\r\n\0\xff"
                wire.sendall(b"line\n" + bytes(range(100)))
                assert literal_eval(ask("u.readline(), u.read(100) == bytes(range(100)), u.any()")) == (
                    b"line\n",
                    True,
                    0,
                )
                assert literal_eval(ask("u.init(9600), u.read()")) == (None, None)
                assert ask("UART(1)").endswith("no UART(1): beside its port this board has UART(2)")
                assert ask("UART(2, 10)").endswith("ValueError: a UART of this chip cannot run at 10 baud")


def test_a_bus_that_is_held_low_is_told_at_once(timers: Prompt) -> None:
    """QEMU's STM32F405 has no pins: they read 0."""
    assert timers("I2C(1)").endswith("OSError: SCL, pin 'PB6', stays low: what holds it?")
