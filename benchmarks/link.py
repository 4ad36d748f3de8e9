"""How many images a second cross the link and are computed? Prints the table.

    python benchmarks/link.py [INPUTS]

Of 27,648 bytes each: visual wake words of MLPerf Tiny on an emulated Cortex-M4, with MicroPython and the C
runtime, and one linear layer behind an average on an emulated Pico, over USB. The port is as fast as its
emulator, or lets through what a serial line does at the rate that host and board have agreed on. "ms in run"
is by the board's clock, "emulator s" the emulator's processor time for each input, which other work on the
machine hardly changes. Every output is compared with the oracle's.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from serial.urlhandler import protocol_socket
from torch import manual_seed, nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from shared_port import shared  # noqa: E402

import firmnet  # noqa: E402
from firmnet.artifact import Artifact  # noqa: E402
from firmnet.build import build  # noqa: E402
from firmnet.devices import qemu, rp2040js, serial  # noqa: E402
from firmnet.devices.serial import SerialDevice  # noqa: E402
from firmnet.errors import VerificationError  # noqa: E402
from firmnet.interpret import run_int  # noqa: E402
from firmnet.ir import Array  # noqa: E402

SHAPE = (3, 96, 96)
VWW = f"{ROOT / 'examples' / 'mlperf_tiny.py'}:vww"
AS_FAST_AS_IT_IS, FASTEST = 0, 2_000_000
FIRMWARES = (("netduinoplus2", "micropython"), ("netduinoplus2", "c"), ("pico", "micropython"))
UNDER_WAY = (1, 8)
"""As the board has room for them."""


class Line(protocol_socket.Serial):
    """An emulator's port, behind a line of the port's rate: ten bits for a byte, each way."""

    _free = (0.0, 0.0)

    def _pass(self, way: int, count: int) -> None:
        free = list(self._free)
        free[way] = max(free[way], time.monotonic()) + count * 10 / self.baudrate
        self._free = (free[0], free[1])
        time.sleep(max(0.0, free[way] - time.monotonic()))

    def write(self, data: bytes) -> int:
        sent = int(super().write(data))
        self._pass(0, sent)
        return sent

    def read(self, size: int = 1) -> bytes:
        data = bytes(super().read(size))
        self._pass(1, len(data))
        return data


@contextmanager
def connected(artifact: Artifact, baud: int) -> Iterator[tuple[SerialDevice, psutil.Process]]:
    """The emulated board, by its emulator's own port or a line of at most that rate; and its emulator."""
    emulator = artifact.board.emulator
    assert emulator
    module = rp2040js if emulator.kind == "rp2040js" else qemu
    if baud == AS_FAST_AS_IT_IS:
        with module.open(artifact) as device:
            yield device, psutil.Process(device.emulator.pid)
    else:
        limited = replace(artifact.board, link=replace(artifact.board.link, most_baud=baud))
        object.__setattr__(artifact, "board", limited)
        with (
            module.emulated(artifact) as board,
            shared(board.url, Line) as url,
            serial.open(artifact, url) as device,
        ):
            yield device, psutil.Process(board.pid)


def small() -> tuple[nn.Module, Array]:
    """Hardly a model: what takes its time is the link."""
    manual_seed(0)
    model = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(108, 2))
    return model.eval(), np.random.default_rng(0).random((8, *SHAPE), np.float32)


def made(folder: Path, board: str, runtime: str) -> Artifact:
    options = {"board": board, "runtime": runtime}
    deployment = firmnet.compile(*small(), **options) if board == "pico" else firmnet.compile(VWW, **options)
    artifact = deployment.save(folder / f"{board}_{runtime}")
    build(artifact, emulate=True)
    return artifact


def measure(artifact: Artifact, baud: int, count: int) -> Iterator[str]:
    """A row for one request at a time, and one for several under way."""
    x = np.random.default_rng(1).integers(-128, 128, (count, *SHAPE), dtype=np.int8)
    (edge,) = artifact.manifest.inputs
    right = [run_int(artifact.graph, row.reshape(edge.shape)) for row in edge.stored(x)]
    with connected(artifact, baud) as (device, emulator):
        device.run(x[:1])
        for most in sorted({min(most, device.hello.window) for most in UNDER_WAY}):
            device.link.most_under_way = most
            asked, busy_s, began = device.link.resends, computed_s(emulator), time.monotonic()
            result = device.run(x)
            seconds = time.monotonic() - began
            if not np.array_equal(np.ravel(result.outputs), np.ravel(right)):
                raise VerificationError(f"{device.name}: not what the oracle says")
            busy_s = computed_s(emulator) - busy_s
            milliseconds = 0.0 if result.cycles is None else float(np.mean(result.cycles)) / 1e3
            rate = f"{device.link.baud or device.hello.baud:,} baud" if baud else "the emulator's"
            yield (
                f"{rate:18}{most:10}{count / seconds:11.2f}{count * x[0].nbytes / seconds / 1e3:8.1f}"
                f"{milliseconds:10.1f}{busy_s / count:12.2f}{device.link.resends - asked:13}"
            )


def computed_s(process: psutil.Process) -> float:
    """Of processor time."""
    times = process.cpu_times()
    return float(times.user + times.system)


def main(count: int) -> None:
    heads = f"{'line':18}{'under way':>10}{'inputs/s':>11}{'KB/s':>8}{'ms in run':>10}{'emulator s':>12}"
    print(f"{'':27}{heads}{'asked again':>13}")
    with TemporaryDirectory(prefix="firmnet-") as folder:
        for board, runtime in FIRMWARES:
            artifact = made(Path(folder), board, runtime)
            own = artifact.board.link.baud
            rates = (AS_FAST_AS_IT_IS, own, FASTEST) if artifact.board.link.transport == "uart" else (0,)
            for baud in rates:
                for row in measure(Artifact.open(artifact.path), baud, count):
                    print(f"{board + ', ' + runtime:27}{row}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
