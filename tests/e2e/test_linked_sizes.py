"""Are sizes those of what the linker placed, whichever script it followed? Real ELFs, measured."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from layered_networks import residual

from firmnet.assets import assets
from firmnet.build.sizes import CORE_GUARD_BYTES, FirmwareSizes, check_fit, measure, overflow
from firmnet.errors import VerificationError
from firmnet.targets import Runtime, load_board, needs, stack_is_low

MODEL = """
#include <stdint.h>
static int8_t arena[{arena}];
const int8_t net__layer__weight[512] = {{1, 2, 3}};
void net__layer__kernel(void) {{ for (int i = 0; i < 512; i++) arena[i % {arena}] += net__layer__weight[i]; }}
"""
CORE = """
#include <stdint.h>
extern void net__layer__kernel(void);
{variables}
void Reset_Handler(void) {{ net__layer__kernel(); {uses} for (;;) {{ }} }}
__attribute__((section(".Vectors"), used)) static void (*const vectors[2])(void) = {{0, Reset_Handler}};
"""

MBED = """
MEMORY {
  FLASH (rx) : ORIGIN = 0x10000, LENGTH = 0xf0000
  TABLE (rwx) : ORIGIN = 0x20000000, LENGTH = 0x200
  RAM (rwx) : ORIGIN = 0x20000200, LENGTH = 0x3fe00
}
ENTRY(Reset_Handler)
SECTIONS {
  .text : { KEEP(*(.Vectors)) *(.text*) *(.rodata*) } > FLASH
  .data : { *(.data*) . = ALIGN(8); } > RAM AT > FLASH
  .nvictable (NOLOAD) : { . += 0x100; } > TABLE
  .bss : { *(.bss*) *(COMMON) . = ALIGN(8); } > RAM
  .heap (NOLOAD) : {
    end = .;
    *(.heap*);
    ASSERT(. <= ORIGIN(RAM) + LENGTH(RAM) - 0x400, "no room for heap and stack");
    . = ORIGIN(RAM) + LENGTH(RAM) - 0x400;
  } > RAM
  .stack (NOLOAD) : { *(.stack*) . = ORIGIN(RAM) + LENGTH(RAM); } > RAM
}
"""
STM32 = """
MEMORY {
  RAM (xrw) : ORIGIN = 0x20000000, LENGTH = 128K
  FLASH (rx) : ORIGIN = 0x8000000, LENGTH = 512K
}
ENTRY(Reset_Handler)
SECTIONS {
  .isr_vector : { KEEP(*(.Vectors)) } > FLASH
  .text : { *(.text*) *(.rodata*) } > FLASH
  .data : { *(.data*) . = ALIGN(4); } > RAM AT > FLASH
  .bss : { *(.bss*) *(COMMON) . = ALIGN(4); } > RAM
  ._user_heap_stack : { . = ALIGN(8); end = .; . = . + 0x200; . = . + 0x400; . = ALIGN(8); } > RAM
}
"""
THREAD = "char _main_stack[32768];", "_main_stack[0] = 1;"
HEAP = "uint32_t fn_heap[{} / 4];", "fn_heap[0] = 1;"
OTHER = "static volatile int8_t others[3000];", "others[0] = 1;"


class LinkError(Exception):
    """What the linker said."""


@dataclass(frozen=True)
class Core:
    """An Arduino core as the linker sees it: script, and RAM that is in use beside arena and heap."""

    board: str
    script: str
    variables: tuple[tuple[str, str], ...]
    other_bytes: int
    stack_bytes: int


CORES = {
    "mbed": Core("nano33ble", MBED, (THREAD, OTHER), 3000 + 0x100, 32_768 + 0x400),
    "stm32duino": Core("nucleo_f446re", STM32, (OTHER,), 3000, 16_384 + CORE_GUARD_BYTES),
}


def linked(core: Core, folder: Path, arena: int, heap: int) -> Path:
    """firmware.elf of a core with a model of that arena, beside a MicroPython heap."""
    parts = [(HEAP[0].format(heap), HEAP[1]), *core.variables]
    variables, uses = ("\n".join(column) for column in zip(*parts, strict=True))
    files = {"net.c": MODEL.format(arena=arena), "core.c": CORE.format(variables=variables, uses=uses)}
    for name, text in {**files, "link.ld": core.script}.items():
        (folder / name).write_text(text)
    cpu = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-fno-common", "-ffreestanding"]
    link = ["-nostdlib", "-T", "link.ld", "-Wl,--no-warn-rwx-segments", "-o", "firmware.elf"]
    run = ["arm-none-eabi-gcc", *cpu, *link, *files]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise LinkError(done.stderr)
    return folder / "firmware.elf"


def sizes_of(core: Core, folder: Path, arena: int, heap: int) -> FirmwareSizes:
    return measure(linked(core, folder, arena, heap), load_board(core.board), "net")


@pytest.mark.parametrize("name", CORES)
def test_what_fills_the_rest_of_ram_is_free(name: str, tmp_path: Path) -> None:
    core, board = CORES[name], load_board(CORES[name].board)
    sizes = sizes_of(core, tmp_path, 20_000, needs(board, "micropython").heap_bytes)
    assert sizes.arena_bytes == 20_000
    assert sizes.heap_bytes == needs(board, "micropython").heap_bytes
    assert sizes.stack_bytes == core.stack_bytes
    assert sizes.variables_bytes == pytest.approx(core.other_bytes, abs=16)
    assert board.platformio
    assert sizes.malloc_bytes == board.platformio.malloc_bytes
    image = tmp_path / "firmware.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", tmp_path / "firmware.elf", image], check=True)
    assert sizes.flash_bytes == pytest.approx(image.stat().st_size, abs=16)
    assert 512 < sizes.model_flash_bytes < 700
    check_fit(sizes, board, residual())


@pytest.mark.parametrize("name", CORES)
def test_the_last_byte_that_fits_and_the_first_that_does_not(name: str, tmp_path: Path) -> None:
    """The linker accepts both: stack and the core's malloc are found short by no one but us."""
    core, board = CORES[name], load_board(CORES[name].board)
    heap = needs(board, "micropython").heap_bytes
    small = sizes_of(core, tmp_path, 8_000, heap)
    spare = small.ram_limit_bytes - small.ram_bytes - heap
    check_fit(sizes_of(core, tmp_path, 8_000 + spare - 16, heap), board, residual())
    with pytest.raises(VerificationError, match=rf"{board.name}: \d+ bytes more than its .* of RAM"):
        check_fit(sizes_of(core, tmp_path, 8_000 + spare + 16, heap), board, residual())


