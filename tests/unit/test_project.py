"""Which folders can be built in as they are, and what of a copy and of the tools' words is seen outside?"""

from pathlib import Path

import pytest

from firmnet.build import project
from firmnet.build.project import Workplace, is_plain, workplace


@pytest.mark.parametrize("path", ["/anywhere/a b", "/anywhere/größe/x_1-2.3", "/a+b~c@d=e"])
def test_a_plain_path_is_used_as_it_is(path: str) -> None:
    assert is_plain(Path(path))


@pytest.mark.parametrize("sign", [*",$%[]*?'\"`\\;&|<>(){}!#^:\t\n", "\N{ROCKET}", "\udce4", "x" * 160])
def test_a_path_that_some_tool_misreads_is_not(sign: str) -> None:
    assert not is_plain(Path(f"/anywhere/a{sign}b"))


def a_project(folder: Path) -> Path:
    for name in ("platformio.ini", "firmware.elf", "firmware.bin", ".pio/build/env/firmware.hex"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"published {name}")
    return folder


def test_a_project_in_a_plain_folder_is_built_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "LONGEST_BYTES", 1000)
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    with workplace(a_project(tmp_path / "plain")) as place:
        assert place.folder == tmp_path / "plain"


def test_a_copy_holds_the_published_images_and_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "$cache"))
    with workplace(a_project(tmp_path / "Acme, Inc")) as place:
        assert is_plain(place.folder)
        assert is_plain(place.core)
        assert (place.folder / "platformio.ini").is_file()
        place.put("env")
        assert {path.name for path in place.built("env").iterdir()} == {"firmware.elf", "firmware.bin"}
        assert (place.built("env") / "firmware.elf").read_text() == "published firmware.elf"
    assert not place.folder.exists()
    assert (tmp_path / "$cache" / "platformio").is_dir(), "of the cache only links were in the copy"


def test_what_is_uploaded_is_what_was_published(tmp_path: Path) -> None:
    folder = a_project(tmp_path / "plain")
    place = Workplace(folder, folder, tmp_path, tmp_path)
    place.put("env")
    assert {path.name for path in place.built("env").iterdir()} == {"firmware.elf", "firmware.bin"}


def test_of_a_failure_everything_is_shown_but_the_progress() -> None:
    place = Workplace(Path("/anywhere/Acme, Inc/firmware"), Path("/build/firmnet-1/firmware"), Path(), Path())
    output = """Processing netduinoplus2 (platform: symlink://platform; board: netduinoplus2)
Verbose mode can be enabled via `-v, --verbose` option
Compiling .pio/build/netduinoplus2/src/main.o
Linking .pio/build/netduinoplus2/firmware.elf
/usr/bin/ld: section .data VMA overlaps section .bss
/build/firmnet-1/firmware/src/main.c:3: undefined reference to `x'
collect2: error: ld returned 1 exit status
*** [.pio/build/netduinoplus2/firmware.elf] Error 1
========================= [FAILED] Took 1.22 seconds ========================="""
    assert project._said(output, place).splitlines() == [
        "  /usr/bin/ld: section .data VMA overlaps section .bss",
        "  /anywhere/Acme, Inc/firmware/src/main.c:3: undefined reference to `x'",
        "  collect2: error: ld returned 1 exit status",
        "  *** [.pio/build/netduinoplus2/firmware.elf] Error 1",
    ]
