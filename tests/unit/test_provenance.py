"""Does a firmware's fingerprint follow its sources, all of them, and nothing else?"""

import json
from pathlib import Path

import numpy as np
import pytest

from firmnet.artifact import Artifact, save
from firmnet.errors import UserError, VerificationError
from firmnet.ir import Graph
from firmnet.manifest import FORMAT, Edge, Manifest
from firmnet.provenance import edits, file_digest, fingerprint_on_disk, listed, published
from firmnet.targets import board_to_json, load_board

BOARD = load_board("netduinoplus2")
INI = (
    "; net\n[platformio]\ndefault_envs = a\n[env:a]\nbuild_flags =\n  -DA\n  -DB\nupload_protocol = stlink\n"
)
SOURCES = {
    "board.json": board_to_json(BOARD),
    "platformio.ini": INI,
    "src/main.c": "int main(void);",
    "lib/net/net.c": "int x = 1;",
    "lib/net/net_fingerprint.c": "0",
    "frozen/net.py": "labels = ('a', 'b')",
}


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    edge = Edge("x", (1, 4), (), 0.1, 0)
    manifest = Manifest(FORMAT, "0", "net", BOARD.id, "00" * 32, (), (edge,), (edge,), (), 4, 4, 448)
    made = save(tmp_path / "net", manifest, Graph("net", (), {}, (), ()), np.zeros((1, 4), np.int8), SOURCES)
    return Artifact.open(made.path)


def written(artifact: Artifact, name: str, text: str) -> bytes:
    """The fingerprint with that source so."""
    path = artifact.firmware / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return fingerprint_on_disk(artifact)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("lib/net/net.c", "int x = 2;", "lib/net/net.c (edited)"),
        ("frozen/net.py", "labels = ('b', 'a')", "frozen/net.py (edited)"),
        ("src/more.c", "", "src/more.c (added)"),
        ("lib/net/fn_qmath.h", "", "lib/net/fn_qmath.h (added)"),
        ("lib/other/other.c", "", "lib/other/other.c (added)"),
        ("platform/.hidden.c", "", "platform/.hidden.c (added)"),
        ("boards/netduinoplus2.json", "{}", "boards/netduinoplus2.json (added)"),
        ("platformio.ini", INI.replace("-DA", "-DC"), "platformio.ini (edited)"),
        ("platformio.ini", INI + "build_src_flags = -O0\n", "platformio.ini (edited)"),
        ("platformio.ini", INI + "extra_scripts = post:x.py\n", "platformio.ini (edited)"),
        ("platformio.ini", "not [ini", "platformio.ini (edited)"),
    ],
)
def test_whatever_is_built_counts(artifact: Artifact, name: str, text: str, said: str) -> None:
    before = fingerprint_on_disk(artifact)
    assert written(artifact, name, text) != before
    assert edits(artifact) == (said,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("platformio.ini", INI.replace("stlink", "dfu")),
        ("platformio.ini", INI + "monitor_speed = 9600\nupload_port = /dev/ttyACM3\n"),
        ("platformio.ini", "# mine\n" + INI.replace("  -DA\n", "\t-DA\n")),
        ("lib/net/net_fingerprint.c", "1"),
        ("lib/micropython/py/gc.c", "fetched, and checked elsewhere"),
        (".pio/build/x.o", ""),
        ("platform/__pycache__/platform.pyc", ""),
        ("README.md", ""),
        ("src/main.c~", ""),
        (".vscode/settings.json", "{}"),
    ],
)
def test_what_no_build_reads_does_not_count(artifact: Artifact, name: str, text: str) -> None:
    before = fingerprint_on_disk(artifact)
    assert written(artifact, name, text) == before


def test_a_missing_source_is_named_and_undoing_an_edit_undoes_it(artifact: Artifact) -> None:
    before = fingerprint_on_disk(artifact)
    (artifact.firmware / "src/main.c").unlink()
    assert fingerprint_on_disk(artifact) != before
    assert edits(artifact) == ("src/main.c (missing)",)
    assert written(artifact, "src/main.c", SOURCES["src/main.c"]) == before


def test_a_folder_that_links_to_itself_is_walked_once(artifact: Artifact) -> None:
    (artifact.firmware / "src/again").symlink_to(artifact.firmware / "src")
    (artifact.firmware / "src/pipe.c").symlink_to("/dev/zero")
    assert edits(artifact) == ("its manifest (changed)",)


def test_another_board_file_counts(artifact: Artifact) -> None:
    before = fingerprint_on_disk(artifact)
    assert written(artifact, "board.json", board_to_json(load_board("nano33ble"))) != before
    assert edits(artifact) == ("board.json (edited)",)


def test_a_long_list_is_cut() -> None:
    assert listed(tuple("abcdef")) == "a, b, c, d and 2 more"
    assert listed(("a",)) == "a"


def test_a_firmware_that_was_changed_since_it_was_built_is_refused(artifact: Artifact) -> None:
    with pytest.raises(UserError, match="is not built"):
        published(artifact)
    elf = artifact.firmware / "firmware.elf"
    elf.write_bytes(b"as built")
    record = {"env": "a", "fingerprint": "", "edits": [], "published": {elf.name: file_digest(elf)}}
    (artifact.path / "build.json").write_text(json.dumps(record))
    assert published(artifact) == elf
    elf.write_bytes(b"as buiLt")
    with pytest.raises(VerificationError, match=r"firmware\.elf was changed since it was built"):
        published(artifact)
    for damage in ("", "[1]", "{}", "null", "[" * 100_000):
        (artifact.path / "build.json").write_text(damage)
        with pytest.raises(UserError, match="is not built"):
            published(artifact)
