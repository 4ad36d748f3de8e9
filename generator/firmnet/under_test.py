"""Which devices, running what, were the tests asked to run on? The options of pytest_plugin.py, in pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .targets import AskedRuntime

RUNTIMES: "tuple[AskedRuntime, ...]" = ("auto", "micropython", "c")
SERIAL = "serial"
EMULATORS = ("qemu", "rp2040js")
KINDS_OF_DEVICE = ("host", "core", *EMULATORS, SERIAL)


@dataclass(frozen=True)
class UnderTest:
    """A device, as --firmnet-device names it, and what it runs: an artifact, or a model for a board.

    What was not given is "". `runtime` is what a model is generated with.
    """

    device: str = ""
    artifact: str = ""
    model: str = ""
    board: str = ""
    runtime: "AskedRuntime" = "auto"

    @property
    def kind(self) -> str:
        """One of KINDS_OF_DEVICE; "" where no device was asked for."""
        return self.device.partition(":")[0]

    @property
    def label(self) -> str:
        """For the ids of tests: what it runs, and on what."""
        runs = Path(self.artifact).name or self.board
        return "-".join(filter(None, (runs, self.device)))


def under_test(config: pytest.Config) -> tuple[UnderTest, ...]:
    """Every device with what it runs; UsageError when that cannot be said."""
    devices = _devices(config)
    sources = _sources(config)
    if not devices or not sources or 1 in (len(devices), len(sources)):
        pairs = [(device, source) for source in sources or [("", "", "")] for device in devices or [""]]
    elif len(devices) == len(sources):
        pairs = list(zip(devices, sources, strict=True))
    else:
        raise pytest.UsageError(
            f"there are {len(devices)} devices and {len(sources)} artifacts or boards: give one for all "
            "devices, or one for each, in the same order"
        )
    runtime = config.getoption("--firmnet-runtime") or config.getini("firmnet_runtime") or "auto"
    if runtime not in RUNTIMES:
        raise pytest.UsageError(f"--firmnet-runtime {runtime}: it is one of {', '.join(RUNTIMES)}")
    found = tuple(
        UnderTest(device, *source, runtime=runtime if any(source) else "auto") for device, source in pairs
    )
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice:
        raise pytest.UsageError(f"{twice.label} is to be tested twice: give every device once")
    return tuple(each for each in found if each != UnderTest())


def _devices(config: pytest.Config) -> list[str]:
    ports = config.getoption("--firmnet-port") or []
    older = [port if port in KINDS_OF_DEVICE else f"{SERIAL}:{port}" for port in ports]
    given = [*(config.getoption("--firmnet-device") or []), *older]
    devices = given or list(config.getini("firmnet_device"))
    for device in devices:
        kind, _, url = device.partition(":")
        if device not in KINDS_OF_DEVICE and (kind != SERIAL or not url):
            raise pytest.UsageError(
                f"--firmnet-device {device}: there is no such device; it is one of "
                f"{', '.join(KINDS_OF_DEVICE)} or serial:URL (serial:/dev/ttyACM0)"
            )
    return devices


def _sources(config: pytest.Config) -> list[tuple[str, str, str]]:
    """Artifact, or model and board, of each; the command line goes before the ini file."""
    typed, ini = config.invocation_params.dir, config.inipath.parent if config.inipath else config.rootpath
    artifacts = [str(typed / path) for path in config.getoption("--firmnet-artifact") or []]
    model, boards = config.getoption("--firmnet-model"), config.getoption("--firmnet-board") or []
    if artifacts and (model or boards):
        raise pytest.UsageError(
            "--firmnet-artifact and --firmnet-model cannot be used together: leave one out"
        )
    if not (artifacts or model or boards):
        artifacts = [str(ini / path) for path in config.getini("firmnet_artifact")]
    if artifacts:
        return [(path, "", "") for path in artifacts]
    model = (
        str(typed / model)
        if model
        else config.getini("firmnet_model") and str(ini / config.getini("firmnet_model"))
    )
    boards = boards or list(config.getini("firmnet_board"))
    if bool(model) != bool(boards):
        missing = "--firmnet-board ID" if model else "--firmnet-model MODEL"
        raise pytest.UsageError(
            f"a model is tested on a board that it was generated for: give {missing}, too"
        )
    return [("", model, board) for board in boards]
