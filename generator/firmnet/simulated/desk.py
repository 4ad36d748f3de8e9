"""Which boards are plugged in where there are none? A desk of simulated ones, in this computer's place."""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from ..artifact import Artifact
from ..devices import ThisComputer, in_place_of_this
from ..targets import Plugged, PortInfo
from .board import DeskFolders, SimulatedBoard
from .tools import TOOLS, Tool

SCRIPT = """#!{python} -IS
import json, os, socket, sys

desk = socket.socket(socket.AF_UNIX)
desk.connect({address!r})
desk.sendall(json.dumps([{tool!r}, sys.argv[1:], os.getcwd()]).encode() + b"\\n")
for line in desk.makefile():
    if line.startswith("exit "):
        sys.exit(int(line[5:]))
    print(line, end="", flush=True)
sys.exit(1)
"""


class Desk:
    """Boards, their ports and drives in a folder of their own, and on PATH the uploaders that write them.

    Within `with` it is the computer that all of firmnet looks at: `targets.Computer`. Of `known` artifacts
    the boards can run the firmware, once it is in their flash.
    """

    def __init__(self, *boards: SimulatedBoard, known: tuple[Artifact, ...] = ()) -> None:
        self.boards = list(boards)
        self.known = list(known)
        self.extra: list[PortInfo] = []
        """Ports that are no board of ours."""
        self.ran: list[list[str]] = []
        """Each uploader that was started, with its arguments."""
        self.on_tool: Callable[[str], None] = lambda line: None
        """Called with each line that an uploader prints, before it does."""
        self._open = ExitStack()

    def __enter__(self) -> "Desk":
        folder = Path(tempfile.mkdtemp(prefix="firmnet-desk-"))
        self._open.callback(shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder
        for name in ("dev", "media", "bin", "python/pyocd"):
            (folder / name).mkdir(parents=True)
        self._folders = DeskFolders(folder / "dev", folder / "media", self.known)
        self._serve()
        self._prepend("PATH", folder / "bin")
        self._prepend("PYTHONPATH", folder / "python")
        sys.path.insert(0, str(folder / "python"))
        self._open.callback(sys.path.remove, str(folder / "python"))
        for board in self.boards:
            self.plug_in(board)
        self._open.enter_context(in_place_of_this(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _prepend(self, variable: str, folder: Path) -> None:
        """To a list of folders in the environment, while the desk is there."""
        before = os.environ.get(variable)
        os.environ[variable] = os.pathsep.join(filter(None, [str(folder), before]))
        if before is None:
            self._open.callback(os.environ.pop, variable, None)
        else:
            self._open.callback(os.environ.__setitem__, variable, before)

    def plug_in(self, board: SimulatedBoard) -> None:
        if board not in self.boards:
            self.boards.append(board)
        board.plug_in(self._folders)
        self._open.callback(board.unplug)

    def shown(self, text: str) -> str:
        """What was printed on this desk, as it would be on one whose ports are in /dev, drives in /media."""
        return text.replace(f"{self._folders.ports}", "/dev").replace(f"{self._folders.media}", "/media/you")

    # -- as a computer

    def plugged(self) -> Plugged:
        seen = [board.plugged() for board in self.boards]
        return Plugged(
            (*self.extra, *(port for each in seen for port in each.ports)),
            tuple(device for each in seen for device in each.usb or ()),
            tuple(drive for each in seen for drive in each.drives),
        )

    def touch(self, port: PortInfo) -> None:
        ThisComputer().touch(port)

    # -- its uploaders

    def _serve(self) -> None:
        address = str(self.folder / "tools")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()
        self._open.callback(listener.close)
        self._open.callback(_wake, listener)
        for tool in TOOLS:
            script = self.folder / "bin" / tool
            if tool == "pyocd":  # run as a module
                (self.folder / "python" / "pyocd" / "__init__.py").touch()
                script = self.folder / "python" / "pyocd" / "__main__.py"
            script.write_text(SCRIPT.format(python=sys.executable, address=address, tool=tool))
            script.chmod(0o755)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._work, args=(client,), daemon=True).start()

    def _work(self, client: socket.socket) -> None:
        with client, client.makefile("rw") as talk, suppress(OSError, ValueError):
            tool, arguments, folder = json.loads(talk.readline())
            self.ran.append([tool, *arguments])

            def say(line: str) -> None:
                print(line, file=talk, flush=True)

            say(f"exit {self._run(TOOLS[tool], arguments, Path(folder), say)}")

    def _run(self, tool: Tool, arguments: list[str], folder: Path, say: Callable[[str], None]) -> int:
        lines = tool(self.boards, arguments, folder)
        while True:
            try:
                line = next(lines)
            except StopIteration as ended:
                return int(ended.value)
            self.on_tool(line)
            say(line)


def _wake(listener: socket.socket) -> None:
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
