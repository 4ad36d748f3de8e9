"""Do users meet the model's own order and shape, however tensors are stored, on host and core?"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import firmnet
from firmnet import api
from firmnet.artifact import Artifact
from firmnet.devices import host
from firmnet.devices.runner import from_artifact
from firmnet.errors import UserError
from firmnet.interpret import int_values
from firmnet.ir import Array
from firmnet.qmath import dequantize_output, quantize_input
from firmnet.verify import verify


class Shaped(nn.Module):
    """A layer, and what is done to its output."""

    def __init__(self, layer: nn.Module, *after: str) -> None:
        super().__init__()
        self.layer, self.after = layer, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        for step in self.after:
            y = {
                "squeeze0": lambda y: y.squeeze(0),
                "scalar": lambda y: y[0, 0],
                "square": lambda y: y * y,
                "rows": lambda y: y.view(4, 3),
                "turn": lambda y: y.permute(3, 2, 0, 1),
                "flip": lambda y: y.transpose(0, 1),
                "patches": lambda y: y.view(3, 8, 2),
            }[step](y)
        return y


NETWORKS: dict[str, tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = {
    "map": (nn.Conv2d(2, 3, 3), (2, 6, 8), (3, 4, 6)),
    "image": (nn.Conv2d(3, 2, 1), (3, 5, 5), (2, 5, 5)),
    "vector": (Shaped(nn.Linear(8, 5), "squeeze0"), (8,), (5,)),
    "one": (Shaped(nn.Linear(8, 1), "squeeze0"), (8,), ()),
    "one_squared": (Shaped(nn.Linear(8, 1), "scalar", "square"), (8,), ()),
    "matrix": (Shaped(nn.Linear(8, 12), "rows"), (8,), (4, 3)),
    "turned": (Shaped(nn.Conv2d(2, 3, 1), "turn"), (2, 4, 6), (6, 4, 1, 3)),
    "flipped": (Shaped(nn.Linear(8, 5), "flip"), (8,), (5, 1)),
    "only_seen_otherwise": (nn.Flatten(), (3, 2), (6,)),
    "channels_first": (Shaped(nn.Conv2d(2, 3, 1), "flip", "patches"), (2, 4, 4), (3, 8, 2)),
}
"""Network, shape of a sample, and of its output where there are many."""

every_network = pytest.mark.parametrize("name", NETWORKS)


@cache
def network(name: str) -> nn.Module:
    torch.manual_seed(1)
    module = NETWORKS[name][0]
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module.eval()


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder: Path = tmp_path_factory.mktemp("model_order")
    return {
        name: firmnet.compile(
            network(name), samples(name, 24), board="netduinoplus2", name=f"order_{name}", ranges="minmax"
        ).save(folder / name)
        for name in NETWORKS
    }


def samples(name: str, count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, *NETWORKS[name][1])).astype(np.float32)


def torch_outputs(name: str, inputs: Array) -> Array:
    with torch.no_grad():
        outputs = [network(name)(torch.from_numpy(x[None])).numpy() for x in inputs]
    return np.stack(outputs).reshape(len(inputs), *NETWORKS[name][2])


@every_network
@pytest.mark.parametrize("kind", ["host", "core"])
def test_outputs_have_the_models_order_and_shape(
    artifacts: dict[str, Artifact], name: str, kind: str
) -> None:
    artifact, x = artifacts[name], samples(name, 6)
    inputs = api.inputs_for(artifact, x)
    assert inputs.shape == x.shape
    with api.open(kind, artifact) as device:
        outputs = device.run(inputs).outputs
        assert device.run(inputs[0][None]).outputs.shape == (1, *NETWORKS[name][2])
    assert outputs.shape == (6, *NETWORKS[name][2])
    edge = artifact.manifest.output
    real = edge.scale * (outputs.astype(float) - edge.zero_point)
    expected = torch_outputs(name, x)
    assert np.abs(real - expected).max() < 0.1 * np.abs(expected).max()


@every_network
@pytest.mark.parametrize("kind", ["host", "core"])
def test_every_network_verifies(artifacts: dict[str, Artifact], name: str, kind: str) -> None:
    artifact = artifacts[name]
    for layers in (False, True):
        with api.open(kind, artifact) as device:
            verdict = verify(artifact, device, artifact.samples, layers=layers)
        assert verdict.ok, verdict.sentence()
        assert verdict.outputs.shape == (verdict.total, *NETWORKS[name][2])


@every_network
def test_the_edges_in_c_are_the_oracles(artifacts: dict[str, Artifact], name: str) -> None:
    artifact = artifacts[name]
    graph, manifest, model = artifact.graph, artifact.manifest, from_artifact(artifact)
    c = host.HostLibrary({model.name: model.files}).models[model.name]
    for x in samples(name, 5, seed=2):
        q = quantize_input(x, graph.tensors[graph.input].q)
        (stored,) = manifest.input.stored(q[None])
        np.testing.assert_array_equal(c.quantize(x), stored)
        np.testing.assert_array_equal(c.arrange(q), stored)
        (y,) = manifest.output.samples(int_values(graph, stored)[graph.output].reshape(1, -1))
        c.run(stored)
        real = dequantize_output(y, graph.tensors[graph.output].q).ravel()
        np.testing.assert_array_equal(c.dequantize(), real)
        assert c.best() == (int(y.argmax()), real[y.argmax()])


def test_the_first_of_equal_outputs_in_the_models_own_order_is_best(artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["image"]  # stored channels last, so another of equals lies first in memory
    model = from_artifact(artifact)
    c = host.HostLibrary({model.name: model.files}).models[model.name]
    levels = set()
    for level in (-128, -5, 127):
        q = np.full((3, 5, 5), level, np.int8)
        q[:, 0, 0] = -q[:, 0, 0] - 1  # one pixel is another one
        (stored,) = artifact.manifest.input.stored(q[None])
        (y,) = artifact.manifest.output.samples(c.run(stored).reshape(1, -1))
        assert c.best()[0] == y.argmax()
        levels.add(int(y.argmax()))
    assert len(levels) > 1


@pytest.mark.parametrize("kind", ["host", "core"])
def test_int8_of_another_layout_or_type_is_refused(artifacts: dict[str, Artifact], kind: str) -> None:
    artifact = artifacts["map"]
    right = artifact.samples[:2]
    stored = right.transpose(0, 2, 3, 1)
    assert stored.shape[1:] == artifact.manifest.input.shape[1:]
    with api.open(kind, artifact) as device:
        for wrong in (
            *(stored, right.reshape(2, -1), right[0], right.astype(np.int16), right.view(np.uint8)),
            *(right > 0, right.astype(np.float32)),
        ):
            with pytest.raises(UserError, match=r"must be int8 of shape \(N, 2, 6, 8\), in the model's own"):
                device.run(wrong)
            with pytest.raises(UserError, match=r"must be int8 of shape \(N, 2, 6, 8\)"):
                verify(artifact, device, wrong)


def test_inputs_for_refuses_what_it_would_have_to_reorder(artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["map"]
    right = artifact.samples[:2]
    np.testing.assert_array_equal(api.inputs_for(artifact, right), right)
    np.testing.assert_array_equal(api.inputs_for(artifact, right[:, None]), right)
    for wrong in (right.transpose(0, 2, 3, 1), right.reshape(2, -1), right[0]):
        with pytest.raises(UserError, match=r"the model takes \(N, 2, 6, 8\)"):
            api.inputs_for(artifact, wrong)
    for other in (right.view(np.uint8), right.astype(np.int16), right > 0):
        with pytest.raises(UserError, match=r"give floats as for the model, .* or int8 that is quantized"):
            api.inputs_for(artifact, other)


@pytest.mark.parametrize(("index", "value"), [(0, np.nan), (17, np.inf), (95, -np.inf)])
def test_what_is_not_finite_is_named_by_c(artifacts: dict[str, Artifact], index: int, value: float) -> None:
    model = from_artifact(artifacts["map"])
    c = host.HostLibrary({model.name: model.files}).models[model.name]
    x = samples("map", 1)[0]
    x.flat[index] = value
    x.flat[index + 1 :] = np.nan
    with pytest.raises(ValueError, match=rf"value {index} is {value}"):
        c.quantize(x)
