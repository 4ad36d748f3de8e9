"""How does generated C show its layers in pieces? As generated, but for the body of run()."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from firmnet.artifact import Artifact
from firmnet.devices.runner import Model
from firmnet.provenance import fingerprint_on_disk

STEP = re.compile(
    r"(?P<kernel>    \w+\(.*\);\n)"
    r"    done\(observer, context, (?P<layer>\d+), (?P<address>.+), (?P<bytes>\d+)\);\n"
)
"""A layer in the body of run()."""


def halved(source: str) -> str:
    """Every output in two pieces, one directly behind the other."""
    return _with_body(source, [part for step in _steps(source) for part in (step["kernel"], *_halves(step))])


def in_two_rounds(source: str) -> str:
    """All layers and the first half of each, then all again and the second halves; needs separate buffers."""
    body = [(step["kernel"], *_halves(step)) for step in _steps(source)]
    first = [part for kernel, half, _ in body for part in (kernel, half)]
    return _with_body(source, first + [part for kernel, _, half in body for part in (kernel, half)])


def in_pieces(model: Model, rewrite: Callable[[str], str]) -> Model:
    """The model with another run()."""
    name = f"{model.name}.c"
    return replace(model, files={**model.files, name: rewrite(model.files[name])})


def halved_copy(artifact: Artifact, path: Path) -> Artifact:
    """The artifact in another folder, as if its C had been generated halved.

    What was built of it is still that of the original.
    """
    copy = replace(artifact, path=Path(shutil.copytree(artifact.path, path)))
    name = artifact.manifest.name
    source = copy.firmware / "lib" / name / f"{name}.c"
    source.write_text(halved(source.read_text()))
    return as_generated(copy)


def as_generated(artifact: Artifact) -> Artifact:
    """The artifact with the fingerprint of its sources as they are, edited as they may be."""
    fingerprint = fingerprint_on_disk(artifact)
    return replace(artifact, manifest=replace(artifact.manifest, fingerprint=fingerprint.hex()))


def _steps(source: str) -> list[re.Match[str]]:
    steps = list(STEP.finditer(source))
    assert len(steps) == source.count("    done(observer, ") > 0
    return steps


def _halves(step: re.Match[str]) -> tuple[str, str]:
    size, begin = int(step["bytes"]), f"    done(observer, context, {step['layer']}, {step['address']}"
    return f"{begin}, {size // 2});\n", f"{begin} + {size // 2}, {size - size // 2});\n"


def _with_body(source: str, parts: list[str]) -> str:
    steps = _steps(source)
    return source[: steps[0].start()] + "".join(parts) + source[steps[-1].end() :]
