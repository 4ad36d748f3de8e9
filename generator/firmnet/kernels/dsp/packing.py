"""In which order do the DSP kernels read weights and expanded activations?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...ir import Array
from ...ops.spec import Constants
from .tiles import MIN_JOINED, MIN_PARTED, Dot, dot


def lane_order(count: int) -> Array:
    """Position in a run of `count` int8 of each expanded int16: fours as 0, 2, 1, 3, the rest as they are.

    SXTB16 spreads the bytes of a word in this order; the weights follow instead of the pixels.
    """
    fours = np.arange(count // 4 * 4).reshape(-1, 2, 2).transpose(0, 2, 1).ravel()
    return np.concatenate([fours, np.arange(count // 4 * 4, count)])


def joinable(rows: Array) -> bool:
    """Whether `joined` pairs of the int8 weights (N, K) are exact: odd channels' sums must fit in 24 bits."""
    sums = np.abs(rows[1::2].astype(np.int64)).sum(axis=1)
    return 128 * int(sums.max(initial=0)) < 2**23


def parts(rows: Array, granule: int) -> int:
    """Into how many parts sums over the int8 weights (N, K) must be cut for joined pairs to be exact in each.

    Parts have equal length, a multiple of `granule` inputs.
    """
    odd = np.abs(rows[1::2].astype(np.int64))
    for count in range(1, rows.shape[1] + 1):
        starts = range(0, rows.shape[1], part_length(rows.shape[1], granule, count))
        if 128 * int(np.add.reduceat(odd, starts, axis=1).max(initial=0)) < 2**23:
            return count
    raise AssertionError("a granule of int8 fits in 24 bits")


def part_length(values: int, granule: int, count: int) -> int:
    """Inputs of each of `count` parts; the last may have fewer."""
    return -(-values // (granule * count)) * granule


def dot_over(groups: Sequence[tuple[Array, Array]], k: Constants) -> Dot:
    """How tiles go over the int8 weights (N, K) and bias of each of `groups`, requantized as in `k`.

    Joined where that is exact; else joined in parts, where sums are long enough to be worth it.
    """
    pairs = -(-groups[0][0].shape[1] // 2)
    if all(worth_joining(rows, bias, k) for rows, bias in groups):
        return dot(pairs, True)
    whole = dot(pairs, True)
    if pairs >= MIN_PARTED:
        for count in range(1, whole.loops + 1):
            parted = replace(whole, part=-(-whole.loops // count))
            if all(_exact_in(parted, rows) for rows, _ in groups):
                return parted
    return dot(pairs, False)


def _exact_in(parted: Dot, rows: Array) -> bool:
    """Whether odd channels' sums over the int8 weights (N, K) fit in 24 bits in each part."""
    odd = np.abs(rows[1::2].astype(np.int64))
    sums = np.add.reduceat(odd, [2 * start for start in parted.starts], axis=1)
    return 128 * int(sums.max(initial=0)) < 2**23


def worth_joining(rows: Array, bias: Array, k: Constants) -> bool:
    """Whether a tile kernel should join channels of int8 weights (N, K) with `bias`, requantized as in `k`.

    Then odd channels' sums, biases and rounding constants are 256 times themselves until the end.
    """
    requant, sums = k["requant"], np.abs(rows[1::2].astype(np.int64)).sum(axis=1)
    worst = 128 * sums + np.abs(bias[1::2].astype(np.int64))
    rounding = (abs(k["zero_point"]) + 1) << requant.shift
    exact = int(worst.max(initial=0)) < 2**23 and not requant.pre_shift and rounding <= 2**22
    return rows.shape[1] >= MIN_JOINED and exact


def pair_words(rows: Array, *, joined: bool) -> Array:
    """int8 weights (N, K) in reading order → int32 words (⌈N/2⌉, ⌈K/2⌉): two channels times two inputs.

    Bytes of a word: c0k0, c1k0, c0k1, c1k1; missing channels and inputs weigh nothing. Joined halfwords
    are 256·c1 + c0: the product with the raw word, less that with the even channel, is 256 times the odd
    channel's, and one SXTB16 of the two is spared.
    """
    padded = np.pad(rows.astype(np.int32), [(0, size % 2) for size in rows.shape])
    even, odd = padded[0::2], padded[1::2]
    halfwords = 256 * odd + (even if joined else even & 255)
    out: Array = ((halfwords[:, 0::2] & 0xFFFF) | (halfwords[:, 1::2] << 16)).astype(np.int32)
    return out


def pair_stream(dot: Dot, rows: Array, bias: Array, multiplier: Array) -> Array:
    """The stream of a tile kernel, int32 (⌈N/2⌉, ⌈K/2⌉ + 4): one row per pair of channels.

    What the sums begin with (when joined as a whole, the odd one with 256·bias1 + bias0), words, multipliers.
    """
    words = pair_words(rows, joined=dot.joined)
    b, m = (np.pad(v, (0, len(v) % 2)).reshape(-1, 2).astype(np.int64) for v in (bias, multiplier))
    begin = np.stack([b[:, 0], 256 * b[:, 1] + b[:, 0]], axis=1) if dot.joined and not dot.part else b
    return np.concatenate([begin, words, m], axis=1).astype(np.int32)


def octet_stream(rows: Array, bias: Array, multiplier: Array) -> Array:
    """The stream of fn_linear8 for N = 8·n channels, int32 (n, ·).

    Even biases, joined words, odd biases, multipliers. Words lie input by input: one for each of the four
    channel pairs. K is padded to a multiple of four.
    """
    groups = len(rows) // 8
    words = pair_words(np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))), joined=True)
    by_input = words.reshape(groups, 4, words.shape[1]).transpose(0, 2, 1).reshape(groups, 4 * words.shape[1])
    b, m = (v.reshape(groups, 8).astype(np.int32) for v in (bias, multiplier))
    return np.concatenate([b[:, 0::2], by_input, b[:, 1::2], m], axis=1)


PIECE = 6
"""Taps of a depthwise kernel's row whose weights are in registers at once; of the last piece one more."""


def pieces(taps: int) -> tuple[int, ...]:
    """Taps of the pieces of a row."""
    whole = max(0, -(-(taps - PIECE - 1) // PIECE))
    return (PIECE,) * whole + (taps - PIECE * whole,)


def words_of(piece: int) -> int:
    """Words of weights of a piece: word m holds taps 2m, 2m+1, 2m+1, 2m+2."""
    return max(1, piece // 2)


def depthwise_stream(taps: Array, channels: int, bias: Array, multiplier: Array) -> Array:
    """int32: per filter the words of its rows, bias and multiplier; taps: int8 (n_out, rows, columns).

    With several filters per channel: first the first filter of every channel, then the second.
    """
    octets = []
    first = 0
    for count in pieces(taps.shape[2]):
        padded = np.pad(taps[:, :, first : first + count], ((0, 0), (0, 0), (0, 2)))
        for at in range(0, 2 * words_of(count), 2):
            octets.append(padded[:, :, [at, at + 1, at + 1, at + 2]])
        first += count
    words = np.ascontiguousarray(np.stack(octets, axis=2)).view("<i4").reshape(len(taps), -1)
    records = np.concatenate([words, bias[:, None], multiplier[:, None]], axis=1).astype(np.int32)
    stream: Array = records.reshape(channels, -1, records.shape[1]).transpose(1, 0, 2).ravel()
    return stream
