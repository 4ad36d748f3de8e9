"""Which blocks does chance put together that networks are made of? Layers that passes fold, and branches."""

from dataclasses import dataclass

import numpy as np

from firmnet.ir import Array

from .drawing import At, Call, Constant, Draw, Family


@dataclass(frozen=True)
class Later(Constant):
    """(T, S), true where a key comes after its query."""

    @property
    def array(self) -> Array:
        return np.triu(np.ones(self.shape, bool), 1)


def convolution(d: Draw, call: Call) -> At:
    """With batch norm and an activation function behind it, which both fold into it."""
    x, shape = d.spatial(4)
    made = d.choice([4, 8, 9])
    y = call("conv2d.default", x, d.constant(made, shape[1], 3, 3), None, [1, 1], [1, 1])
    return call(d.choice(["relu.default", "relu6.default", "silu.default"]), _normalized(d, call, y, made))


def first_layer(d: Draw, call: Call) -> At:
    """Of an image that the model normalises itself; around (x − mean) / std are zeros."""
    x, shape = d.given(4)
    y = call("div.Scalar", call("sub.Scalar", x, d.number()), d.choice([0.25, 0.5, 3.0]))
    return call("conv2d.default", y, d.constant(d.choice([4, 9]), shape[1], 3, 3), None, [1, 1], [1, 1])


def separable(d: Draw, call: Call) -> At:
    """A depthwise convolution, and one of points."""
    x, shape = d.spatial(4)
    n, size = shape[1], d.choice([3, 5])
    weight, around = d.constant(n, 1, size, size), [size // 2] * 2
    y = call("conv2d.default", x, weight, d.constant(n), d.each(2, [1, 2]), around, [1, 1], n)
    y = call("relu.default", _normalized(d, call, y, n))
    return call("conv2d.default", y, d.constant(d.choice([4, 8, 9]), n, 1, 1))


def residual(d: Draw, call: Call) -> At:
    x, shape = d.spatial(4)
    y = call("conv2d.default", x, d.constant(shape[1], shape[1], 3, 3), None, [1, 1], [1, 1])
    return call("relu.default", call("add.Tensor", _normalized(d, call, y, shape[1]), x))


def excited(d: Draw, call: Call) -> At:
    """Squeeze and excitation: every channel times a gate that is computed of all."""
    x, shape = d.spatial(4)
    pooled = call("mean.dim", x, [2, 3], True)
    gate = call("conv2d.default", pooled, d.constant(shape[1], shape[1], 1, 1), d.constant(shape[1]))
    return call("mul.Tensor", x, call(d.choice(["sigmoid.default", "hardsigmoid.default"]), gate))


def attention(d: Draw, call: Call) -> At:
    """Of a sequence to itself or to another; all heads, and what keys are kept out, as import composes it."""
    x, (batch, length, width) = d.ranked(3)
    other = x if d.maybe(0.6) else d.activation(lambda known: known.shape[::2] == (batch, width))[0]
    depth = d.choice([2, 4, 5])
    heads = d.choice([1, 1, 2, 3])
    parts = [_heads(d, call, source, width, heads, depth) for source in (x, other, other)]
    queries, keys, values = parts
    scores = call("matmul.default", queries, call("transpose.int", keys, -2, -1))
    if d.maybe(0.5):
        scores = call("mul.Scalar", scores, depth**-0.5)
        if d.maybe(0.3):
            scores = call("add.Tensor", scores, d.over((length, 1)))
        elif d.maybe(0.5):
            later = Later((length, d.known[other.number].shape[1]), 0)
            scores = call("masked_fill.Scalar", scores, later, -20.0)
    else:
        scores = call("div.Tensor", scores, 2.5)
    y = call("matmul.default", call("softmax.int", scores, -1), values)
    back = call("transpose.int", y, 1, 2)
    return call("reshape.default", back, [batch, length, heads * depth])


def _heads(d: Draw, call: Call, x: At, width: int, heads: int, depth: int) -> At:
    """(batch, heads, T, depth) of (batch, T, width)."""
    y = call("linear.default", x, d.constant(heads * depth, width))
    return call("transpose.int", call("unflatten.int", y, 2, [heads, depth]), 1, 2)


def inverted(d: Draw, call: Call) -> At:
    """Channels last, as between the layers of a transformer of images."""
    x, shape = d.spatial(4)
    y = call("linear.default", call("permute.default", x, [0, 2, 3, 1]), d.constant(7, shape[1]))
    return call("permute.default", call("gelu.default", y), [0, 3, 1, 2])


def _normalized(d: Draw, call: Call, x: At, channels: int) -> At:
    statistics = d.constant(channels), d.constant(channels, positive=True)
    affine = d.constant(channels), d.constant(channels)
    return call("batch_norm.default", x, *affine, *statistics, False, 0.1, 1e-5, False)


FAMILY = Family(
    {},
    {
        "convolution": convolution,
        "first_layer": first_layer,
        "separable": separable,
        "residual": residual,
        "excited": excited,
        "attention": attention,
        "inverted": inverted,
    },
    weight=5,
)
