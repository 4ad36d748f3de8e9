"""How does a test get hold of a board? By `pytest --firmnet-device` and fixtures; docs/testing.md shows them.

    from firmnet.verify import verify

    def test_board(firmnet_device, firmnet_artifact):
        verdict = verify(firmnet_artifact, firmnet_device, firmnet_artifact.samples)
        assert verdict.ok, verdict.sentence()

Every test runs once on each device that was asked for; without one such tests are skipped. pytest imports
this file in every project where firmnet is installed, so it imports nothing heavy.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from .under_test import KINDS_OF_DEVICE, UnderTest, under_test

if TYPE_CHECKING:
    from .artifact import Artifact
    from .bench import Bench
    from .devices import Device
    from .verify import Golden

REPEATABLE = {
    "device": (
        "KIND",
        "what the tests run on: host (C in this process), core (an emulated core), qemu or rp2040js (the "
        "whole firmware on the emulated board), serial (the board on USB) or serial:URL (a port, or "
        "rfc2217://host:port)",
    ),
    "artifact": ("DIR", "the artifact that it runs: one for all devices, or one for each, in their order"),
    "board": ("ID", "with --firmnet-model: the board it is for; one for all devices, or one for each"),
}
MARKS = {
    "firmnet_needs_board": "firmnet_needs_board: skip unless the device is a real board",
    "firmnet_needs_counters": "firmnet_needs_counters: skip where no clock, heap or stack is measured",
    "firmnet_needs_core": "firmnet_needs_core(core, ...): skip on every other core, such as 'cortex-m4'",
}


_UNDER_TEST = pytest.StashKey[tuple[UnderTest, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("firmnet", "boards under test")
    for name, (metavar, text) in REPEATABLE.items():
        group.addoption(
            f"--firmnet-{name}", action="append", metavar=metavar, help=f"{text} (may be repeated)"
        )
        parser.addini(f"firmnet_{name}", f"as --firmnet-{name}: {text}", type="args", default=[])
    told = "a model to generate the artifact from, once per run: net.pt2 or file.py:function"
    group.addoption("--firmnet-model", metavar="MODEL", help=told)
    parser.addini("firmnet_model", f"as --firmnet-model: {told}", default="")
    told = "what that model's firmware runs beside it: micropython, c or auto (the default)"
    group.addoption("--firmnet-runtime", metavar="RUNTIME", help=told)
    parser.addini("firmnet_runtime", f"as --firmnet-runtime: {told}", default="")
    group.addoption(
        "--firmnet-flash",
        action="store_true",
        help="build the firmware and write it to each board, once per run, before its first test",
    )
    group.addoption(
        "--firmnet-port",
        action="append",
        metavar="URL",
        help="the same as --firmnet-device serial:URL, or host, core, qemu, rp2040js",
    )


def pytest_configure(config: pytest.Config) -> None:
    for told in MARKS.values():
        config.addinivalue_line("markers", told)
    config.stash[_UNDER_TEST] = under_test(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    asked = config.stash[_UNDER_TEST]
    return f"firmnet: {', '.join(each.label for each in asked)}" if asked else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of a board once for every board."""
    if "firmnet_device" not in metafunc.fixturenames:
        for mark in metafunc.definition.iter_markers():
            if mark.name in MARKS:
                pytest.fail(f"{mark.name} is of use only to a test that has firmnet_device", pytrace=False)
    asked = metafunc.config.stash[_UNDER_TEST]
    if asked and "firmnet_under_test" in metafunc.fixturenames:
        several = len({(each.artifact, each.model, each.board) for each in asked}) > 1
        ids = [each.label if several or not each.device else each.device for each in asked]
        metafunc.parametrize("firmnet_under_test", asked, indirect=True, ids=ids, scope="session")


@pytest.fixture(scope="session")
def firmnet_under_test(request: pytest.FixtureRequest) -> UnderTest:
    """The device and artifact that this test is run for."""
    asked: UnderTest = getattr(request, "param", UnderTest())
    return asked


@pytest.fixture(scope="session")
def firmnet_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Bench]":
    """The boards of this run, which several workers share."""
    from .bench import Bench

    worker = hasattr(request.config, "workerinput")
    place = tmp_path_factory.getbasetemp()
    with Bench(
        shared=place.parent if worker else place,
        root=request.config.rootpath,
        flashes=request.config.getoption("--firmnet-flash"),
        alone=not worker,
    ) as bench:
        yield bench


@pytest.fixture
def firmnet_artifact(firmnet_under_test: UnderTest, firmnet_bench: "Bench") -> "Artifact":
    """The artifact under test: --firmnet-artifact's, or generated from --firmnet-model."""
    if not (firmnet_under_test.artifact or firmnet_under_test.model):
        pytest.skip(
            "no artifact to test: give --firmnet-artifact DIR, or --firmnet-model and --firmnet-board"
        )
    with _in_words():
        return firmnet_bench.artifact(firmnet_under_test)


@pytest.fixture
def firmnet_golden(firmnet_artifact: "Artifact", firmnet_bench: "Bench") -> "Golden":
    """The artifact's sample inputs and the outputs that are right for them."""
    with _in_words():
        return firmnet_bench.golden(firmnet_artifact)


@pytest.fixture
def firmnet_device(
    request: pytest.FixtureRequest,
    firmnet_under_test: UnderTest,
    firmnet_artifact: "Artifact",
    firmnet_bench: "Bench",
) -> "Iterator[Device]":
    """The device, which runs the artifact, its model reset; nobody else talks to it meanwhile."""
    if not firmnet_under_test.device:
        pytest.skip(f"no device to test on: give --firmnet-device {', '.join(KINDS_OF_DEVICE)} or serial:URL")
    with ExitStack() as stack:
        with _in_words():
            for mark in request.node.iter_markers():
                if why := firmnet_bench.lacks(firmnet_under_test, firmnet_artifact, mark.name, mark.args):
                    pytest.skip(why)
            device = stack.enter_context(firmnet_bench.borrowed(firmnet_under_test, firmnet_artifact))
            meter = firmnet_bench.meter(firmnet_under_test, firmnet_artifact, device)
        yield device
        request.node.user_properties.extend(meter.properties())


@contextmanager
def _in_words() -> Iterator[None]:
    """What is the user's to mend, or the board's fault, is one sentence and no traceback."""
    from .errors import UserError, VerificationError

    try:
        yield
    except (UserError, VerificationError) as error:
        pytest.fail(str(error), pytrace=False)
