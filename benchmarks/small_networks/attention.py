"""Which small networks attend? Encoders and decoders of sequences, images and series, and cheaper kin."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import Inverted, Residual, SqueezeExcite, conv1d, conv2d, mlp, pooled, separable


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Positions as Vaswani et al. (2017) write them, (1, length, width)."""
    angles = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[None]


def encoder(width: int, heads: int, layers: int, act: str = "gelu", first: bool = True) -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, activation=act, norm_first=first, batch_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def split(x: torch.Tensor, heads: int) -> torch.Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def joined(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(2)


class Tokens(nn.Module):
    """A class token before what is embedded, learned positions, an encoder, and scores of the token."""

    def __init__(self, embed: nn.Module, length: int, width: int, body: nn.Module, classes: int) -> None:
        super().__init__()
        self.embed, self.body = embed, body
        self.token = nn.Parameter(0.5 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.5 * torch.randn(1, length + 1, width))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.cat([self.token.expand(len(x), -1, -1), self.embed(x)], 1) + self.positions
        scores: torch.Tensor = self.head(self.body(y)[:, 0])
        return scores


class Patches(nn.Module):
    """An image as a line of tokens."""

    def __init__(self, channels: int, size: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, size, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x).flatten(2).transpose(1, 2)
        return y


@network((98, 40))
def keyword_transformer() -> nn.Module:
    """KWT-1 (Berg et al., 2021): a frame is a token; two of its twelve layers."""
    return Tokens(nn.Linear(40, 64), 98, 64, encoder(64, 1, 2, first=False), 12)


@network((3, 32, 32))
def small_vit() -> nn.Module:
    return Tokens(Patches(3, 4, 48), 64, 48, encoder(48, 3, 2), 10)


class TinyBert(nn.Module):
    """Words by number, learned positions, post-norm, padding known beforehand (Jiao et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(0.5 * torch.randn(1, 24, 32))
        self.first, self.body, self.head = nn.Linear(16, 32), encoder(32, 4, 2, first=False), nn.Linear(32, 4)
        self.register_buffer("padding", torch.arange(24)[None] >= 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(self.first(x) + self.positions, src_key_padding_mask=self.padding)
        scores: torch.Tensor = self.head(torch.tanh(y[:, 0]))
        return scores


@network((24, 16))
def tiny_bert() -> nn.Module:
    return TinyBert()


class SeriesTransformer(nn.Module):
    """Sinusoidal positions, and all tokens' scores in one layer (Zerveas et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.body = nn.Linear(6, 32), encoder(32, 4, 2, "relu")
        self.register_buffer("positions", sinusoids(50, 32))
        self.head = nn.Linear(50 * 32, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.body(self.first(x) + self.positions).flatten(1))
        return scores


@network((50, 6))
def series_transformer() -> nn.Module:
    return SeriesTransformer()


class PatchTst(nn.Module):
    """Overlapping patches of each channel alone, and a forecast (Nie et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body = nn.Linear(16, 32), encoder(32, 4, 1)
        self.positions = nn.Parameter(0.3 * torch.randn(15, 32))
        self.head = nn.Linear(15 * 32, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = x.transpose(1, 2).unfold(2, 16, 8)
        y = self.embed(patches).flatten(0, 1) + self.positions
        forecast: torch.Tensor = self.head(self.body(y).flatten(1))
        return forecast.unflatten(0, (-1, 3))


@network((128, 3))
def patch_tst() -> nn.Module:
    return PatchTst()


class ConformerBlock(nn.Module):
    """Half steps around attention and a gated convolution (Gulati et al., 2020)."""

    def __init__(self, width: int, heads: int, kernel: int = 7) -> None:
        super().__init__()
        self.before, self.behind = self._half(width), self._half(width)
        self.norm, self.attend = nn.LayerNorm(width), nn.MultiheadAttention(width, heads, batch_first=True)
        self.gated = nn.Sequential(nn.Conv1d(width, 2 * width, 1), nn.GLU(1))
        self.mixed = nn.Sequential(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Conv1d(width, width, 1),
        )
        self.between, self.last = nn.LayerNorm(width), nn.LayerNorm(width)

    @staticmethod
    def _half(width: int) -> nn.Module:
        return nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 0.5 * self.before(x)
        y = self.norm(x)
        x = x + self.attend(y, y, y, need_weights=False)[0]
        x = x + self.mixed(self.gated(self.between(x).transpose(1, 2))).transpose(1, 2)
        y = self.last(x + 0.5 * self.behind(x))
        return y


@network((40, 20))
def conformer() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 32), ConformerBlock(32, 4), nn.Flatten(), nn.Linear(40 * 32, 8))


class Squeezeformer(nn.Module):
    """Attention, then a convolution, each with its half, at half the rate between (Kim et al., 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.outer, self.inner = nn.Linear(20, 32), ConformerBlock(32, 4), ConformerBlock(32, 4)
        self.down, self.up = conv1d(32, 32, 3, 2, groups=32), nn.Linear(32, 32)
        self.head = nn.Linear(32, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.outer(self.first(x))
        z = self.inner(self.down(y.transpose(1, 2)).transpose(1, 2))
        y = y + self.up(z.repeat_interleave(2, 1))
        scores: torch.Tensor = self.head(y.mean(1))
        return scores


@network((40, 20))
def squeezeformer() -> nn.Module:
    return Squeezeformer()


class CausalBlock(nn.Module):
    """A layer of a decoder without memory: what is said so far, and nothing ahead."""

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.body = mlp(width, 4 * width, width, act=nn.GELU)
        self.register_buffer("mask", torch.ones(length, length).tril() == 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (split(part, self.heads) for part in self.qkv(self.first(x)).chunk(3, -1))
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(self.mask, float("-inf")).softmax(-1)
        x = x + self.out(joined(weights @ v))
        y: torch.Tensor = x + self.body(self.second(x))
        return y


@network((32, 24))
def nano_gpt() -> nn.Module:
    """Of two layers; the scores of every next symbol."""
    blocks = [CausalBlock(48, 4, 32) for _ in range(2)]
    return nn.Sequential(nn.Linear(24, 48), *blocks, nn.LayerNorm(48), nn.Linear(48, 24))


class RotaryBlock(nn.Module):
    """Rotary positions, one head of keys for all queries, RMS norms, SwiGLU (as in small language models)."""

    def __init__(self, width: int = 32, heads: int = 4, length: int = 24) -> None:
        super().__init__()
        self.heads, depth = heads, width // heads
        self.q, self.kv, self.out = (nn.Linear(width, n, bias=False) for n in (width, 2 * depth, width))
        self.first, self.second = nn.RMSNorm(width), nn.RMSNorm(width)
        self.gate, self.up, self.down = nn.Linear(width, 64), nn.Linear(width, 64), nn.Linear(64, width)
        angles = torch.arange(length)[:, None] / 100 ** (torch.arange(0, depth, 2) / depth)
        self.register_buffer("cos", angles.cos().repeat(1, 2))
        self.register_buffer("sin", angles.sin().repeat(1, 2))

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        low, high = x.chunk(2, -1)
        return x * self.cos + torch.cat([-high, low], -1) * self.sin

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        k, v = self.kv(y).unsqueeze(1).chunk(2, -1)
        q = split(self.q(y), self.heads)
        mixed = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v, is_causal=True)
        x = x + self.out(joined(mixed))
        y = self.second(x)
        z: torch.Tensor = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return z


@network((24, 16))
def rotary_decoder() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), RotaryBlock(), RotaryBlock(), nn.Linear(32, 16))


class AlibiEncoder(nn.Module):
    """The further away, the less, as Press et al. (2022) have it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.qkv, self.out = nn.Linear(8, 32), nn.Linear(32, 96), nn.Linear(32, 5)
        far = (torch.arange(40) - torch.arange(40)[:, None]).abs()
        self.register_buffer("bias", -far * 2.0 ** -torch.arange(1, 5)[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (split(part, 4) for part in self.qkv(self.first(x)).chunk(3, -1))
        y: torch.Tensor = self.out(joined(F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)))
        return y


@network((40, 8))
def alibi_encoder() -> nn.Module:
    return AlibiEncoder()


class Kernelized(nn.Module):
    """Keys and values first, without any softmax (Katharopoulos et al., 2020)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (split(part, self.heads) for part in self.qkv(x).chunk(3, -1))
        q, k = F.elu(q) + 1, F.elu(k) + 1
        mixed = q @ (k.transpose(-2, -1) @ v)
        weight = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
        y: torch.Tensor = self.out(joined(mixed / weight))
        return y


@network((100, 16))
def linear_attention() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), Residual(Kernelized(32, 4)), nn.LayerNorm(32), nn.Linear(32, 6))


