"""Does each device compute, bit for bit, what the trained network should, and is that what we want?

pytest.ini says what is tested on which devices; `pytest --firmnet-device ...` says otherwise.
"""

import numpy as np
import pytest
from model import windows

from firmnet.api import inputs_for
from firmnet.verify import verify


def test_every_bit_of_every_layer(firmnet_device, firmnet_artifact):
    verdict = verify(firmnet_artifact, firmnet_device, firmnet_artifact.samples, layers=True)
    assert verdict.ok, verdict.sentence()


def test_outputs_are_the_golden_ones(firmnet_device, firmnet_golden):
    result = firmnet_device.run(firmnet_golden.inputs)
    np.testing.assert_array_equal(result.outputs, firmnet_golden.outputs)


def test_motions_are_recognised(firmnet_device, firmnet_artifact):
    samples, classes = windows(40, seed=2)
    scores = firmnet_device.run(inputs_for(firmnet_artifact, samples)).outputs
    assert np.mean(scores.argmax(axis=-1) == classes) >= 0.95


@pytest.mark.firmnet_needs_counters
def test_stack_is_as_planned(firmnet_device, firmnet_artifact, firmnet_golden):
    firmnet_device.run(firmnet_golden.inputs)
    assert 0 < firmnet_device.counters().stack_peak_bytes <= firmnet_artifact.manifest.stack_bytes


@pytest.mark.firmnet_needs_board
def test_a_window_takes_less_than_five_milliseconds(firmnet_device, firmnet_golden):
    microseconds = firmnet_device.run(firmnet_golden.inputs).cycles  # by the board's own clock
    assert microseconds.max() < 5_000
