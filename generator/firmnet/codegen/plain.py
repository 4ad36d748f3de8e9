"""What runs a layer where no machine code can? Calls of functions in runtime_micropython/firmnet_plain.py."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..ir import Array, Call, Dtype, Graph, Node, Shape
from ..kernels.attended import heads
from ..kernels.loops import strides
from ..ops import OPS
from ..ops.add import narrow
from ..ops.interpolate import WEIGHT_BITS, WIDE_FRACTION_BITS, WIDE_WEIGHT_BITS
from ..ops.layer_norm import group_size
from ..ops.max_pool2d import spans as windows
from ..ops.pick import FILL, places
from ..ops.recurrent import Recurrent
from ..ops.reduce import count
from ..ops.rescale import by_table
from ..ops.spec import Constants
from ..qmath import Requant

SHIFTED = 128
"""What is added to constants of 8 bits, so that bytes in flash hold them."""

PlacesAlong = range | tuple[int | None, ...]


@dataclass(frozen=True)
class StoredConstant:
    """A constant in the file beside the module: read in place as bytes, or copied as an array of `code`."""

    at: int
    size_bytes: int
    code: str = ""

    def __repr__(self) -> str:
        """As Python reads it."""
        piece = f"_flash[{self.at}:{self.at + self.size_bytes}]"
        return f"array({self.code!r}, bytes({piece}))" if self.code else piece


@dataclass(frozen=True)
class PlainName:
    """A function or an activation, by its name in the module."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PlainCall:
    """`function` of runtime_micropython/firmnet_plain.py, with these arguments."""

    function: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(repr, self.arguments))})"


@dataclass
class Flash:
    """The constants' bytes, each at a word's address, and each there once."""

    data: bytearray = field(default_factory=bytearray)
    known: dict[bytes, int] = field(default_factory=dict)

    def in_place(self, values: Array) -> StoredConstant:
        """int8 values, in place."""
        return self._stored((values.astype(np.int64) + SHIFTED).astype(np.uint8).tobytes())

    def array(self, values: Any, code: str = "i") -> StoredConstant:
        kind = np.dtype(code).newbyteorder("<")
        return self._stored(np.asarray(values).astype(kind, casting="unsafe").tobytes(), code)

    def _stored(self, data: bytes, code: str = "") -> StoredConstant:
        if data not in self.known:
            self.known[data] = len(self.data)
            self.data += data + bytes(-len(data) % 8)
        return StoredConstant(self.known[data], len(data), code)


def plain_calls(graph: Graph, node: Node, flash: Flash, activation: Mapping[str, str]) -> list[PlainCall]:
    """What computes a layer; `activation`: how each is called. KeyError with the op that has no such form."""
    call = graph.call(node)
    given = [PlainName(activation[name]) for name in graph.activations(node)]
    made = [PlainName(activation[name]) for name in node.outputs]
    return LOWERED[node.op](call, OPS[node.op].prepare(call), flash, [*given, *made])


def axes_of(
    shape: Shape, over: Iterable[int] | None = None, steps: Sequence[int] | None = None
) -> tuple[PlacesAlong, ...]:
    """Places of a stored activation along some axes (None: all), as few as say the same: sums of ranges."""
    kept = range(len(shape)) if over is None else sorted(over)
    by = strides(shape) if steps is None else steps
    found: list[tuple[int, int]] = []
    for size, step in ((shape[axis], by[axis]) for axis in kept if shape[axis] > 1):
        if found and found[-1][1] == size * step:
            found[-1] = found[-1][0] * size, step
        else:
            found.append((size, step))
    return tuple(walk(0, step, size) for size, step in found) or (range(1),)


def walk(start: int, step: int, size: int) -> PlacesAlong:
    """`size` places from `start` on; a step of 0 stays there."""
    return range(start, start + step * size, step) if step else (start,) * size


