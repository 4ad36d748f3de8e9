"""What is a random network? Seeded steps of every supported layer, with branches, that PyTorch can run."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

SEEDS = range(200)
TOLERANCE = 1e-5
LARGEST = 6000  # elements of one activation


class Function(nn.Module):
    """A functional operator as a step of a RandomNetwork."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        super().__init__()
        self.function, self.arguments = function, arguments

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        return self.function(*x, *self.arguments)


class Residual(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class Product(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * b


class Gated(nn.Module):
    """A value times weights computed from it, as in squeeze-and-excitation."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.weights = nn.Sequential(*layers, nn.Hardtanh(0, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights(x) * x


class Concat(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return torch.cat(parts, self.axis)


class RandomNetwork(nn.Module):
    """Steps in order, each reading values computed before it: a graph with branches."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        self.reads: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [x]
        for step, reads in zip(self.steps, self.reads, strict=True):
            values.append(step(*[values[i] for i in reads]))
        return values[-1]

    def grow(self, step: nn.Module, *reads: int) -> None:
        self.steps.append(step)
        self.reads.append(reads)


def random_network(seed: int) -> tuple[RandomNetwork, torch.Tensor]:
    """A network of 4 to 10 steps over the layers firmnet promises, and an example input."""
    torch.manual_seed(seed)
    r = random.Random(seed)
    image = (1, r.choice([1, 2, 3, 4, 6]), r.randint(5, 12), r.randint(5, 12))
    example = torch.randn(
        r.choice([image, image, image, (1, r.randint(3, 12)), (1, r.randint(2, 6), r.randint(3, 9))])
    )
    network, values = RandomNetwork().eval(), [example.clone()]
    while len(network.steps) < 4 or (len(network.steps) < 9 and r.random() < 0.85):
        step, reads = random_step(r, network, values)
        randomized(step)
        inputs = [values[i] for i in reads]
        if fits(step, inputs) and not changes_dropout(step, network, values, reads[0]):
            network.grow(step, *reads)
            with torch.no_grad():
                values.append(step(*inputs))  # in place, perhaps: what was read may change
    if not computes(network):
        network.grow(linear(r, values[-1]), len(values) - 1)
    return network, example


def fits(step: nn.Module, inputs: list[torch.Tensor]) -> bool:
    """Some steps do not: a window larger than the image, or an average over padding only."""
    try:
        with torch.no_grad():
            y = step(*[x.clone() for x in inputs])
        return y.numel() <= LARGEST and bool(y.isfinite().all())
    except (RuntimeError, ValueError):
        return False


def computes(network: RandomNetwork) -> bool:
    """Does the last value depend on a layer with weights?"""
    wanted = {len(network.steps)}
    for i in range(len(network.steps), 0, -1):
        if i in wanted:
            wanted.update(network.reads[i - 1])
    return any(isinstance(network.steps[i - 1], nn.Conv2d | nn.Linear) for i in wanted if i)


def changes_dropout(step: nn.Module, network: RandomNetwork, values: list[torch.Tensor], read: int) -> bool:
    """In place after dropout: in eval mode that changes the dropout's input, unseen by torch.export."""
    outputs = [value for value, before in zip(values[1:], network.steps, strict=True) if is_dropout(before)]
    behind = {value.untyped_storage().data_ptr() for value in outputs}
    return getattr(step, "inplace", False) and values[read].untyped_storage().data_ptr() in behind


def is_dropout(step: nn.Module) -> bool:
    return isinstance(step, nn.Dropout | nn.Dropout2d)


def randomized(step: nn.Module) -> nn.Module:
    """Batch norm with statistics as after training."""
    if isinstance(step, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(step.running_mean)
        nn.init.uniform_(step.running_var, 0.3, 2)
        if step.affine:
            nn.init.normal_(step.weight)
            nn.init.normal_(step.bias)
    return step.eval()


def random_step(
    r: random.Random, network: RandomNetwork, values: list[torch.Tensor]
) -> tuple[nn.Module, tuple[int, ...]]:
    """A step that reads the latest value, sometimes an older one too."""
    last = len(values) - 1
    x = values[last]
    if r.random() < 0.2 and (branch := random_branch(r, values)):
        return branch
    makers = {4: IMAGE_STEPS, 3: SEQUENCE_STEPS, 2: VECTOR_STEPS}.get(x.ndim, ANY_STEPS)
    weights = [WEIGHTS.get(maker, 1) for maker in makers]
    at = r.randrange(len(values)) if r.random() < 0.1 and values[0].ndim == x.ndim else last
    at = at if values[at].ndim == x.ndim else last
    if (
        again := [step for step in network.steps if isinstance(step, nn.Conv2d | nn.Linear)]
    ) and r.random() < 0.1:
        return r.choice(again), (last,)
    return r.choices(makers, weights)[0](r, values[at]), (at,)


def random_branch(r: random.Random, values: list[torch.Tensor]) -> tuple[nn.Module, tuple[int, ...]] | None:
    last = len(values) - 1
    x = values[last]
    equal = [i for i, value in enumerate(values) if value.shape == x.shape]
    if r.random() < 0.6:
        other = r.choice(equal)
        return r.choice([Residual(), Residual(), Product()]), r.choice([(last, other), (other, last)])
    axis = r.randrange(1, x.ndim) if x.ndim > 1 else 0
    rest = [
        i
        for i, v in enumerate(values)
        if v.ndim == x.ndim and without(v.shape, axis) == without(x.shape, axis)
    ]
    return Concat(r.choice([axis, axis - x.ndim])), (last, *r.choices(rest, k=r.randint(1, 2)))


def without(shape: torch.Size, axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def conv2d(r: random.Random, x: torch.Tensor) -> nn.Module:
    channels = x.shape[1]
    groups = r.choice([1, 1, 1, channels, *(g for g in (2, 3) if channels % g == 0)])
    kernel = r.choice([1, 3, 3, 5, (1, 3), (3, 2), 2, 4])
    padding = r.choice([0, 1, 2, (1, 0), "same", "valid"])
    stride = 1 if padding == "same" else r.choice([1, 1, 2, (2, 1)])
    options = {"stride": stride, "padding": padding, "dilation": r.choice([1, 1, 1, 2, (1, 2)])}
    n_out = groups * r.randint(1, max(1, 8 // groups))
    return nn.Conv2d(channels, n_out, kernel, groups=groups, bias=r.random() < 0.6, **options)


def linear(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.Linear(x.shape[-1], r.randint(1, 9), bias=r.random() < 0.7)


def batch_norm(r: random.Random, x: torch.Tensor) -> nn.Module:
    kind = nn.BatchNorm2d if x.ndim == 4 else nn.BatchNorm1d
    return kind(x.shape[1], eps=r.choice([1e-5, 1e-3]), affine=r.random() < 0.8)


def activation(r: random.Random, x: torch.Tensor) -> nn.Module:
    inplace = r.random() < 0.5
    bounds = {"min_val": r.choice([-1.0, -0.3, 0.0]), "max_val": r.choice([0.5, 1.0, 2.5])}
    return r.choice(
        [nn.ReLU(inplace), nn.ReLU(inplace), nn.ReLU6(inplace), nn.Hardtanh(**bounds, inplace=inplace)]
    )


def max_pool2d(r: random.Random, x: torch.Tensor) -> nn.Module:
    kernel = r.choice([2, 3, (2, 1), (1, 3)])
    padding = 0 if isinstance(kernel, tuple) else r.choice([0, 0, 1])
    options = {"padding": padding, "dilation": r.choice([1, 1, 2]), "ceil_mode": r.random() < 0.4}
    return nn.MaxPool2d(kernel, r.choice([None, 1, 2, (1, 2)]), **options)


def avg_pool2d(r: random.Random, x: torch.Tensor) -> nn.Module:
    kernel = r.choice([2, 3, (2, 1), (1, 3)])
    padding = 0 if isinstance(kernel, tuple) else r.choice([0, 0, 1])
    divisor = r.choice([None, None, None, 3])
    return nn.AvgPool2d(
        kernel, r.choice([None, 1, 2, (1, 2)]), padding, r.random() < 0.4, r.random() < 0.5, divisor
    )


def adaptive_avg_pool2d(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.AdaptiveAvgPool2d(r.choice([1, (1, 1), (2, 3), (None, 2), 4]))


def gated(r: random.Random, x: torch.Tensor) -> nn.Module:
    """Weights that lack some axes, or none."""
    if x.ndim != 4:
        return Gated(nn.Linear(x.shape[-1], r.choice([1, x.shape[-1]])))
    pooled = nn.AdaptiveAvgPool2d(r.choice([1, 1, (None, 1), (1, None), (None, None)]))
    return Gated(pooled, nn.Conv2d(x.shape[1], r.choice([1, x.shape[1]]), 1))


def flatten(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.Flatten(r.choice([1, 1, 1, max(1, x.ndim - 2)]), r.choice([-1, -1, max(1, x.ndim - 2)]))


def reshape(r: random.Random, x: torch.Tensor) -> nn.Module:
    sizes = list(x.shape[1:])
    r.shuffle(sizes)
    split = [n for size in sizes for n in ((2, size // 2) if size % 2 == 0 and r.random() < 0.4 else (size,))]
    shape = split if len(split) <= 4 else sizes
    return Function(torch.reshape, (1, *shape))


def view_as_sequence(r: random.Random, x: torch.Tensor) -> nn.Module:
    return Function(torch.flatten, x.ndim - 2)


def permute(r: random.Random, x: torch.Tensor) -> nn.Module:
    axes = list(range(1, x.ndim))
    r.shuffle(axes)
    return Function(torch.permute, (0, *axes))


def transpose(r: random.Random, x: torch.Tensor) -> nn.Module:
    return Function(torch.transpose, r.randrange(1, x.ndim), r.randrange(1, x.ndim))


def softmax(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.Softmax(r.randrange(1, x.ndim) - r.choice([0, x.ndim]))


def dropout(r: random.Random, x: torch.Tensor) -> nn.Module:
    return r.choice([nn.Dropout(), nn.Dropout2d() if x.ndim == 4 else nn.Dropout(0.2), nn.Identity()])


def pad(r: random.Random, x: torch.Tensor) -> nn.Module:
    return nn.ZeroPad2d(r.choice([1, (1, 0, 2, 1), (0, 1, 0, 0)]))


WEIGHTS = {conv2d: 14, batch_norm: 6, activation: 6, linear: 3, max_pool2d: 3, avg_pool2d: 3, pad: 2}
ANY_STEPS = [linear, activation, reshape, permute, transpose, softmax, dropout, flatten, gated]
IMAGE_STEPS = [
    *[conv2d, batch_norm, activation, max_pool2d, avg_pool2d, adaptive_avg_pool2d, pad, linear],
    *[flatten, view_as_sequence, reshape, permute, transpose, softmax, dropout, gated],
]
SEQUENCE_STEPS = [
    *[linear, batch_norm, activation, reshape, permute, transpose, flatten, softmax, dropout, gated],
]
VECTOR_STEPS = [linear, batch_norm, activation, softmax, dropout, reshape, gated]
