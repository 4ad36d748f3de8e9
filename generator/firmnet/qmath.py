"""What is the integer arithmetic of the product (docs/numerics.md)? C twin: templates/lib/fn_qmath.h."""

from dataclasses import dataclass, replace

import numpy as np

from .ir import Array, Dtype, QParams

MAX_SHIFT = 22
MAX_PRE_SHIFT = 16
MIN_MULTIPLIER_BITS = 16
INT32_MAX = 2**31 - 1
MAX_LONG_SUM = 2 ** (62 - MIN_MULTIPLIER_BITS) - 1
"""Of sums with 64 bits: the largest whose multipliers have enough bits."""


@dataclass(frozen=True)
class Requant:
    """y = clamp(((acc·2^pre_shift)·multiplier + zp·2^(32+shift) + 2^(31+shift)) >> (32+shift), lo, hi).

    `multiplier` is int32 ≥ 0, one per channel (or one for all); `shift` 0..22 and `pre_shift` 0..16
    hold for the whole layer. `long`: its sums take more than 32 bits, and multipliers as many fewer.
    """

    multiplier: Array
    shift: int
    pre_shift: int
    long: bool = False

    def rounding(self, zero_point: int) -> int:
        """What is added to the upper 32 bits of a product before they are shifted.

        zero_point·2^shift and half of what is shifted out; without a shift the zero point alone.
        """
        return (zero_point << self.shift) + (1 << self.shift >> 1)


def to_requant(scales: Array, bits: int = 31) -> Requant:
    """Fixed-point form of real scale factors s_in/s_out, all > 0 and < 2^15: the largest shift that fits.

    Multipliers have at most so many bits. Raises ValueError for a factor that no pre-shift of at most 16 bits
    brings below one half.
    """
    most = 2**bits - 1
    scales = np.atleast_1d(np.asarray(scales, np.float64))
    if not (np.all(np.isfinite(scales)) and np.all(scales > 0)):
        raise ValueError(f"requantization needs finite positive scales, got {scales.min()} to {scales.max()}")
    top = float(scales.max())
    for pre_shift in range(MAX_PRE_SHIFT + 1):
        if round(top * 2.0 ** (32 - pre_shift)) <= most:
            break
    else:
        raise ValueError(f"scale factor {top} is too large to requantize: the output range is far too small")
    scales, top = scales * 2.0**-pre_shift, top * 2.0**-pre_shift
    shift = next(s for s in range(MAX_SHIFT, -1, -1) if round(top * 2.0 ** (32 + s)) <= most)
    return Requant(np.rint(scales * 2.0 ** (32 + shift)).astype(np.int32), shift, pre_shift)


def requant_of_sums(scales: Array, worst: int) -> Requant:
    """As `to_requant`, for sums of at most ±worst: with so many bits that none of them can overflow.

    Sums that int32 does not hold have 64 bits, and multipliers so many fewer that the product keeps within
    63. Raises OverflowError where these would be too few, or where the sums would have to be shifted first.
    """
    r = to_requant(scales)
    if worst << r.pre_shift <= INT32_MAX:
        return r
    bits = min(31, 62 - worst.bit_length())
    r = to_requant(scales, max(bits, 1))
    if bits < MIN_MULTIPLIER_BITS or r.pre_shift:
        raise OverflowError(f"sums of up to {worst} cannot be requantized by {float(np.max(scales)):.3g}")
    return replace(r, long=True)


def requantize(
    acc: Array, r: Requant, zero_point: int, lo: int = -128, hi: int = 127, dtype: Dtype = Dtype.INT8
) -> Array:
    """int64 accumulators (last axis: channels) → `dtype`, rounding half up, as the formula of Requant."""
    y = np.asarray(acc.astype(np.int64, copy=False) * (r.multiplier.astype(np.int64) << r.pre_shift))
    # Two floors make one: the low 32 bits go first, so that nothing leaves int64.
    if r.shift:
        y >>= 32
        y += r.rounding(zero_point)
        y >>= r.shift
    else:
        y += 1 << 31
        y >>= 32
        y += zero_point
    clamped: Array = np.minimum(np.maximum(y, lo, out=y), hi, out=y).astype(dtype.numpy)
    return clamped


def int32(values: Array) -> Array:
    """Narrow to int32, refusing a constant the device could not hold."""
    out: Array = np.asarray(values).astype(np.int32)
    if not np.array_equal(out, values):
        raise OverflowError("constant does not fit in int32")
    return out


def largest_sums(bias: Array, weight: Array, largest: int = 128) -> Array:
    """int64 (N,): |bias| + largest·Σ|w|, which no partial sum of a channel leaves, in any order.

    `bias` (N,) with the input zero point folded in, `weight` (N, ...), inputs of −largest … largest.
    """
    weight = np.asarray(weight).reshape(len(weight), -1)
    out: Array = np.abs(bias.astype(np.int64)) + largest * np.abs(weight.astype(np.int64)).sum(axis=1)
    return out


