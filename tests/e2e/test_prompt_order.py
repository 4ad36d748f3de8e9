"""Does a board's prompt speak the model's own order, where that is not how its tensors are stored?"""

from ast import literal_eval
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from prompt import Prompt, prompt_of
from torch import nn

import firmnet
from firmnet import api
from firmnet.artifact import Artifact
from firmnet.ir import Array

LABELS = tuple(f"map{c}_row{r}_col{k}" for c in range(2) for r in range(4) for k in range(6))


@pytest.fixture(scope="module")
def heat(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Two heat maps of 4x6 that are their inputs; the input's scale is that of pixels / 255."""
    net = nn.Conv2d(2, 2, 1, groups=2, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)
    samples = np.random.default_rng(0).random((20, 2, 4, 6), np.float32)
    samples[0, :, 0, 0] = 0, 1
    deployment = firmnet.compile(net.eval(), samples, board="netduinoplus2", name="heat", labels=LABELS)
    artifact = deployment.save(tmp_path_factory.mktemp("heat") / "artifact")
    deployment.build(artifact.path, emulate=True)
    return artifact


@pytest.fixture(scope="module")
def board(heat: Artifact) -> Iterator[Prompt]:
    with prompt_of(heat) as prompt:
        prompt("import heat; from array import array")
        yield prompt


@pytest.mark.parametrize("place", [0, 1, 5, 7, 23, 24, 30, 47])
@pytest.mark.parametrize(
    "given", ["array('f', {real})", "{real}", "array('b', {int8})", "array('B', {uint8})"]
)
def test_predict_names_the_place_in_the_models_own_order(board: Prompt, place: int, given: str) -> None:
    board(f"x = [0] * 48; x[{place}] = 1")
    forms = {"real": "x", "int8": "[255 * v - 128 for v in x]", "uint8": "[255 * v for v in x]"}
    label, score = literal_eval(board(f"heat.predict({given.format(**forms)})"))
    assert label == LABELS[place]
    assert score == pytest.approx(1, abs=0.01)
    assert int(np.argmax(literal_eval(board("list(heat.values())")))) == place


def test_pixels_may_lie_where_the_input_does(board: Prompt) -> None:
    """As in a uint8 output that shares the input's memory: none is overwritten before it is read."""
    pixels = np.random.default_rng(2).permutation(48).astype(np.uint8)
    board(f"import _firmnet; view = _firmnet.input(0, True); view[:] = bytes({pixels.tolist()})")
    label, _ = literal_eval(board("heat.predict(view)"))
    assert label == LABELS[int(pixels.argmax())]
    told = literal_eval(board("list(heat.values())"))
    np.testing.assert_allclose(np.array(told) * 255, pixels, atol=0.6)


def test_of_equals_the_first_in_the_models_own_order_wins(board: Prompt) -> None:
    assert literal_eval(board("heat.predict([0.0] * 48)"))[0] == LABELS[0]
    board("x = [0.0] * 48; x[3] = x[7] = 0.5")
    assert literal_eval(board("heat.predict(x)"))[0] == LABELS[3]
    board("x = [0.0] * 48; x[2] = x[24] = 1.0")  # map 1 lies before map 0's next pixel in memory
    assert literal_eval(board("heat.predict(x)"))[0] == LABELS[2]


def test_info_tells_the_order_and_how_memory_lies(heat: Artifact, board: Prompt) -> None:
    info = literal_eval(board("heat.info()"))
    assert info["labels"] == LABELS
    for key in ("input", "output"):
        assert info[key]["shape"] == (1, 2, 4, 6)
        assert info[key]["stored"] == {"shape": (1, 4, 6, 2), "order": (0, 2, 3, 1)}
    assert info["input"]["pixels"] == 255


def test_the_memory_of_input_and_output_is_as_info_says(heat: Artifact, board: Prompt) -> None:
    x = np.random.default_rng(1).integers(-128, 128, (2, 4, 6)).astype(np.int8)
    board(f"heat.predict(array('b', {x.ravel().tolist()}))")
    memory = np.array(literal_eval(board("list(heat.output)"))).reshape(4, 6, 2).transpose(2, 0, 1)
    real = np.array(literal_eval(board("list(heat.values())"))).reshape(2, 4, 6)
    edge = heat.manifest.output
    np.testing.assert_allclose(real, edge.scale * (memory - edge.zero_point), rtol=1e-4)


def test_the_devices_outputs_are_torchs_too(heat: Artifact) -> None:
    real = np.eye(48, dtype=np.float32).reshape(48, 2, 4, 6)
    inputs = api.inputs_for(heat, real)
    with firmnet.open("qemu", heat) as device:
        outputs: Array = device.run(inputs).outputs
    assert outputs.shape == (48, 2, 4, 6)
    np.testing.assert_array_equal(outputs.reshape(48, -1).argmax(axis=1), np.arange(48))