def repeated(shape: Shape, smaller: Shape) -> tuple[PlacesAlong, ...]:
    """Places of a smaller activation for each one of `shape`, over which it is repeated."""
    own = strides(smaller)
    return axes_of(shape, None, [0 if n == 1 else step for n, step in zip(smaller, own, strict=True)])


def _rounding(r: Requant, zero_point: int) -> tuple[int, int, int]:
    """half, more and s: what firmnet_plain's scaling takes beside the multiplier."""
    return 0 if r.shift else 1 << 31, r.rounding(zero_point), r.shift


def _scaling(k: Constants, zero_point: int) -> tuple[int, ...]:
    """One multiplier for all, how it is rounded, and the bounds."""
    r = k["requant"]
    return int(r.multiplier[0]) << r.pre_shift, *_rounding(r, zero_point), k["lo"], k["hi"]


def _weighted(k: Constants, bias: Array, flash: Flash) -> tuple[Any, ...]:
    """Weights, biases and a multiplier for each channel, how these are rounded, and the bounds."""
    r: Requant = k["requant"]
    wide = np.broadcast_to(r.multiplier.astype(np.int64) << r.pre_shift, bias.shape)
    multipliers = flash.array(wide, "q" if r.pre_shift else "i")
    rounding = _rounding(r, k["zero_point"])
    return flash.in_place(k["weight"]), flash.array(bias), multipliers, *rounding, k["lo"], k["hi"]


Lower = Callable[[Call, Constants, Flash, list[PlainName]], list[PlainCall]]


def _one(function: str, *arguments: Any) -> list[PlainCall]:
    return [PlainCall(function, arguments)]


# ---- what is moved ----