class Softened(nn.Module):
    """Features of queries and of keys by two softmaxes (Shen et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.qkv, self.head = nn.Linear(16, 32), nn.Linear(32, 96), nn.Linear(32, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.first(x)).chunk(3, -1)
        context = k.softmax(1).transpose(1, 2) @ v
        scores: torch.Tensor = self.head(q.softmax(-1) @ context)
        return scores


@network((64, 16))
def efficient_attention() -> nn.Module:
    return Softened()


class NonLocal(nn.Module):
    """Every pixel looks at every other (Wang et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        few = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, few, 1) for _ in range(3))
        self.out = nn.Sequential(nn.Conv2d(few, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))
        weights = (theta.transpose(1, 2) @ phi).softmax(-1)
        y = (weights @ g.transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])
        z: torch.Tensor = x + self.out(y)
        return z


@network((3, 24, 24))
def non_local() -> nn.Module:
    return nn.Sequential(conv2d(3, 16, 3, 2), NonLocal(16), conv2d(16, 24, 3, 2), pooled(24, 10))


class Cbam(nn.Module):
    """Channels, then pixels, weighed by means and maxima (Woo et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = nn.Sequential(nn.Conv2d(channels, 4, 1), nn.ReLU(), nn.Conv2d(4, channels, 1))
        self.pixels = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = self.channels(F.adaptive_avg_pool2d(x, 1)) + self.channels(F.adaptive_max_pool2d(x, 1))
        x = x * whole.sigmoid()
        parts = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        y: torch.Tensor = x * self.pixels(parts).sigmoid()
        return y


@network((3, 24, 24))
def cbam_network() -> nn.Module:
    return nn.Sequential(
        conv2d(3, 16, 3, 2), Cbam(16), SqueezeExcite(16), conv2d(16, 24, 3, 2), pooled(24, 10)
    )


class Eca(nn.Module):
    """A convolution along the channels (Wang et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x.mean((2, 3)).unsqueeze(1)).sigmoid()
        return x * y.transpose(1, 2).unsqueeze(-1)


