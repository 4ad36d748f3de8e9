"""Which networks have a first axis that is no batch? Small, seeded, with values viewed in any shape."""

import random
import zlib
from functools import cache

import numpy as np
import torch
from random_networks import (
    Concat,
    Function,
    Gated,
    Product,
    RandomNetwork,
    Residual,
    activation,
    fits,
    randomized,
    without,
)
from torch import nn

from firmnet.frontends import load
from firmnet.ir import Graph
from firmnet.passes import optimize
from firmnet.quantize import quantize

SHAPES = [
    (4, 8, 8, 4),
    (4, 6, 4, 8),
    (2, 3, 5),
    (3, 1),
    (2, 3, 2, 5, 2),
    (5, 7, 3, 4),
    (6, 12),
    (2, 16, 8, 4),
]
"""What the model's input is viewed as."""
SEEDS = range(40)


def leading_network(seed: int) -> tuple[RandomNetwork, torch.Tensor]:
    """A network of 4 to 8 steps, all but the first with some first axis, and an example input."""
    torch.manual_seed(seed)
    r = random.Random(seed)
    shape = SHAPES[seed % len(SHAPES)]
    example = torch.randn(1, int(np.prod(shape)))
    network, values = RandomNetwork().eval(), [example]
    network.grow(Function(torch.reshape, shape), 0)
    values.append(example.reshape(shape))
    network.grow(linear(r, values[1]), 1)
    values.append(network.steps[1](values[1]).detach())
    while len(network.steps) < r.randint(4, 8):
        step, reads = random_step(r, values)
        randomized(step)
        inputs = [values[i] for i in reads]
        if fits(step, inputs):
            network.grow(step, *reads)
            with torch.no_grad():
                values.append(step(*inputs))
    return network, example


def random_step(r: random.Random, values: list[torch.Tensor]) -> tuple[nn.Module, tuple[int, ...]]:
    """One that reads the latest value, sometimes an older one too."""
    last = len(values) - 1
    x = values[last]
    if r.random() < 0.4:
        axis = r.randrange(x.ndim)
        alike = [i for i, v in enumerate(values) if v.shape == x.shape]
        joined = [
            i
            for i, v in enumerate(values)
            if v.ndim == x.ndim and without(v.shape, axis) == without(x.shape, axis)
        ]
        if r.random() < 0.6:
            return r.choice([Residual(), Product()]), (last, r.choice(alike))
        return Concat(axis), (last, r.choice(joined))
    makers = [linear, linear, linear, activation, gate, permute, reshape, softmax, pad, batch_norm]
    return r.choice(makers)(r, x), (last,)


def linear(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.Linear(x.shape[-1], r.choice([1, 3, 4, 8, 16]), bias=r.random() < 0.7)


def gate(r: random.Random, x: torch.Tensor) -> nn.Module:
    return Gated(nn.Linear(x.shape[-1], r.choice([1, x.shape[-1]])))


def permute(r: random.Random, x: torch.Tensor) -> nn.Module:
    return Function(torch.permute, r.sample(range(x.ndim), x.ndim))


def reshape(r: random.Random, x: torch.Tensor) -> nn.Module:
    return Function(torch.reshape, r.sample(x.shape, x.ndim))


def softmax(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.Softmax(r.randrange(x.ndim))


def pad(r: random.Random, x: torch.Tensor) -> nn.Module:
    """Around any axis, the first too."""
    return Function(torch.nn.functional.pad, [r.choice([0, 0, 1, 2]) for _ in range(2 * x.ndim)])


def batch_norm(r: random.Random, x: torch.Tensor) -> nn.Module:
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[x.ndim]
    return kind(x.shape[1])


class Patches(nn.Module):
    """Several images through two linear layers, wide between them: a RAM limit asks for a cascade."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape
        self.a, self.b = nn.Linear(shape[-1], 64), nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = torch.relu(self.a(x.reshape(self.shape)))
        return self.b(wide).reshape(1, -1)


@cache
def graphs() -> list[Graph]:
    """All of them, quantized."""
    patches = {
        f"patches_{'x'.join(map(str, shape))}": Patches(*shape).eval()
        for shape in [(4, 8, 8, 4), (2, 16, 4, 4), (64, 4), (8, 8, 4), (1, 16, 16, 4), (2, 2, 4, 4, 4)]
    }
    made = []
    for name, net in patches.items():
        torch.manual_seed(zlib.crc32(name.encode()))
        made.append(quantized(imported(net, name, torch.zeros(1, int(np.prod(net.shape))))))
    return made + [quantized(optimized(seed)) for seed in SEEDS]


def named(seed: int) -> tuple[nn.Module, str, torch.Tensor]:
    network, example = leading_network(seed)
    return network, f"leading_{seed}", example


@cache
def optimized(seed: int) -> Graph:
    """The seed's network, imported once for all that read it."""
    return imported(*named(seed))


def imported(network: nn.Module, name: str, example: torch.Tensor) -> Graph:
    return optimize(load(network, name=name, example=example).graph)


def quantized(graph: Graph) -> Graph:
    """On 8 samples of noise."""
    shape = graph.tensors[graph.input].shape
    samples = np.random.default_rng(0).normal(size=(8, *shape[1:])).astype(np.float32)
    return quantize(graph, samples).graph
