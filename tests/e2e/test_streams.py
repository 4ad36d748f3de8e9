"""From recordings to a board that hears hops: do the command, the artifact and the board go together?"""

import json
import re
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stream_networks import NETWORKS

import firmnet
from firmnet import api, cli
from firmnet.artifact import Artifact
from firmnet.errors import UserError, VerificationError
from firmnet.inputs import KEPT_STEPS
from firmnet.interpret import run_int
from firmnet.profile import lines, profile

MODEL = """
import numpy as np, torch
from stream_networks import keywords

def spotter():
    torch.manual_seed(0)
    recordings = np.random.default_rng(0).normal(size=(4, 1, 50, 10)).astype(np.float32)
    return {"module": keywords().eval(), "example": torch.zeros(1, 1, 24, 10), "calibration": recordings}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: Any
    stdout: str
    stderr: str


def command(folder: Path, *options: str) -> Done:
    """`firmnet generate` of the keyword network, with its recordings."""
    model = folder / "spotting.py"
    model.write_text(MODEL)
    arguments = ["generate", f"{model}:spotter", "--board", "netduinoplus2", "-o", str(folder / "made")]
    stdout, stderr = StringIO(), StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as ended:
        cli.main([*arguments, *options, "--json"])
    return Done(ended.value.code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, dict[str, object], str]:
    """The artifact of hops of four frames, what the command said for machines, and for people."""
    folder = tmp_path_factory.mktemp("streams")
    done = command(folder, "--stream", "--hop", "4")
    assert done.code == 0, done.stderr
    return Artifact.open(folder / "made"), json.loads(done.stdout), done.stderr


def test_the_artifact_says_what_it_is_given(made: tuple[Artifact, dict[str, object], str]) -> None:
    artifact, told, shown = made
    stream = artifact.manifest.stream
    assert stream is not None
    assert (stream.window_frames, stream.hop_frames, stream.axis, stream.first_run) == (24, 4, 2, 6)
    assert artifact.manifest.input.model_shape == (1, 1, 4, 10)
    assert (
        "4 frames per run (axis 2), of windows of 24; outputs are a window's from run 6 after a reset"
        in shown
    )
    cost = told["cost"]
    assert isinstance(cost, dict)
    assert cost["chosen"]["cycles"] < 0.5 * cost["window"]["cycles"]
    assert len(artifact.samples) == min(6 + KEPT_STEPS, 4 * 50 // 4)
    measured = profile(artifact)
    assert any(line.startswith("stream    4 frames per run") for line in lines(measured))
    assert measured.cycles
    assert [run.cycles for run in measured.later] == pytest.approx([measured.cycles] * 7, rel=0.01)


def test_a_profile_checks_later_runs_too(
    made: tuple[Artifact, dict[str, object], str], tmp_path: Path
) -> None:
    """The C in which nothing that is kept moves on computes the first run right."""
    artifact, _, _ = made
    damaged = replace(artifact, path=Path(shutil.copytree(artifact.path, tmp_path / "damaged")))
    source = damaged.firmware / "lib" / artifact.manifest.name / f"{artifact.manifest.name}.c"
    text = source.read_text()
    still, count = re.subn(r"(?=(fn_copy_words|memmove)\(y, kept \+)", "if (0) ", text)
    assert count
    source.write_text(still)
    with pytest.raises(VerificationError, match=r"something else on a simulated cortex-m4f in run [2-8]: "):
        profile(damaged)


def test_its_hops_are_the_recordings(made: tuple[Artifact, dict[str, object], str]) -> None:
    artifact, _, _ = made
    recordings = np.random.default_rng(0).normal(size=(4, 1, 50, 10)).astype(np.float32)
    heard = np.concatenate([*recordings], 1)
    hops = np.stack([heard[:, 4 * i : 4 * i + 4] for i in range(len(artifact.samples))])
    np.testing.assert_array_equal(api.inputs_for(artifact, hops), artifact.samples)


def test_the_board_streams_and_says_so(made: tuple[Artifact, dict[str, object], str]) -> None:
    """verify compares info() too."""
    artifact, _, _ = made
    api.build(artifact, emulate=True)
    verdict = api.verify(artifact, emulate=True, layers=True)
    assert verdict.ok, verdict.sentence()


def test_what_is_wrong_is_said_and_nothing_written(tmp_path: Path) -> None:
    for options, why in (
        (("--stream", "--hop", "3"), "a hop of 3 frames is no multiple of 2"),
        (("--hop", "4"), "are of a stream: give `stream` too"),
        (("--stream", "--time-axis", "3"), "calibration data has shape"),
    ):
        done = command(tmp_path, *options)
        assert done.code == 2
        assert why in done.stderr
        assert not (tmp_path / "made").exists()


def test_python_streams_windows() -> None:
    torch.manual_seed(0)
    window = NETWORKS["every_step"]
    samples = np.random.default_rng(1).normal(size=(6, *window.shape)).astype(np.float32)
    deployment = firmnet.compile(window.build(), samples, board="nucleo_f446re", name="steps", stream=True)
    stream = deployment.graph.stream
    assert stream is not None
    assert (stream.window, stream.hop, stream.axis, stream.first_run) == (24, 2, 1, 12)
    assert run_int(deployment.graph, np.zeros((1, 2, 4), np.int8)).shape == (1, 1, 3)
    shown = repr(deployment).splitlines()
    assert len(shown) <= 24
    assert max(map(len, shown)) <= 110
    assert any(line.startswith("stream    2 frames per run") for line in shown)


def test_a_model_of_two_inputs_or_one_that_remembers_itself_is_no_stream() -> None:
    class Two(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    class Sum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(1, 4, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total.copy_(self.total + x)
            return self.total * 0.5

    samples = np.random.default_rng(1).normal(size=(6, 4, 8)).astype(np.float32)
    with pytest.raises(UserError, match="has 2 inputs and 0 states: a stream is made of a network with one"):
        firmnet.compile(Two(), (samples, samples), board="nucleo_f446re", stream=True)
    with pytest.raises(UserError, match="has 1 input and 1 state: a stream is made of a network with one"):
        firmnet.compile(Sum(), samples, board="nucleo_f446re", stream=True)


NOISE = np.random.default_rng(1).normal(size=(6, 4, 30)).astype(np.float32)


@pytest.mark.parametrize(
    ("recordings", "options", "told"),
    [
        (NOISE[:0], {}, "calibration data is empty"),
        ([*NOISE[:, :, :20], NOISE[0]], {}, "recordings of different lengths: cut them to one"),
        (NOISE, {"hop": 2.0}, "`hop` is 2.0: give a whole number"),
        (NOISE, {"time_axis": "time"}, "`time_axis` is 'time': give a whole number"),
    ],
)
def test_what_makes_no_stream_is_told_in_a_sentence(
    recordings: object, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        firmnet.compile(
            torch.nn.Conv1d(4, 2, 3),
            recordings,
            example=torch.zeros(1, 4, 12),
            board="nucleo_f446re",
            stream=True,
            **options,
        )


def test_numbers_of_words_are_a_stream() -> None:
    class Words(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.conv = torch.nn.Embedding(9, 4), torch.nn.Conv1d(4, 3, 3)

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            return self.conv(self.table(words).transpose(1, 2)).mean(2)

    words = np.random.default_rng(1).integers(0, 9, (6, 20))
    example = torch.zeros(1, 8, dtype=torch.int64)
    made = firmnet.compile(Words(), words, example=example, board="nucleo_f446re", name="words", stream=True)
    assert [node.op for node in made.graph.nodes].count("embedding") == 1
    (table,) = [node for node in made.graph.nodes if node.op == "embedding"]
    assert made.graph.tensors[table.output].shape == (1, 1, 4)  # of the newest word alone
