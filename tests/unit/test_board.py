"""Are boards read whole, and is every mistake in a board file named?"""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmnet.assets import assets
from firmnet.codegen.templates import render
from firmnet.errors import UserError
from firmnet.targets import Isa, board_ids, core_named, isa, load_board, needs
from firmnet.targets.board_file import read_board

NANO = (assets("boards") / "nano33ble.toml").read_text()
GOOD = f"""{NANO}arguments = ["-device", "loader,addr=0x00010201,cpu-num=0"]
"""


def refusal(folder: Path, text: str) -> str:
    """What is said of a board file "mine.toml" with this text."""
    path = folder / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_board(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("id", board_ids())
def test_board_can_be_loaded(id: str) -> None:
    board = load_board(id)
    assert board.id == id
    assert board.baremetal_env in board.envs
    assert (assets("boards") / "baremetal" / "glue" / f"{board.baremetal.glue}.c").is_file()
    taken = needs(board, "micropython")
    assert taken.heap_bytes + taken.stack_bytes < board.chip.ram_bytes


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"cortex-m4f"', '"cortex-m33"', "'chip.core' = 'cortex-m33' is not what 'stm32f446re' has"),
        (
            "clock_hz = 180_000_000 # the",
            "clock_hz = 84_000_001 # the",
            "'baremetal.clock_hz' = 84000001 must be 16000000 (as 'stm32f446re' comes out of reset) or "
            "50000000 to 180000000 in steps of 1000000: this glue sets up no other",
        ),
        ("FN_USART = 2", "FN_USART = 3", "wants 'baremetal.defines.FN_USART' to be 1 or 2"),
        ("FN_USART = 2", "FN_UART = 2", "wants 'baremetal.defines.FN_USART' to be 1 or 2"),
        ("FN_USART = 2", "FN_USART = 1", "'baremetal.uart_irq' = 38 must be 37, that of USART1"),
    ],
)
def test_what_the_glue_cannot_drive_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    nucleo = (assets("boards") / "nucleo_f446re.toml").read_text()
    said = refusal(tmp_path, nucleo.replace(old, new, 1))
    assert f"mine.toml: {complaint}" in said.replace("'baremetal.glue' = 'stm32f4_usart' ", "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("uart_irq = 5", "uart_irq = 20", "'baremetal.uart_irq' = 20 must be 5, that of its port"),
        (
            "uart_irq = 5",
            "uart_irq = 5\ndefines = { FN_USART = 0 }",
            "'baremetal.glue' = 'rp2040_usb' has one port: leave 'baremetal.defines.FN_USART' out",
        ),
        (
            'glue = "rp2040_usb"',
            'glue = "rp2040_uart"',
            "'baremetal.glue' = 'rp2040_uart' wants 'baremetal.defines.FN_USART' to be 0",
        ),
        ('"usb_cdc"', '"uart"', "'baremetal.glue' = 'rp2040_usb' talks over USB: 'link.transport' must be"),
        ('machine = "rp2040"', 'machine = "microbit"', "'microbit': rp2040js has only 'rp2040'"),
        (
            'machine = "rp2040"',
            'machine = "rp2040"\narguments = ["-m", "4M"]',
            "'arguments' are for QEMU: leave them out",
        ),
        ("ram_bytes = 270_336", "ram_bytes = 524_288", "it has no 524,288 bytes at 'chip.ram_origin'"),
    ],
)
def test_what_a_pico_cannot_have_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    pico = (assets("boards") / "pico.toml").read_text()
    assert complaint in refusal(tmp_path, pico.replace(old, new))


def test_a_pin_that_a_glue_must_be_told_is_asked_for(tmp_path: Path) -> None:
    microbit = (assets("boards") / "microbit_v2.toml").read_text()
    said = refusal(tmp_path, microbit.replace(", FN_RX_PIN = 40", "", 1))
    assert said.endswith("'baremetal.glue' = 'nrf5_uart' wants 'baremetal.defines.FN_RX_PIN' too")


