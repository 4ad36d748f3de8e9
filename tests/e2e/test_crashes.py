"""What is a person told when the board's processor stops? Why, in which layer, and what to do."""

import re
import subprocess
from pathlib import Path

import pytest
from breaking import CALL_FOR_EVER, HANG, UNDEFINED, address_of, broken, jump_to, load_two_from, store_to

from firmnet.artifact import Artifact
from firmnet.assets import assets
from firmnet.devices import qemu, serial
from firmnet.devices.crash import Crash, Crashed, last_words
from firmnet.targets import core_named
from firmnet.targets.isa import CoreName
from firmnet.targets.runtimes import GUARD_BYTES


def said_of(artifact: Artifact, layer: str, code: bytes, folder: Path) -> str:
    """What is said as the sample is run, and once more by who comes later."""
    with qemu.emulated(artifact, broken(artifact, layer, code, folder)) as emulator:
        with pytest.raises(Crashed) as first, serial.open(artifact, emulator.url, timeout_s=5) as device:
            device.run(artifact.samples[:1])
        with pytest.raises(Crashed) as later:
            serial.open(artifact, emulator.url, timeout_s=5)
    assert str(later.value) == str(first.value)
    return str(first.value)


def test_an_instruction_that_is_none_is_told_with_its_layer(small: Artifact, tmp_path: Path) -> None:
    said = said_of(small, "layer_3", UNDEFINED, tmp_path)
    start = address_of(small, "small__layer_3__kernel") & ~1
    assert f"stopped in 'small__layer_3__kernel' (0x{start:08x}), the code of layer 'layer_3'" in said
    assert "it came upon an instruction that is none; press its reset button and verify again" in said


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (jump_to(0xA000_0001), "it jumped to an address where no code may be"),
        (jump_to(0x0800_0000), "without the lowest bit"),
        (load_two_from(0x2000_0001), "it accessed memory at an address that is not aligned"),
        (store_to(0xA000_0000), "it accessed an address where there is nothing (0xa0000000)"),
    ],
    ids=["nowhere", "other code", "unaligned", "bus"],
)
def test_every_kind_of_fault_is_told_with_its_layer(
    small: Artifact, tmp_path: Path, code: bytes, what: str
) -> None:
    elf = broken(small, "layer_5", code, tmp_path)
    with qemu.QemuDevice(small, 5, elf) as device, pytest.raises(Crashed) as error:
        device.run(small.samples[:1])
    assert what in str(error.value)
    assert "'layer_5'" in str(error.value)


def test_a_stack_that_overflows_is_told_with_its_layer_and_the_setting(
    small: Artifact, tmp_path: Path
) -> None:
    said = said_of(small, "layer_6", CALL_FOR_EVER, tmp_path)
    assert "the code of layer 'layer_6'" in said
    assert (
        "its stack of 16,384 bytes has overflown; raise stack_bytes in [micropython] of netduinoplus2.toml"
        in said
    )


def test_touching_the_guard_below_the_stack_is_told(small: Artifact, tmp_path: Path) -> None:
    guard = address_of(small, "__stack_guard") + GUARD_BYTES - 4
    elf = broken(small, "layer_8", store_to(guard), tmp_path)
    told = pytest.raises(Crashed, match=r"in 'small__layer_8__kernel' .* has overflown")
    with qemu.QemuDevice(small, 5, elf) as device, told:
        device.run(small.samples[:1])


def test_what_is_typed_may_stop_it_too(small: Artifact) -> None:
    code = "exec('@micropython.asm_thumb\\ndef stop(): data(2, 0xDE01)')\nstop()"
    with qemu.open(small) as device, pytest.raises(Crashed, match="an instruction that is none"):
        device.repl(code)


def test_a_watchdog_tells_in_which_layer_its_board_hangs(small: Artifact, tmp_path: Path) -> None:
    elf = broken(small, "layer_3", HANG, tmp_path)
    code = "import machine, small; watchdog = machine.WDT(timeout=1000); small.predict([0.0] * 64)"
    with qemu.QemuDevice(small, 30, elf) as device, pytest.raises(Crashed) as told:
        device.repl(code)
    assert "was busy in 'small__layer_3__kernel'" in str(told.value)
    assert "the code of layer 'layer_3'" in str(told.value)
    unfed = re.search(r"its watchdog, not fed for (\d+) ms, is about to reset it; feed it", str(told.value))
    assert unfed
    assert int(unfed[1]) >= 875


def test_a_watchdog_tells_of_a_program_which_goes_on_if_it_feeds_it_after_all(small: Artifact) -> None:
    """This emulator's resets nothing."""
    with qemu.emulated(small) as emulator:
        with serial.open(small, emulator.url, timeout_s=30) as device:
            short = "import machine, time; watchdog = machine.WDT(timeout=250); time.sleep_ms(400)"
            assert device.repl(f"{short}; print('not told')") == "not told\r\n"
            late = "import machine; watchdog = machine.WDT(timeout=1000)\nwhile True: pass"
            with pytest.raises(Crashed, match="busy in 'mp_execute_bytecode'"):
                device.repl(late)
        with serial.open(small, emulator.url, timeout_s=30) as device:
            assert device.repl("watchdog = machine.WDT(timeout=30_000); print('fed')") == "fed\r\n"


