"""Do the host and the emulated core keep the promises of devices.Device for a whole artifact?"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layered_networks import noise, residual

from firmnet import artifact as artifacts
from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.codegen.firmware import firmware
from firmnet.codegen.model import model_sources
from firmnet.devices import core, runner
from firmnet.devices.device import HasCalls, RunResult
from firmnet.errors import UserError, VerificationError
from firmnet.ir import Array, Dtype, Graph, Node, Port, QParams, State, Tensor
from firmnet.ops import OPS
from firmnet.profile import profile
from firmnet.targets import Isa, load_board
from firmnet.verify import verify


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    graph = residual()
    made = firmware(graph, load_board("netduinoplus2"))
    path: Path = tmp_path_factory.mktemp("artifact") / "residual"
    samples = made.manifest.input.samples(noise(graph, 3))
    return artifacts.save(path, made.manifest, graph, samples, made.files)


def inputs(artifact: Artifact, count: int) -> Array:
    return artifact.manifest.input.samples(noise(residual(), count))


@pytest.mark.parametrize("kind", ["host", "core"])
def test_verifies_bit_exact(kind: str, artifact: Artifact) -> None:
    x, steps = inputs(artifact, 150), list[int]()
    with devices.open(kind, artifact) as device:
        verdict = verify(artifact, device, x, layers=True, progress=steps.append)
        assert verdict.ok, verdict.sentence()
        assert steps[-1] == verdict.total == 150
        assert device.counters().runs >= 150


def test_a_core_with_vectors_runs_what_those_without_run(tmp_path: Path) -> None:
    nano, graph = load_board("nano33ble"), residual()
    board = replace(nano, chip=replace(nano.chip, core="cortex-m55"), emulator=None)
    made = firmware(graph, board)
    x = made.manifest.input.samples(noise(graph, 20))
    saved = artifacts.save(tmp_path / "residual", made.manifest, graph, x, made.files)
    with core.open(saved) as device:
        verdict = verify(saved, device, x, layers=True)
    assert verdict.ok, verdict.sentence()
    assert verdict.device == "cortex-m55 (core)"
    with pytest.raises(UserError, match="there is no simulator of a cortex-m55"):
        profile(saved)


@pytest.mark.parametrize("kind", ["host", "core"])
def test_a_changed_weight_is_found_in_its_layer(
    kind: str, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where its firmware says that it is the artifact's."""
    fingerprint = bytes.fromhex(artifact.manifest.fingerprint)
    monkeypatch.setattr(runner, "fingerprint_on_disk", lambda artifact: fingerprint)
    copy = tmp_path / "changed"
    change_first_weight(artifact, "conv", copy)
    with devices.open(kind, Artifact.open(copy)) as device:
        verdict = verify(artifact, device, inputs(artifact, 20), layers=True)
    assert not verdict.ok
    assert verdict.layer
    assert verdict.layer.name == "conv"


def test_an_oracle_that_was_edited_proves_nothing(artifact: Artifact, tmp_path: Path) -> None:
    """Where no input reaches the difference too."""
    copy = shutil.copytree(artifact.path, tmp_path / "changed")
    with np.load(copy / "constants.npz") as kept:
        constants = dict(kept)
    constants["conv_bias"] = constants["conv_bias"] + 1
    np.savez(copy / "constants.npz", **constants)
    changed = Artifact.open(copy)
    wanted = r"constants\.npz was changed since it was generated"
    with devices.open("host", changed) as device, pytest.raises(UserError, match=wanted):
        verify(changed, device, inputs(artifact, 3))


class Liar:
    """A device that answers what `lie` makes of the outputs of another."""

    def __init__(self, device: devices.Device, lie: Callable[[Array], Any]) -> None:
        self.device, self.lie, self.name = device, lie, "liar"
        self.fingerprint, self.reset, self.dump = device.fingerprint, device.reset, device.dump
        self.counters, self.close = device.counters, device.close

    def run(self, inputs: Any, **how: Any) -> RunResult:
        result = self.device.run(inputs, **how)
        return replace(result, outputs=self.lie(result.outputs))

    def __enter__(self) -> "Liar":
        return self

    def __exit__(self, *ended: object) -> None: ...


LIES: dict[str, Callable[[Array], Any]] = {
    "fractions": lambda y: y + 0.4 * np.sign(y),
    "wide": lambda y: y.astype(np.int64),
    "as-bytes": lambda y: y.view(np.uint8),
    "flat": lambda y: y.ravel(),
    "another-rank": lambda y: y[..., np.newaxis],
    "twice": lambda y: np.concatenate([y, y]),
    "twice-as-wide": lambda y: np.concatenate([y, y], axis=1),
    "one-too-few": lambda y: y[:-1],
    "two-outputs": lambda y: (y, y),
    "none": lambda y: (),
}


