"""Are outside programs run with failures shown, ended when they hang, and missing ones named with the fix?"""

import json
import sys
import time
from pathlib import Path

import pytest

from firmnet import toolchain
from firmnet.errors import UserError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_of_both_streams_comes_back_line_by_line() -> None:
    seen: list[str] = []
    done = toolchain.run(
        python("import sys; print('a', flush=True); print('b', file=sys.stderr)"),
        what="it",
        on_line=seen.append,
    )
    assert done.stdout == "a\nb\n"
    assert seen == ["a", "b"]


def test_a_failure_shows_the_command_and_what_it_printed() -> None:
    with pytest.raises(UserError, match=r"trying it failed \(exit 3\)(.|\n)*the reason"):
        toolchain.run(python("print('the reason'); raise SystemExit(3)"), what="trying it")


def test_a_failure_can_be_looked_at_instead() -> None:
    assert toolchain.run(python("raise SystemExit(3)"), what="it", check=False).returncode == 3


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    child = f"import time; time.sleep(1); open({str(tmp_path / 'alive')!r}, 'w')"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(UserError, match=r"it did not end within 0\.3 s"):
        toolchain.run(python(parent), what="it", timeout_s=0.3)
    time.sleep(1.2)
    assert not (tmp_path / "alive").exists()


def test_a_missing_program_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError) as caught:
        toolchain.run(["arm-none-eabi-gcc"], what="compiling")
    assert str(caught.value) == (
        "arm-none-eabi-gcc is not installed: install it with "
        "`sudo apt-get install -y gcc-arm-none-eabi libnewlib-arm-none-eabi`"
    )


@pytest.mark.parametrize("mode", ["registry", "offline"])
def test_the_platformio_mode_can_be_chosen(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("FIRMNET_PLATFORMIO", mode)
    assert toolchain.pio_mode("ststm32@^19.6.0") == mode


def test_a_platformio_mode_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMNET_PLATFORMIO", "sometimes")
    with pytest.raises(UserError, match="FIRMNET_PLATFORMIO is 'sometimes': use registry or offline"):
        toolchain.pio_mode("ststm32")


def test_an_installed_platform_means_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIRMNET_PLATFORMIO", raising=False)
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path))
    folder = tmp_path / "platformio" / "platforms" / "ststm32"
    folder.mkdir(parents=True)
    (folder / "platform.json").write_text("{}")
    assert toolchain.pio_mode("ststm32@^19.6.0") == "registry"


def test_scons_becomes_platformios_package_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path))
    toolchain.provision_scons()
    (package,) = (tmp_path / "platformio" / "packages").iterdir()
    assert package.name == "tool-scons"
    assert json.loads((package / ".piopm").read_text())["spec"]["owner"] == "platformio"
    before = package.stat().st_mtime_ns
    toolchain.provision_scons()
    assert package.stat().st_mtime_ns == before
    said = toolchain.run([sys.executable, package / "scons.py", "--version"], what="SCons")
    assert "SCons: v4." in said.stdout


def test_a_cache_in_the_way_of_a_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"cannot write .*: set FIRMNET_CACHE to a directory of yours"):
        toolchain.provision_scons()


def test_a_program_sees_nothing_that_would_change_what_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("PLATFORMIO_BUILD_DIR", "PLATFORMIO_SRC_DIR", "PLATFORMIO_ANYTHING_NEW", "SCONSFLAGS", "MAKEFLAGS"),
        *("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX", "CFLAGS", "LDFLAGS", "CC"),
        *("GIT_DIR", "PYTHONWARNINGS", "PYTHONSAFEPATH", "PYTHONEXEPATH", "LC_MESSAGES", "LANGUAGE"),
    ):
        monkeypatch.setenv(name, "anything")
    for name in ("HTTPS_PROXY", "PLATFORMIO_AUTH_TOKEN", "PYTHONNOUSERSITE"):
        monkeypatch.setenv(name, "kept")
    shown = toolchain.run(python("import os; print(*os.environ.items(), sep='\\n')"), what="it").stdout
    assert "anything" not in shown
    assert shown.count("kept") == 3


def test_messages_of_tools_are_english_in_every_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    shown = toolchain.run(["ls", "/nothing-here"], what="it", check=False).stdout
    assert "No such file" in shown
