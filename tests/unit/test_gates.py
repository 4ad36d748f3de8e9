"""Are sigmoid and tanh within a step of int16, whatever they are given?"""

import numpy as np
import pytest

from firmnet.ops.gates import MOST_FINE, WHOLE_GATE, gate_sigmoid, gate_tanh

CHUNK = 2**21


@pytest.mark.parametrize("sign", [-1, 1])
def test_every_number_is_within_a_step(sign: int) -> None:
    """All up to where the last entry is, in steps of 2^-20; beyond, both stay what they are there."""
    for first in range(0, MOST_FINE + 1, CHUNK):
        fine = sign * np.arange(first, first + CHUNK)
        real = fine * 2.0**-20
        assert np.abs(gate_sigmoid(fine) - WHOLE_GATE / (1 + np.exp(-real))).max() < 0.75
        assert np.abs(gate_tanh(fine) - WHOLE_GATE * np.tanh(real)).max() < 0.9
    beyond = sign * np.array([MOST_FINE, 2**30, 2**31 - 1])
    assert gate_tanh(beyond).tolist() == [sign * WHOLE_GATE] * 3
    assert gate_sigmoid(beyond).tolist() == [WHOLE_GATE * (sign > 0)] * 3
