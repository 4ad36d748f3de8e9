"""Does the firmware on the emulated board pass every check that a real board must pass?"""

from collections.abc import Iterator

import pytest
from board_checks import BoardChecks
from pieces import halved_copy

from firmnet.artifact import Artifact
from firmnet.build import build
from firmnet.devices import qemu


@pytest.fixture
def firmnet_artifact(small: Artifact) -> Artifact:
    return small


@pytest.fixture
def firmnet_device(firmnet_artifact: Artifact) -> Iterator[qemu.QemuDevice]:
    with qemu.open(firmnet_artifact) as device:
        yield device


class TestBoard(BoardChecks):
    """The emulated board of the artifact `small`."""


@pytest.fixture(scope="module")
def in_halves(small: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """`small`, built so that its layers are shown in two pieces each."""
    copy = halved_copy(small, tmp_path_factory.mktemp("halved") / "artifact")
    build(copy, emulate=True)
    return copy


class TestLayersInPieces:
    """The checks of layers, where each comes in two pieces."""

    @pytest.fixture
    def firmnet_artifact(self, in_halves: Artifact) -> Artifact:
        return in_halves

    test_every_layer_is_bit_exact = BoardChecks.test_every_layer_is_bit_exact
    test_every_layer_can_be_dumped = BoardChecks.test_every_layer_can_be_dumped
