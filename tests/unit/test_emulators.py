"""Is the system's QEMU taken where it is new enough, a newer one else, and is it said what is missing?"""

import hashlib
from pathlib import Path

import pytest

from firmnet import emulators
from firmnet.errors import UserError

NEEDS_NEWER = "b-l475e-iot01a"


def program(path: Path, version: str) -> Path:
    """An executable that says that it is this version of QEMU."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version} (of a test)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs; the cache is empty."""
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    emulators.release.cache_clear()
    return tmp_path / "bin"


def keep(cache: Path, version: str) -> Path:
    kept = program(cache / "emulators" / emulators.PROGRAM / "program", version)
    kept.with_name("sha256").write_text(hashlib.sha256(kept.read_bytes()).hexdigest())
    return kept


@pytest.mark.parametrize(
    ("machine", "version"),
    [("netduinoplus2", "7.2.22"), (NEEDS_NEWER, "9.1.0"), (NEEDS_NEWER, "10.0.2"), ("of-a-user", "7.2.22")],
)
def test_the_systems_is_taken_where_it_is_new_enough(system: Path, machine: str, version: str) -> None:
    own = program(system / emulators.PROGRAM, version)
    assert emulators.emulator_for(machine) == str(own)


def test_a_newer_one_in_the_cache_is_taken_where_the_systems_is_too_old(system: Path, tmp_path: Path) -> None:
    program(system / emulators.PROGRAM, "9.0.2")
    kept = keep(tmp_path / "cache", "10.0.2")
    assert emulators.emulator_for(NEEDS_NEWER) == str(kept) == str(emulators.kept())
    kept.write_text("damaged")
    assert emulators.kept() is None
    with pytest.raises(UserError):
        emulators.emulator_for(NEEDS_NEWER)


def test_without_any_it_is_said_what_is_missing(system: Path, tmp_path: Path) -> None:
    own, told = program(system / emulators.PROGRAM, "7.2.22"), list[str]()
    with pytest.raises(UserError) as caught:
        emulators.emulator_for(NEEDS_NEWER, told.append)
    said = (
        f"the machine '{NEEDS_NEWER}' needs QEMU 9.1 or newer; {own} is 7.2, and a newer one could not be had"
    )
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert len(told) == 1
    assert not (tmp_path / "cache" / "emulators" / emulators.PROGRAM).exists()
    own.unlink()
    with pytest.raises(UserError, match="apt-get install -y qemu-system-arm"):
        emulators.emulator_for(NEEDS_NEWER)
