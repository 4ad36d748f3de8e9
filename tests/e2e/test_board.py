"""Does the firmware on the emulated board pass every check that a real board must pass?"""

from collections.abc import Iterator

import pytest
from board_checks import BoardChecks

from firmnet.artifact import Artifact
from firmnet.devices import qemu


@pytest.fixture
def firmnet_artifact(small: Artifact) -> Artifact:
    return small


@pytest.fixture
def firmnet_device(small: Artifact) -> Iterator[qemu.QemuDevice]:
    with qemu.open(small) as device:
        yield device


class TestBoard(BoardChecks):
    """The emulated board of the artifact `small`."""
