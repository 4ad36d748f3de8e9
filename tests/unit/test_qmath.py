"""Is the integer arithmetic exact, and are numpy and C the same? Python integers are the judge."""

import ctypes
from collections.abc import Iterator
from math import isqrt

import numpy as np
import pytest

from firmnet.assets import assets
from firmnet.devices.compiled import Compiler, compiled
from firmnet.ir import Array, Dtype, QParams
from firmnet.qmath import (
    INT32_MAX,
    Requant,
    check_accumulator,
    clamp_bounds,
    int32,
    logarithms,
    quantize_input,
    reciprocal_roots,
    requant_of_sums,
    requantize,
    to_requant,
)

TWIN = """
#include <stddef.h>
#include "fn_crc.h"
#include "fn_dsp.h"
#include "fn_qmath.h"
int32_t requantize(int32_t acc, int32_t m, int32_t zp, int32_t s, int32_t p)
{ return fn_requantize(acc, m, zp, s, p); }
int32_t quantize(float x, float r, float offset, int32_t lo, int32_t hi)
{ return fn_quantize_input(x, r, offset, lo, hi); }
int32_t quantize_by_bits(float x, float r, float offset, int32_t lo, int32_t hi, int32_t narrow)
{ return fn_quantize_by_bits(x, r, offset, lo, hi, narrow); }
/* Seeded: bits of any kind, and what is up to four floats from a border. Found: one that differs. */
int32_t differs(float scale, int32_t zero_point, int32_t lo, int32_t hi, uint32_t count, float *found)
{
    const float r = (float)(1.0 / (double)scale), offset = (float)zero_point + 0.5f;
    uint32_t random = 1u;
    for (uint32_t i = 0; i < count; i++) {
        random = random * 1664525u + 1013904223u;
        const int32_t level = lo - 3 + (int32_t)(i / 18u) % (hi - lo + 7);
        const float border = (float)(((double)level - (double)offset) * (double)scale);
        uint32_t bits = i % 2u ? random : fn_bits(border) + i / 2u % 9u - 4u;
        memcpy(found, &bits, sizeof bits);
        const int32_t right = fn_quantize_float(*found, r, offset, lo, hi);
        for (int32_t narrow = 0; narrow < 2; narrow++) {
            if (fn_quantize_by_bits(*found, r, offset, lo, hi, narrow) != right) {
                return 1;
            }
        }
    }
    return 0;
}
int32_t scales_otherwise(float scale)
{
    for (int32_t steps = -255; steps <= 255; steps++) {
        if (fn_bits(fn_scaled_by_bits(steps, scale)) != fn_bits(scale * (float)steps)) {
            return 1;
        }
    }
    return 0;
}
uint32_t crc(const void *data, uint32_t n) { return fn_crc32(0, data, n); }
uint32_t root(uint64_t square, int32_t *half_bits) { return fn_reciprocal_root(square, half_bits); }
uint32_t whole_root(uint64_t square) { return fn_root(square); }
int32_t log2_of(uint32_t value) { return fn_log2(value); }
int32_t dot(const int8_t *a, const int8_t *b, int32_t n, int32_t acc) { return fn_dot(a, b, n, acc); }
"""
SHIFTS = [(0, 0), (1, 0), (6, 0), (13, 0), (22, 0), (0, 5), (0, 16)]
ZERO_POINTS = [-128, -1, 0, 57, 127]