@network((3, 24, 24))
def eca_network() -> nn.Module:
    return nn.Sequential(conv2d(3, 16, 3, 2), Eca(), separable(16, 32), pooled(32, 10))


class AttentionPool(nn.Module):
    """A learned query asks all tokens (as in speaker and sensor networks)."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Sequential(conv1d(9, 24, 5, 2), conv1d(24, 24, 5, 2))
        self.query, self.attend = (
            nn.Parameter(torch.randn(1, 1, 24)),
            nn.MultiheadAttention(24, 2, batch_first=True),
        )
        self.head = nn.Linear(24, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.line(x).transpose(1, 2)
        pooled, _ = self.attend(self.query.expand(len(x), -1, -1), y, y)
        scores: torch.Tensor = self.head(pooled.squeeze(1))
        return scores


@network((9, 128))
def attention_pooling() -> nn.Module:
    return AttentionPool()


class Perceiver(nn.Module):
    """Few latents ask a long line, then each other (Jaegle et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, 8, 32))
        self.first, self.norm = nn.Linear(6, 32), nn.LayerNorm(32)
        self.ask, self.body = nn.MultiheadAttention(32, 2, batch_first=True), encoder(32, 2, 1)
        self.head = nn.Linear(32, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.first(x))
        latents = self.latents + self.ask(self.latents.expand(len(x), -1, -1), y, y, need_weights=False)[0]
        scores: torch.Tensor = self.head(self.body(latents).mean(1))
        return scores


@network((200, 6))
def perceiver() -> nn.Module:
    return Perceiver()


class External(nn.Module):
    """Two learned memories instead of keys and values, normalized twice (Guo et al., 2022)."""

    def __init__(self, width: int, memories: int) -> None:
        super().__init__()
        self.keys, self.values = (
            nn.Linear(width, memories, bias=False),
            nn.Linear(memories, width, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.keys(x).softmax(1)
        y: torch.Tensor = self.values(weights / (1e-3 + weights.sum(2, keepdim=True)))
        return y


@network((64, 12))
def external_attention() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 32), Residual(External(32, 16)), nn.LayerNorm(32), nn.Linear(32, 5))


class SpatialGate(nn.Module):
    """gMLP (Liu et al., 2021): one half of the channels, mixed along tokens, gates the other."""

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.norm, self.wide, self.narrow = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.Linear(2 * width, width),
        )
        self.inner, self.mix = nn.LayerNorm(2 * width), nn.Conv1d(length, length, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u, v = F.gelu(self.wide(self.norm(x))).chunk(2, -1)
        y: torch.Tensor = x + self.narrow(u * self.mix(self.inner(v)))
        return y


@network((32, 16))
def gmlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 24), SpatialGate(24, 32), SpatialGate(24, 32), nn.Linear(24, 6))


