"""Does a model run on a MicroPython that has nothing of firmnet's, when its files are pushed to it?"""

import json
import re
import shutil
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from noisy_line import Damage, noisy
from shared_port import shared
from torch import nn
from upstream_port import DISK, RAMFS, upstream_board

import firmnet
from firmnet import devices
from firmnet.api import export_mpy
from firmnet.artifact import Artifact
from firmnet.build.micropython import assemble, micropython_source
from firmnet.build.stock import _compiled
from firmnet.cli import main
from firmnet.devices import push, qemu
from firmnet.devices.link import INTERRUPT, RAW_REPL, Link
from firmnet.devices.serial import open_port
from firmnet.devices.stock import ChooseFiles
from firmnet.errors import UserError, VerificationError
from firmnet.targets import core_named, load_board
from firmnet.toolchain import pio, provision_scons


@pytest.fixture(scope="module")
def stock_elf(small: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our MicroPython without the model, our module and our frozen files.

    It still has the words of our module, so that all its objects but a few are those in the cache. Its files
    lie in RAM (RAMFS): it gets the 64 KB more that QEMU's chip has, as a stock board has its files in flash.
    """
    project, source = tmp_path_factory.mktemp("stock") / "firmware", small.firmware
    shutil.copytree(
        source, project, ignore=shutil.ignore_patterns(".pio", "firmware.*", "frozen", "micropython")
    )
    words = sorted(set(re.findall(r"MP_QSTR_\w+", (source / "src" / "modfirmnet.c").read_text())))
    table = ", ".join(words)
    (project / "src" / "modfirmnet.c").write_text(
        f'#include "py/obj.h"\nextern const uint16_t words[];\nconst uint16_t words[] = {{ {table} }};\n'
    )
    (project / "src" / "deployed.c").write_text(
        "extern const char *const fn_app;\nconst char *const fn_app = 0;\n"
    )
    (manifest,) = (project / "platform" / "boards").glob("*.json")
    chip = json.loads(manifest.read_text())
    chip["upload"]["maximum_ram_size"] += 65_536
    manifest.write_text(json.dumps(chip))
    shutil.copy(source / "lib" / "small" / "fn_model.h", project / "include")
    shutil.rmtree(project / "lib" / "small")
    (project / "frozen").mkdir()
    (project / "frozen" / "empty.py").write_text("")
    assemble(micropython_source(), project / "lib" / "micropython")
    provision_scons()
    env = small.board.baremetal_env
    pio("run", "-d", str(project), "-e", env, what="building a MicroPython without a model")
    return project / ".pio" / "build" / env / "firmware.elf"


def run_on(url: str, code: str, patience_s: float = 15.0) -> str:
    """What code prints at the board's prompt."""
    with open_port(url, 115_200) as port:
        return Link(port, url, patience_s).execute(code)


def test_a_pushed_model_is_verified(
    small: Artifact, stock_elf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = export_mpy(small, tmp_path / "mpy")
    assert {path.name: path.read_bytes() for path in (tmp_path / "mpy").iterdir()} == made.files
    with qemu.emulated(small, stock_elf) as emulator, shared(emulator.url) as url:
        assert "no module named '_firmnet'" in run_on(
            url, "try:\n import _firmnet\nexcept ImportError as e:print(e)"
        )
        with pytest.raises(UserError, match="no file system that can be written to"):
            push(made, url, 115_200)
        run_on(url, RAMFS)
        run_on(url, "f=open('small.py','wb')\nf.close()")
        with pytest.raises(UserError, match=r"has a file small\.py"):
            push(made, url, 115_200)
        run_on(url, "os.remove('small.py')")
        with pytest.raises(SystemExit) as ended:
            main(["push", str(small.path), "--port", url, "--layers"])
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        assert (
            "every layer too, its flash not compared (a firmware of your own), predict() right"
            in said.out + said.err
        )
        assert push(made, url, 115_200) == 0
        answers = run_on(
            url,
            "from array import array\nimport small\nx=[i/32-1 for i in range(64)]\n"
            "a=small.predict(x);b=small.predict(array('f',x))\n"
            "print(a==b,[small.predict(bytes(memoryview(array('f',x))))==a])\n"
            "for bad in (array('B',range(64)),x[1:],[1e39]*64,'no',array('b',range(3))):\n"
            " try:print(small.predict(bad))\n except (TypeError,ValueError) as e:print(e)",
        ).splitlines()
        assert answers[0].startswith("True"), answers
        for answer, words in zip(
            answers[1:], ("unsigned bytes", "64 float32", "infinite", "'str'", "64 int8"), strict=True
        ):
            assert words in answer


def test_constants_stay_in_romfs_and_damaged_ones_are_refused(
    small: Artifact, stock_elf: Path, tmp_path: Path
) -> None:
    made = export_mpy(small, tmp_path / "mpy")
    with qemu.emulated(small, stock_elf) as emulator, shared(emulator.url) as url:
        run_on(url, RAMFS)
        push(made, url, 115_200)
        run_on(
            url,
            "import os,sys\nos.rename('small.bin','rom/small.bin')\n"
            f"f=open('small.bin','wb');f.write(bytes({made.constant_bytes}));f.close()",
        )
        said = run_on(url, "try:\n import _firmnet\nexcept ImportError as e:print(e)")
        assert "small.bin is of another model or damaged: push the model again" in said
        run_on(url, "sys.path.append('/rom')")
        lies = run_on(url, "import _firmnet;print(type(_firmnet._constants).__name__)").strip()
        assert lies == "memoryview"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "uint32_t fn_asked(uint32_t *a, void *b) { static uint32_t n; return n += *a + (uint32_t)b; }",
            "variables",
        ),
        (
            'static const char *const names[] = { "a", "b" };\n'
            "uint32_t fn_asked(uint32_t *a, void *b) { (void)b; return (uint32_t)names[*a][0]; }",
            "holds the address",
        ),
    ],
    ids=["variables", "addresses"],
)
def test_code_that_cannot_be_moved_is_named(small: Artifact, tmp_path: Path, text: str, why: str) -> None:
    stock = Path(__file__).parents[2] / "templates"
    for path in (*(stock / "stock").iterdir(), *(stock / "lib").iterdir()):
        shutil.copy(path, tmp_path)
    (tmp_path / "x.c").write_text(f'#include "movable.h"\n{text}\n')
    with pytest.raises(UserError, match=f"x cannot be a .mpy, its code cannot be moved: .*{why}"):
        _compiled(tmp_path, "x", core_named("cortex-m4f"))


