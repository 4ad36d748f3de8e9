"""attention: y = softmax(scale · q · kᵀ + bias) · v, of which no more than a row of weights is ever there.

Scores are logarithms of two with some bits behind the point, weights powers of two from a table, not yet
divided by their sum: results are, once (docs/numerics.md).
"""

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import INT32_MAX, Requant, requant_of_sums, requantize, to_requant
from .rescale import farthest
from .spec import Constants, Op, register

MOST_KEYS = 4096
MASKED = -512.0
"""A bias that is not above this keeps its key out, whatever the score."""
FRACTION = {Dtype.INT8: 8, Dtype.INT16: 16}
"""Bits of scores behind the point, by output."""
SCORE_BITS = {Dtype.INT8: 27, Dtype.INT16: 29}
"""Of a score, by output."""
LARGEST_BIAS = 2**7
"""In powers of two."""
FARTHEST_POWER = 31
"""Powers of two below the largest score from which on weights are nothing."""
POWER_BITS = 30
"""Of a weight between two entries of the table."""
MOST_WEIGHT_BITS = {Dtype.INT8: 15, Dtype.INT16: 20}
WEIGHT_SUM_BITS = {Dtype.INT8: 24, Dtype.INT16: 31}
"""Most bits of a weight, and of the sum of a row of them, by output: for int8 they keep within 32 with values
of int8.
"""
SHARE_BITS = 15
LEAST_FACTOR_SHIFT = {Dtype.INT8: 7, Dtype.INT16: -8}
"""By output; a factor between values and results is below 2^(15 - this)."""
MORE_BITS = {Dtype.INT8: 0, Dtype.INT16: 8}
"""Of a product that makes a result, below its upper 32."""


@dataclass(frozen=True)
class AttentionAttrs:
    """q.transpose(q_order) has a query in each row (…, M, K), k.transpose(k_order) a key in each column
    (…, K, N), v.transpose(v_order) a value in each row (…, N, D); y is the result (…, M, D) transposed by
    y_order.

    `causal`: query m meets the keys up to m + causal; None: all. Axes before the last two repeat where q, k,
    v or the bias have size 1.
    """

    q_order: Shape
    k_order: Shape
    v_order: Shape
    y_order: Shape
    scale: float = 1.0
    causal: int | None = None


