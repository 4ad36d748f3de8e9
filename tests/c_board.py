"""How is the C runtime tested without a board? As a process of this machine, from a generated project."""

import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from board_twin import FLASH, FLASH_ORIGIN, elf

from firmnet.artifact import Artifact, save
from firmnet.codegen.firmware import firmware
from firmnet.ir import Graph
from firmnet.provenance import file_digest
from firmnet.targets import load_board

WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def c_artifact(path: Path, graph: Graph, samples: Any, labels: Sequence[str] = ()) -> Artifact:
    """An artifact whose firmware has the C runtime; what its flash holds is FLASH, which means nothing."""
    parts = firmware(graph, load_board("netduinoplus2"), labels, "0", runtime="c")
    artifact = save(path, parts.manifest, graph, samples, parts.files)
    file = artifact.firmware / "firmware.elf"
    file.write_bytes(elf({".text": (FLASH_ORIGIN, FLASH)}))
    record = {"env": "netduinoplus2", "fingerprint": parts.manifest.fingerprint, "edits": []}
    (path / "build.json").write_text(json.dumps({**record, "published": {file.name: file_digest(file)}}))
    return artifact


def compiled(artifact: Artifact, program: Path, *flags: str) -> Path:
    """The board as a program."""
    project, model = artifact.firmware, artifact.manifest.name
    sources = [*sorted((project / "lib" / model).glob("*.c")), project / "src" / "deployed.c"]
    own = [project / "src" / "firmnet_link.c", Path(__file__).with_suffix(".c")]
    includes = ["-I", str(project / "include"), "-I", str(project / "lib" / model)]
    objects = []
    for source in [*sources, *own]:  # the model is compiled as others are
        objects.append(program.with_name(f"{source.stem}.o"))
        strict = WARNINGS if source in own else ("-w",)
        command = ["gcc", "-std=gnu11", "-O1", "-ffp-contract=off", *strict, *flags, *includes]
        subprocess.run([*command, "-c", str(source), "-o", str(objects[-1])], check=True)
    subprocess.run(["gcc", *flags, *map(str, objects), "-lm", "-o", str(program)], check=True)
    return program


@contextmanager
def powered(program: Path, flash: bytes = FLASH, rates: int | None = None) -> Iterator[str]:
    """The URL of the board while it is switched on; `rates`: the file that is told its baud rate."""
    contents = program.with_name("flash")
    contents.write_bytes(flash)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        told = [] if rates is None else [rates]
        arguments = [str(number), contents, *map(str, told)]
        process = subprocess.Popen([program, *arguments], pass_fds=[number, *told])
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield url
        assert process.poll() is None, "the board has crashed"
    finally:
        process.kill()
        process.wait()