def test_the_boards_that_were_promised_are_there() -> None:
    assert {"netduinoplus2", "nucleo_f446re", "blackpill_f411ce", "nano33ble"} <= set(board_ids())


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("baud = 115_200", "baud = 115_200\nbuad = 9600", "unknown key 'link.buad'"),
        ("[chip]", "[chips]", "missing key 'chip'"),
        ('mcu = "nrf52840"\n', "", "missing key 'chip.mcu'"),
        ("clock_hz = 64_000_000", "clock_hz = 64.5", "'chip.clock_hz' = 64.5 should be a valid integer"),
        ("flash_bytes = 983_040", "flash_bytes = 0", "'chip.flash_bytes' = 0 should be greater than 0"),
        ('"cortex-m4f"', '"cortex-m5"', "'chip.core' = 'cortex-m5' should be 'cortex-m0plus'"),
        ('"2341:805a"', '"2341:805A"', "'link.usb_ids.0' = '2341:805A'"),
        ('framework = "arduino"', 'framework = "mbed"', "'platformio.framework' = 'mbed'"),
        ("[chip]", "[chip", "is not TOML"),
        ("[chip]", 'id = "other"\n[chip]', "a board is named by its file"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    assert complaint in refusal(tmp_path, GOOD.replace(old, new, 1))


BAD: dict[str, tuple[str, str, str]] = {
    "name-quote": ('name = "Arduino Nano 33 BLE"', "name = 'Ard\"uino'", "'name' = "),
    "name-newline": ('name = "Arduino', 'name = "Ard\\nuino', "'name' = "),
    "name-backslash": ('name = "Arduino', 'name = "Ard\\\\uino', "'name' = "),
    "name-dollar": ('name = "Arduino', 'name = "${sysenv.HOME}', "'name' = "),
    "name-percent": ('name = "Arduino', 'name = "%(x)s', "'name' = "),
    "name-semicolon": ('name = "Arduino', 'name = "a;b', "'name' = "),
    "name-end-of-comment": ('name = "Arduino', 'name = "a*/', "'name' = "),
    "name-null": ('name = "Arduino', 'name = "a\\u0000', "'name' = "),
    "name-number": ('name = "Arduino Nano 33 BLE"', "name = 33", "'name' = 33"),
    "mcu-flag": ('mcu = "nrf52840"', 'mcu = "-x\\n"', "'chip.mcu' = "),
    "clock-nan": ("clock_hz = 64_000_000", "clock_hz = nan", "'chip.clock_hz' = nan"),
    "clock-huge": (
        "clock_hz = 64_000_000",
        "clock_hz = 1_000_000_000_000",
        "'chip.clock_hz' = 1000000000000",
    ),
    "clock-beyond-parsing": ("clock_hz = 64_000_000", "clock_hz = " + "9" * 5000, "is not TOML"),
    "flash-negative": ("flash_bytes = 983_040", "flash_bytes = -1", "'chip.flash_bytes' = -1"),
    "flash-huge": ("flash_bytes = 983_040", "flash_bytes = 1_000_000_000", "'chip.flash_bytes'"),
    "flash-true": ("flash_bytes = 983_040", "flash_bytes = true", "'chip.flash_bytes' = True"),
    "memory-overlaps": ("ram_origin = 0x2000_0000", "ram_origin = 0x0001_0000", "flash and RAM overlap"),
    "memory-beyond": ("ram_origin = 0x2000_0000", "ram_origin = 0xFFFF_FFF0", "ends beyond 32 bits"),
    "ram-all-taken": ("heap_bytes = 65_536", "heap_bytes = 262_144", "leave nothing of the RAM"),
    "glue-unknown": ('glue = "cmsdk_uart"', 'glue = "../../../etc/passwd"', "'baremetal.glue' = "),
    "glue-of-another-chip": (
        'glue = "cmsdk_uart"',
        'glue = "stm32f4_usart"',
        "'baremetal.glue' = 'stm32f4_usart' is for stm32f4…, not for 'nrf52840'",
    ),
    "glue-of-an-emulator": (
        "uart_irq = 0",
        'uart_irq = 0\nupload_protocol = "stlink"',
        "'baremetal.glue' = 'cmsdk_uart'",
    ),
    "define-of-code": (
        "uart_irq = 0",
        "uart_irq = 0\ndefines = { 'A=1 -include /etc/passwd' = 1 }",
        "'baremetal.defines",
    ),
    "define-of-ours": (
        "uart_irq = 0",
        "uart_irq = 0\ndefines = { FN_CLOCK_HZ = 1 }",
        "FN_CLOCK_HZ is not for 'defines'",
    ),
    "define-text": (
        "uart_irq = 0",
        "uart_irq = 0\ndefines = { FN_USART = '1;' }",
        "'baremetal.defines.FN_USART' = '1;'",
    ),
    "platform-of-a-stranger": (
        "nordicnrf52@^10.11.0",
        "https://example.com/evil.git",
        "'platformio.platform' = ",
    ),
    "platform-of-a-folder": ("nordicnrf52@^10.11.0", "symlink:///evil", "'platformio.platform' = "),
    "flag-that-runs": ("-mfloat-abi=soft", "!curl example.com", "'platformio.build_unflags.0' = "),
    "flag-of-a-plugin": ("-mfloat-abi=soft", "-fplugin=evil", "'platformio.build_unflags.0' = "),
    "flag-of-a-file": ("-mfloat-abi=soft", "-include/etc/passwd", "'platformio.build_unflags.0' = "),
    "flag-of-two-lines": ("-mfloat-abi=soft", "-Da\\n[env]", "'platformio.build_unflags.0' = "),
    "flash-script": (
        "uart_irq = 0",
        "uart_irq = 0\nopenocd_cfg = ['/evil.cfg']",
        "'baremetal.openocd_cfg.0' = ",
    ),
    "flash-script-climbs": (
        "uart_irq = 0",
        "uart_irq = 0\nopenocd_cfg = ['target/../../x.cfg']",
        "openocd_cfg.0",
    ),
    "pin-of-another-family": (
        'LED = "D13"',
        'LED = "PA5"',
        "'pins.names.LED' = 'PA5': pins of 'nrf52840' are P0.00 to P1.15",
    ),
    "pin-of-code": ('LED = "D13"', "LED = 'D1\", evil'", "'pins.names.LED' = "),
    "pin-name-of-code": ('LED = "D13"', '"L\\" evil" = "D13"', "'pins.names.L"),
    "bus-without-a-wire": (
        'scl = "A5", sda = "A4"',
        'scl = "A5"',
        "missing key 'pins.i2c.0.sda'",
    ),
    "bus-of-a-name": ('0 = { scl = "A5"', 'one = { scl = "A5"', "'pins.i2c.one"),
    "baud-zero": ("baud = 115_200", "baud = 0", "'link.baud' = 0"),
    "machine-options": (
        'machine = "mps2-an386"',
        'machine = "mps2-an386,dumpdtb=/x"',
        "'emulator.machine' = ",
    ),
    "monitor": (
        '"-device", "loader',
        '"-monitor", "tcp:0.0.0.0:1", "-device", "loader',
        "has '-monitor tcp:0.0.0.0:1'",
    ),
    "drive": (
        '"-device", "loader',
        '"-drive", "file=/etc/passwd", "-device", "loader',
        "has '-drive file=/etc/passwd'",
    ),
    "chardev": (
        '"-device", "loader',
        '"-chardev", "file,id=x,path=/x", "-device", "loader',
        "has '-chardev file",
    ),
    "loader-of-a-file": ("loader,addr=", "loader,file=/etc/passwd,addr=", "has '-device loader,file="),
    "argument-alone": (
        '"-device", "loader',
        '"-nographic", "-device", "loader',
        "'arguments' has '-nographic -device'",
    ),
    "key-of-two-lines": ("[chip]", '[chip]\n"a\\nb" = 1', "unknown key 'chip.a\\nb'"),
}


def test_what_only_the_official_platform_reaches_says_nothing_of_our_build(tmp_path: Path) -> None:
    own = re.compile(r"^\[baremetal\].*?(?=^\[)", re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.toml").write_text(own.sub("", NANO, count=1))
    assert replace(read_board(tmp_path / "mine.toml"), id="nano33ble") == load_board("nano33ble")


@pytest.mark.parametrize("case", BAD)
def test_what_a_board_file_must_not_say_is_named(tmp_path: Path, case: str) -> None:
    old, new, complaint = BAD[case]
    assert old in GOOD
    said = refusal(tmp_path, GOOD.replace(old, new, 1))
    assert complaint in said
    assert "\n" not in said
    assert len(said) < 600


def test_a_second_uart_is_one_that_the_glue_drives_beside_the_port(tmp_path: Path) -> None:
    nucleo = (assets("boards") / "nucleo_f446re.toml").read_text()
    for id in (2, 4):  # its port, and none that the glue knows
        said = refusal(
            tmp_path, nucleo.replace("[pins.uart] # beside the port\nid = 1", f"[pins.uart]\nid = {id}")
        )
        assert f"'pins.uart.id' = {id}: beside its port 'stm32f4_usart' drives 1, 3, 6" in said


def test_machine_is_left_out_where_the_board_file_says_so() -> None:
    board = load_board("nucleo_f446re")
    assert board.micropython
    without = replace(board, micropython=replace(board.micropython, machine=False))
    flags = [
        render("project/platformio.ini.j2", model="net", board=each, micropython=True, mpy_flags="")
        for each in (board, without)
    ]
    assert ["-DMICROPY_PY_MACHINE=0" in text for text in flags] == [False, True]


@pytest.mark.parametrize(
    ("machine", "changes", "complaint"),
    [
        ("mps2-an385", {}, "it has a cortex-m3, which does not run code for cortex-m4f"),
        ("mps2-an500", {}, ""),
        ("mps2-an505", {}, "no glue drives its UART"),
        ("netduinoplus2", {}, "the glue 'stm32f4_usart' drives its UART, 'cmsdk_uart' does not"),
        ("b-l475e-iot01a", {}, "the glue 'stm32l4_usart' drives its UART, 'cmsdk_uart' does not"),
        ("a-new-machine", {}, ""),
        ("mps2-an386", {"0x0001_0000": "0x0800_0000"}, "no code at 'chip.flash_origin' = 0x8000000"),
        ("mps2-an386", {"0x0001_0000": "0x0040_0000"}, ""),
        (
            "mps2-an386",
            {"262_144": "8_388_608"},
            "no 8,388,608",
        ),
        ("mps2-an386", {"0x2000_0000": "0x1000_0000"}, "no 262,144 bytes at 'chip.ram_origin' = 0x10000000"),
        ("mps2-an386", {"0x2000_0000": "0x2040_0000"}, ""),
    ],
)
def test_a_machine_that_cannot_run_the_firmware_is_named(
    tmp_path: Path, machine: str, changes: dict[str, str], complaint: str
) -> None:
    text = GOOD.replace("mps2-an386", machine)
    for old, new in changes.items():
        text = text.replace(old, new, 1)
    if complaint:
        said = refusal(tmp_path, text)
        assert f"mine.toml: 'emulator.machine' = {machine!r}: " in said
        assert complaint in said
    else:
        (tmp_path / "mine.toml").write_text(text)
        assert read_board(tmp_path / "mine.toml").emulator


FILES: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: None,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "huge": lambda path: path.write_bytes(b"#" * 2**20),
    "not-utf8": lambda path: path.write_bytes(b"name = '\xff'"),
    "null-bytes": lambda path: path.write_bytes(bytes(64)),
    "nested": lambda path: path.write_text("a = " + "[" * 50_000),
    "empty": Path.touch,
}


@pytest.mark.parametrize("case", FILES)
def test_what_is_no_board_file_is_named(tmp_path: Path, case: str) -> None:
    FILES[case](tmp_path / "mine.toml")
    with pytest.raises(UserError, match=r"mine\.toml") as caught:
        read_board(tmp_path / "mine.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("id", ["a b", "x;y", "Großes", "[env]", "-o"])
def test_a_board_is_no_file_of_an_odd_name(tmp_path: Path, id: str) -> None:
    (tmp_path / f"{id}.toml").write_text(GOOD)
    with pytest.raises(UserError, match="a board is named by its file, so call that by"):
        read_board(tmp_path / f"{id}.toml")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("nano33", "nano33ble"), ("Nucleo-F446RE", "nucleo_f446re"), ("netduino", "netduinoplus2")],
)
def test_a_misspelt_board_gets_close_matches(wrong: str, right: str) -> None:
    with pytest.raises(UserError, match=rf"no board '{wrong}': did you mean {right}.*`firmnet boards`"):
        load_board(wrong)


