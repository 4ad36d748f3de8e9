"""Do the same tests run on this machine, an emulated core, the emulated board and a board far away?"""

from pathlib import Path

from boards_under_test import ran
from shared_port import shared

from firmnet.artifact import Artifact
from firmnet.devices import qemu, serial
from firmnet.verify import verify


def test_the_same_tests_on_every_kind_of_device(small: Artifact, tmp_path: Path) -> None:
    with qemu.emulated(small) as emulator, shared(emulator.url) as url:
        asked = ("host", "core", "qemu", f"serial:{url}")
        seen = ran(
            tmp_path, *(f"--firmnet-device={device}" for device in asked), "--firmnet-artifact", small.path
        )  # fmt: skip
    board, wanted = asked[-1], {}
    for device in asked:
        whole = device in ("qemu", board)
        core = "this machine" if device == "host" else small.board.chip.core
        wanted |= {f"test_{name}[{device}]": "passed" for name in ("bits", "golden", "counters", "board")}
        wanted |= {f"test_alone[{device}-{turn}]": "passed" for turn in range(3)}
        wanted[f"test_core[{device}]"] = f"skipped: needs cortex-m7: {device} is {core}"
        if not whole:
            what = {"host": "this machine", "core": "an emulated core"}[device]
            wanted[f"test_counters[{device}]"] = f"skipped: needs a firmware that counts: {device} is {what}"
        if device != board:
            what = {"host": "this machine", "core": "an emulated core", "qemu": "an emulated board"}[device]
            wanted[f"test_board[{device}]"] = f"skipped: needs a real board: {device} is {what}"
    assert seen.outcomes == wanted, seen.said
    for device in asked:
        properties = seen.properties[f"test_golden[{device}]"]
        assert properties["firmnet_board"] == small.manifest.board
        assert properties["firmnet_fingerprint"] == small.manifest.fingerprint
        assert ("firmnet_clock_hz" in properties) == (device in ("qemu", board))
        if device in ("qemu", board):
            assert properties["firmnet_inferences"] == str(len(small.samples))
            assert int(properties["firmnet_microseconds"]) > 0


def test_a_board_on_another_machine_is_verified_layer_by_layer(small: Artifact) -> None:
    with (
        qemu.emulated(small) as emulator,
        shared(emulator.url) as url,
        serial.open(small, url) as device,
    ):
        assert url.startswith("rfc2217://")
        verdict = verify(small, device, small.samples, layers=True)
    assert verdict.ok, verdict.sentence()
    assert verdict.image_bytes
    assert verdict.calls
