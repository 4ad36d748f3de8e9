"""How does chance make networks that go on with time? What they are made of, each laid along the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from random_calls import At, Call, Draw, Misfit

from firmnet.ir import Shape

FEWEST_POOLED = 6
"""Places in time before a pool."""


@dataclass(frozen=True)
class Time:
    """Which values go on with time, along which of their axes.

    `causal`: convolutions make a place for each that they read, of zeros on the left, and nothing reads all.
    """

    axes: Mapping[int, int]
    causal: bool

    def value(self, d: Draw, wanted: Callable[[Shape, int], bool]) -> tuple[At, Shape, int]:
        """One that goes on with time and fits, the latest as a rule, and its axis; raises Misfit."""
        fit = [i for i, axis in self.axes.items() if wanted(d.known[i].shape, axis) and not d.known[i].rows]
        if not fit:
            raise Misfit
        at = fit[-1] if d.maybe(0.8) else d.choice(fit)
        return At(at), d.known[at].shape, self.axes[at]


Along = Callable[[Draw, Call, Time], At]


def convolved(d: Draw, call: Call, time: Time) -> At:
    """One or two axes, any kernel, stride and dilation; batch norm and an activation function behind it."""
    x, shape, axis = _channels_first(d, call, time)
    return _convolution(d, call, x, shape, axis, time.causal)


def _convolution(d: Draw, call: Call, x: At, shape: Shape, axis: int, causal: bool) -> At:
    kernel, dilation = d.randint(1, 4), d.randint(1, 3)
    stride = 2 if d.maybe(0.2) and not shape[axis] % 2 else 1
    before = max((kernel - 1) * dilation - (stride - 1), 0) if causal or d.maybe(0.4) else 0
    if before:
        x = call("constant_pad_nd.default", x, [0, 0] * (len(shape) - 1 - axis) + [before, 0])
    axes = len(shape) - 2
    across = [min(d.randint(1, 3), n) for n in shape[2:]]
    sizes = [kernel if i + 2 == axis else across[i] for i in range(axes)]
    around = [0 if i + 2 == axis else d.choice([0, sizes[i] // 2]) for i in range(axes)]
    groups = shape[1] if d.maybe(0.3) else 1
    made = groups if groups > 1 else d.randint(1, 6)
    weight = d.constant(made, shape[1] // groups, *sizes)
    y = call(
        f"conv{axes}d.default",
        *(x, weight, d.constant(made) if d.maybe(0.7) else None),
        *([stride if i + 2 == axis else 1 for i in range(axes)], around),
        *([dilation if i + 2 == axis else 1 for i in range(axes)], groups),
    )
    if d.maybe(0.3):
        norm = d.constant(made), d.constant(made), d.constant(made), d.constant(made, positive=True)
        y = call("batch_norm.default", y, *norm, False, 0.1, 1e-5, False)
    return call(d.choice(["relu.default", "tanh.default", "hardswish.default"]), y) if d.maybe(0.5) else y


def pooled(d: Draw, call: Call, time: Time) -> At:
    if time.causal:
        raise Misfit
    x, shape, axis = _channels_first(d, call, time, least=FEWEST_POOLED)
    kernel, stride = ([n if i == axis else 1 for i in range(2, len(shape))] for n in _window(d))
    kind = d.choice(["max_pool", "avg_pool"])
    return call(f"{kind}{len(kernel)}d.default", x, kernel, stride)


def _window(d: Draw) -> tuple[int, int]:
    return d.randint(2, 3), d.randint(1, 2)


def each(d: Draw, call: Call, time: Time) -> At:
    """Something of every place alone."""
    x, shape, axis = time.value(d, lambda shape, axis: len(shape) > 1 and axis < len(shape) - 1)
    match d.randrange(4):
        case 0:
            return call("softmax.int", x, -1)
        case 1:
            affine = d.constant(shape[-1]), d.constant(shape[-1])
            return call("layer_norm.default", x, [shape[-1]], *affine)
        case 2:
            return call("linear.default", x, d.constant(4, shape[-1]), d.constant(4))
        case _:
            rest = [i for i in range(1, len(shape)) if i != axis]
            return call("permute.default", x, [0, *d.sample([*rest, axis], len(rest) + 1)])


def branched(d: Draw, call: Call, time: Time) -> At:
    """Two ways from one value, joined where they have the same places, and what they read beside them."""
    x, shape, axis = _channels_first(d, call, time)
    ways = [_convolution(d, call, x, shape, axis, time.causal) for _ in range(2)]
    if d.maybe(0.3):
        ways[1] = x
    least = min(d.known[way.number].shape[axis] for way in ways)
    parts = [_last(d, call, way, axis, least) for way in ways]
    alike = len({d.known[part.number].shape for part in parts}) == 1
    if alike and d.maybe(0.5):
        return call(d.choice(["add.Tensor", "mul.Tensor", "maximum.default"]), *parts)
    return call("cat.default", parts, 1)


def walked(d: Draw, call: Call, time: Time) -> At:
    """One or two recurrent layers over frames, all other axes in a row."""
    x, shape, axis = time.value(d, lambda shape, axis: 1 < len(shape) < 5 and shape[0] == 1 and axis > 0)
    if axis > 1:
        x = call("permute.default", x, [0, axis, *(i for i in range(1, len(shape)) if i != axis)])
    line = call("flatten.using_ints", x, 2) if len(shape) > 3 else x
    if len(shape) == 2:
        line = call("unsqueeze.default", line, 2)
    kind, gates = d.choice([("rnn_tanh", 1), ("rnn_relu", 1), ("gru", 3), ("lstm", 4)])
    units, layers = d.randint(1, 4), d.choice([1, 1, 2])
    params = []
    for layer in range(layers):
        n_in = units if layer else d.known[line.number].shape[2]
        params += [d.constant(gates * units, n) for n in (n_in, units)] + [d.constant(gates * units)] * 2
    begins = [d.constant(layers, 1, units) for _ in range(2 if kind == "lstm" else 1)]
    first = len(d.known)
    hx = begins if kind == "lstm" else begins[0]
    call(f"{kind}.input", line, hx, params, True, layers, 0.0, False, False, True)
    return At(first)


def last_step(d: Draw, call: Call, time: Time) -> At:
    x, shape, axis = time.value(d, lambda shape, axis: True)
    if d.maybe(0.5):
        return call("select.int", x, axis, d.choice([-1, shape[axis] - 1]))
    return _last(d, call, x, axis, min(d.randint(1, 3), shape[axis]))


def over_all(d: Draw, call: Call, time: Time) -> At:
    """The mean, the largest, or all in a row."""
    if time.causal:
        raise Misfit
    x, _, axis = time.value(d, lambda shape, axis: True)
    if d.maybe(0.3):
        x = call("flatten.using_ints", x)
        return call("linear.default", x, d.constant(3, d.known[x.number].shape[0]))
    return call(d.choice(["mean.dim", "amax.default", "sum.dim_IntList"]), x, [axis], d.maybe(0.3))


def _channels_first(d: Draw, call: Call, time: Time, least: int = 2) -> tuple[At, Shape, int]:
    """A line or an image, its shape and its axis of time."""
    x, shape, axis = time.value(
        d, lambda shape, axis: len(shape) in (3, 4) and shape[0] == 1 and axis and shape[axis] >= least
    )
    if axis == 1:
        order = [0, len(shape) - 1, *range(1, len(shape) - 1)]
        x = call("permute.default", x, order)
        shape, axis = tuple(shape[i] for i in order), 2
    return x, shape, axis


def _last(d: Draw, call: Call, x: At, axis: int, count: int) -> At:
    places = d.known[x.number].shape[axis]
    return call("slice.Tensor", x, axis, places - count, places) if places > count else x


BODY: Mapping[str, tuple[Along, int]] = {
    "convolved": (convolved, 5),
    "pooled": (pooled, 2),
    "each": (each, 2),
    "branched": (branched, 2),
    "walked": (walked, 2),
}
"""And how often."""
ENDS: tuple[Along | None, ...] = (last_step, last_step, over_all, None)
"""None: every step is the answer."""


def shape_and_axis(d: Draw) -> tuple[Shape, int]:
    """Of an input that goes on with time."""
    frames, channels, beside = d.choice([8, 10, 12, 16, 20, 24]), d.randint(1, 5), d.choice([1, 3, 4])
    kind = d.choices(["line", "image", "turned", "steps", "samples"], [4, 2, 2, 4, 1])[0]
    shapes: Mapping[str, tuple[Shape, int]] = {
        "line": ((1, channels, frames), 2),
        "image": ((1, min(channels, 3), frames, beside), 2),
        "turned": ((1, min(channels, 3), beside, frames), 3),
        "steps": ((1, frames, channels), 1),
        "samples": ((1, 3 * frames), 1),
    }
    return shapes[kind]