def test_an_arduino_core_that_gives_up_is_told_with_its_error() -> None:
    line = b"firmnet fault 00000200 00000000 00000000 2003fff0 00000000 00000000 80010125 calls sum 07c16853"
    crash = last_words(line + b"\r\n")
    assert crash
    assert not crash.has_overflown
    assert crash.reason == "mbed, its Arduino core, gave up with the error 0x80010125"


def test_a_watchdog_that_is_due_is_no_overflow() -> None:
    """Wherever the stack is."""
    line = b"firmnet fault 00000201 0801c0de 0801c1b9 2001fa00 2001fc00 00000000 00000c80"
    crash = last_words(line + b" calls 0801c1b8 sum 846cd07d\r\n")
    assert crash
    assert not crash.has_overflown
    assert crash.reason == "its watchdog, not fed for 3,200 ms, is about to reset it"


PROGRAM = """
#include "fn_board.h"

static int lines;

static void host(int what, const void *with)
{
    register int r0 __asm("r0") = what;
    register const void *r1 __asm("r1") = with;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        host(3, data + i); /* SYS_WRITEC */
        if (data[i] == '\\n' && ++lines == 2) {
            host(0x18, (void *)0x20026); /* SYS_EXIT */
        }
    }
}

uint32_t fn_board_clock_hz(void) { return 0; }
void fn_board_poll(void) {}
void SysTick_Handler(void) {}
void fn_uart_isr(void) {}

extern uint32_t __stack_guard[];

/* Goes on below the guard's upper end, and stays there for some ticks. */
__attribute__((noinline)) static int descend(int n)
{
    volatile char room[40];
    room[0] = (char)n;
    if ((uint32_t)room < (uint32_t)__stack_guard + 256u) {
        for (;;) {
        }
    }
    return descend(n + 1) + room[0];
}

__attribute__((noinline)) static int jump(int n)
{
    ((void (*)(void))0xA0000001u)();
    return n + 1;
}

int main(void)
{
    *(volatile uint32_t *)0xE000E014u = 24999; /* SysTick: a millisecond */
    *(volatile uint32_t *)0xE000E010u = 7;
    return PROVOKED(1);
}
"""


def crash_on(machine: str, core: CoreName, origins: tuple[int, int], provoked: str, folder: Path) -> Crash:
    """What our start-up says on a core of its own, to the emulator's console."""
    flash, ram = origins
    (folder / "program.c").write_text(PROGRAM)
    config = {"FLASH_ORIGIN": flash, "FLASH_BYTES": 65_536, "RAM_ORIGIN": ram, "RAM_BYTES": 16_384}
    lines = [f"#define FN_{name} {value:#x}u\n" for name, value in config.items()]
    lines += ["#define FN_UART_IRQ 0\n", "#define FN_CLOCK_HZ 25000000u\n"]
    (folder / "fn_board_config.h").write_text("".join(lines))
    start = assets("boards") / "baremetal"
    symbols = {"flash_origin": flash, "flash_bytes": 65_536, "ram_origin": ram, "ram_bytes": 16_384}
    symbols |= {"stack_bytes": 4_096, "heap_min_bytes": 0, "stack_is_low": 0}
    command = ["arm-none-eabi-gcc", *core_named(core).cflags, "-Os", "-fno-optimize-sibling-calls"]
    command += ["-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", f"-DPROVOKED={provoked}"]
    command += [f"-I{folder}", f"-I{start}", f"-I{assets('templates') / 'micropython'}"]
    command += [f"-Wl,--defsym=__{name}={value:#x}" for name, value in symbols.items()]
    sources = [str(start / "startup.c"), str(start / "faults.c"), str(folder / "program.c")]
    script = ["-T", str(start / "cortexm.ld"), "-Wl,--no-warn-rwx-segments"]
    subprocess.run([*command, *script, *sources, "-o", str(folder / "program.elf")], check=True)
    emulator = ["qemu-system-arm", "-machine", machine, "-display", "none", "-monitor", "none"]
    emulator += ["-semihosting-config", "enable=on,target=native", "-kernel", str(folder / "program.elf")]
    done = subprocess.run(emulator, capture_output=True, timeout=60)
    crash = last_words(done.stderr)
    assert crash, done
    return crash


@pytest.mark.parametrize(
    ("machine", "core", "origins"),
    [
        ("microbit", "cortex-m0plus", (0, 0x2000_0000)),
        ("mps2-an385", "cortex-m3", (0, 0x2000_0000)),
        ("mps2-an500", "cortex-m7", (0, 0x2000_0000)),
        ("mps2-an505", "cortex-m33", (0x1000_0000, 0x3800_0000)),
        ("mps3-an547", "cortex-m55", (0, 0x0100_0000)),
    ],
    ids=["painted guard", "M3", "M7", "M33", "M55"],
)
def test_every_core_tells_of_its_stack_and_of_a_wild_jump(
    machine: str, core: CoreName, origins: tuple[int, int], tmp_path: Path
) -> None:
    overflow = crash_on(machine, core, origins, "descend", tmp_path)
    assert overflow.has_overflown
    assert (overflow.number == 0) == (machine == "microbit"), "that one has no unit that protects memory"
    assert len(overflow.calls) >= 2, "what called itself, and what called that"
    jump = crash_on(machine, core, origins, "jump", tmp_path)
    assert (jump.pc, jump.has_overflown) == (0xA000_0000, False)
    assert jump.lr
