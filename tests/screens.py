"""What does a person with a board see? Writes the screens of docs/hardware.md, from simulated boards.

All but the build is as at a desk: the command, what it finds, PlatformIO, the upload, ports, drives and the
verification. No firmware is compiled: its image is made up, and what it takes of a board is left out.
"""

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent / "ops"))  # where it is run alone

from flashable import publish
from nordic_platform import nordic_platform

from firmnet import api, cli
from firmnet.artifact import Artifact
from firmnet.assets import assets
from firmnet.build import BuildReport, choose_env
from firmnet.simulated import Desk, SimulatedBoard

PAGE = Path(__file__).parents[1] / "docs" / "hardware.md"
MARKS = "<!-- screen {} -->", "<!-- end of screen -->"
MODEL = "simplenet.py:model"


@dataclass(frozen=True)
class Scene:
    """A command, and the boards on the desk; `registry`: whether PlatformIO's can be reached."""

    command: str
    boards: Callable[[], tuple[SimulatedBoard, ...]]
    registry: bool = False


def nucleo(**options: object) -> SimulatedBoard:
    given = {"place": "1-4", "serial_number": "066AFF485257", **options}
    return SimulatedBoard("nucleo_f446re", **given)  # type: ignore[arg-type]


def pico() -> SimulatedBoard:
    return SimulatedBoard(
        "pico", bootloader="uf2", mode="bootloader", place="1-3", serial_number="E0C9125B0D9B"
    )


SCENES = {
    "nano": Scene(
        f"deploy {MODEL} --board nano33ble",
        lambda: (SimulatedBoard("nano33ble", bootloader="sam-ba", serial_number="A7F1C0DE"),),
        registry=True,
    ),
    "nucleo": Scene(f"deploy {MODEL} --board nucleo_f446re", lambda: (nucleo(),)),
    "pico": Scene(f"deploy {MODEL} --board pico --app blink.py", lambda: (pico(),)),
    "typo": Scene(f"deploy {MODEL} --board pico --app typo.py", lambda: (pico(),)),
    "nothing": Scene(f"deploy {MODEL} --board nucleo_f446re", tuple),
    "two": Scene(
        f"deploy {MODEL} --board nucleo_f446re",
        lambda: (nucleo(), nucleo(place="1-5", serial_number="0671FF515055", name="ttyACM1")),
    ),
}


def screen(scene: Scene) -> str:
    """What the command prints, with the ports and drives of a real desk."""
    with _workshop(scene) as folder, Desk(*scene.boards()) as desk:
        shown = io.StringIO()
        with redirect_stdout(shown), redirect_stderr(shown), _made_up_builds(desk):
            try:
                cli.main(scene.command.split())
            except SystemExit as ended:
                code = ended.code
        text = desk.shown(shown.getvalue()).replace(f"{folder}/", "")
    text = re.sub(r"(?m)^(flash|RAM) {5}.*\n", "", text)  # of a firmware that was not compiled
    text = re.sub(r"(?m)^ +0\.\d s  build", "     … s  build", text)
    return f"$ firmnet {scene.command}\n{text}" + (f"(exit code {code})\n" if code else "")


@contextmanager
def _workshop(scene: Scene) -> Iterator[Path]:
    """A folder with the model, as the working directory, and a cache with what PlatformIO needs."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="firmnet-screens-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        shutil.copy(Path(assets("examples"), "simplenet.py"), folder)
        (folder / "blink.py").write_text("import time\nwhile True:\n    time.sleep(1)\n")
        (folder / "typo.py").write_text("import time\nwhile True\n    time.sleep(1)\n")
        stack.callback(os.chdir, os.getcwd())
        nordic_platform(folder / "cache")
        (folder / "boards").mkdir()
        os.chdir(folder)
        variables = {
            "FIRMNET_BOARDS": str(folder / "boards"),
            "FIRMNET_CACHE": str(folder / "cache"),
            "FIRMNET_PLATFORMIO": "registry" if scene.registry else "offline",
        }
        stack.enter_context(patch.dict(os.environ, variables))
        yield folder


@contextmanager
def _made_up_builds(desk: Desk) -> Iterator[None]:
    def build(artifact: Artifact | str | Path, **_: object) -> BuildReport:
        opened = artifact if isinstance(artifact, Artifact) else Artifact.open(artifact)
        desk.known.append(opened)
        return publish(opened, choose_env(opened.board))

    with patch.object(api, "build", build):
        yield


def written(page: str, screens: dict[str, str]) -> str:
    """The page with these screens in their places."""
    for name, text in screens.items():
        begin, end = MARKS[0].format(name), MARKS[1]
        block = f"{begin}\n```\n{text}```\n{end}"
        page = re.sub(
            rf"{re.escape(begin)}.*?{re.escape(end)}", lambda _, block=block: block, page, flags=re.S
        )
    return page


def timeless(text: str) -> str:
    """A screen without what differs from run to run, or from machine to machine."""
    return re.sub(r" *\d+\.\d", " ...", text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), {name: screen(scene) for name, scene in SCENES.items()}))
