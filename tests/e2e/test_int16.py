"""Does a network of int16, or of int16 in places, work on the board as its oracle says, layer by layer?"""

from array import array
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import firmnet
from firmnet import devices
from firmnet.api import Deployment, inputs_for
from firmnet.devices.serial import SerialDevice
from firmnet.interpret import in_model_order, run_int
from firmnet.ir import Array, Dtype
from firmnet.verify import verify

SHAPE = (2, 9, 7)


class Sensor(nn.Module):
    """Dense, depthwise and pointwise convolutions, pools, a residual, a gate, a concatenation, a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.depth = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.point = nn.Conv2d(6, 6, 1)
        self.pool = nn.MaxPool2d(2)
        self.gate = nn.Linear(6, 6)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.pool(torch.relu(self.stem(x)))
        y = torch.relu(y + self.point(torch.relu(self.depth(y))))
        mean = y.mean((2, 3))
        peak = mean * nn.functional.hardtanh(self.gate(mean))
        return torch.softmax(self.head(torch.cat([mean, peak], 1)), 1)


def raw(count: int, seed: int) -> Array:
    """What a sensor of 16 bits gives."""
    return np.random.default_rng(seed).integers(-12000, 12000, (count, *SHAPE)).astype(np.int16)


def deployed(precision: object, path: Path) -> Deployment:
    torch.manual_seed(3)
    calibration = raw(24, 0).astype(np.float32) / 32768
    made = firmnet.compile(
        Sensor().eval(), calibration, board="netduinoplus2", name="sensor", precision=precision
    )
    made.build(path / "sensor", emulate=True)
    return made


@pytest.fixture(scope="module", params=["int16", "mixed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Everything int16; or the input and two layers, one of which its int8 reader has rescaled."""
    mixed = {"x": "int16", "depth": "int16", "gate": "int16"}
    precision = "int16" if request.param == "int16" else mixed
    found = deployed(precision, tmp_path_factory.mktemp(request.param))
    types = {t.dtype for t in found.graph.tensors.values() if t.data is None}
    assert types == ({Dtype.INT16} if precision == "int16" else {Dtype.INT8, Dtype.INT16})
    return found


@pytest.mark.parametrize("name", ["host", "core", "qemu"])
def test_bit_exact_layer_by_layer(made: Deployment, name: str) -> None:
    assert made.artifact is not None
    with devices.open(name, made.artifact) as device:
        verdict = verify(made.artifact, device, inputs_for(made.artifact, raw(9, 1)), layers=True)
    assert verdict.ok, verdict.sentence()
    assert verdict.total == 9


def test_raw_values_of_the_sensor_go_in_as_they_are_and_predict_says_what_the_oracle_does(
    made: Deployment,
) -> None:
    """As int16, and as the floats that the model was trained on."""
    assert made.artifact is not None
    (edge,), (out,) = made.artifact.manifest.inputs, made.artifact.manifest.outputs
    assert (edge.dtype, edge.q.scale) == (Dtype.INT16, (2.0**-15,))
    x = raw(1, 2)
    as_floats = inputs_for(made.artifact, x.astype(np.float32) / 32768)
    np.testing.assert_array_equal(as_floats, inputs_for(made.artifact, x))
    expected = in_model_order(made.graph.outputs[0], run_int(made.graph, edge.stored(x)[0]))
    with devices.open("qemu", made.artifact) as device:
        assert isinstance(device, SerialDevice)
        assert device.info()["inputs"][0]["dtype"] == "int16"
        said = device.repl(
            "import sensor as m\nfrom array import array\n"
            f"x=array('h',{array('h', x.ravel().tolist()).tolist()})\n"
            "a=m.predict(x)\ny=list(m.output)\nb=m.predict([v/32768 for v in x])\n"
            "print((y,list(m.output),a==b))"
        )
    raw_answer, float_answer, same = literal_eval(said.strip())
    assert raw_answer == float_answer == expected.ravel().tolist()
    assert same
    assert out.dtype is made.graph.tensors[made.graph.output].dtype
