"""How does chance call convolutions?"""

from collections.abc import Callable
from typing import Any

from .drawing import Constant, Draw, Family


def _groups(d: Draw, channels: int) -> int:
    return d.choice([1, 1, 1, channels, *(g for g in (2, 3) if channels % g == 0)])


def _weights(d: Draw, channels: int, axes: int) -> tuple[int, Constant, Constant | None]:
    """(groups, weight (O, I/groups, …), bias)."""
    groups = _groups(d, channels)
    made = groups * d.randint(1, max(1, 9 // groups))
    kernel = d.each(axes, [1, 2, 3, 3, 4, 5])
    return groups, d.constant(made, channels // groups, *kernel), d.constant(made) if d.maybe(0.6) else None


def conv(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.spatial(axes + 2)
        groups, weight, bias = _weights(d, shape[1], axes)
        stride, padding = d.each(axes, [1, 1, 2, 3]), d.each(axes, [0, 0, 1, 2])
        return x, weight, bias, stride, padding, d.each(axes, [1, 1, 1, 2]), groups

    return drawn


def named_padding(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.spatial(axes + 2)
        groups, weight, bias = _weights(d, shape[1], axes)
        return x, weight, bias, [1] * axes, d.choice(["same", "valid"]), d.each(axes, [1, 1, 2]), groups

    return drawn


def transposed(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.spatial(axes + 2)
        groups = _groups(d, shape[1])
        each = d.randint(1, max(1, 6 // groups))
        weight = d.constant(shape[1], each, *d.each(axes, [1, 2, 3, 4]))
        bias = d.constant(groups * each) if d.maybe(0.6) else None
        stride, padding = d.each(axes, [1, 2, 3]), d.each(axes, [0, 0, 1])
        return x, weight, bias, stride, padding, d.each(axes, [0, 0, 1]), groups, d.each(axes, [1, 1, 2])

    return drawn


def convolution(d: Draw) -> tuple[Any, ...]:
    axes, turned = d.choice([1, 2]), d.maybe(0.4)
    if turned:
        x, weight, bias, stride, padding, further, groups, dilation = transposed(axes)(d)
        return x, weight, bias, stride, padding, dilation, True, further, groups
    x, weight, bias, stride, padding, dilation, groups = conv(axes)(d)
    return x, weight, bias, stride, padding, dilation, False, [0] * axes, groups


FAMILY = Family(
    {
        "conv1d.default": conv(1),
        "conv1d.padding": named_padding(1),
        "conv2d.default": conv(2),
        "conv2d.padding": named_padding(2),
        "conv3d.default": conv(3),
        "conv3d.padding": named_padding(3),
        "convolution.default": convolution,
        "conv_transpose1d.default": transposed(1),
        "conv_transpose2d.input": transposed(2),
        "conv_transpose3d.input": transposed(3),
    },
    weight=14,
)
