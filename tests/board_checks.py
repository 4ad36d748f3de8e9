"""What must hold on every board, emulated or real? Both tests/e2e and tests/hil inherit these."""

import random

import numpy as np
import pytest

from firmnet.artifact import Artifact
from firmnet.devices.frames import MAGIC, Frame, Message
from firmnet.devices.serial import SerialDevice
from firmnet.errors import UserError
from firmnet.interpret import int_values
from firmnet.ir import Array
from firmnet.verify import verify


def random_inputs(artifact: Artifact, count: int, seed: int = 0) -> Array:
    """Seeded int8 noise over the whole range, in the model's own order."""
    shape = artifact.manifest.input.sample_shape
    return np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)


class BoardChecks:
    """Fixtures: `firmnet_artifact`, and `firmnet_device`, which runs it."""

    def test_the_firmware_is_the_artifacts(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        manifest = firmnet_artifact.manifest
        assert firmnet_device.fingerprint().hex() == manifest.fingerprint
        assert firmnet_device.hello.model == manifest.name
        assert firmnet_device.hello.layer_count == len(manifest.layers)

    def test_every_output_is_bit_exact(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        inputs = np.concatenate([firmnet_artifact.samples, random_inputs(firmnet_artifact, 40)])
        verdict = verify(firmnet_artifact, firmnet_device, inputs)
        assert verdict.ok, verdict.sentence()
        assert verdict.total == len(inputs)

    def test_every_layer_is_bit_exact(self, firmnet_artifact: Artifact, firmnet_device: SerialDevice) -> None:
        inputs = np.concatenate([firmnet_artifact.samples[:8], random_inputs(firmnet_artifact, 8, seed=1)])
        verdict = verify(firmnet_artifact, firmnet_device, inputs, layers=True)
        assert verdict.ok, verdict.sentence()
        assert verdict.inputs_with_wrong_layers == 0

    def test_every_layer_can_be_dumped(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        (x,) = random_inputs(firmnet_artifact, 1, seed=2)
        (stored,) = firmnet_artifact.manifest.input.stored(x[np.newaxis])
        expected = int_values(firmnet_artifact.graph, stored)
        for index, layer in enumerate(firmnet_artifact.manifest.layers):
            np.testing.assert_array_equal(
                firmnet_device.dump(x, index), expected[layer.name].ravel(), layer.name
            )

    def test_the_board_counts_what_it_did(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        before = firmnet_device.counters()
        result = firmnet_device.run(random_inputs(firmnet_artifact, 3))
        after = firmnet_device.counters()
        assert after.runs - before.runs == 3
        assert result.cycles is not None
        assert after.last_run_us == result.cycles[-1]
        assert after.heap_free_bytes or firmnet_artifact.manifest.runtime == "c"
        assert after.stack_peak_bytes

    def test_the_repl_comes_back_and_serves_again(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        firmnet_device.link.leave()
        if firmnet_artifact.manifest.runtime == "c":
            with pytest.raises(UserError, match="has no prompt"):
                firmnet_device.repl("print(6 * 7)")
        else:
            assert firmnet_device.repl("print(6 * 7)").strip() == "42"
        assert verify(firmnet_artifact, firmnet_device, random_inputs(firmnet_artifact, 2)).ok

    def test_garbage_between_frames_does_no_harm(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        chance = random.Random(3)
        heads = [MAGIC, Frame(Message.RUN, 1, 1, bytes(20)).encode()[:-1], b"\x03", b"\x04"]
        before = firmnet_device.counters().bad_frames
        for head in heads:
            firmnet_device.link._port.write(head + chance.randbytes(chance.randrange(300)))
            assert verify(firmnet_artifact, firmnet_device, random_inputs(firmnet_artifact, 2)).ok
        assert firmnet_device.counters().bad_frames >= before + len(heads)

    def test_inputs_of_another_shape_or_type_are_refused(
        self, firmnet_artifact: Artifact, firmnet_device: SerialDevice
    ) -> None:
        right = random_inputs(firmnet_artifact, 1)
        for wrong in (right.ravel()[:3], right[0], right.view(np.uint8), right.astype(np.int16)):
            with pytest.raises(UserError, match=r"inputs must be int8 of shape \(N, .*model's own order"):
                firmnet_device.run(wrong)
