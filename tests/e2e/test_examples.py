"""Do the examples that learn from sequences train, as their users would, and are they verified on a board?"""

from pathlib import Path

import pytest

import firmnet

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("source", "stream", "least_accuracy"),
    [
        pytest.param("exercises.py:gru", False, 0.8, id="gru"),
        pytest.param("exercises.py:transformer", False, 0.8, id="transformer"),
        pytest.param("keywords.py:model", True, 0.9, id="keywords"),
    ],
)
def test_an_example_is_trained_and_verified(
    source: str, stream: bool, least_accuracy: float, tmp_path: Path
) -> None:
    deployment = firmnet.compile(str(EXAMPLES / source), board="netduinoplus2", stream=stream)
    assert deployment.accuracy is not None
    assert deployment.accuracy.int8_accuracy > least_accuracy
    assert deployment.accuracy.int8_accuracy > deployment.accuracy.float_accuracy - 0.02
    deployment.build(tmp_path / "artifact", emulate=True)
    verdict = deployment.verify(device="qemu", layers=True)
    assert verdict.ok, verdict.sentence()