@pytest.mark.parametrize("lie", LIES)
def test_answers_of_another_type_or_shape_are_refused(artifact: Artifact, lie: str) -> None:
    """Whatever the values come to when they are read as integers."""
    with (
        devices.open("host", artifact) as device,
        pytest.raises(VerificationError, match=r"of liar are .* is right"),
    ):
        verify(artifact, Liar(device, LIES[lie]), inputs(artifact, 3))


def test_the_largest_of_int32_values_is_found_though_they_are_one_float(tmp_path: Path) -> None:
    q, near = QParams((1.0,), 0, Dtype.INT32), np.array([[2**24, 2**24 + 1]], np.int32)
    tensors = [
        Tensor("x", (1, 2), QParams((1.0,))),
        *(Tensor(name, (1, 2), q) for name in ("kept", "wide")),
        Tensor("near", (1, 2), q, near),
        Tensor("scores", (1, 4), q),
    ]
    nodes = (
        Node("wide", "rescale", OPS["rescale"].attrs(), ("x",), ("wide",)),
        Node("scores", "concat", OPS["concat"].attrs(1), ("kept", "wide"), ("scores",)),
    )
    named, states = {t.name: t for t in tensors}, (State("kept", "kept", "kept", "near"),)
    graph = Graph("near", nodes, named, (Port("x", "x"),), (Port("scores", "scores"),), states)
    parts = firmware(graph, load_board("netduinoplus2"))
    x = np.array([[1, 2], [3, -4]], np.int8)
    saved = artifacts.save(tmp_path / "near", parts.manifest, graph, x, parts.files)
    with devices.open("host", saved) as device:
        verdict = verify(saved, device, x, layers=True)
        assert verdict.ok, verdict.sentence()
        assert isinstance(device, HasCalls)
        assert [said.index for said in device.predict(x.astype(np.float32))] == [1, 1]


def test_a_model_of_views_alone_that_answers_wrongly_is_not_verified(tmp_path: Path) -> None:
    """It has no layer that could be named."""
    x, y = Tensor("x", (1, 2, 3), QParams((1.0,))), Tensor("y", (1, 6), QParams((1.0,)))
    node = Node("y", "reshape", OPS["reshape"].attrs((1, 6)), ("x",), ("y",))
    graph = Graph("views", (node,), {"x": x, "y": y}, (Port("x", "x"),), (Port("y", "y"),))
    parts = firmware(graph, load_board("netduinoplus2"))
    samples = np.arange(12, dtype=np.int8).reshape(2, 2, 3)
    saved = artifacts.save(tmp_path / "views", parts.manifest, graph, samples, parts.files)
    with devices.open("host", saved) as device:
        assert verify(saved, device, samples, layers=True).ok
        verdict = verify(saved, Liar(device, lambda y: y + np.int8(1)), samples, layers=True)
    assert verdict.sentence().startswith("not verified: 0 of 2 outputs bit-exact on liar")


def change_first_weight(artifact: Artifact, layer: str, copy: Path) -> None:
    """A copy of the artifact whose C has another first weight in one layer."""
    shutil.copytree(artifact.path, copy)
    graph = residual()
    weight = graph.tensors[next(node.inputs[1] for node in graph.nodes if node.name == layer)]
    values = weight.values.copy()
    values.flat[0] = -values.flat[0] or 1
    changed = replace(graph, tensors={**graph.tensors, weight.name: replace(weight, data=values)})
    file = "residual_weights.c"
    text = model_sources(changed, isa=Isa.DSP)[file]
    (copy / "firmware" / "lib" / "residual" / file).write_text(text)


def test_instructions_of_a_run_and_its_layers(artifact: Artifact) -> None:
    x = inputs(artifact, 2)
    with core.open(artifact, "netduinoplus2") as device:
        result, layers = device.run(x), device.profile(x[0])
    assert result.cycles is not None
    assert result.cycles.shape == (2,)
    assert len(layers) == len(artifact.manifest.layers)
    np.testing.assert_allclose(layers.sum(), result.cycles[0], rtol=0.1)


@pytest.mark.parametrize("kind", ["host", "core"])
def test_progress_counts_each_run_from_its_start(kind: str, artifact: Artifact) -> None:
    x = inputs(artifact, 5)
    with devices.open(kind, artifact) as device:
        for _ in range(2):
            steps: list[int] = []
            device.run(x, progress=steps.append)
            assert steps[-1] == 5
        assert device.counters().runs == 10
