"""Which networks for sequences do people train for microcontrollers? Those of windows, of steps, of streams.

A network of windows is given a whole one. One of steps is given a reading at a time and remembers: its answer
is what it says after the last of a window. One of a stream is one of windows that firmnet makes step. All are
written after what was published, for the watch's recordings of small_networks/data.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS, CLASSES = 6, 7


@dataclass(frozen=True)
class SequenceNetwork:
    """`module` is trained on windows (N, readings, 6) → (N, 7).

    `steps` makes of it what takes one reading (1, 6) and its states, whose shapes `states` holds, and returns
    the scores and the states' next values, in the same order. `stream`: firmnet makes it one.
    """

    name: str
    module: Callable[[], nn.Module]
    readings: int = 100
    steps: Callable[[nn.Module], nn.Module] | None = None
    states: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    stream: bool = False


class Recurrent(nn.Module):
    """A recurrent layer of torch over the window, and the mean of its steps or the last one, classified."""

    def __init__(self, layer: nn.RNNBase, mean: bool = False) -> None:
        super().__init__()
        self.layer, self.mean = layer, mean
        width = (layer.proj_size or layer.hidden_size) * (2 if layer.bidirectional else 1)
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.layer(x)
        return self.fc(steps.mean(1) if self.mean else steps[:, -1])


def recurrent(kind: type[nn.RNNBase], units: int = 32, mean: bool = False, **options: object) -> nn.Module:
    return Recurrent(kind(CHANNELS, units, batch_first=True, **options), mean)  # type: ignore[arg-type]


class ConvolvedGru(nn.Module):
    """Convolutions shorten the window to a quarter, then a GRU (as DeepConvLSTM, Ordóñez and Roggen 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv1d(CHANNELS, 16, 5, stride=2), nn.ReLU(), nn.Conv1d(16, 24, 5, stride=2), nn.ReLU()
        )
        self.gru = Recurrent(nn.GRU(24, 24, batch_first=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(self.front(x.transpose(1, 2)).transpose(1, 2))


class Cells(nn.Module):
    """A cell in a Python loop over the window."""

    def __init__(self, cell: nn.Module, width: int) -> None:
        super().__init__()
        self.cell, self.fc, self.width = cell, nn.Linear(width, CLASSES), width

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), self.width)
        for reading in x.unbind(1):
            h = self.cell(reading, h)
        return self.fc(h)


class FastGrnn(nn.Module):
    """Kusupati et al. 2018: one pair of matrices for the gate and what it lets in."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.w = nn.Linear(CHANNELS, units, bias=False)
        self.u = nn.Linear(units, units, bias=False)
        self.gate_bias, self.update_bias = nn.Parameter(torch.ones(units)), nn.Parameter(torch.zeros(units))
        self.zeta, self.nu = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(-4.0))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        both = self.w(x) + self.u(h)
        z = torch.sigmoid(both + self.gate_bias)
        new = torch.tanh(both + self.update_bias)
        return (torch.sigmoid(self.zeta) * (1 - z) + torch.sigmoid(self.nu)) * new + z * h


class CellStep(nn.Module):
    """One step of `Cells`."""

    def __init__(self, trained: nn.Module) -> None:
        super().__init__()
        self.cell, self.fc = trained.cell, trained.fc

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.cell(x, h)
        return self.fc(h), h


class LayerStep(nn.Module):
    """One step of `Recurrent`."""

    def __init__(self, trained: nn.Module) -> None:
        super().__init__()
        self.layer, self.fc = trained.layer, trained.fc

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        steps, following = self.layer(x[:, None], states if len(states) > 1 else states[0])
        return self.fc(steps[:, -1]), *(following if len(states) > 1 else (following,))


class LstmStep(LayerStep):
    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        return super().forward(x, h, c)


class GruStep(LayerStep):
    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        return super().forward(x, h)


class Causal(nn.Module):
    """A convolution that sees only what has been."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        self.before = 2 * dilation
        self.conv = nn.Conv1d(channels, out, 3, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (self.before, 0)))


class Tcn(nn.Module):
    """Residual blocks of causal convolutions, further and further back (Bai et al. 2018); the last place."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.begin = nn.Conv1d(CHANNELS, width, 1)
        self.blocks = nn.ModuleList(Causal(width, width, 2**i) for i in range(5))
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.begin(x.transpose(1, 2))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return self.fc(x[:, :, -1])


class GatedTcn(nn.Module):
    """The same with a gate to each convolution (WaveNet, van den Oord et al. 2016)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.begin = nn.Conv1d(CHANNELS, width, 1)
        self.blocks = nn.ModuleList(Causal(width, 2 * width, 2**i) for i in range(5))
        self.mixes = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in self.blocks)
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.begin(x.transpose(1, 2))
        for block, mix in zip(self.blocks, self.mixes, strict=True):
            a, gate = block(x).chunk(2, 1)
            x = x + mix(torch.tanh(a) * torch.sigmoid(gate))
        return self.fc(x[:, :, -1])


