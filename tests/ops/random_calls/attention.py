"""How does chance put attention together? As import composes PyTorch's own, and as people write it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firmnet.ir import Array, Shape

from .drawing import At, Call, Constant, Draw, Family

OUT = float("-inf")
"""What keeps a softmax away from a key, in PyTorch."""


@dataclass(frozen=True)
class Later(Constant):
    """(T, S), true where a key comes after its query; or, with `back`, so many before it or more."""

    back: int = 0

    @cached_property
    def array(self) -> Array:
        later = np.triu(np.ones(self.shape, bool), 1)
        return later | np.tril(np.ones(self.shape, bool), -self.back) if self.back else later


@dataclass(frozen=True)
class Some(Constant):
    """Truths of which the first key of every query is none: what keeps others out."""

    @cached_property
    def array(self) -> Array:
        truths = np.random.default_rng(self.seed).random(self.shape) < 0.4
        truths[..., 0] = False
        return truths


@dataclass(frozen=True)
class KeptOut(Constant):
    """Noise, or zeros where it is `plain`, and -infinity for some keys of a query, but for the first."""

    share: float = 0.4
    plain: bool = False

    @cached_property
    def array(self) -> Array:
        rng = np.random.default_rng(self.seed)
        noise, out = rng.normal(size=self.shape), rng.random(self.shape) < self.share
        out[..., 0] = False
        return np.asarray(np.where(out, OUT, 0.0 if self.plain else noise))


def written(d: Draw, call: Call) -> At:
    """Of a sequence to itself or to another; all heads, and what keys are kept out, as people write it."""
    x, (batch, length, width) = d.ranked(3)
    other = _other(d, x, batch, width)
    depth, heads = d.choice([2, 4, 5]), d.choice([1, 1, 2, 3])
    queries, keys, values = (_heads(d, call, source, width, heads, depth) for source in (x, other, other))
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
    return _side_by_side(call, y, (batch, length, heads * depth))


def heads(d: Draw, call: Call) -> At:
    """nn.MultiheadAttention: one projection for what is one sequence, one behind; any mask."""
    x, (batch, length, width) = d.ranked(3)
    other = _other(d, x, batch, width)
    count, depth = d.choice([1, 2, 2, 3]), d.choice([2, 3, 4])
    made = count * depth
    if other == x and d.maybe(0.6):
        whole = call("linear.default", x, d.constant(3 * made, width), d.constant(3 * made))
        parts = [call("slice.Tensor", whole, 2, i * made, (i + 1) * made) for i in range(3)]
        queries, keys, values = (_parted(call, part, count, depth) for part in parts)
    else:
        queries, keys, values = (_heads(d, call, source, width, count, depth) for source in (x, other, other))
    y = _mixed(d, call, queries, keys, values)
    side = _side_by_side(call, y, (batch, length, made))
    behind = d.choice([width, 4])
    return call("linear.default", side, d.constant(behind, made), d.constant(behind))


def grouped(d: Draw, call: Call) -> At:
    """Several heads of queries share one of keys and values."""
    x, (batch, length, width) = d.ranked(3)
    groups, shared, depth = d.choice([1, 2]), d.choice([2, 3]), d.choice([2, 4])
    y = call("linear.default", x, d.constant(groups * shared * depth, width))
    queries = call("unflatten.int", y, 2, [groups, shared, depth])
    queries = call("permute.default", queries, [0, 2, 3, 1, 4])
    keys, values = (call("unsqueeze.default", _heads(d, call, x, width, groups, depth), 2) for _ in range(2))
    mixed = _mixed(d, call, queries, keys, values)
    back = call("permute.default", mixed, [0, 3, 1, 2, 4])
    return call("reshape.default", back, [batch, length, groups * shared * depth])


def values_themselves(d: Draw, call: Call) -> At:
    """Without heads: a sequence that looks at itself, or one query that is learned and pools it."""
    x, (_, _, width) = d.ranked(3)
    if d.maybe(0.4):
        scores = call("linear.default", x, d.constant(1, width))
        weights = call("softmax.int", scores, 1)
        return call("matmul.default", call("transpose.int", weights, 1, 2), x)
    return _mixed(d, call, x, x, x)


def _other(d: Draw, x: At, batch: int, width: int) -> At:
    """A sequence that is looked at: the same as a rule."""
    return x if d.maybe(0.6) else d.activation(lambda known: known.shape[::2] == (batch, width))[0]


def _mixed(d: Draw, call: Call, queries: At, keys: At, values: At) -> At:
    """Scaled dot product attention, as import composes it (torch/attention.py)."""
    scores = call("matmul.default", queries, call("transpose.int", keys, -2, -1))
    scores = call("mul.Scalar", scores, d.choice([d.known[queries.number].shape[-1] ** -0.5, 0.3, 1.0]))
    shape = d.known[scores.number].shape
    kind = d.choices(["none", "causal", "truths", "added", "computed"], [4, 4, 3, 3, 1])[0]
    if kind == "computed":
        scores = call("add.Tensor", scores, d.other(shape))
    elif kind == "added":
        over = (*(n if d.maybe(0.5) else 1 for n in shape[:-2]), *shape[-2:])
        share = d.choice([0.0, 0.4, 0.4])
        added = KeptOut(over, d.randrange(1 << 30), share=share, plain=share > 0 and d.maybe(0.4))
        scores = call("add.Tensor", scores, added)
    elif kind != "none":
        scores = call("masked_fill.Scalar", scores, _kept_out(d, kind, shape), OUT)
    return call("matmul.default", call("softmax.int", scores, -1), values)


def _kept_out(d: Draw, kind: str, shape: Shape) -> Constant:
    if kind == "causal":
        return Later(shape[-2:], 0, back=d.choice([0, 0, 0, 2, 3]))
    rows = d.choice([shape[-2:], (1, shape[-1])])
    return Some(rows, d.randrange(1 << 30))


def _heads(d: Draw, call: Call, x: At, width: int, heads: int, depth: int) -> At:
    """(batch, heads, T, depth) of (batch, T, width)."""
    return _parted(call, call("linear.default", x, d.constant(heads * depth, width)), heads, depth)


def _parted(call: Call, y: At, heads: int, depth: int) -> At:
    return call("transpose.int", call("unflatten.int", y, 2, [heads, depth]), 1, 2)


def _side_by_side(call: Call, y: At, shape: Shape) -> At:
    return call("reshape.default", call("transpose.int", y, 1, 2), [*shape])


FAMILY = Family(
    {},
    {"written": written, "heads": heads, "grouped": grouped, "values_themselves": values_themselves},
    weight=2,
)