def _transpose(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    by = strides(call.inputs[0].shape)
    return _one("take", *t, axes_of(call.output.shape, None, [by[axis] for axis in call.attrs.order]))


def _slice(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    a, by = call.attrs, strides(call.inputs[0].shape)
    axes = tuple(walk(s * b, d * b, n) for s, d, n, b in zip(a.start, a.step, a.size, by, strict=True))
    return _one("take", *t, axes)


def _pick(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    by = strides(call.inputs[0].shape)
    axes = tuple(_listed(places(along), step) for along, step in zip(call.attrs.axes, by, strict=True))
    return _one("take", *t, axes, k["fill"])


def _listed(which: Array, step: int) -> PlacesAlong:
    """Places along an axis, as a range where they are one."""
    ahead = set(np.diff(which).tolist())
    if len(ahead) < 2 and which.min() != FILL and 0 not in ahead:
        return walk(int(which[0]) * step, int(which[1] - which[0]) * step if ahead else step, len(which))
    return tuple(None if place == FILL else place * step for place in which.tolist())


def _pad(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    x = call.inputs[0].shape
    around = zip(call.attrs.before, x, call.attrs.after, strict=True)
    rows = [np.array([FILL] * before + [*range(n)] + [FILL] * after) for before, n, after in around]
    axes = tuple(_listed(which, step) for which, step in zip(rows, strides(x), strict=True))
    return _one("take", *t, axes, k["zero_point"])


def _concat(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    code = call.output.dtype.typecode
    constants = [tensor for tensor in call.inputs if tensor.data is not None]
    stored = [flash.array(tensor.values, code) for tensor in constants]
    parts = call.attrs.parts([*t[:-1], *stored])
    by, at, calls = strides(call.output.shape), 0, []
    for part, tensor in zip(parts, call.attrs.parts(call.inputs), strict=True):
        axes = [walk(0, step, n) for step, n in zip(by, tensor.shape, strict=True)]
        axes[call.attrs.axis] = walk(
            at * by[call.attrs.axis], by[call.attrs.axis], tensor.shape[call.attrs.axis]
        )
        at += tensor.shape[call.attrs.axis]
        calls.append(PlainCall("put", (part, t[-1], tuple(axes))))
    return calls


def _append(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    axis, (kept, new, y) = call.attrs.axis, t
    by, (size, count) = strides(call.output.shape), (x.shape[axis] for x in call.inputs)
    rows = [
        [*range(count, size), *[FILL] * count] if a == axis else [*range(n)]
        for a, n in enumerate(call.output.shape)
    ]
    stay = tuple(_listed(np.array(which), step) for which, step in zip(rows, by, strict=True))
    behind = [walk(0, step, n) for step, n in zip(by, call.inputs[1].shape, strict=True)]
    behind[axis] = walk((size - count) * by[axis], by[axis], count)
    return [PlainCall("take", (kept, y, stay, 0)), PlainCall("put", (new, y, tuple(behind)))]


def _delay_line(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    (x, kept, _), attrs = call.inputs, call.attrs
    blocks, values = prod(x.shape[: attrs.axis]), prod(x.shape[attrs.axis + 1 :])
    come, places = x.shape[attrs.axis], kept.shape[attrs.axis]
    return _one("delay_line", *t, blocks, places, values, come, attrs.first, attrs.step, attrs.taps)


def _embedding(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    table, code = k["table"], call.output.dtype.typecode
    stored = flash.array(table, code)
    size = stored.size_bytes // len(table)
    raw = StoredConstant(stored.at, stored.size_bytes)
    return _one("rows_of", *t, raw, code, size, len(table))


# ---- value by value ----


def _tabled(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    if call.inputs[0].dtype is Dtype.INT16:
        return _one("between", *t, flash.array(k["entries"]), k["shift"])
    return _one("tabled", *t, flash.in_place(k["table"]))


def _scaled(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    if by_table(call):
        return _tabled(call, k, flash, t)
    return _one("scaled", *t, call.inputs[0].zero_point, *_scaling(k, call.output.zero_point))


def _compare(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    if call.inputs[0].dtype is not Dtype.INT16:
        return _tabled(call, k, flash, t)
    return _one("inside", *t, k["first"], k["last"], bool(k["inside"]))


def _prelu(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    shape, axis = call.inputs[0].shape, call.attrs.axis
    places = axes_of(shape, None, [int(i == axis) for i in range(len(shape))])
    slopes = flash.array(k["negative"])
    bounds = call.output.dtype.low, call.output.dtype.high
    return _one(
        "sloped", *t, k["x_zero_point"], k["positive"], slopes, places, k["rounding"], k["shift"], *bounds
    )


# ---- of two activations ----


def _both(call: Call) -> tuple[PlacesAlong, ...]:
    a, b = call.inputs
    return repeated(a.shape, b.shape)


def _add(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    drop = 0 if narrow(call) else 16
    return _one("added", *t, _both(call), k["ma"], k["mb"], drop, k["bias"], k["shift"], k["lo"], k["hi"])


def _mul(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    return _one(
        "multiplied", *t, _both(call), k["a_zero_point"], k["b_zero_point"], *_scaling(k, k["zero_point"])
    )


def _maximum(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    return _one("larger", *t, _both(call), k["smaller"])


def _div(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    if narrow(call):
        table = flash.array(k["reciprocals"])
        return _one("divided", *t, _both(call), k["a_zero_point"], table, k["rounding"], k["shift"])
    zeros = k["a_zero_point"], k["b_zero_point"]
    half = 0 if k["shift"] else 1 << 31
    rounding = k["multiplier"], k["doublings"], half, k["rounding"], k["shift"]
    return _one("wide_divided", *t, _both(call), *zeros, *rounding, k["zero_point"], k["lo"], k["hi"])


# ---- sums of products ----


def _linear(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    return _one("linear", *t, call.inputs[0].shape[-1], *_weighted(k, k["bias"], flash))


def _conv2d(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    a = call.attrs
    window = *call.inputs[1].shape[1:3], *a.stride, *a.dilation, a.padding[0], a.padding[2]
    sizes = *call.inputs[0].shape[1:], *call.output.shape[1:3]
    return _one("conv2d", *t, *sizes, window, a.groups, k["x_zero_point"], *_weighted(k, k["bias"], flash))


def _conv_transpose2d(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    a = call.attrs
    window = *call.inputs[1].shape[1:3], *a.stride, *a.dilation, a.crop[0], a.crop[2]
    sizes = *call.inputs[0].shape[1:], *call.output.shape[1:3]
    weighted = _weighted(k, call.inputs[2].values, flash)
    return _one("conv_transpose2d", *t, *sizes, window, a.groups, k["x_zero_point"], *weighted)


def _matmul(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    (a, b), y, attrs = call.inputs, call.output, call.attrs
    ao, bo = attrs.a_order, attrs.b_order
    yo = tuple(int(i) for i in np.argsort(attrs.y_order))  # where each axis of the product lies in y
    sizes = [y.shape[i] for i in yo]
    starts, ends = [], []
    for tensor, order in ((a, ao), (b, bo), (y, yo)):
        by = strides(tensor.shape)
        lengths = [tensor.shape[i] for i in order]
        starts.append(
            tuple(
                walk(0, by[i] if n > 1 else 0, size)
                for i, n, size in zip(order[:-2], lengths[:-2], sizes[:-2], strict=True)
            )
        )
        ends.append(tuple(walk(0, by[i], tensor.shape[i]) for i in order[-2:]))
    zeros = k["a_zero_point"], k["b_zero_point"]
    return _one("matmul", *t, *starts, *ends, *zeros, *_scaling(k, k["zero_point"]))


def _attention(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    p = heads(call)
    starts = tuple(tuple(walk(0, loop[i], loop[0]) for loop in p.outer) for i in (1, 2, 3, 4, 5))
    sizes = [(p.queries, p.depth), (p.keys, p.depth), (p.keys, p.width), (p.queries, p.keys)]
    factors = list(zip((p.q, p.k, p.v, p.bias, p.y), [*sizes, (p.queries, p.width)], strict=True))
    lines = tuple(walk(0, factor.line, n) for factor, (n, _) in factors)
    entries = tuple(walk(0, factor.entry, n) for factor, (_, n) in factors)
    kept_out = -(128 << k["fraction"])
    bias = () if k["bias"] is None else flash.array(k["bias"], "h" if k["fraction"] == 8 else "i")
    ahead = p.keys if k["causal"] is None else k["causal"]
    r, most = k["requant"], k["most_score"]
    scores = int(r.multiplier[0]) << r.pre_shift, *_rounding(r, 0), -most - 1, most
    weigh: tuple[Any, ...] = PlainName("weighed"), flash.array(k["powers"], "H")
    if k["fraction"] > 8:
        weigh = PlainName("finely_weighed"), (flash.array(k["powers"], "I"), 29 - k["weight_bits"])
    results = k["dropped"], k["factor"], k["factor_shift"], k["more_bits"], k["offset"], k["lo"], k["hi"]
    zeros = k["q_zero_point"], k["k_zero_point"]
    return _one(
        "attention", *t, starts, lines, entries, bias, kept_out, ahead, *zeros, *scores, *weigh, *results
    )


# ---- windows and neighbours ----


def _avg_pool2d(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    r: Requant = k["requant"]
    wide = tuple((r.multiplier.astype(np.int64) << r.pre_shift).tolist())
    rows, columns = (flash.array(k[key].ravel()) for key in ("rows", "columns"))
    rounding = *_rounding(r, k["zero_point"]), k["lo"], k["hi"]
    return _one("averaged", *t, *call.inputs[0].shape[2:], rows, columns, k["x_zero_point"], wide, *rounding)


def _running_mean(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    (x, kept, *_), attrs, r = call.inputs, call.attrs, k["requant"]
    places, _ = kept.shape
    at = np.arange(x.size, dtype=np.int32).reshape(x.shape).take([0], attrs.axis)
    starts = at[tuple(0 if axis in attrs.across else slice(None) for axis in range(at.ndim))].ravel()
    across = at[tuple(slice(None) if axis in attrs.across else 0 for axis in range(at.ndim))].ravel()
    own = k["kept_zero_point"] - len(across) * k["x_zero_point"]
    told = x.shape[attrs.axis], strides(x.shape)[attrs.axis], own, places, k["worst"]
    rounding = int(r.multiplier[0]) << r.pre_shift, *_rounding(r, k["zero_point"]), k["lo"], k["hi"]
    return _one("running_mean", *t, flash.array(starts), flash.array(across), told, *rounding)


def _max_pool2d(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    rows, columns = (tuple(along) for along in windows(call))
    return _one("largest", *t, *call.inputs[0].shape[2:], rows, columns, call.attrs.dilation)


def _interpolate(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    bits = (WEIGHT_BITS, 0) if narrow(call) else (WIDE_WEIGHT_BITS, WIDE_FRACTION_BITS)
    rows, columns = (flash.array(k[key].ravel()) for key in ("rows", "columns"))
    scaling = _scaling(k, k["zero_point"])
    return _one(
        "interpolated", *t, *call.inputs[0].shape[2:], rows, columns, *bits, k["x_zero_point"], *scaling
    )


# ---- groups of values ----


def _groups(shape: Shape, axes: Iterable[int]) -> tuple[tuple[PlacesAlong, ...], tuple[PlacesAlong, ...]]:
    """Where each group of values that differ in `axes` alone begins, and its places from there."""
    inside = {*axes}
    return axes_of(shape, {*range(len(shape))} - inside), axes_of(shape, inside)


def _line(shape: Shape, axis: int) -> tuple[tuple[PlacesAlong, ...], PlacesAlong]:
    outer, (inner,) = _groups(shape, [axis])
    return outer, inner


def _argmax(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    return _one("most_at", *t, *_line(call.inputs[0].shape, call.attrs.axis))


def _in_order(places: bool) -> Lower:
    def lower(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
        axis = call.attrs.axis
        lines = [part for tensor in (call.inputs[0], call.output) for part in _line(tensor.shape, axis)]
        return _one("in_order", *t, *lines, call.attrs.descending, places)

    return lower


def _reduce(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    groups, bits = _groups(call.inputs[0].shape, call.attrs.axes), (k["fraction_bits"], k["dropped_bits"])
    told = call.attrs.kind, count(call), k["x_zero_point"], *bits
    return _one("reduced", *t, *groups, *told, *_scaling(k, k["zero_point"]))


def _normalize(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    groups, told = _groups(call.inputs[0].shape, call.attrs.axes), (k["x_zero_point"], k["least"])
    if narrow(call):
        return _one("normalized", *t, *groups, *told)
    return _one("wide_normalized", *t, *groups, *told, k["drop"], k["lo"], k["hi"])


def _exponentials(k: Constants, flash: Flash) -> tuple[Any, ...]:
    """The function that reads them, and its table."""
    if "exponentials" in k:
        return PlainName("looked_up"), flash.array(k["exponentials"], "I")
    return PlainName("product_of_two"), (
        flash.array(k["coarse"], "I"),
        flash.array(k["fine"], "I"),
        k["drop"],
    )


def _softmax(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    lines, y = _line(call.inputs[0].shape, call.attrs.axis), call.output
    return _one("softmax", *t, *lines, *_exponentials(k, flash), k["whole"], y.zero_point, y.dtype.high)


def _log_softmax(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    told = k["bits"], k["logarithm"], k["distance"], k["offset"], k["shift"]
    bounds = call.output.dtype.low, call.output.dtype.high
    lines = _line(call.inputs[0].shape, call.attrs.axis)
    return _one("log_softmax", *t, *lines, *_exponentials(k, flash), *told, *bounds)


def _layer_norm(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    shape, attrs = call.inputs[0].shape, call.attrs
    own = dict(zip(attrs.gain_axes, strides(tuple(shape[axis] for axis in attrs.gain_axes)), strict=True))
    by = [own.get(axis, 0) for axis in range(len(shape))]
    outer = {*range(len(shape))} - {*attrs.axes}
    gains = axes_of(shape, outer, by), axes_of(shape, attrs.axes, by)
    keys = ("centred", "x_zero_point", "finer", "eps", "least", "beside", "fraction")
    options = *(k[key] for key in keys), k["x_dtype"] is not Dtype.INT8
    tables = flash.array(k["multiplier"].ravel()), flash.array(k["offset"].ravel())
    bounds = k["shift"], k["lo"], k["hi"]
    return _one(
        "layer_norm", *t, *_groups(shape, attrs.axes), *gains, group_size(call), options, *tables, *bounds
    )


def _recurrent(call: Call, k: Constants, flash: Flash, t: list[PlainName]) -> list[PlainCall]:
    op = OPS["lstm" if len(call.outputs) > 1 else "gru" if "relu" not in k else "rnn"]
    assert isinstance(op, Recurrent)
    known, (y, *cell) = op.parts(call.attrs, call.inputs), call.outputs
    kind = 3 if cell else 2 if "relu" not in k else int(k["relu"])
    units = len(k["state_weight"]) // op.gates
    sizes = *known["x"].shape, units, y.shape[2], call.attrs.reverse, call.attrs.every
    given, made = (t[1 : 1 + len(op.states)] if call.attrs.given else []), t[-len(call.outputs) :]
    firsts = []
    for number, begin in enumerate(k["begins"].values()):
        if begin.constant is not None:
            firsts.append((flash.array(begin.constant.ravel(), "h"),))
        else:
            r = begin.requant
            scale = (
                () if r is None else (begin.zero_point, int(r.multiplier[0]) << r.pre_shift, *_rounding(r, 0))
            )
            firsts.append((given[number], *scale))
    weights = flash.in_place(k["input_weight"]), flash.in_place(k["state_weight"])
    multipliers = flash.array(k["input_multiplier"]), flash.array(k["state_multiplier"])
    projection = None
    if "projection" in k:
        r = k["requant"]
        wide = flash.array(r.multiplier.astype(np.int64) << r.pre_shift, "q")
        projection = flash.in_place(k["projection"]), wide, *_rounding(r, 0)
    told = flash.array(k["offset"], "q"), k["shift"], (*k["bits"], 0)[:2], flash.array(k["entries"])
    outputs = made if cell else [*made, None]
    return _one(
        "recurrent", t[0], *outputs, tuple(firsts), kind, sizes, *weights, *multipliers, *told, projection
    )


LOWERED: Mapping[str, Lower] = {
    "add": _add,
    "append": _append,
    "argmax": _argmax,
    "argsort": _in_order(places=True),
    "attention": _attention,
    "avg_pool2d": _avg_pool2d,
    "clamp": _scaled,
    "compare": _compare,
    "concat": _concat,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "delay_line": _delay_line,
    "div": _div,
    "embedding": _embedding,
    "gru": _recurrent,
    "interpolate": _interpolate,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "log_softmax": _log_softmax,
    "lstm": _recurrent,
    "matmul": _matmul,
    "max_pool2d": _max_pool2d,
    "maximum": _maximum,
    "mul": _mul,
    "normalize": _normalize,
    "pad": _pad,
    "pick": _pick,
    "prelu": _prelu,
    "reduce": _reduce,
    "rescale": _scaled,
    "rnn": _recurrent,
    "running_mean": _running_mean,
    "slice": _slice,
    "softmax": _softmax,
    "sort": _in_order(places=False),
    "table": _tabled,
    "transpose": _transpose,
}
"""Op → how it becomes such calls."""
