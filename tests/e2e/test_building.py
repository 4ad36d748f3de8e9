"""Does a build make the same firmware in every folder, every environment, and from damaged caches?"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import firmnet
from firmnet import folder
from firmnet.artifact import Artifact
from firmnet.assets import assets
from firmnet.build import build
from firmnet.build.micropython import cached_source
from firmnet.cache import cache_dir
from firmnet.errors import UserError
from firmnet.targets import load_board

HARD = ("Acme, Inc", '100% of $HOME\t[x]* "q" \\ \N{ROCKET}\nnext', "x" * 200)
"""Folders that linker, SCons, PlatformIO, shells and MicroPython's tools misread, each in its way."""


@pytest.fixture
def copied(small: Artifact, tmp_path: Path) -> Artifact:
    """The artifact as it is before its first build."""
    return copy(small, tmp_path / "copy")


def copy(artifact: Artifact, place: Path) -> Artifact:
    built = shutil.ignore_patterns(".pio", "micropython", "firmware.elf", "firmware.bin", "firmware.hex")
    shutil.copytree(artifact.path, place, ignore=built)
    (place / "build.json").unlink()
    return Artifact.open(place)


def own_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, as filled as the one of all tests; MicroPython can be had again at once."""
    parts = ("platformio", "objects", cached_source().name)
    for part in parts:
        if (cache_dir() / part).exists():
            shutil.copytree(cache_dir() / part, place / part)
    monkeypatch.setenv("MICROPYTHON_TOP", str(cached_source()))
    monkeypatch.setenv("FIRMNET_CACHE", str(place))
    return place


def image(artifact: Artifact) -> bytes:
    return (artifact.firmware / "firmware.bin").read_bytes()


def all_names(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if ".pio" not in path.parts}


@pytest.mark.parametrize("name", [HARD[0], "/".join(HARD)], ids=["comma", "everything"])
def test_an_artifact_builds_in_any_folder(small: Artifact, tmp_path: Path, name: str) -> None:
    there = copy(small, tmp_path / name / "artifact")
    build(there, emulate=True)
    assert image(there) == image(small)
    assert all_names(tmp_path / name / "artifact") == all_names(small.path)
    assert [path.name for path in tmp_path.iterdir()] == [Path(name).parts[0]]


def test_a_cache_may_lie_in_any_folder(
    small: Artifact, copied: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cache(tmp_path / "cache".join(HARD), monkeypatch)
    build(copied, emulate=True)
    assert image(copied) == image(small)


def test_nothing_in_the_environment_changes_or_moves_a_build(
    small: Artifact, copied: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "string.h").write_text("#error this is not the C library's\n")
    (tmp_path / "evil" / "evil.py").write_text("raise SystemExit('an extra script ran')\n")
    (tmp_path / "evil" / "sitecustomize.py").write_text("")
    elsewhere = str(tmp_path / "elsewhere")
    for name in (
        "BUILD_DIR",
        "WORKSPACE_DIR",
        "SRC_DIR",
        "LIB_DIR",
        "INCLUDE_DIR",
        "CORE_DIR",
        "BUILD_CACHE_DIR",
    ):
        monkeypatch.setenv(f"PLATFORMIO_{name}", elsewhere)
    monkeypatch.setenv("PLATFORMIO_DEFAULT_ENVS", "nothing")
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DMICROPY_PY_BUILTINS_SLICE=0 -O0")
    monkeypatch.setenv("PLATFORMIO_EXTRA_SCRIPTS", f"pre:{tmp_path / 'evil' / 'evil.py'}")
    monkeypatch.setenv("PLATFORMIO_FORCE_ANSI", "true")
    for name in ("CPATH", "C_INCLUDE_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "evil"))
    monkeypatch.setenv("GCC_EXEC_PREFIX", elsewhere)
    monkeypatch.setenv("SCONSFLAGS", "--dry-run")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    build(copied, emulate=True)
    assert image(copied) == image(small)
    assert not Path(elsewhere).exists()


MICROPYTHON_BYTES = 300_000
"""Less than what is kept of it, compiled."""


def test_a_damaged_cache_is_noticed_and_made_again(
    small: Artifact, copied: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = own_cache(tmp_path / "cache", monkeypatch)
    (cache / cached_source().name / "py" / "vm.c").write_bytes(b"")
    (cache / cached_source().name / "py" / "makeqstrdefs.py").unlink()
    (cache / "platformio" / "packages" / "tool-scons" / "scons.py").write_bytes(b"")
    (cache / "objects" / "config").write_bytes(b"")
    kept = sorted(path for path in (cache / "objects").glob("??/*") if path.suffix != ".sha256")
    small_ones = [path for path in kept if path.stat().st_size < MICROPYTHON_BYTES]
    for number, path in enumerate(small_ones[::3]):  # what is compiled again takes its time
        content = bytearray(path.read_bytes())
        content[0x36] ^= 4  # in an ELF's first section: such an object would link
        path.write_bytes(content if number % 2 else content[: len(content) // 2])
    notices: list[str] = []
    build(copied, emulate=True, notice=notices.append)
    assert image(copied) == image(small)
    source, engine, compiled = notices
    assert re.match("MicroPython in .* is damaged", source)
    assert re.match("PlatformIO's build engine in .* is damaged", engine)
    assert re.match(r"\d+ compiled objects in .* had been damaged", compiled)
    notices.clear()
    shutil.rmtree(copied.firmware / ".pio")
    build(copied, emulate=True, notice=notices.append)
    assert notices == [], "made again, but not kept"


def test_another_board_takes_what_was_compiled_for_the_first(
    small: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of MicroPython but what says which board it is; this one nobody has built before."""
    nucleo = (assets("boards") / "nucleo_f446re.toml").read_text()
    (tmp_path / "never_built.toml").write_text(nucleo.replace("ST Nucleo-F446RE", "Never Built"))
    calibration = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    board = load_board("never_built", tmp_path)
    made = firmnet.compile(nn.Linear(3, 2).eval(), calibration, board=board, name="tiny")
    objects = own_cache(tmp_path / "cache", monkeypatch) / "objects"
    before = set(objects.glob("??/*.sha256"))
    build(made.save(tmp_path / "artifact"), emulate=True)
    assert 3 < len(set(objects.glob("??/*.sha256")) - before) < 25  # the generated headers among them