class Mixer(nn.Module):
    """Tokens, then channels, by perceptrons (Tolstikhin et al., 2021)."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = mlp(length, 32, length, act=nn.GELU)
        self.channels = mlp(width, 2 * width, width, act=nn.GELU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.tokens(self.first(x).transpose(1, 2)).transpose(1, 2)
        y: torch.Tensor = x + self.channels(self.second(x))
        return y


class MeanOfTokens(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


@network((3, 32, 32))
def wide_mixer() -> nn.Module:
    blocks = [Mixer(64, 32) for _ in range(2)]
    return nn.Sequential(Patches(3, 4, 32), *blocks, nn.LayerNorm(32), MeanOfTokens(), nn.Linear(32, 10))


class Distilled(nn.Module):
    """Half the tokens after each layer (Zhou et al., 2021), by a convolution and a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv1d(4, 32, 3, padding=1), nn.Linear(24 * 32, 12)
        self.register_buffer("positions", sinusoids(96, 32))
        self.layers = nn.ModuleList([encoder(32, 4, 1, first=False) for _ in range(2)])
        self.halves = nn.ModuleList(
            [nn.Sequential(conv1d(32, 32, 3, act=nn.ELU), nn.MaxPool1d(3, 2, 1)) for _ in range(2)]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x.transpose(1, 2)).transpose(1, 2) + self.positions
        for layer, half in zip(self.layers, self.halves, strict=True):
            y = half(layer(y).transpose(1, 2)).transpose(1, 2)
        forecast: torch.Tensor = self.head(y.flatten(1))
        return forecast


@network((96, 4))
def informer_like() -> nn.Module:
    return Distilled()


class MobileVitBlock(nn.Module):
    """Pixels at one place of every patch attend to each other (Mehta and Rastegari, 2022)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.local = nn.Sequential(conv2d(channels, channels, act=nn.SiLU), nn.Conv2d(channels, width, 1))
        self.body, self.back = encoder(width, 2, 1), conv2d(width, channels, 1, act=nn.SiLU)
        self.both = conv2d(2 * channels, channels, act=nn.SiLU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.local(x)
        n, c, h, w = y.shape
        cut = y.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 2, 4, 1)
        mixed = self.body(cut.reshape(n * 4, h * w // 4, c))
        back = mixed.reshape(n, 2, 2, h // 2, w // 2, c).permute(0, 5, 3, 1, 4, 2).reshape(n, c, h, w)
        z: torch.Tensor = self.both(torch.cat([x, self.back(back)], 1))
        return z


@network((3, 32, 32))
def mobile_vit() -> nn.Module:
    return nn.Sequential(
        conv2d(3, 16, 3, 2, act=nn.SiLU), Inverted(16, 24, 2), MobileVitBlock(24, 32), pooled(24, 10)
    )


class SwinBlock(nn.Module):
    """Shifted windows with a bias for each distance, and a mask at the seam (Liu et al., 2021)."""

    def __init__(self, width: int = 24, heads: int = 2, side: int = 8, window: int = 4) -> None:
        super().__init__()
        self.heads, self.side, self.window = heads, side, window
        self.qkv, self.out, self.norm = (
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
            nn.LayerNorm(width),
        )
        self.bias = nn.Parameter(torch.randn(1, heads, window**2, window**2))
        region = torch.zeros(side, side)
        region[-window:, :] += 1
        region[-window // 2 :, :] += 1
        region[:, -window:] += 3
        region[:, -window // 2 :] += 3
        cut = self._cut(region[None, :, :, None]).flatten(1)
        self.register_buffer("mask", torch.where(cut[:, :, None] == cut[:, None], 0.0, -100.0)[:, None])

    def _cut(self, x: torch.Tensor) -> torch.Tensor:
        n, size = self.side // self.window, self.window
        return x.reshape(n, size, n, size, -1).transpose(1, 2).reshape(n * n, size * size, x.shape[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half, n, size = self.window // 2, self.side // self.window, self.window
        cut = self._cut(self.norm(x).roll((-half, -half), (1, 2)))
        q, k, v = (split(part, self.heads) for part in self.qkv(cut).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + self.bias + self.mask
        mixed = self.out(joined(scores.softmax(-1) @ v))
        whole = mixed.reshape(n, n, size, size, -1).transpose(1, 2).reshape(1, self.side, self.side, -1)
        return x + whole.roll((half, half), (1, 2))


class LastToFirst(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(self.order)


@network((3, 32, 32))
def swin_block() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 24, 4, 4), LastToFirst(0, 2, 3, 1), SwinBlock(), LastToFirst(0, 3, 1, 2), pooled(24, 10)
    )


class EncoderDecoder(nn.Module):
    """A forecast that asks what was seen: cross attention to memory as a second input."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerDecoderLayer(32, 4, 64, batch_first=True)
        self.first, self.second, self.body = (
            nn.Linear(4, 32),
            nn.Linear(8, 32),
            nn.TransformerDecoder(layer, 1),
        )
        self.head = nn.Linear(32, 4)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(12))

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        y = self.body(self.first(x), self.second(memory), tgt_mask=self.mask, tgt_is_causal=True)
        forecast: torch.Tensor = self.head(y)
        return forecast


@network((12, 4), (30, 8))
def decoder_with_memory() -> nn.Module:
    return EncoderDecoder()
