"""Which blocks does chance put together that networks are made of? Layers that passes fold, and branches."""

from .drawing import At, Call, Draw, Family


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
        "inverted": inverted,
    },
    weight=5,
)