def test_a_board_of_another_kind_of_core_gets_plain_python(
    small: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, for only a Cortex-M runs the machine code of one."""
    chosen: list[str] = []

    def asked(choose: ChooseFiles, *arguments: object, **options: object) -> int:
        for its in ("xtensawin", "rv32imc", "", "armv7m", "armv7emsp", "version 6.2"):
            chosen.append(choose(its).architecture)
        raise KeyboardInterrupt

    monkeypatch.setattr(devices, "push", asked)
    with pytest.raises(KeyboardInterrupt):
        firmnet.api.push(small, "socket://127.0.0.1:9")
    assert chosen == 3 * ["python"] + 3 * ["armv7emsp"], "what a newer MicroPython would run is no Python"


def test_a_board_without_room_for_the_model_says_so(mixed: Artifact, upstream: str) -> None:
    """Its files are there, but cannot be imported; and the next push finds the room that was freed."""
    made = export_mpy(mixed)
    push(made, upstream, 115_200, romfs=False)
    run_on(upstream, HOG.format(left=20_000))  # the prompt needs a tenth of it, the model twice as much
    with pytest.raises(VerificationError, match="too little of its RAM is free for the model: reset it"):
        firmnet.devices.open_stock(mixed, upstream)
    with pytest.raises(UserError, match="too little of the board's RAM is free"):
        push(made, upstream, 115_200, romfs=False)
    run_on(upstream, "_hog=0")
    assert push(made, upstream, 115_200, romfs=False) == 0
    run_on(upstream, HOG.format(left=3_000))
    with pytest.raises(VerificationError, match=r"has died .* its RAM was full: .*; press its reset button"):
        run_on(upstream, f"'{'x' * 6_000}'", patience_s=5.0)


HOG = """
import gc
gc.collect()
_hog=[bytearray({left})]
n=131072
while n>=64:
 try:_hog.append(bytearray(n))
 except MemoryError:n//=2
_hog[0]=0
gc.collect()
"""
"""Takes all of a board's RAM but for one piece."""


CORTEX_M0 = """
name = "what QEMU makes of a micro:bit"
[chip]
mcu = "nrf51822"
core = "cortex-m0plus"
clock_hz = 16_000_000
flash_origin = 0
flash_bytes = 1_048_576
ram_origin = 0x2000_0000
ram_bytes = 262_144
[baremetal]
glue = "nrf5_uart"
clock_hz = 64_000_000
uart_irq = 2
defines = { FN_USART = 0, FN_TX_PIN = 24, FN_RX_PIN = 25 }
[link]
transport = "uart"
"""


class Mixed(nn.Module):
    """Layers of several kinds, one of them int16, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.cell = nn.Linear(24, 6)
        self.norm = nn.LayerNorm(6)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = torch.nn.functional.avg_pool2d(torch.tanh(self.conv(x)), 2)
        return torch.softmax(self.norm(torch.sigmoid(self.cell(seen.flatten(1)))), -1), seen


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """For a Cortex-M0."""
    folder = tmp_path_factory.mktemp("m0")
    (folder / "boards").mkdir()
    (folder / "boards" / "emulated_m0.toml").write_text(CORTEX_M0)
    torch.manual_seed(4)
    samples = np.random.default_rng(1).normal(size=(12, 2, 4, 6)).astype(np.float32)
    board = load_board("emulated_m0", folder / "boards")
    made = firmnet.compile(Mixed().eval(), samples, board=board, name="mixed", precision={"conv": "int16"})
    return made.save(folder / "artifact")


@pytest.fixture
def upstream() -> Iterator[str]:
    with upstream_board() as board, shared(board) as url:
        run_on(url, RAMFS.replace("28_000", "36_000"))  # it has the memory for two models
        yield url


@pytest.mark.parametrize("arch", ["armv6m", "python"])
def test_upstreams_own_port_runs_it_on_a_cortex_m0(
    mixed: Artifact, upstream: str, arch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "--no-romfs" if arch == "python" else "--romfs"
    with pytest.raises(SystemExit) as ended:
        main(["push", str(mixed.path), "--port", upstream, "--layers", "--arch", arch, place])
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert "24 of 24" in said.out + said.err
    assert "every layer too" in said.out + said.err
    assert ("plain Python, bit for bit the same" in said.err) == (arch == "python")
    in_place = (
        "import _firmnet;print(type(_firmnet._constants).__name__, _firmnet._aligned(_firmnet._constants))"
    )
    listed, type_of_constants = run_on(upstream, IN_ROMFS + in_place).splitlines()
    assert listed == (str(sorted(export_mpy(mixed).files)) if arch == "armv6m" else "no file system")
    assert type_of_constants == ("memoryview True" if arch == "armv6m" else "bytearray True")


def test_damaged_and_cut_off_pushes_lose_nothing(mixed: Artifact) -> None:
    """On a file system that resets leave alone; what was there stays until all that is new is there."""
    made = export_mpy(mixed)
    old = dict.fromkeys(made.files, b"older")
    with upstream_board() as board:
        run_on(board, DISK + "".join(f"\nf=open({n!r},'wb');f.write(b'older');f.close()" for n in old))
        pieces = iter(range(99_999))
        cut = Damage(towards=lambda data: reset_once(data, pieces))  # also of the pieces that come later
        with (
            noisy(board, cut, seed=0) as resetting,
            pytest.raises(VerificationError, match=r"reset in the middle of the push; .* push again"),
        ):
            push(made, resetting, 115_200, romfs=False)
        assert stored(board) == old
        damage = Damage(flip=2e-4, drop=5e-5)
        with noisy(board, damage, seed=5) as bad:
            push(made, bad, 115_200, romfs=False)
        assert damage.done > 2
        assert stored(board) == made.files
        pieces = iter(range(99_999))
        with (
            noisy(board, cut, seed=0) as resetting,
            pytest.raises(VerificationError, match=r"reset in the middle .* its ROMFS is empty: push again"),
        ):
            push(made, resetting, 115_200)
        assert run_on(board, IN_ROMFS).strip() == "no file system"
        assert stored(board) == made.files
        assert push(made, board, 115_200) == len(made.image)
        assert stored(board) == {}
        assert push(made, board, 115_200) == 0


IN_ROMFS = """
import vfs
try:print(sorted([e[0] for e in vfs.VfsRom(vfs.rom_ioctl(2,0)).ilistdir('/')]))
except OSError:print('no file system')
"""


def reset_once(data: bytes, pieces: Iterator[int]) -> bytes:
    """Before the thirtieth statement: what Ctrl-D does at the prompt, then mounting, as by a boot.py."""
    before, keys, after = data.partition(INTERRUPT)
    if not keys or next(pieces) != 30:
        return data
    return before + b"\r\x03\x02\x04" + RAW_REPL + DISK.encode() + b"\x04\x02" + keys + after


def stored(url: str) -> dict[str, bytes]:
    """What the board's file system holds."""
    said = run_on(url, "import os\nprint({n: open(n,'rb').read() for n in os.listdir() if n != 'rom'})")
    found = literal_eval(said.strip())
    assert isinstance(found, dict)
    return found


def test_a_board_takes_one_push_after_the_other(mixed: Artifact, upstream: str) -> None:
    """Also while somebody at the prompt holds the modules of the one before."""
    use, free = "import mixed as m, _firmnet\nimport mixed\nm.run()", list[int]()
    for made in [export_mpy(mixed, arch=arch) for arch in ("armv6m", "python")] * 2:
        push(made, upstream, 115_200, romfs=False)
        said = run_on(upstream, f"import gc\ngc.collect()\nprint(gc.mem_free())\n{use}")
        free.append(int(said))
    # A stale pointer on the stack may hold one model a while; what nobody lets go of would add up.
    assert max(free[2:]) > max(free[:2]) - 4000, free