def test_what_was_changed_in_a_project_is_made_again(small: Artifact, copied: Artifact) -> None:
    build(copied, emulate=True)
    pio = copied.firmware / ".pio"
    notices: list[str] = []
    for ending, old, new in (
        ("/src/modfirmnet.o", b"too little stack", b"too LITTLE stack"),  # such an object would link
        ("/qstrdefs.generated.h", b"maximum recursion", b"minimum recursion"),
        ("/frozen_modules.c", b"{", b"{ "),
    ):
        (path,) = (path for path in pio.rglob("*") if path.as_posix().endswith(ending))
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))
    build(copied, emulate=True, notice=notices.append)
    assert image(copied) == image(small)
    assert notices == [f"3 files in {pio} had been changed since the last build: made again"]
    for path in pio.rglob("*"):
        if path.suffix in (".o", ".a", ".dblite", ".h", ".c"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    build(copied, emulate=True)
    assert image(copied) == image(small)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, 6 MB: enough for an artifact, not for what is compiled from it."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_leaves_nothing_that_harms(small: Artifact, tiny_disk: Path) -> None:
    there = copy(small, tiny_disk / "artifact")
    with pytest.raises(UserError, match=r"^the disk of \S*disk/artifact/firmware is full: make room[^\n]*$"):
        build(there, emulate=True)
    assert not list(there.firmware.glob("*firmware.*"))
    assert not (there.path / "build.json").exists()
    subprocess.run(["mount", "-o", "remount,size=60m", str(tiny_disk)], check=True)
    build(there, emulate=True)
    assert image(there) == image(small)


def test_two_builds_of_one_artifact_wait_for_each_other(small: Artifact, copied: Artifact) -> None:
    waited: list[str] = []
    second = threading.Thread(target=lambda: build(copied, emulate=True, notice=waited.append))
    with folder.lock(copied.path):
        second.start()
        second.join(1.0)
        assert second.is_alive()
        assert not (copied.firmware / "firmware.elf").exists()
    second.join()
    assert len(waited) == 1
    assert "waiting" in waited[0]
    assert image(copied) == image(small)


def in_c(place: Path) -> Artifact:
    """A small one, of the C runtime: few files."""
    calibration = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    board = load_board("netduinoplus2")
    made = firmnet.compile(nn.Linear(3, 2).eval(), calibration, board=board, name="tiny", runtime="c")
    return made.save(place)


COMPILER = """#!/bin/sh
for word in "$@"; do case "$word" in *.c) echo "$word" >> "{log}" ;; esac; done
PATH="{path}" exec arm-none-eabi-gcc "$@"
"""


def test_two_builds_at_once_compile_every_file_once(tmp_path: Path) -> None:
    in_c(tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    log, tools = tmp_path / "log", tmp_path / "tools"
    tools.mkdir()
    (tools / "arm-none-eabi-gcc").write_text(COMPILER.format(log=log, path=os.environ["PATH"]))
    (tools / "arm-none-eabi-gcc").chmod(0o755)
    (tmp_path / "cache").mkdir()
    if (cache_dir() / "platformio").exists():
        shutil.copytree(cache_dir() / "platformio", tmp_path / "cache" / "platformio")
    changed = {"PATH": f"{tools}:{os.environ['PATH']}", "FIRMNET_CACHE": str(tmp_path / "cache")}
    build_it = "from firmnet.cli import main; main()", "build", "--emulate"
    builds = [
        subprocess.Popen([sys.executable, "-c", *build_it, tmp_path / name], env={**os.environ, **changed})
        for name in ("first", "second")
    ]
    assert [process.wait() for process in builds] == [0, 0]
    compiled = Counter(log.read_text().split())
    ours = {name: times for name, times in compiled.items() if not name.startswith("lib/")}
    assert {"src/main.c", "platform/startup.c"} < set(ours)
    assert set(ours.values()) == {1}, "the model alone is compiled where it lies"


def test_the_tools_own_words_are_shown(tmp_path: Path) -> None:
    """Of the C runtime, for what fails is compiled once more with nothing kept."""
    artifact = in_c(tmp_path / "artifact")
    source = artifact.firmware / "src" / "main.c"
    text, count = re.subn(
        r"(int main\(void\)\s*\{)", r"int unresolved(void);\n\1 unresolved();", source.read_text()
    )
    assert count == 1
    source.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-c", "from firmnet.cli import main; main()", "build", artifact.path, "--emulate"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "undefined reference to `unresolved'" in ended.stderr
    assert "main.c" in ended.stderr
    assert "Compiling" not in ended.stderr