def separable() -> nn.Module:
    """A DS-CNN (Zhang et al. 2017) in one dimension, without padding: places are computed one by one."""

    def block(channels: int, out: int) -> list[nn.Module]:
        deep = nn.Conv1d(channels, channels, 3, groups=channels)
        return [deep, nn.BatchNorm1d(channels), nn.ReLU(), nn.Conv1d(channels, out, 1), nn.ReLU()]

    layers = [nn.Conv1d(CHANNELS, 24, 5, stride=2), nn.ReLU(), *block(24, 32), *block(32, 32), *block(32, 32)]
    return nn.Sequential(Turned(), *layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, CLASSES))


class Turned(nn.Module):
    """(N, T, C) → (N, C, T)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Transformer(nn.Module):
    """Four readings are a token; a token of its own gathers (Vision Transformer, Dosovitskiy et al. 2020)."""

    def __init__(self, width: int = 32, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Conv1d(CHANNELS, width, 4, stride=4)
        self.gathers = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 26, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm, self.fc = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x.transpose(1, 2)).transpose(1, 2)
        tokens = torch.cat([self.gathers.expand(len(x), -1, -1), tokens], dim=1) + self.places
        return self.fc(self.norm(self.encoder(tokens)[:, 0]))


class CausalTransformer(nn.Module):
    """Blocks with a causal mask over all 100 readings (as GPT-2's); the last one answers."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.embed = nn.Linear(CHANNELS, width)
        self.places = nn.Parameter(torch.randn(1, 100, width) * 0.02)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.places
        q, k, v = (part.unflatten(2, (2, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, 2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        x = x + self.mlp(self.norm2(x))
        return self.fc(x[:, -1])


class LinearAttention(nn.Module):
    """Keys and values are summed before they are asked (Katharopoulos et al. 2020)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.embed, self.qkv = nn.Linear(CHANNELS, width), nn.Linear(width, 3 * width)
        self.out, self.fc = nn.Linear(width, width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        q, k, v = self.qkv(x).chunk(3, 2)
        q, k = F.elu(q) + 1, F.elu(k) + 1
        mixed = (q @ (k.transpose(1, 2) @ v)) / (q @ k.sum(1)[:, :, None])
        return self.fc((x + self.out(mixed)).mean(1))


_ALL = (
    SequenceNetwork("rnn_tanh", lambda: recurrent(nn.RNN, mean=True)),
    SequenceNetwork("gru", lambda: recurrent(nn.GRU)),
    SequenceNetwork("gru_200_steps", lambda: recurrent(nn.GRU), readings=200),
    SequenceNetwork("gru_two_layers", lambda: recurrent(nn.GRU, 24, num_layers=2)),
    SequenceNetwork("gru_bidirectional", lambda: recurrent(nn.GRU, 24, mean=True, bidirectional=True)),
    SequenceNetwork("lstm", lambda: recurrent(nn.LSTM)),
    SequenceNetwork("lstm_200_steps", lambda: recurrent(nn.LSTM), readings=200),
    SequenceNetwork("lstm_projected", lambda: recurrent(nn.LSTM, 48, proj_size=16)),
    SequenceNetwork("convolved_gru", ConvolvedGru),
    SequenceNetwork("gru_steps", lambda: recurrent(nn.GRU), steps=GruStep, states={"h": (1, 1, 32)}),
    SequenceNetwork(
        "lstm_steps", lambda: recurrent(nn.LSTM), steps=LstmStep, states={"h": (1, 1, 32), "c": (1, 1, 32)}
    ),
    SequenceNetwork(
        "gru_cell_steps",
        lambda: Cells(nn.GRUCell(CHANNELS, 32), 32),
        readings=200,
        steps=CellStep,
        states={"h": (1, 32)},
    ),
    SequenceNetwork(
        "fastgrnn_steps", lambda: Cells(FastGrnn(32), 32), readings=200, steps=CellStep, states={"h": (1, 32)}
    ),
    SequenceNetwork("tcn_stream", Tcn, stream=True),
    SequenceNetwork("gated_tcn_stream", GatedTcn, stream=True),
    SequenceNetwork("ds_cnn_stream", separable, stream=True),
    SequenceNetwork("transformer", Transformer),
    SequenceNetwork("causal_transformer", CausalTransformer),
    SequenceNetwork("linear_attention", LinearAttention),
)
NETWORKS = {network.name: network for network in _ALL}