def check_accumulator(bias: Array, weight: Array, pre_shift: int = 0) -> None:
    """Prove that no partial sum over int8 inputs overflows int32 (docs/numerics.md): largest_sums, shifted,
    < 2^31.

    Raises OverflowError naming the channel.
    """
    worst = largest_sums(bias, weight)
    channel = int(worst.argmax())
    if int(worst[channel]) << pre_shift > INT32_MAX:
        raise OverflowError(
            f"channel {channel}: the int32 accumulator could overflow ({int(worst[channel])} << {pre_shift})"
        )


ROOT_SEED = 2289969188, 1308569161
"""The line a - b·v that is nowhere more than 9 % off 1/√v, for v from 1/4 to 1, in units of 2^-30."""
ROOT_ROUNDS = 3
"""After these of Newton's a root is off by at most 2^-24 of itself."""


def reciprocal_roots(squares: Array) -> tuple[Array, Array]:
    """1/√square of int64 squares, 1 to 2^62 - 1, as root · 2^-30 · 2^-h: root 2^30 to 2^31, and h, int64."""
    half_bits = (squares[..., None] >= np.int64(4) ** np.arange(31)).sum(axis=-1)
    bits = 2 * half_bits
    v = np.where(bits <= 32, squares << np.maximum(32 - bits, 0), squares >> np.maximum(bits - 32, 0))
    v = v.astype(np.uint64)
    high = np.uint64(32)
    root = np.uint64(ROOT_SEED[0]) - (np.uint64(ROOT_SEED[1]) * v >> high)
    for _ in range(ROOT_ROUNDS):
        product = v * (root * root >> high) >> high
        root = root * (np.uint64(3 << 28) - product) >> np.uint64(29)
    return root.astype(np.int64), half_bits


def logarithms(values: Array) -> Array:
    """log2 of int64 values, 1 to 2^32 - 1, in units of 2^-16, as int64: below it by at most two of these."""
    whole = (values[..., None] >> np.arange(1, 32) > 0).sum(axis=-1)
    found, m = whole << 16, (values << (31 - whole)).astype(np.uint64)
    for bit in range(15, -1, -1):
        m = m * m >> np.uint64(31)
        over = m >> np.uint64(32) > 0
        found, m = found + (over.astype(np.int64) << bit), m >> over.astype(np.uint64)
    logs: Array = found
    return logs


def shifted_to_int32(values: Array, drop: Array) -> Array:
    """int64 values / 2^drop, rounded half up; of that the lower 32 bits, as int32 holds them, in int64."""
    rounded = (values + (np.int64(1) << (drop - 1))) >> drop
    held: Array = rounded.astype(np.int32).astype(np.int64)
    return held


def clamp_bounds(q: QParams, lo: float | None, hi: float | None) -> tuple[int, int]:
    """Integer clamp of an activation for real bounds (None: unbounded): relu6 is lo = 0, hi = 6."""

    return (
        q.dtype.low if lo is None else level(q, lo),
        q.dtype.high if hi is None else level(q, hi),
    )


def level(q: QParams, real: float) -> int:
    """The integer that stands for a real constant, rounded half up, the nearest there is."""
    return int(np.clip(q.zero_point + np.floor(real / q.scale[0] + 0.5), q.dtype.low, q.dtype.high))


def integer_root(squares: Array) -> Array:
    """The largest int64 whose square is not above each of these, which are 0 to 2^62."""
    root = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    root -= root * root > squares
    exact: Array = root + ((root + 1) * (root + 1) <= squares)
    return exact


def quantize_input(x: Array, q: QParams) -> Array:
    """float32 → integers at the model's edge, each step rounded to float32, no fused multiply-add.

    NaN becomes the least value of the type.
    """
    low, high = np.float32(q.dtype.low), np.float32(q.dtype.high + 1)  # both exact, of int32 too
    reciprocal = np.float32(1.0 / q.scale[0])
    with np.errstate(invalid="ignore", over="ignore"):
        t = x.astype(np.float32) * reciprocal
        v = np.floor(t + np.float32(q.zero_point + 0.5))
        inside = np.where((v >= low) & (v < high), v, np.float32(0)).astype(np.int64)
        whole = np.where(v >= low, np.where(v >= high, q.dtype.high, inside), q.dtype.low)
    out: Array = whole.astype(q.dtype.numpy)
    return out


def pixel_divisor(q: QParams) -> int | None:
    """By what pixels 0..255 are divided before they enter a model: 255 or 1, where its int8 input says so.

    It says so when each of the 256 pixels then has a level of its own, q = pixel − 128. None: it does not.
    """
    if q.dtype is not Dtype.INT8:
        return None
    pixels = np.arange(256)
    for divisor in (255, 1):
        if np.array_equal(quantize_input(pixels.astype(np.float32) / np.float32(divisor), q), pixels - 128):
            return divisor
    return None


def dequantize_output(values: Array, q: QParams) -> Array:
    """Integers → float32 at the model's edge: scale · (q − zero point) in float32.

    The product is rounded, and before it a difference beyond 2^24, which only int32 has.
    """
    real: Array = np.float32(q.scale[0]) * (values.astype(np.int64) - q.zero_point).astype(np.float32)
    return real