def test_a_board_like_no_other_is_pointed_to_the_list() -> None:
    with pytest.raises(UserError, match="there is no board 'zzz': `firmnet boards` lists them"):
        load_board("zzz")


@pytest.mark.parametrize(
    ("core", "instructions", "fpu"),
    [
        ("cortex-m0plus", Isa.SCALAR, False),
        ("cortex-m3", Isa.SCALAR, False),
        ("cortex-m4", Isa.DSP, False),
        ("cortex-m4f", Isa.DSP, True),
        ("cortex-m7", Isa.DSP, True),
        ("cortex-m33", Isa.DSP, True),
        ("cortex-m55", Isa.HELIUM, True),
    ],
)
def test_core_capabilities(core: str, instructions: Isa, fpu: bool) -> None:
    known = core_named(core)
    assert (isa(core), known.fpu) == (instructions, fpu)
    assert f"-mfloat-abi={'hard' if fpu else 'soft'}" in known.cflags
    assert f"-mcpu={core.removesuffix('f')}" in known.cflags


def test_instruction_sets_are_ordered() -> None:
    assert Isa.SCALAR < Isa.DSP < Isa.HELIUM
    assert Isa.DSP >= Isa.DSP > Isa.SCALAR
    with pytest.raises(TypeError):
        assert Isa.DSP > True