@pytest.fixture(scope="module")
def c() -> ctypes.CDLL:
    headers = {path.name: path.read_text() for path in (assets("templates") / "lib").glob("fn_*.h")}
    flags = ("-fPIC", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    library = ctypes.CDLL(str(compiled({**headers, "twin.c": TWIN}, Compiler("gcc", flags, ("-shared",)))))
    library.quantize.argtypes = [*[ctypes.c_float] * 3, ctypes.c_int32, ctypes.c_int32]
    library.quantize.restype = ctypes.c_int32
    library.quantize_by_bits.argtypes = [*library.quantize.argtypes, ctypes.c_int32]
    library.differs.argtypes = [ctypes.c_float, *[ctypes.c_int32] * 4, ctypes.POINTER(ctypes.c_float)]
    library.scales_otherwise.argtypes = [ctypes.c_float]
    library.crc.restype = ctypes.c_uint32
    library.root.argtypes = [ctypes.c_uint64, ctypes.POINTER(ctypes.c_int32)]
    library.root.restype = ctypes.c_uint32
    library.whole_root.argtypes = [ctypes.c_uint64]
    library.whole_root.restype = ctypes.c_uint32
    library.log2_of.argtypes = [ctypes.c_uint32]
    return library


def exact(acc: int, r: Requant, zero_point: int) -> int:
    """The formula of docs/numerics.md in Python's unbounded integers, without the clamp."""
    (m,) = r.multiplier.tolist()
    product = (acc << r.pre_shift) * m
    return (product + (zero_point << (32 + r.shift)) + (1 << (31 + r.shift))) >> (32 + r.shift)


def accumulators(pre_shift: int) -> list[int]:
    """Seeded and extreme int32 values that the overflow proof admits."""
    most = INT32_MAX >> pre_shift
    rng = np.random.default_rng(5)
    spread = rng.integers(-most, most + 1, 300).tolist()
    near = (rng.integers(-most, most + 1, 300) // 2 ** rng.integers(0, 31, 300)).tolist()
    return [*spread, *near, 0, 1, -1, most, -most]


def requants() -> Iterator[Requant]:
    for shift, pre_shift in SHIFTS:
        for multiplier in (1, 2, 3, 0x4000_0000, 0x5555_5555, INT32_MAX):
            yield Requant(np.array([multiplier], np.int32), shift, pre_shift)


@pytest.mark.parametrize("zero_point", ZERO_POINTS)
def test_requantize_is_the_exact_formula(zero_point: int) -> None:
    for r in requants():
        values = accumulators(r.pre_shift)
        wide = [min(max(exact(acc, r, zero_point), -128), 127) for acc in values]
        np.testing.assert_array_equal(requantize(np.array(values)[:, None], r, zero_point).ravel(), wide)


@pytest.mark.parametrize("zero_point", ZERO_POINTS)
def test_c_requantizes_exactly(zero_point: int, c: ctypes.CDLL) -> None:
    for r in requants():
        (m,) = r.multiplier.tolist()
        for acc in accumulators(r.pre_shift):
            assert c.requantize(acc, m, zero_point, r.shift, r.pre_shift) == exact(acc, r, zero_point)


def test_requant_is_as_fine_as_it_can_be() -> None:
    rng = np.random.default_rng(1)
    for scales in np.exp(rng.uniform(np.log(1e-6), np.log(20000), (200, 5))):
        r = to_requant(scales)
        assert (r.multiplier >= 0).all()
        assert r.shift == 22 or r.pre_shift or r.multiplier.max() >= 2**30 - 1
        error = np.abs(r.multiplier * 2.0 ** (r.pre_shift - 32 - r.shift) - scales)
        assert (error <= 2.0 ** (r.pre_shift - 33 - r.shift)).all()


def test_a_scale_of_one_half_needs_a_pre_shift() -> None:
    assert (to_requant(np.array([0.5])).shift, to_requant(np.array([0.5])).pre_shift) == (0, 1)
    assert (to_requant(np.array([0.49])).shift, to_requant(np.array([0.49])).pre_shift) == (0, 0)


@pytest.mark.parametrize(
    ("scales", "sentence"),
    [
        ([0.0], "finite positive scales"),
        ([-0.1, 0.2], "finite positive scales"),
        ([np.inf], "finite positive scales"),
        ([np.nan], "finite positive scales"),
        ([40000.0], "too large to requantize"),
    ],
)
def test_senseless_scales_are_refused(scales: list[float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        to_requant(np.array(scales))


def test_accumulator_proof_ends_at_int32() -> None:
    weight = np.full((2, 4), 127)
    room = INT32_MAX - 128 * 127 * 4
    check_accumulator(np.array([0, room]), weight)
    check_accumulator(np.array([0, -room]), weight)
    with pytest.raises(OverflowError, match="channel 1"):
        check_accumulator(np.array([0, room + 1]), weight)
    with pytest.raises(OverflowError, match="channel 0"):
        check_accumulator(np.array([room, 0]), weight, pre_shift=1)


def test_sums_that_leave_int32_are_long_and_exact_at_their_ends() -> None:
    rng = np.random.default_rng(2)
    assert not requant_of_sums(np.array([0.1]), INT32_MAX).long
    for worst in (2**31, 2**34 - 1, 2**40, 2**46 - 1):
        scales = np.exp(rng.uniform(np.log(1e-7), np.log(0.9 * 2.0 ** (29 - worst.bit_length())), 5))
        r = requant_of_sums(scales, worst)
        assert r.long
        assert int(r.multiplier.max()) * worst < 2**62
        sums = np.array([worst, -worst, worst - 1, 1, 0])
        expected = [
            min(max((int(acc) * int(m) + (1 << (31 + r.shift))) >> (32 + r.shift), -(2**15)), 2**15 - 1)
            for acc, m in zip(sums, r.multiplier, strict=True)
        ]
        found = requantize(sums, r, 0, -(2**15), 2**15 - 1, Dtype.INT16)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("worst", "scale"), [(2**47, 1e-6), (2**40, 0.4), (2**31, 0.6)])
def test_sums_too_long_for_their_scale_are_refused(worst: int, scale: float) -> None:
    with pytest.raises(OverflowError, match="cannot be requantized"):
        requant_of_sums(np.array([scale]), worst)


def test_int32_refuses_what_does_not_fit() -> None:
    np.testing.assert_array_equal(int32(np.array([-(2**31), INT32_MAX])), [-(2**31), INT32_MAX])
    with pytest.raises(OverflowError):
        int32(np.array([2**31]))


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (None, None, (-128, 127)),
        (0.0, None, (-10, 127)),
        (0.0, 6.0, (-10, 50)),
        (-1.0, 1.0, (-20, 0)),
        (-99.0, 99.0, (-128, 127)),
    ],
)
def test_clamp_bounds(lo: float | None, hi: float | None, expected: tuple[int, int]) -> None:
    assert clamp_bounds(QParams((0.1,), -10), lo, hi) == expected


@pytest.mark.parametrize(
    "q",
    [
        QParams((0.0172,), -13),
        QParams((1 / 255,), -128),
        QParams((3.7,), 127),
        QParams((0.0172,), 200, Dtype.UINT8),
        QParams((0.0001,), 0, Dtype.INT16),
        QParams((1e-9,), 0, Dtype.INT32),
    ],
    ids=str,
)
def test_c_quantizes_floats_as_numpy_does(q: QParams, c: ctypes.CDLL) -> None:
    x = edge_floats(q)
    reciprocal, offset = np.float32(1.0 / q.scale[0]), np.float32(q.zero_point + 0.5)
    got = [
        c.quantize(float(value), float(reciprocal), float(offset), q.dtype.low, q.dtype.high) for value in x
    ]
    np.testing.assert_array_equal(quantize_input(x, q), got)
    assert {q.dtype.low, q.dtype.high} <= set(got)
    if q.dtype.bits <= 16:
        edge = float(reciprocal), float(offset), q.dtype.low, q.dtype.high
        for narrow in (0, 1):
            assert [c.quantize_by_bits(float(value), *edge, narrow) for value in x] == got


TYPES = {
    Dtype.INT8: (-128, -127, -1, 0, 57, 126, 127),
    Dtype.UINT8: (0, 1, 128, 255),
    Dtype.INT16: (0,),
}
"""With zero points."""


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_whole_numbers_do_what_floats_do_to_a_float(dtype: Dtype, c: ctypes.CDLL) -> None:
    """For cores without FPU; of every scale, next to every border and far away."""
    rng = np.random.default_rng(7)
    usual = np.exp(rng.uniform(-12, 5, 40))
    scales = np.concatenate([usual, 2.0 ** np.arange(-20, 12, 3), 10.0 ** np.arange(-37, 38, 6)])
    found = ctypes.c_float()
    for scale in scales.astype(np.float32):
        for zero_point in TYPES[dtype]:
            known = float(scale), zero_point, dtype.low, dtype.high, 30_000
            differing = c.differs(*known, ctypes.byref(found))
            assert not differing, f"{found.value.hex()} of {known}"
    assert not any(c.scales_otherwise(float(scale)) for scale in scales[np.abs(np.log2(scales)) < 115])


def edge_floats(q: QParams) -> Array:
    """Noise, every rounding border with its neighbours, and what is hardly a number."""
    rng = np.random.default_rng(2)
    levels = [np.arange(end - 140, end + 140, dtype=np.float64) for end in (q.dtype.low, q.dtype.high)]
    borders = ((np.concatenate(levels) + 0.5 - q.zero_point) * q.scale[0]).astype(np.float32)
    around = [np.nextafter(borders, np.float32(end)) for end in (-np.inf, np.inf)]
    odd = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3e38, -3e38]
    return np.concatenate([rng.normal(scale=100 * q.scale[0], size=2000), borders, *around, odd]).astype(
        np.float32
    )