class Attention(Op):
    """Inputs are (q, k, v), or (q, k, v, bias) with a constant of shape (…, M or 1, N or 1) in the product's
    own order, at most 0.
    """

    name = "attention"
    attrs = AttentionAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: AttentionAttrs, *inputs: Shape) -> Shape:
        q, k, v, *bias = inputs
        orders = (attrs.q_order, attrs.k_order, attrs.v_order, attrs.y_order)
        rank = len(q)
        if rank < 2 or len(inputs) > 4 or any(sorted(order) != list(range(rank)) for order in orders):
            raise ValueError(f"attention needs queries, keys and values of one rank, got {inputs}")
        if not len(k) == len(v) == rank or any(len(b) != rank for b in bias):
            raise ValueError(f"attention needs queries, keys, values and bias of one rank, got {inputs}")
        (*a, m, depth), (*b, inner, n), (*c, rows, width) = (
            tuple(x[i] for i in order) for x, order in zip((q, k, v), orders, strict=False)
        )
        outer = tuple(map(max, a, b, c))
        shapes = [a, b, c, *(one[:-2] for one in bias)]
        repeats = all(size in (1, most) for shape in shapes for size, most in zip(shape, outer, strict=True))
        if depth != inner or n != rows or not repeats:
            raise ValueError(f"attention of {q}, {k} and {v}: the inner sizes, and those before, must agree")
        if any(one[-2] not in (1, m) or one[-1] not in (1, n) for one in bias):
            raise ValueError(f"attention of {m} queries and {n} keys with a bias of {bias[0]}")
        if n > MOST_KEYS:
            raise ValueError(f"attention of {n:,} keys: at most {MOST_KEYS:,}")
        if not 0 < attrs.scale < 2.0**100 or (attrs.causal is not None and attrs.causal < 0):
            raise ValueError(f"attention with scale={attrs.scale}, causal={attrs.causal}")
        made = (*outer, m, width)
        return tuple(made[i] for i in attrs.y_order)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        attrs: AttentionAttrs = call.attrs
        q, k, v = _ordered(attrs, inputs)
        scores = attrs.scale * (q @ k)
        if len(inputs) > 3:
            scores = np.where(inputs[3] <= MASKED, -np.inf, scores + inputs[3])
        scores = np.where(_met(attrs, *scores.shape[-2:]), scores, -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        y: Array = ((e / e.sum(-1, keepdims=True)) @ v).transpose(attrs.y_order)
        return y

    def remap(self, attrs: AttentionAttrs, order: Shape) -> AttentionAttrs:
        place = np.argsort(order)
        read = self.reread(attrs, (order, order, order))
        return replace(read, y_order=tuple(int(attrs.y_order[i]) for i in place))

    def reread(self, attrs: AttentionAttrs, orders: tuple[Shape, ...]) -> AttentionAttrs:
        q, k, v = orders
        return replace(
            attrs,
            q_order=tuple(q[i] for i in attrs.q_order),
            k_order=tuple(k[i] for i in attrs.k_order),
            v_order=tuple(v[i] for i in attrs.v_order),
        )

    def prepare(self, call: Call) -> Constants:
        """`powers`: twice the weights of the first 256 distances, which are rounded when they are shifted, or
        where int16 is written the powers between which weights lie. `offset`: in units of 2^-16, what zero
        points and rounding add to every result.
        """
        (q, k, v, *bias), y, attrs = call.inputs, call.output, call.attrs
        m, n, depth = sizes(call)
        bits = min(MOST_WEIGHT_BITS[y.dtype], WEIGHT_SUM_BITS[y.dtype] - (n - 1).bit_length())
        fraction = FRACTION[y.dtype]
        unit = np.log(2) / 2**fraction
        factor = q.scale * k.scale * attrs.scale / unit
        most = 2 ** (SCORE_BITS[y.dtype] - 1) - 1
        requant, most_sum = _requant_of_scores(factor, depth * farthest(q) * farthest(k), fraction, most)
        dropped = WEIGHT_SUM_BITS[y.dtype] - WEIGHT_SUM_BITS[Dtype.INT8] + v.dtype.bits - 8
        factor = v.scale * 2.0**dropped / y.scale
        shifts = range(SHARE_BITS, LEAST_FACTOR_SHIFT[y.dtype] - 1, -1)
        shift = next((s for s in shifts if round(factor * 2.0**s) < 2**SHARE_BITS), None)
        if shift is None or not round(factor * 2.0**shift):
            raise ValueError(f"layer {y.name!r}: the output range does not fit the values {v.name!r}")
        return {
            "requant": requant,
            "multiplier": int(requant.multiplier[0]),
            "most_sum": most_sum,
            "q_zero_point": q.zero_point,
            "k_zero_point": k.zero_point,
            "bias": _bias(attrs, bias[0].real, (m, n), fraction) if bias else None,
            "causal": attrs.causal,
            "powers": _powers(fraction, bits),
            "fraction": fraction,
            "weight_bits": bits,
            "most_score": most,
            "dropped": dropped,
            "factor": round(factor * 2.0**shift),
            "factor_shift": shift,
            "more_bits": MORE_BITS[y.dtype],
            "offset": int(np.rint((y.zero_point - v.scale / y.scale * v.zero_point + 0.5) * 2**16)),
            "dtypes": tuple(t.dtype for t in (q, k, v)),
            "dtype": y.dtype,
            "lo": y.dtype.low,
            "hi": y.dtype.high,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        """All products and sums are below 2^53, so that float64 multiplies them exactly."""
        left, right, values = (x.astype(np.float64) for x in _ordered(call.attrs, inputs))
        acc = ((left - k["q_zero_point"]) @ (right - k["k_zero_point"])).astype(np.int64)
        if k["most_sum"]:
            acc = np.clip(acc, -k["most_sum"], k["most_sum"])
        most = k["most_score"]
        scores = requantize(acc, k["requant"], 0, -most - 1, most, Dtype.INT32).reshape(acc.shape)
        total, met = scores.astype(np.int64), _met(call.attrs, *acc.shape[-2:])
        if k["bias"] is not None:
            total, met = total + k["bias"], met & (k["bias"] > _kept_out(k["fraction"]))
        top = np.where(met, total, np.iinfo(np.int64).min).max(-1, keepdims=True)
        weights = np.where(met, _weights(k, top - np.where(met, total, top)), 0)
        sums = weights.sum(-1, keepdims=True)
        acc = (weights.astype(np.float64) @ values).astype(np.int64) >> k["dropped"]
        up = 32 - (sums[..., None] >> np.arange(32) > 0).sum(-1)
        multiplier = ((2**63 - 1) // (sums << up)) * k["factor"] >> 16
        more = k["more_bits"]
        shift = 15 + k["factor_shift"] - up + more
        offset = np.where(
            shift >= 16, k["offset"] << np.maximum(shift - 16, 0), k["offset"] >> np.maximum(16 - shift, 0)
        )
        y = ((acc * multiplier >> (32 - more)) + offset) >> shift
        made: Array = np.clip(y, k["lo"], k["hi"]).astype(k["dtype"].numpy)
        return made.transpose(call.attrs.y_order)

    def macs(self, call: Call) -> int:
        """Those of keys that are met."""
        _, n, depth = sizes(call)
        attrs: AttentionAttrs = call.attrs
        made = [call.output.shape[attrs.y_order.index(i)] for i in range(len(attrs.y_order))]
        met = int(_met(attrs, made[-2], n).sum())
        return int(np.prod(made[:-2], dtype=np.int64)) * met * (depth + made[-1])


def _requant_of_scores(factor: float, worst: int, fraction: int, most: int) -> tuple[Requant, int]:
    """From sums of at most ±worst, and what may bound these before they are shifted, else 0.

    What is beyond that bound makes a score that is bounded anyway: for a factor from one half on it has a
    multiplier of 31 bits, for a smaller one the bound is the sum that makes more than the `most` score. Where
    a step of the sum is worth so many powers of two that the next key has no weight, more would change
    nothing.
    """
    try:
        return requant_of_sums(np.array([factor]), worst), 0
    except (OverflowError, ValueError):
        pass
    factor = min(factor, (FARTHEST_POWER + 1) * 2.0**fraction)
    more = max(0, int(np.ceil(np.log2(factor))))
    requant = to_requant(np.array([factor * 2.0**-more]))
    requant = replace(requant, pre_shift=requant.pre_shift + more)
    if not requant.pre_shift:
        bound = int(np.ceil((most + 1) / factor))
        return requant_of_sums(np.array([factor]), bound), bound
    return requant, INT32_MAX >> requant.pre_shift


def sizes(call: Call) -> tuple[int, int, int]:
    """Queries, keys, and values of each of these."""
    attrs: AttentionAttrs = call.attrs
    (q, k), (left, right) = (attrs.q_order, attrs.k_order), (t.shape for t in call.inputs[:2])
    return left[q[-2]], right[k[-1]], left[q[-1]]


def _ordered(attrs: AttentionAttrs, inputs: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    q, k, v = inputs[:3]
    return q.transpose(attrs.q_order), k.transpose(attrs.k_order), v.transpose(attrs.v_order)


def _met(attrs: AttentionAttrs, m: int, n: int) -> Array:
    """(M, N): which keys a query meets."""
    return np.tri(m, n, n if attrs.causal is None else attrs.causal, dtype=bool)


def _kept_out(fraction: int) -> int:
    """The bias of a key that is kept out."""
    return -LARGEST_BIAS << fraction


def _bias(attrs: AttentionAttrs, bias: Array, met: tuple[int, int], fraction: int) -> Array:
    """In units of scores. ValueError where a query is left without any key."""
    least = _kept_out(fraction)
    steps = np.clip(np.rint(bias * 2**fraction / np.log(2)), least + 1, -least - 1)
    found: Array = np.where(bias <= MASKED, least, steps).astype(np.int16 if fraction == 8 else np.int32)
    if not ((found > least) & _met(attrs, *met)).any(-1).all():
        raise ValueError("attention of a query from which all keys are masked")
    return found


def _powers(fraction: int, bits: int) -> Array:
    if fraction == 8:
        return np.rint((2.0 ** (bits + 1) - 2) * 2.0 ** (-np.arange(256) / 256)).astype(np.uint16)
    whole = (2.0 ** (bits + 1) - 2) * 2.0 ** (POWER_BITS - bits - 1)
    return np.rint(whole * 2.0 ** (-np.arange(257) / 256)).astype(np.uint32)


def _weights(k: Constants, distances: Array) -> Array:
    """Of int64 distances from the largest score, at least 0."""
    fraction, powers = k["fraction"], k["powers"].astype(np.int64)
    whole = np.minimum(distances >> fraction, FARTHEST_POWER)
    if fraction == 8:
        made: Array = ((powers[distances & 255] >> whole) + 1) >> 1
        return made
    at, rest = distances >> 8 & 255, distances & 255
    power = powers[at] - ((powers[at] - powers[at + 1]) * rest >> 8)
    made = ((power >> np.minimum(whole + POWER_BITS - k["weight_bits"] - 1, 31)) + 1) >> 1
    return made


register(Attention())
