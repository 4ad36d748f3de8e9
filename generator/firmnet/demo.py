"""What does firmnet do, on real data? Digits, from training to 599 images verified on an emulated board."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import api
from .assets import assets
from .build import BuildReport
from .errors import UserError
from .quantize import share_right
from .verdict import Verdict

BOARD = "netduinoplus2"
MODEL = "digits.py:model"

Tell = Callable[[str], None]
"""Told what begins."""


@dataclass(frozen=True)
class Demo:
    """What the demo measured; accuracies are fractions of the held-out images."""

    images: int
    float_accuracy: float
    oracle_accuracy: float
    board_accuracy: float
    build: BuildReport
    artifact: Path
    verdict: Verdict

    def lines(self) -> list[str]:
        """For people; the verdict comes last."""
        shares = {
            "float": self.float_accuracy,
            "int8 in NumPy": self.oracle_accuracy,
            "board": self.board_accuracy,
        }
        accuracies = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
        return [
            f"accuracy  {accuracies} ({self.images} held-out images)",
            *self.build.sizes.lines(),
            f"artifact  {self.artifact}",
            self.verdict.sentence(),
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "accuracy": {
                "float": self.float_accuracy,
                "oracle": self.oracle_accuracy,
                "board": self.board_accuracy,
            },
            "build": asdict(self.build),
            "artifact": str(self.artifact),
            "verdict": self.verdict.to_json(),
        }


def demo(path: str | Path | None, step: Tell, progress: Callable[[int, int], None]) -> Demo:
    """Train, calibrate, generate, build, boot and verify; raises UserError when a tool is missing."""
    if not (assets("examples") / "digits.py").is_file():
        raise UserError("the digits example is missing: reinstall firmnet")
    step("training a small CNN on scikit-learn's digits, quantizing it, generating firmware")
    deployment = api.compile(f"{assets('examples') / MODEL}", board=BOARD, progress=progress)
    assert deployment.test is not None
    assert deployment.accuracy is not None
    images, classes = deployment.test
    artifact = deployment.save(path)
    step(f"building the firmware with PlatformIO in {artifact.path}")
    report = api.build(artifact, emulate=True)
    step(f"booting it on the emulated {BOARD}, sending {len(images)} images over its serial port")
    inputs = api.inputs_for(artifact, images)
    verdict = api.verify(artifact, inputs, emulate=True, progress=lambda done: progress(done, len(images)))

    return Demo(
        images=len(images),
        float_accuracy=deployment.accuracy.float_accuracy,
        oracle_accuracy=deployment.accuracy.int8_accuracy,
        board_accuracy=share_right(verdict.outputs, classes),
        build=report,
        artifact=artifact.path,
        verdict=verdict,
    )