@pytest.mark.parametrize("name", CORES)
def test_what_the_linker_refuses_is_told_in_bytes_of_ram(name: str, tmp_path: Path) -> None:
    core, heap = CORES[name], needs(load_board(CORES[name].board), "micropython").heap_bytes
    with pytest.raises(LinkError) as less:
        linked(core, tmp_path, 300_000, heap)
    with pytest.raises(LinkError) as more:
        linked(core, tmp_path, 300_960, heap)
    (kind, few), (_, many) = (overflow(str(said.value)) or ("", 0) for said in (less, more))
    assert (kind, many - few) == ("RAM", 960)


def test_a_heap_that_somebody_changed_is_measured_not_believed(tmp_path: Path) -> None:
    assert sizes_of(CORES["mbed"], tmp_path, 20_000, 4_096).heap_bytes == 4_096


def test_variables_in_a_section_named_stack_are_variables(tmp_path: Path) -> None:
    placed = '__attribute__((section(".stack.mine"))) static volatile char mine[256];', "mine[0] = 1;"
    core = CORES["mbed"]
    plain = sizes_of(core, tmp_path, 20_000, 65_536)
    more = sizes_of(Core(core.board, core.script, (*core.variables, placed), 0, 0), tmp_path, 20_000, 65_536)
    assert more.variables_bytes - plain.variables_bytes == pytest.approx(256, abs=16)


@pytest.mark.parametrize("runtime", ["micropython", "c"])
def test_our_own_script_reserves_room_that_is_not_counted_twice(runtime: Runtime, tmp_path: Path) -> None:
    board = load_board("netduinoplus2")
    chip, least = board.chip, needs(board, runtime)
    symbols = {
        "__flash_origin": chip.flash_origin,
        "__flash_bytes": chip.flash_bytes,
        "__ram_origin": chip.ram_origin,
        "__ram_bytes": chip.ram_bytes,
        "__stack_bytes": least.stack_bytes,
        "__stack_is_low": stack_is_low(board, runtime),
        "__heap_min_bytes": least.heap_bytes,
    }
    (tmp_path / "net.c").write_text(MODEL.format(arena=20_000))
    (tmp_path / "core.c").write_text(CORE.format(variables=OTHER[0], uses=OTHER[1]))
    script = assets("boards") / "baremetal" / "cortexm.ld"
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O1", "-ffreestanding", "-nostdlib"]
    defined = [f"-Wl,--defsym={name}={int(value):#x}" for name, value in symbols.items()]
    files = ["-o", "firmware.elf", "net.c", "core.c"]
    subprocess.run([*command, "-T", str(script), *defined, *files], cwd=tmp_path, check=True)
    sizes = measure(tmp_path / "firmware.elf", board, "net", runtime)
    assert (sizes.arena_bytes, sizes.stack_bytes) == (20_000, least.stack_bytes)
    assert sizes.variables_bytes == pytest.approx(3000, abs=16)
    assert sizes.ram_bytes + sizes.heap_bytes == chip.ram_bytes
