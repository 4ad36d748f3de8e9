"""Which layers of chance does benchmarks/layers.py sweep? Odd sizes of every class, small enough for seconds.

Each is drawn from the seed and its number alone, so that any one can be swept again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from single_layers import (
    LEAST_CHANNELS,
    MOST_PER_MAC,
    Layer,
    norm_layer,
    of_activations,
    weighted,
    widened,
)

from firmnet.ir import Graph, QParams, Shape
from firmnet.ops import OPS
from firmnet.ops.add import AddAttrs
from firmnet.ops.avg_pool2d import AvgPool2dAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.conv_transpose2d import ConvTranspose2dAttrs
from firmnet.ops.div import DivAttrs
from firmnet.ops.functions import single
from firmnet.ops.interpolate import PLACE_BITS, InterpolateAttrs
from firmnet.ops.layer_norm import LayerNormAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.matmul import MatmulAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.maximum import MaximumAttrs
from firmnet.ops.mul import MulAttrs
from firmnet.ops.normalize import UNIT_OUTPUT, NormalizeAttrs
from firmnet.ops.pad import PadAttrs
from firmnet.ops.pick import PickAttrs, Places, Run, everything, runs
from firmnet.ops.prelu import PReluAttrs
from firmnet.ops.reduce import ReduceAttrs
from firmnet.ops.rescale import RescaleAttrs
from firmnet.ops.slice import SliceAttrs
from firmnet.ops.softmax import OUTPUT, SoftmaxAttrs
from firmnet.ops.transpose import TransposeAttrs
from firmnet.passes.plain_transposed import plain_transposed

MOST_MACS = 400_000
MOST_VALUES = 12_000
"""Of a layer's inputs and output together."""
LEAST_VALUES = 60
"""Of its output: what enters and leaves a smaller layer is all that it takes."""
TRIES = 1000
MOST_OF_TWO, MOST_MOVED, MOST_OF_TABLE, MOST_OF_NORM, MOST_OF_PRODUCT = 8.0, 4.0, 4.5, 15.0, 2.75
MANY = 256
"""Output values from which limits per element hold: below, entry and exit show."""
FUNCTIONS = ("sigmoid", "tanh", "gelu", "silu", "exp", "abs")


@dataclass(frozen=True)
class Draw:
    """Chance, in sizes that people use or that are odd."""

    rng: np.random.Generator

    def of(self, *options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def to(self, low: int, high: int) -> int:
        """Any, or small ones as often as large ones; `high` included."""
        if self.rng.random() < 0.5:
            return int(self.rng.integers(low, high + 1))
        return int(np.floor(np.exp(self.rng.uniform(np.log(low), np.log(high + 1)))))

    def shape(self, rank: int, most: int = 40) -> Shape:
        return 1, *(self.to(1, most) for _ in range(rank - 1))

    def image(self, channels: int = 96, most: int = 48) -> Shape:
        c = self.to(1, channels)
        match self.of(0, 0, 0, 1, 2):
            case 0:
                return 1, self.to(1, most), self.to(1, most), c
            case 1:
                return 1, 1, self.to(1, 500), c
            case _:
                return 1, self.to(1, 500), 1, c

    def axis(self, shape: Shape) -> int:
        return int(self.rng.integers(1, len(shape)))

    def axes(self, shape: Shape) -> Shape:
        chosen = [axis for axis in range(1, len(shape)) if self.rng.random() < 0.5]
        return tuple(chosen) or (self.axis(shape),)

    def order(self, rank: int) -> Shape:
        return 0, *(int(axis) + 1 for axis in self.rng.permutation(rank - 1))


def random_layers(count: int, seed: int) -> tuple[Layer, ...]:
    return tuple(_layer(seed, number) for number in range(count))


def _layer(seed: int, number: int) -> Layer:
    draw = Draw(np.random.default_rng((seed, number)))
    kinds = list(_KINDS)
    for _ in range(TRIES):
        kind = kinds[number % len(kinds)]
        try:
            layer = _KINDS[kind](draw)
            if draw.rng.random() < 0.3:
                wide = draw.of("", "", "x1") if len(layer.graph().inputs) > 1 else ""
                layer = replace(layer, label=f"int16 {layer.label}", make=partial(widened, layer, but=wide))
            graph = layer.graph()
        except ValueError:
            continue
        if _fits(graph) and not any(OPS[node.op].refuses(graph.call(node)) for node in graph.nodes):
            return replace(layer, label=f"#{seed}.{number} {layer.label}")
    raise ValueError(f"no layer {number} of {kind!r} is small enough")


def _fits(graph: Graph) -> bool:
    values = sum(prod(tensor.shape) for tensor in graph.tensors.values() if tensor.data is None)
    macs = sum(OPS[node.op].macs(graph.call(node)) for node in graph.nodes)
    made = sum(prod(graph.tensors[node.output].shape) for node in graph.nodes)
    worth = made >= LEAST_VALUES or graph.nodes[0].op == "reduce"
    return worth and values <= MOST_VALUES and macs <= MOST_MACS


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape[1:])