def test_an_unknown_core_is_refused() -> None:
    with pytest.raises(UserError, match="unknown core 'cortex-m99'"):
        isa("cortex-m99")


@pytest.mark.parametrize(
    ("id", "env", "line"),
    [
        (
            "pico",
            "pico_baremetal",
            "clock     125 MHz, by its PLL; an emulator's times are not the board's",
        ),
        ("nucleo_f446re", "nucleo_f446re", "clock     180 MHz"),
        (
            "nucleo_f446re",
            "nucleo_f446re_baremetal",
            "clock     180 MHz, by its PLL; an emulator's times are not the board's",
        ),
        ("blackpill_f411ce", "blackpill_f411ce", "clock     96 MHz"),
        (
            "nano33ble",
            "nano33ble_baremetal",
            "clock     25 MHz, the emulated machine's; the official core sets 64 MHz",
        ),
        ("netduinoplus2", "netduinoplus2", "clock     168 MHz, the emulated machine's"),
        (
            "b_l475e_iot01a",
            "b_l475e_iot01a_baremetal",
            "clock     80 MHz, by its PLL; an emulator's times are not the board's",
        ),
    ],
)
def test_every_build_tells_its_clock(id: str, env: str, line: str) -> None:
    assert load_board(id).clock_line(env) == line


@pytest.mark.parametrize(
    ("id", "megahertz", "wait_states"),
    [("nucleo_f446re", 180, 5), ("blackpill_f411ce", 96, 3), ("nano33ble", 64, 2), ("netduinoplus2", 168, 5)],
)
def test_clocks_are_those_that_the_cores_set(id: str, megahertz: int, wait_states: int) -> None:
    chip = load_board(id).chip
    assert (chip.clock_hz, chip.flash_wait_states) == (megahertz * 10**6, wait_states)


def test_the_board_that_contributing_gives_to_copy_is_one(tmp_path: Path) -> None:
    contributing = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    (skeleton,) = re.findall(r"^```toml\n(.*?)^```", contributing, re.DOTALL | re.MULTILINE)
    (tmp_path / "nucleo_f411re.toml").write_text(skeleton)
    board = read_board(tmp_path / "nucleo_f411re.toml")
    assert (board.flashable, board.emulator is None, board.platformio is None) == (True, False, False)
