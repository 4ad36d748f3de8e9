"""Is it noticed when what users call is not what the oracle says, though every int8 output is right?"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from board_twin import BoardTwin, inputs, powered, save_artifact, two_layers
from serial.urlhandler import protocol_socket

from firmnet.artifact import Artifact
from firmnet.calls import expected_info, real_samples, wrong_info
from firmnet.devices import serial
from firmnet.errors import UserError, VerificationError
from firmnet.qmath import quantize_input
from firmnet.verdict import Verdict
from firmnet.verify import verify


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return save_artifact(tmp_path / "twin", two_layers())


@pytest.fixture
def board() -> BoardTwin:
    return BoardTwin(two_layers())


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))


def verdict_on(artifact: Artifact, board: BoardTwin) -> Verdict:
    with powered(board) as url, serial.open(artifact, url) as device:
        return verify(artifact, device, inputs(6))


def test_float_samples_try_every_edge_of_rounding(artifact: Artifact) -> None:
    q = artifact.graph.tensors[artifact.graph.input].q
    chosen = np.stack([np.r_[-128, 127, np.arange(start, start + 62)] for start in (-120, -50, 20)])
    samples = real_samples(artifact, chosen.astype(np.int8))
    assert samples.shape == (3, 64)
    assert samples.dtype == np.float32
    exact = samples.astype(np.float64) / q.scale[0] + q.zero_point
    off = np.abs(exact - np.floor(exact) - 0.5)
    assert ((off < 1e-5).mean(axis=1) > 0.3).all(), "too few half-way points, and values beside them"
    assert (off > 0.4).mean() > 0.1, "no middles"
    assert exact.min() < -300, "nothing far below the range"
    assert exact.max() > 300, "nothing far above the range"
    assert np.abs(quantize_input(samples, q).astype(int) - chosen).max() == 1
    np.testing.assert_array_equal(samples, real_samples(artifact, chosen.astype(np.int8)))


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        ({"labels": ("a",) * 10}, r"predict\(\) answers 'a' \(.*\) for float32 sample 0, the oracle \d"),
        (
            {"values": lambda: b"12345678" * 5},
            r"the output's real values are not the oracle's for float32 sa",
        ),
        ({"info": lambda: {"name": "twin", "board": "?"}}, r"info\(\) says board '\?', where 'Netduino Plus"),
    ],
)
def test_an_edited_module_is_not_verified(
    artifact: Artifact, board: BoardTwin, edited: dict[str, Any], told: str
) -> None:
    board.edited |= edited
    assert_not_verified(verdict_on(artifact, board), told)


def test_info_tells_which_pixels_an_input_takes(artifact: Artifact) -> None:
    right = expected_info(artifact)
    (edge,) = right["inputs"]
    told = right | {"inputs": ({**edge, "pixels": 255},)}
    assert edge["pixels"] is None
    assert wrong_info(right, told) == "info() says inputs 0 pixels '255', where 'None' is right"


def test_an_edited_predict_is_not_verified(artifact: Artifact, board: BoardTwin) -> None:
    def predict(x: Any) -> tuple[int, float]:
        board._load(x)
        board._run()
        return 7, 0.25

    board.edited["predict"] = predict
    told = r"predict\(\) answers 7 \(0\.25\) for float32 sample \d, the oracle"
    assert_not_verified(verdict_on(artifact, board), told)


def test_an_edited_edge_is_not_verified(artifact: Artifact, board: BoardTwin) -> None:
    load = board._load

    def shifted(values: Any, pixels: bool = False, i: int = 0) -> None:
        load(values)
        board._x[0][:] = np.clip(board._x[0].astype(int) + 1, -128, 127)

    board._load = shifted  # type: ignore[method-assign]
    told = "the input is not quantized as by the oracle for float32 sample 0"
    assert_not_verified(verdict_on(artifact, board), told)


def assert_not_verified(verdict: Verdict, told: str) -> None:
    assert verdict.exact == verdict.total
    assert not verdict.ok
    assert verdict.to_json()["ok"] is False
    assert verdict.calls
    assert verdict.calls.wrong
    head, _, but = verdict.sentence().partition("; but ")
    assert head.startswith("not verified: 6 of 6 outputs bit-exact")
    assert re.match(told, but), but


@pytest.mark.parametrize("answer", [7, None, (), ("a", "b")])
def test_an_answer_that_is_no_prediction_is_said(artifact: Artifact, board: BoardTwin, answer: Any) -> None:
    board.edited["predict"] = lambda x: answer
    with pytest.raises(VerificationError, match=r"predict\(\)|failed on the board"):
        verdict_on(artifact, board)


def test_a_board_without_room_for_floats_is_asked_with_int8(artifact: Artifact, board: BoardTwin) -> None:
    real = board._load

    def small(values: Any, pixels: bool = False, i: int = 0) -> None:
        if values.typecode == "f":
            raise MemoryError
        board._x[0][:] = np.array(values, np.int8)

    board._load = small  # type: ignore[method-assign]
    assert "predict() right for 3 int8 samples" in verdict_on(artifact, board).sentence()

    def none(values: Any, pixels: bool = False, i: int = 0) -> None:
        raise MemoryError

    board._load = none  # type: ignore[method-assign]
    verdict = verdict_on(artifact, board)
    assert verdict.ok
    assert "predict() was not checked: its input or its results find no room" in verdict.sentence()
    board._load = real  # type: ignore[method-assign]


def test_a_sample_that_is_not_finite_is_refused(artifact: Artifact, board: BoardTwin) -> None:
    samples = np.zeros((2, 64), np.float32)
    samples[1, 5] = np.nan
    with powered(board) as url, serial.open(artifact, url) as device:
        with pytest.raises(UserError, match="sample 1: value 5 is nan: the model takes finite numbers"):
            device.predict(samples)
        with pytest.raises(UserError, match=r"samples must be float32 of shape \(N, 64\)"):
            device.predict(samples.astype(np.float64))