# --- layers with weights


def _window(draw: Draw, image: Shape) -> tuple[tuple[int, int], ...]:
    """Kernel, stride and dilation, of images and of lines."""
    square = draw.rng.random() < 0.5
    found = []
    for sizes in ((1, 1, 2, 3, 3, 3, 4, 5, 7, 9), (1, 1, 1, 2, 2, 3, 4), (1, 1, 1, 1, 2, 3)):
        n = draw.of(*sizes)
        one, other = (n, n) if square else (n, draw.of(*sizes))
        found.append((one if image[1] > 1 else 1, other if image[2] > 1 else 1))
    return tuple(found)


def _conv(draw: Draw) -> Layer:
    x = draw.image()
    return _convolution(draw, "conv", x, draw.to(1, 96), 1)


def _grouped(draw: Draw) -> Layer:
    g = draw.to(2, 32)
    x = (*draw.image()[:3], g * draw.to(1, 8))
    return _convolution(draw, "grouped", x, g * draw.to(1, 8), g)


def _depthwise(draw: Draw) -> Layer:
    x = draw.image()
    return _convolution(draw, "depthwise", x, x[3] * draw.of(1, 1, 1, 2, 3), x[3])


def _convolution(draw: Draw, kind: str, x: Shape, n_out: int, g: int) -> Layer:
    k, s, d = _window(draw, x)
    p = tuple(draw.to(1, 1 + d[i // 2] * (k[i // 2] - 1)) - 1 for i in range(4))
    if draw.rng.random() < 0.5:
        p = tuple(d[i // 2] * (k[i // 2] // 2) for i in range(4))
    attrs = Conv2dAttrs(s, p, d, g)  # type: ignore[arg-type]
    label = f"{k[0]}x{k[1]} {x[3]}->{n_out} {x[1]}x{x[2]} p{p} s{s} d{d} g{g}".replace(", ", ",")
    w = (n_out, *k, x[3] // g)
    most = MOST_PER_MAC if n_out >= LEAST_CHANNELS else None
    return Layer(f"{kind} {label}", kind, partial(weighted, "conv2d", attrs, x, w), most)


def _transposed(draw: Draw) -> Layer:
    x, n_out = draw.image(64, 20), draw.to(1, 64)
    g = draw.of(1, 1, 1, x[3])
    n_out = n_out if g == 1 else g
    k, s, d = _window(draw, x)
    crop = tuple(draw.to(1, max(k[i // 2], 1)) - 1 - draw.of(0, 0, i % 2) for i in range(4))
    attrs = ConvTranspose2dAttrs(s, crop, d, g)  # type: ignore[arg-type]
    label = f"convT {k[0]}x{k[1]} {x[3]}->{n_out} {x[1]}x{x[2]} crop{crop} s{s} d{d} g{g}".replace(", ", ",")
    most = MOST_PER_MAC if n_out >= LEAST_CHANNELS and g == 1 else None
    w = (n_out, *k, x[3] // g)
    return Layer(
        label, "transposed", lambda: plain_transposed(weighted("conv_transpose2d", attrs, x, w)), most
    )


def _linear(draw: Draw) -> Layer:
    k, n, rows = draw.to(1, 700), draw.to(1, 700), draw.of(1, 1, draw.to(1, 40))
    x = (1, k) if rows == 1 else (1, rows, k)
    most = (
        2.0 if n < LEAST_CHANNELS and k >= 64 else MOST_PER_MAC if k >= 16 and n >= LEAST_CHANNELS else None
    )
    return Layer(
        f"linear {rows}x({k}->{n})", "linear", partial(weighted, "linear", LinearAttrs(), x, (n, k)), most
    )


# --- pools, reductions and norms


def _pool(draw: Draw) -> Layer:
    x = draw.image()
    k, s, d = _window(draw, x)
    s = draw.of(s, k)
    p = tuple(draw.to(1, k[i // 2] // 2 + 1) - 1 for i in (0, 0, 2, 2))
    p = p if draw.rng.random() < 0.5 else (0, 0, 0, 0)
    ceil = draw.of(False, False, True)
    label = f"{k[0]}x{k[1]} {x[3]} {x[1]}x{x[2]} p{p} s{s} d{d}{' ceil' if ceil else ''}".replace(", ", ",")
    if draw.rng.random() < 0.5:
        attrs: Any = MaxPool2dAttrs(k, s, p, d, ceil)  # type: ignore[arg-type]
        return Layer(f"max pool {label}", "max pool", _one("max_pool2d", attrs, x, same=True))
    attrs = AvgPool2dAttrs(k, s, p, ceil, draw.of(True, False))  # type: ignore[arg-type]
    return Layer(f"average pool {label}", "average pool", _one("avg_pool2d", attrs, x))


def _reduced(draw: Draw) -> Layer:
    x = draw.shape(draw.of(2, 3, 4))
    axes = draw.axes(x)
    kind = draw.of("l1", "l2", "var", "std", "normalize")
    label = f"{kind} of {axes} of {_size(x)}"
    if kind == "normalize":
        unit = NormalizeAttrs(axes, 1e-12)
        return Layer(label, "reduction", partial(of_activations, "normalize", unit, [x], output=UNIT_OUTPUT))
    return Layer(label, "reduction", _one("reduce", ReduceAttrs(axes, kind), x))


def _norm(draw: Draw) -> Layer:
    x = draw.shape(draw.of(2, 3, 4))
    axes = draw.axes(x)
    gains = draw.of((), axes, (len(x) - 1,))
    attrs = LayerNormAttrs(axes, gains, centred=draw.of(True, True, False))
    along = prod(x[axis] for axis in axes)
    label = f"norm of {axes}, gains {gains}, of {_size(x)}{'' if attrs.centred else ' rms'}"
    return norm_layer(label, x, attrs, MOST_OF_NORM if along >= 16 else None)


def _softmax(draw: Draw) -> Layer:
    x = draw.shape(draw.of(2, 3, 4))
    axis = draw.axis(x)
    if draw.rng.random() < 0.6:
        make = partial(of_activations, "softmax", SoftmaxAttrs(axis), [x], output=OUTPUT)
        return Layer(f"softmax {axis} of {_size(x)}", "softmax", make)
    make = partial(of_activations, "log_softmax", SoftmaxAttrs(axis), [x], output=QParams((0.1,), 127))
    return Layer(f"log softmax {axis} of {_size(x)}", "softmax", make)


# --- values


def _one(op: str, attrs: Any, x: Shape, *, same: bool = False) -> Callable[[], Graph]:
    return partial(of_activations, op, attrs, [x], same=same)


def _table(draw: Draw) -> Layer:
    x = draw.of((1, draw.to(1, 5000)), draw.image(), draw.shape(3))
    name = draw.of("clamp", "rescale", "prelu", *FUNCTIONS)
    most = MOST_OF_TABLE if prod(x) >= MANY and name != "prelu" else None
    label = f"{name} {_size(x)}"
    if name == "prelu":
        axis = draw.axis(x)
        slopes = tuple(float(slope) for slope in np.linspace(0.05, 0.4, x[axis]))
        return Layer(f"{label} axis {axis}", "prelu", _one("prelu", PReluAttrs(axis, slopes), x), MOST_OF_TWO)
    if name in ("clamp", "rescale"):
        attrs: Any = ClampAttrs(draw.of(0.0, None), 6.0) if name == "clamp" else RescaleAttrs()
        return Layer(label, "table", _one(name, attrs, x), most)
    return Layer(label, "table", _one("table", single(name), x), most)


def _two(draw: Draw) -> Layer:
    op = draw.of("add", "add", "mul", "mul", "div", "maximum")
    a = draw.of((1, draw.to(1, 4000)), draw.image(), draw.shape(draw.of(3, 4, 5), 20))
    b = tuple(draw.of(1, n, n) for n in a)
    if draw.rng.random() < 0.4:
        b = a
    elif draw.rng.random() < 0.2:
        a = tuple(draw.of(1, n, n) for n in a)  # each grows along the other: outer products
    attrs = {
        "add": AddAttrs(b=draw.of(1.0, -1.0)),
        "mul": MulAttrs(),
        "div": DivAttrs(),
        "maximum": MaximumAttrs(draw.of(False, True)),
    }[op]
    many = prod(OPS[op].shape(attrs, a, b)) >= MANY
    make = partial(of_activations, op, attrs, [a, b], same=op == "maximum")
    return Layer(f"{op} {_size(a)} by {_size(b)}", op, make, MOST_OF_TWO if many else None)


def _moved(draw: Draw) -> Layer:
    x = draw.shape(draw.of(2, 3, 4, 5), 24)
    label, op, attrs, shapes = _MOVES[draw.of(*_MOVES)](draw, x)
    many = prod(OPS[op].shape(attrs, *shapes)) >= MANY
    make = partial(of_activations, op, attrs, shapes, same=True)
    return Layer(f"{label} of {_size(x)}", "movement", make, MOST_MOVED if many else None)


Move = tuple[str, str, Any, list[Shape]]


def _permute(draw: Draw, x: Shape) -> Move:
    order = draw.order(len(x))
    return f"permute {order}", "transpose", TransposeAttrs(order), [x]


def _slice(draw: Draw, x: Shape) -> Move:
    start, step, size = [0], [1], [1]
    for n in x[1:]:
        first, by = draw.to(1, n) - 1, draw.of(1, 1, 2, 3, -1)
        first = n - 1 - first if by < 0 else first
        most = (first // -by if by < 0 else (n - 1 - first) // by) + 1
        start.append(first)
        step.append(by)
        size.append(most)
    attrs = SliceAttrs(tuple(start), tuple(step), tuple(size))
    return f"slice {attrs.start} {attrs.step} {attrs.size}", "slice", attrs, [x]


def _flip(draw: Draw, x: Shape) -> Move:
    axes = draw.axes(x)
    start = tuple(n - 1 if axis in axes else 0 for axis, n in enumerate(x))
    step = tuple(-1 if axis in axes else 1 for axis in range(len(x)))
    return f"flip {axes}", "slice", SliceAttrs(start, step, x), [x]


def _repeat(draw: Draw, x: Shape) -> Move:
    axis = draw.axis(x)
    times = draw.to(2, 9)
    shape = (*x[:axis], 1, *x[axis:]) if draw.rng.random() < 0.5 else (*x[: axis + 1], 1, *x[axis + 1 :])
    at = shape.index(1, axis)
    step = tuple(0 if i == at else 1 for i in range(len(shape)))
    size = tuple(times if i == at else n for i, n in enumerate(shape))
    return f"repeat {times} at {at}", "slice", SliceAttrs((0,) * len(shape), step, size), [shape]


def _concat(draw: Draw, x: Shape) -> Move:
    axis = draw.axis(x)
    sizes = [draw.to(1, 20) for _ in range(draw.to(2, 5))]
    shapes = [(*x[:axis], n, *x[axis + 1 :]) for n in sizes]
    return f"concat {sizes} on {axis}", "concat", ConcatAttrs(axis), shapes


def _pad(draw: Draw, x: Shape) -> Move:
    before = (0, *(draw.to(1, 4) - 1 for _ in x[1:]))
    after = (0, *(draw.to(1, 4) - 1 for _ in x[1:]))
    return f"pad {before} {after}", "pad", PadAttrs(before, after), [x]


def _pick(draw: Draw, x: Shape) -> Move:
    """Gathers, rolls, enlargements and windows along one or two axes."""
    along: dict[int, Places] = {}
    said = []
    for axis in {draw.axis(x), draw.axis(x)}:
        n = x[axis]
        ways: dict[str, Any] = {
            "gather": lambda n=n: draw.rng.integers(0, n, draw.to(1, 24)),
            "roll": lambda n=n: np.roll(np.arange(n), draw.to(1, n)),
            "nearest": lambda n=n: np.arange(2 * n) // 2,
            "stretch": lambda n=n: np.arange(n * 5 // 3 + 1) * 3 // 5 % n,
            "windows": lambda n=n: np.array([i + t for i in range(max(n - 2, 1)) for t in range(min(3, n))]),
            "order": lambda n=n: draw.rng.permutation(n),
        }
        way = draw.of(*ways)
        along[axis] = runs(ways[way]())
        said.append(f"{way} {axis}")
    attrs = PickAttrs(tuple(along.get(axis, everything(n)) for axis, n in enumerate(x)))
    return f"pick {', '.join(said)}", "pick", attrs, [x]


def _crop(draw: Draw, x: Shape) -> Move:
    axis = draw.axis(x)
    first = draw.to(1, x[axis]) - 1
    places = (Run(first, draw.to(1, x[axis] - first)),)
    attrs = PickAttrs(tuple(places if i == axis else everything(n) for i, n in enumerate(x)))
    return f"pick crop {axis}", "pick", attrs, [x]


def _shuffle(draw: Draw, x: Shape) -> Move:
    """What a pixel shuffle leaves of channels and pixels."""
    r, h, w, c = draw.of(2, 2, 3, 4), draw.to(1, 14), draw.to(1, 14), draw.to(1, 12)
    shape, order = draw.of(((1, h, w, c, r, r), (0, 1, 4, 2, 5, 3)), ((1, h, r, w, r, c), (0, 1, 3, 5, 2, 4)))
    return f"pixel shuffle {_size(shape)} {order}", "transpose", TransposeAttrs(order), [shape]


_MOVES: dict[str, Callable[[Draw, Shape], Move]] = {
    "permute": _permute,
    "slice": _slice,
    "flip": _flip,
    "repeat": _repeat,
    "concat": _concat,
    "pad": _pad,
    "pick": _pick,
    "crop": _crop,
    "shuffle": _shuffle,
}


def _between(draw: Draw) -> Layer:
    x = draw.image(32, 24)
    size = tuple(1 if n == 1 else draw.to(1, 3 * n) for n in x[1:3])
    one = 1 << PLACE_BITS
    step = tuple(one * n // m for n, m in zip(x[1:3], size, strict=True))
    attrs = InterpolateAttrs(size, tuple((by - one) // 2 for by in step), step)  # type: ignore[arg-type]
    label = f"bilinear {_size(x)} to {size[0]}x{size[1]}"
    return Layer(label, "interpolation", _one("interpolate", attrs, x))


def _product(draw: Draw) -> Layer:
    heads, m, k, n = draw.of(1, 1, draw.to(2, 6)), draw.to(1, 80), draw.to(1, 80), draw.to(1, 80)
    a, b = (1, heads, m, k), (1, heads, k, n)
    orders = []
    for shape in (a, b):
        order = draw.of((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3), (0, 2, 3, 1))
        lies = [0] * 4
        for i, axis in enumerate(order):
            lies[axis] = shape[i]
        orders.append((order, tuple(lies)))
    attrs = MatmulAttrs(orders[0][0], orders[1][0], draw.of((0, 1, 2, 3), (0, 2, 1, 3)))
    label = f"matmul {heads} x {m}x{k} by {k}x{n} {attrs.a_order} {attrs.b_order} {attrs.y_order}"
    shapes = [orders[0][1], orders[1][1]]
    output = QParams((0.4,), 5)
    most = MOST_OF_PRODUCT if m * n >= MANY and k >= 16 else None
    return Layer(label, "matmul", partial(of_activations, "matmul", attrs, shapes, output=output), most)


_KINDS: dict[str, Callable[[Draw], Layer]] = {
    "conv": _conv,
    "grouped": _grouped,
    "depthwise": _depthwise,
    "transposed": _transposed,
    "linear": _linear,
    "pool": _pool,
    "reduction": _reduced,
    "norm": _norm,
    "softmax": _softmax,
    "table": _table,
    "two": _two,
    "moved": _moved,
    "moved again": _moved,
    "between": _between,
    "product": _product,
}
