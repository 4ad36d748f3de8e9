"""Do people's own programs live on the board? They start, stop, start again, and never shut the host out."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import serial
from board_checks import random_inputs
from prompt import PATIENCE_S, prompt_of

from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.build import sizes
from firmnet.devices.qemu import emulated
from firmnet.errors import VerificationError
from firmnet.targets import load_board, storage_of
from firmnet.verify import verify

BEGINS = b"running main.py: Ctrl-C stops it\r\napp hello 5\r\n"
CTRL_C, CTRL_D, RAW, FRIENDLY = b"\x03", b"\x04", b"\x01", b"\x02"
OBEY, RAISE, DEFY, TALK, SHUT_OUT, TICK = range(6)


class Board:
    """A port, read until something is said."""

    def __init__(self, port: serial.SerialBase) -> None:
        self.port = port

    def until(self, text: bytes) -> bytes:
        heard: bytes = self.port.read_until(text)
        assert heard.endswith(text), f"no {text!r} after {heard!r}"
        return heard

    def send(self, data: bytes) -> None:
        self.port.write(data)

    def wish(self, number: int) -> None:
        """From its prompt: the app begins anew, and does that."""
        self.send(b"import inhabited; inhabited.input[0] = %d\r" % number)
        self.until(b"\r\n>>> ")
        self.send(CTRL_D)
        self.until(BEGINS)


@contextmanager
def board_that(wish: int, url: str) -> Iterator[Board]:
    """Just switched on there; its app is stopped, told what to do, and begins anew."""
    with serial.serial_for_url(url, timeout=PATIENCE_S) as port:
        board = Board(port)
        board.until(BEGINS)
        board.send(CTRL_C)
        board.until(b">>> ")
        board.wish(wish)
        yield board


@pytest.fixture
def board(inhabited: Artifact) -> Iterator[Board]:
    """One that has just booted: its app runs."""
    with emulated(inhabited) as it, serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
        board = Board(port)
        board.until(BEGINS)
        yield board


@pytest.fixture
def stopped(board: Board) -> Board:
    """At its prompt."""
    board.send(CTRL_C)
    assert b"KeyboardInterrupt" in board.until(b">>> ")
    return board


def test_the_app_starts_at_boot_stops_and_starts_again(stopped: Board) -> None:
    stopped.send(b"GREETING == 'hello'\r")
    assert b"\r\nTrue\r\n" in stopped.until(b">>> ")  # what it made is there to look at
    stopped.send(CTRL_D)
    assert b"MPY: soft reboot" in stopped.until(BEGINS)


def test_a_soft_reset_at_the_raw_prompt_does_not_start_it(stopped: Board) -> None:
    stopped.send(RAW)
    stopped.until(b"raw REPL; CTRL-B to exit\r\n>")
    stopped.send(CTRL_D)
    assert BEGINS not in stopped.until(b"raw REPL; CTRL-B to exit\r\n>")


def test_its_exception_is_shown_and_leaves_the_prompt(stopped: Board) -> None:
    stopped.wish(RAISE)
    shown = stopped.until(b">>> ").decode().splitlines()[:3]
    assert shown[1:] == ['  File "main.py", line 19, in <module>', "ValueError: as wished"]


def test_one_that_catches_ctrl_c_is_stopped_in_the_end(stopped: Board) -> None:
    stopped.wish(DEFY)
    stopped.until(b"looping\r\n")
    for _ in range(3):
        stopped.send(CTRL_C)
        stopped.until(b"caught\r\nlooping\r\n")  # which it says where it catches
    stopped.send(CTRL_C)
    assert b"MPY: what catches Ctrl-C was stopped" in stopped.until(b">>> ")
    stopped.send(CTRL_D)
    stopped.until(BEGINS)


def test_a_host_that_cannot_wait_stops_nothing_for_good(stopped: Board) -> None:
    """Of many Ctrl-C that come while machine code runs, none was caught by anybody."""
    stopped.send(b"kept = 'kept'; n = sum(range(500_000))\r")
    for _ in range(6):
        time.sleep(0.05)
        stopped.send(CTRL_C)
    assert b"KeyboardInterrupt" in stopped.until(b">>> ")
    stopped.send(b"kept + '!'\r")
    assert b"'kept!'" in stopped.until(b">>> ")


def test_one_that_lets_no_ctrl_c_through_is_named(inhabited: Artifact) -> None:
    with emulated(inhabited) as it:
        with board_that(SHUT_OUT, it.url) as board:
            board.until(b"looping\r\n")
        said = (
            "its app main.py may keep the port to itself: .* hold Ctrl-C down in a terminal while you press"
        )
        with pytest.raises(VerificationError, match=said):
            devices.serial.open(inhabited, it.url, timeout_s=2.0)


def test_ctrl_c_at_reset_keeps_it_from_starting(inhabited: Artifact) -> None:
    with emulated(inhabited) as it, serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
        while not port.in_waiting:  # as a key that is held down
            port.write(CTRL_C)
            time.sleep(0.02)
        heard = Board(port).until(b">>> ")
        assert b"MPY: Ctrl-C at reset, no program is started\r\n" in heard
        assert b"app hello" not in heard
        port.write(CTRL_D)
        Board(port).until(BEGINS)


@pytest.mark.parametrize("wish", [OBEY, DEFY, TALK, TICK], ids=["obeys", "defies", "talks", "ticks"])
def test_the_board_is_verified_and_starts_its_app_again(inhabited: Artifact, wish: int) -> None:
    with emulated(inhabited) as it:
        with board_that(wish, it.url):
            pass
        with devices.open(it.url, inhabited) as device:
            assert verify(inhabited, device, random_inputs(inhabited, 2), layers=True).ok
        with serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
            port.write(CTRL_C)
            assert b'File "main.py"' in Board(port).until(b"KeyboardInterrupt: \r\n")


@pytest.mark.parametrize(
    ("flash_bytes", "said"),
    [
        (1 << 20, "files     98,304 B of spare flash, 262,144 B for a ROMFS"),
        (1 << 19, "files     98,304 B of spare flash, none for a ROMFS"),
        (384 << 10, ""),
    ],
)
def test_the_build_says_what_room_is_left(inhabited: Artifact, flash_bytes: int, said: str) -> None:
    board = load_board("disco_f407vg")
    board = replace(board, chip=replace(inhabited.board.chip, flash_bytes=flash_bytes))
    lines = sizes.measure(inhabited.firmware / "firmware.elf", board, "inhabited").lines()
    assert lines[2:] == [said] * bool(said)


def test_of_an_emulator_s_flash_no_room_is_promised(inhabited: Artifact) -> None:
    told = sizes.measure(inhabited.firmware / "firmware.elf", inhabited.board, "inhabited").lines()
    assert not told[2:]


def test_a_firmware_that_leaves_no_room_says_so(inhabited: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = storage_of(inhabited.board)
    assert spare
    low = replace(spare, files=replace(spare.files, origin=inhabited.board.chip.flash_origin + 0x20000))
    monkeypatch.setattr(sizes, "storage_of", lambda board: low)
    board = replace(load_board("disco_f407vg"), chip=inhabited.board.chip)
    told = sizes.measure(inhabited.firmware / "firmware.elf", board, "inhabited").lines()
    assert told[2] == "files     no room: the firmware reaches into the flash where they would lie"


# ---- files: one board for all, which keeps them from one command to the next

Mpremote = Callable[..., str]


def mpremote_on(url: str) -> Mpremote:
    def run(*words: str) -> str:
        command = [sys.executable, "-m", "mpremote", "connect", url, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def mpremote(inhabited: Artifact) -> Iterator[Mpremote]:
    with emulated(inhabited) as it:
        with serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
            Board(port).until(BEGINS)
        yield mpremote_on(it.url)


def test_files_are_copied_there_and_back(mpremote: Mpremote, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20
    (tmp_path / "there.bin").write_bytes(content)
    mpremote("mkdir", ":data", "+", "cp", str(tmp_path / "there.bin"), ":data/there.bin")
    assert "5120 there.bin" in mpremote("soft-reset", "ls", ":data")
    mpremote("cp", ":data/there.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == content
    assert "Up to date" in mpremote("cp", str(tmp_path / "there.bin"), ":data/there.bin")
    assert "24576" in mpremote("df")
    mpremote("rm", ":data/there.bin", "+", "rmdir", ":data")
    assert "data" not in mpremote("ls")


def test_a_package_is_installed_and_imported(mpremote: Mpremote) -> None:
    source = b"def greet(name):\n    return 'hello ' + name\n"
    digest = hashlib.sha256(source).hexdigest()
    package = {"v": 1, "version": "1.0", "hashes": [["greeting/__init__.py", digest[:8]]], "deps": []}
    pages = {"latest.json": json.dumps(package).encode(), digest[:8]: source}

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[self.path.rpartition("/")[2]])

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        index = f"http://127.0.0.1:{server.server_address[1]}"
        mpremote("mip", "install", "--index", index, "--no-mpy", "greeting")
        server.shutdown()
    assert (
        mpremote("soft-reset", "exec", "import greeting; print(greeting.greet('board'))") == "hello board\n"
    )


def test_a_romfs_is_deployed_and_imported_from(mpremote: Mpremote, tmp_path: Path) -> None:
    (tmp_path / "rom").mkdir()
    (tmp_path / "rom" / "tables.py").write_text("values = (1, 2, 3)\n")
    (tmp_path / "rom" / "data.bin").write_bytes(bytes(1000))
    mpremote("romfs", "deploy", str(tmp_path / "rom"))
    told = "import tables; print(tables.values, tables.__file__, len(memoryview(open('/rom/data.bin','rb'))))"
    assert mpremote("soft-reset", "exec", told) == "(1, 2, 3) /rom/tables.mpy 1000\n"
    assert "ROMFS image size: " in mpremote("romfs", "query")


def test_a_romfs_in_flash_is_mounted(inhabited: Artifact, tmp_path: Path) -> None:
    (tmp_path / "rom").mkdir()
    (tmp_path / "rom" / "tables.py").write_text("values = (4, 5, 6)\n")
    command = [sys.executable, "-m", "mpremote", "romfs", "build", "rom"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with emulated(inhabited, romfs=tmp_path / "rom.romfs") as it:
        with serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
            Board(port).until(BEGINS)
        run = mpremote_on(it.url)
        assert run("exec", "import tables; print(tables.values)") == "(4, 5, 6)\n"
        refused = "vfs.rom_ioctl(3, 0, 8), vfs.rom_ioctl(4, 0, 0, bytes(8))"
        assert run("exec", f"import vfs; print({refused}, len(vfs.rom_ioctl(2, 0)))") == "-30 -30 262144\n"


def test_boot_py_runs_before_the_app(mpremote: Mpremote, tmp_path: Path) -> None:
    (tmp_path / "boot.py").write_text("print('booting')\n")
    (tmp_path / "hi.py").write_text("print('hi from the host')\n")
    mpremote("cp", str(tmp_path / "boot.py"), ":")
    assert "booting" not in mpremote(
        "exec", "print(1)", "run", str(tmp_path / "hi.py")
    )  # no soft reset by itself
    mpremote("rm", ":boot.py")


def test_what_is_there_is_listed_and_completed(mpremote: Mpremote) -> None:
    listed = mpremote("exec", "help('modules')").split()
    assert {"inhabited", "hashlib", "vfs", "sensors/__init__", "main"} <= {*listed}
    assert "small" not in listed


def test_an_l475_has_its_files_in_the_second_sram(small_l475: Artifact) -> None:
    with prompt_of(small_l475) as prompt:
        prompt("f = open('kept', 'w'); n = f.write('it is'); f.close()")
        prompt.key(CTRL_D)
        assert prompt("print(open('kept').read())") == "it is"
        assert (
            prompt("import os, vfs; print(os.statvfs('/')[:3], len(vfs.rom_ioctl(2, 0)))")
            == "(512, 512, 48) 8192"
        )


def test_main_py_of_the_files_runs_where_there_is_no_app(small: Artifact) -> None:
    with prompt_of(small) as prompt:
        prompt(
            "f = open('main.py', 'w'); n = f.write('import small\\nprint(len(small.output))\\n'); f.close()"
        )
        assert "\n5\n" in prompt.key(CTRL_D)
        prompt("f = open('boot.py', 'w'); n = f.write('print(7)\\n'); f.close()")
        assert "\n7\n5\n" in prompt.key(CTRL_D)
        prompt("import os; os.remove('main.py'); os.remove('boot.py')")
        assert "5\n" not in prompt.key(CTRL_D)
        prompt.port.write(b"small_x = 3; import smal\t")
        assert prompt.port.read_until(b"small").endswith(b"small")
        prompt.key(CTRL_C)
        # a damaged file system is left alone, and said
        prompt("import _files; b = _files.blocks(); x = bytearray(512)")
        for block in (0, 1):
            prompt(f"b.readblocks({block}, x); x[16:] = bytes(496); b.writeblocks({block}, x)")
        assert "the files in flash are damaged" in prompt.key(CTRL_D)
        assert prompt("import os; os.listdir()") == "[]"
