"""How does a test get hold of a board? By pytest --firmnet-artifact DIR --firmnet-port URL and two fixtures.

    from firmnet.verify import verify

    def test_board(firmnet_device, firmnet_artifact):
        assert verify(firmnet_artifact, firmnet_device, firmnet_artifact.samples).ok

Without the options such tests are skipped. URL is a serial port, a pyserial URL, or "qemu", "core", "host".
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .artifact import Artifact
    from .devices import Device


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("firmnet", "boards under test")
    group.addoption(
        "--firmnet-artifact", metavar="DIR", help="artifact directory whose firmware the board runs"
    )
    group.addoption(
        "--firmnet-port", metavar="URL", help='serial port of the board, or "qemu", "core", "host"'
    )


@pytest.fixture
def firmnet_artifact(request: pytest.FixtureRequest) -> "Artifact":
    """The artifact of --firmnet-artifact."""
    from .artifact import Artifact

    path = request.config.getoption("--firmnet-artifact")
    if not path:
        pytest.skip("no artifact to test: give --firmnet-artifact DIR")
    return Artifact.open(path)


@pytest.fixture
def firmnet_device(request: pytest.FixtureRequest, firmnet_artifact: "Artifact") -> Iterator["Device"]:
    """The board at --firmnet-port, serving; its REPL is back afterwards."""
    from . import devices

    port = request.config.getoption("--firmnet-port")
    if not port:
        pytest.skip("no board to test on: give --firmnet-port URL")
    with devices.open(port, firmnet_artifact) as device:
        yield device
