"""Do histograms, ranges and integer weights keep what they promise?"""

import numpy as np
import pytest

from firmnet.ir import QParams
from firmnet.qmath import INT32_MAX
from firmnet.quantize.observe import HALF, Histogram, histogram, merge
from firmnet.quantize.scales import affine, choose, quantize_weights


def error(values: np.ndarray, q: QParams) -> float:
    """Mean squared error of int8 with these parameters, from the values themselves."""
    level = np.clip(np.rint(values / q.scale[0]) + q.zero_point, -128, 127)
    return float(((values - q.to_real(level)) ** 2).mean())


def parts() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=200) * 10.0**e for e in (-3, 2, -6, 0, 1)] + [np.zeros(3)]


def merged(arrays: list[np.ndarray]) -> Histogram:
    out = histogram(arrays[0])
    for values in arrays[1:]:
        out = merge(out, histogram(values))
    return out


def test_a_histogram_does_not_depend_on_the_order_of_samples() -> None:
    forward, backward, at_once = merged(parts()), merged(parts()[::-1]), histogram(np.concatenate(parts()))
    for other in (backward, at_once):
        np.testing.assert_array_equal(forward.counts, other.counts)
        assert (forward.exponent, forward.low, forward.high) == (other.exponent, other.low, other.high)


@pytest.mark.parametrize("top", [1.0, -1.0, 4.0, -4.0, 1e-40, 3e38, 0.0])
def test_every_value_is_counted_in_its_own_bin(top: float) -> None:
    seen = histogram(np.array([top, top / 2, 0.0]))
    centres, counts = seen.filled()
    assert counts.sum() == 3
    for value in (top, top / 2, 0.0):
        assert np.abs(centres - value).min() <= seen.width / 2
    assert abs(top) < HALF * seen.width or top < 0


def test_a_range_of_positive_values_owns_zero_point_minus_128() -> None:
    values = np.abs(np.random.default_rng(3).normal(size=1000))
    for method in ("mse", "minmax"):
        assert choose(histogram(values), method).zero_point == -128
    assert choose(histogram(values), "minmax").scale[0] == pytest.approx(values.max() / 255)


def test_a_range_of_negative_values_ends_at_zero() -> None:
    assert choose(histogram(-np.arange(1.0, 9.0)), "minmax").zero_point == 127


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.5, 2.0), (-3.0, -1.0), (-1e-9, 5.0), (0.0, 0.0)])
def test_zero_is_exact_and_both_ends_are_in_reach(low: float, high: float) -> None:
    q = affine(low, high)
    assert -128 <= q.zero_point <= 127
    reach = q.to_real(np.array([-128, 127]))
    assert reach[0] <= min(low, 0) + q.scale[0] / 2
    assert reach[1] >= max(high, 0) - q.scale[0] / 2


def test_minmax_covers_what_mse_gives_up_on_a_heavy_tail() -> None:
    values = np.random.default_rng(4).standard_t(4, size=200_000)
    cut, whole = choose(histogram(values), "mse"), choose(histogram(values), "minmax")
    assert error(values, cut) < 0.75 * error(values, whole)
    assert whole.scale[0] * 255 == pytest.approx(values.max() - values.min())


def test_mse_of_a_uniform_tensor_keeps_all_of_it() -> None:
    values = np.random.default_rng(5).uniform(-2, 6, 10_000)
    assert choose(histogram(values), "mse") == choose(histogram(values), "minmax")


@pytest.mark.parametrize("seed", range(5))
def test_mse_is_never_worse_than_minmax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), 1, 3000) ** rng.integers(1, 4) * 10.0 ** rng.integers(-4, 4)
    cut, whole = choose(histogram(values), "mse"), choose(histogram(values), "minmax")
    assert error(values, cut) <= 1.01 * error(values, whole)


def test_an_all_zero_tensor_has_an_ordinary_scale() -> None:
    assert choose(histogram(np.zeros(10)), "mse") == QParams((1 / 128,), -128)


X, Y = QParams((0.02,), -17), QParams((0.05,), 4)


def real_layer(seed: int, n_in: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, n_in)), rng.normal(size=6)


def test_weights_are_symmetric_and_within_half_a_step() -> None:
    weight, bias = real_layer(6)
    w = quantize_weights(weight, bias, X, Y)
    assert w.weight.dtype == np.int8
    np.testing.assert_array_equal(np.abs(w.weight.astype(int)).max(axis=1), 127)
    steps = np.array(w.weight_qparams.scale)
    assert (np.abs(w.weight_qparams.to_real(w.weight) - weight) <= 0.5001 * steps[:, None]).all()
    np.testing.assert_allclose(w.bias_qparams.to_real(w.bias), bias, atol=0.02 * steps.max())


def test_a_near_dead_channel_holds_its_bias() -> None:
    weight, bias = real_layer(7)
    weight[2] *= 1e-13
    w = quantize_weights(weight, bias, X, Y)
    assert abs(int(w.bias[2])) <= 2**30
    np.testing.assert_allclose(w.bias_qparams.to_real(w.bias)[2], bias[2], rtol=1e-6)
    assert quantize_weights(np.delete(weight, 2, 0), np.delete(bias, 2), X, Y).weight_qparams.scale == tuple(
        s for c, s in enumerate(w.weight_qparams.scale) if c != 2
    ), "the other channels are none the worse"


def test_an_all_zero_channel_has_scale_one_where_its_bias_allows() -> None:
    weight, bias = real_layer(8)
    weight[4], bias[4] = 0.0, 0.3
    coarse = QParams((20.0,), 0)
    assert quantize_weights(weight, bias, X, coarse).weight_qparams.scale[4] == 1.0
    for x in (X, QParams((1.0,), -128)):
        w = quantize_weights(weight, bias, x, Y)
        assert not w.weight[4].any()
        assert w.bias_qparams.to_real(w.bias)[4] == pytest.approx(0.3, abs=Y.scale[0] / 256)


def test_the_overflow_proof_holds_whatever_the_layer() -> None:
    weight = np.ones((2, 200_000))  # 127 · 128 · 200,000 > 2^31
    w = quantize_weights(weight, np.array([0.0, 1e4]), QParams((1.0,), 127), QParams((2000.0,), 0))
    folded = w.bias.astype(np.int64) - 127 * w.weight.astype(np.int64).sum(axis=1)
    assert (np.abs(folded) + 128 * np.abs(w.weight.astype(np.int64)).sum(axis=1) <= INT32_MAX).all()
    np.testing.assert_allclose(w.weight_qparams.to_real(w.weight), 1.0, rtol=0.02)


def test_weights_too_small_for_any_output_vanish_instead_of_failing() -> None:
    w = quantize_weights(np.full((1, 3), 1e-200), np.zeros(1), X, Y)
    assert w.weight_qparams.scale[0] >= 2.0**-41
    assert not w.weight.any()
