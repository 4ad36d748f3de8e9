"""What does a hop cost beside the window that it replaces? Networks of every kind, as streams of hops.

    python benchmarks/streaming.py [-k PATTERN]

Each stream is compared with its network on windows of noise (firmnet.stream.proven), then both run in the
simulator. Cycles are modelled (Cortex-M4, zero wait states), what is kept and moved included. The share is
that of a hop in the window's cycles, over that of its frames in the window's; `by MACs` is that of its
multiply-accumulates: above 1 where layers without padding make fewer places of a window than it has frames.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "ops")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from stream_networks import Causal, integer  # noqa: E402
from torch import nn  # noqa: E402

from firmnet.ir import Graph  # noqa: E402
from firmnet.ops import OPS  # noqa: E402
from firmnet.profile import Profile, profile_graph  # noqa: E402
from firmnet.screen import Screen  # noqa: E402
from firmnet.stream import followed, proven, rewritten  # noqa: E402

HEADS = (
    "network",
    "window",
    "hop",
    "cycles of a window",
    "of a hop",
    "share",
    "by MACs",
    "RAM B",
    "as a stream",
)


def ds_cnn() -> nn.Module:
    """Keyword spotting as in "Hello Edge", on log mel frames of 10 values, without padding along the time."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, (10, 4), 2, (0, 1)), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Conv2d(64, 64, 3, padding=(0, 1), groups=64), nn.BatchNorm2d(64), nn.ReLU()]
        layers += [nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12), nn.Softmax(-1))


class Tcn(nn.Module):
    """Ten causal convolutions of 64 channels, dilated up to 16, with residual connections."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv1d(6, 64, 1), nn.Linear(64, 5)
        self.blocks = nn.ModuleList(
            nn.Sequential(Causal(64, 64, 3, 2**i), nn.ReLU(), Causal(64, 64, 3, 2**i)) for i in range(5)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        for block in self.blocks:
            y = F.relu(y + block(y))
        scores: torch.Tensor = self.head(y[:, :, -1])
        return scores


class WaveNet(nn.Module):
    """Gated causal convolutions of two taps with skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv1d(4, 32, 1), nn.Conv1d(32, 8, 1)
        self.filters, self.gates = (
            nn.ModuleList(Causal(32, 32, 2, 2**i) for i in range(5)) for _ in range(2)
        )
        self.mixed = nn.ModuleList(nn.Conv1d(32, 32, 1) for _ in range(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        skipped = torch.zeros(())
        for kept, gate, mix in zip(self.filters, self.gates, self.mixed, strict=True):
            z = mix(torch.tanh(kept(y)) * torch.sigmoid(gate(y)))
            y, skipped = y + z, skipped + z
        scores: torch.Tensor = self.head(F.relu(skipped))[:, :, -1]
        return scores


def activity() -> nn.Module:
    """Strides and pools over an accelerometer, then all of the window that is left."""
    return nn.Sequential(
        *(nn.Conv1d(6, 32, 5, 2), nn.ReLU(), nn.Conv1d(32, 48, 3), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(48, 64, 3), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(64 * 30, 6)),
    )


class Scales(nn.Module):
    """Branches that look back differently far, joined; the largest of every channel is the answer's input."""

    def __init__(self) -> None:
        super().__init__()
        self.far, self.near = nn.Conv1d(8, 24, 17), nn.Conv1d(8, 24, 5)
        self.joined, self.head = nn.Conv1d(48, 48, 5, 2), nn.Linear(48, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([F.relu(self.far(x)), F.relu(self.near(x))[:, :, 6:-6]], 1)
        scores: torch.Tensor = self.head(F.relu(self.joined(both)).amax(-1))
        return scores


def spectrogram() -> nn.Module:
    """Frames along the last axis, 32 mel values each."""
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=(1, 0)), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(12, 24, 3, padding=(1, 0)), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(24, 24, 3, padding=(1, 0)), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 8 * 28, 8)),
    )


@dataclass(frozen=True)
class Row:
    """A network, the shape of its window, the axis of time, and hops in frames."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    axis: int
    hops: tuple[int, ...]


ROWS = {
    "ds_cnn": Row(ds_cnn, (1, 98, 10), 2, (2, 8)),
    "ds_cnn_2s": Row(ds_cnn, (1, 198, 10), 2, (2, 8)),
    "tcn": Row(Tcn, (6, 128), 2, (1, 2, 4)),
    "wavenet": Row(WaveNet, (4, 128), 2, (1, 4)),
    "activity": Row(activity, (6, 256), 2, (8, 16)),
    "scales": Row(Scales, (8, 128), 2, (2, 8)),
    "spectrogram": Row(spectrogram, (1, 32, 126), 3, (4, 8)),
}


def rows(name: str, row: Row) -> Iterator[tuple[str, ...]]:
    torch.manual_seed(0)
    window = integer(row.build(), row.shape, name)
    whole = profile_graph(window)
    rng, along = np.random.default_rng(0), row.axis - 1
    for hop in row.hops:
        found = followed(window, row.axis, hop)
        stream = rewritten(window, found)
        shape = (1, *row.shape[:along], hop, *row.shape[along + 1 :])
        proven(window, stream, found, (rng.normal(size=shape) for _ in range(found.window // hop + 4)))
        yield _figures(name, found.window, hop, whole, profile_graph(stream), macs(stream) / macs(window))


def macs(graph: Graph) -> int:
    return sum(OPS[node.op].macs(graph.call(node)) for node in graph.nodes)


def _figures(
    name: str, window: int, hop: int, whole: Profile, part: Profile, computed: float
) -> tuple[str, ...]:
    assert whole.cycles
    assert part.cycles
    frames = hop / window
    return (
        name,
        f"{window}",
        f"{hop}",
        f"{whole.cycles:,}",
        f"{part.cycles:,}",
        f"{part.cycles / whole.cycles / frames:.2f}",
        f"{computed / frames:.2f}",
        f"{whole.ram_bytes:,}",
        f"{part.ram_bytes:,}",
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default="", metavar="PATTERN", help="only networks whose names match")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = [line for name, row in ROWS.items() if re.search(options.k, name) for line in rows(name, row)]
    Screen().table(HEADS, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