def test_c_dot_products(c: ctypes.CDLL) -> None:
    rng = np.random.default_rng(3)
    for n in range(20):
        a, b = rng.integers(-128, 128, (2, n)).astype(np.int8)
        expected = 12345 + int(a.astype(np.int64) @ b)
        assert c.dot(a.tobytes(), b.tobytes(), n, 12345) == expected


def test_c_crc_is_zlibs(c: ctypes.CDLL) -> None:
    assert c.crc(b"123456789", 9) == 0xCBF43926
    assert c.crc(b"", 0) == 0


def test_reciprocal_roots_are_near_and_the_same_in_c(c: ctypes.CDLL) -> None:
    rng = np.random.default_rng(3)
    powers = np.int64(1) << np.arange(62)
    spread = rng.integers(1, 2**62, 300) >> rng.integers(0, 61, 300)
    squares = np.unique(np.maximum(np.concatenate([powers, powers - 1, powers + 1, spread]), 1))
    squares = squares[squares < 2**62]
    roots, halves = reciprocal_roots(squares)
    assert roots.min() >= 2**30 - 2**6
    assert roots.max() <= 2**31
    exact = 1 / np.sqrt(squares.astype(np.longdouble))
    got = roots.astype(np.longdouble) * np.longdouble(2) ** (-30 - halves)
    assert float(np.abs(got / exact - 1).max()) < 2.0**-24
    half = ctypes.c_int32()
    for square, root, bits in zip(squares.tolist(), roots.tolist(), halves.tolist(), strict=True):
        assert c.root(square, half) == root
        assert half.value == bits


def test_roots_are_whole_and_exact_in_c(c: ctypes.CDLL) -> None:
    rng = np.random.default_rng(6)
    sides = [
        1,
        2,
        3,
        255,
        2**16,
        2**30,
        2**31 - 2,
        *(int(side) for side in rng.integers(1, 2**31 - 1, 300) >> 3),
    ]
    squares = [0, 1, *(side**2 + more for side in sides for more in (-1, 0, 1, 2 * side))]
    near = (rng.integers(1, 2**62, 500) >> rng.integers(0, 61, 500)).tolist()
    for square in (*squares, *near):
        assert c.whole_root(square) == isqrt(square)


def test_logarithms_are_near_and_the_same_in_c(c: ctypes.CDLL) -> None:
    rng = np.random.default_rng(4)
    powers = np.int64(1) << np.arange(32)
    values = np.unique(np.concatenate([powers, 2 * powers - 1, rng.integers(1, 2**32, 300)]))
    logs = logarithms(values)
    below = np.log2(values.astype(np.longdouble)) * 2**16 - logs
    assert float(below.min()) >= 0
    assert float(below.max()) < 2
    assert [c.log2_of(value) for value in values.tolist()] == logs.tolist()
