"""Which rows of the matrix prove attention?"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from casework import Case, activation, among_int8, mixtures, widened

from firmnet.ir import Array, Call, Dtype, QParams, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.attention import AttentionAttrs

HEADS, KEYS = (0, 2, 1, 3), (0, 2, 3, 1)
"""Orders of heads where linear layers leave them, (1, T, heads, K)."""


def heads(scale: float = 0.25, **options: Any) -> AttentionAttrs:
    return AttentionAttrs(HEADS, KEYS, HEADS, HEADS, scale, **options)


def stacked(rank: int, scale: float = 0.25, **options: Any) -> AttentionAttrs:
    """Keys in rows, as nobody has turned them."""
    plain = tuple(range(rank))
    return AttentionAttrs(plain, (*plain[:-2], rank - 1, rank - 2), plain, plain, scale, **options)


def cases() -> Iterator[Case]:
    yield from _narrow()
    labels = ["heads_2x7x8", "causal_11", "cross_5_by_9", "masked_and_biased", "scores_saturating"]
    labels += ["sums_of_64_bits_saturating", "one_query_of_heads", "causal_behind_a_cache"]
    yield from mixtures(_narrow(), labels)
    named = {case.label: case for case in _narrow()}
    yield among_int8(named["heads_2x7x8"], "q", "v")
    yield widened(named["all_turned"], Dtype.INT16, Dtype.INT16)
    yield from (widened(case, Dtype.INT16, Dtype.INT16) for case in _of_int16())
    yield among_int8(list(_of_int16())[-1], "q", "k", "y")


def _narrow() -> Iterator[Case]:
    yield _case("heads_2x7x8", heads(), (1, 7, 2, 8), (1, 7, 2, 8))
    yield _case("causal_11", heads(causal=0), (1, 11, 2, 4), (1, 11, 2, 4))
    yield _case("causal_behind_a_cache", stacked(3, causal=6), (2, 3, 5), (2, 9, 5))
    yield _case("cross_5_by_9", stacked(4), (1, 2, 5, 6), (1, 2, 9, 6), (1, 2, 9, 13))
    yield _case("values_of_20_at_64_keys", stacked(3, 0.1), (1, 6, 16), (1, 64, 16), (1, 64, 20))
    yield _case("600_keys", stacked(2, 0.05), (2, 12), (600, 12), (600, 9))
    yield _case("one_query_of_heads", heads(), (1, 1, 3, 7), (1, 19, 3, 7))
    yield _case("one_key", stacked(2), (3, 4), (1, 4))
    yield _case("two_keys_one_value", stacked(2), (3, 1), (2, 1), (2, 1))
    yield _case("leading_2_shared_keys", stacked(4), (2, 3, 5, 8), (2, 1, 6, 8))
    yield _case("results_turned", AttentionAttrs((0, 1), (1, 0), (0, 1), (1, 0)), (5, 6), (7, 6), (7, 8))
    turned = AttentionAttrs((1, 0), (0, 1), (1, 0), (0, 1), 0.3)
    yield _case("all_turned", turned, (6, 5), (6, 10), (11, 10))
    rng = np.random.default_rng(3)
    mask = np.where(rng.random((1, 1, 6, 9)) < 0.4, -1024.0, 0.0)
    mask[..., 4] = 0
    yield _case("masked", stacked(4), (1, 2, 6, 8), (1, 2, 9, 8), bias=mask)
    biased = mask[:, :, :, :6].repeat(2, 1) - rng.random((1, 2, 6, 6))
    yield _case("masked_and_biased", heads(causal=0), (1, 6, 2, 8), (1, 6, 2, 8), bias=_kept(biased))
    padding = np.where(np.arange(9) < 5, 0.0, -1024.0).reshape(1, 9)
    yield _case("padding", stacked(2), (6, 8), (9, 8), bias=padding)
    yield _case("scores_saturating", stacked(3, 2e4), (2, 5, 4), (2, 9, 4))
    yield _case("sums_of_64_bits_saturating", stacked(3, 160.0), (2, 5, 4), (2, 9, 4))
    yield _case("a_step_outweighs_all_saturating", stacked(3, 1e8), (2, 5, 4), (2, 9, 4))
    yield _case("by_query", stacked(2), (6, 8), (9, 8), bias=-rng.random((6, 1)))


def _of_int16() -> Iterator[Case]:
    """Long lines, and results that are small beside their values."""
    yield _case("values_of_37", stacked(3, 0.05), (1, 4, 37), (1, 6, 37), (1, 6, 5))
    yield _case("causal_among_33_heads", heads(causal=0), (1, 9, 33, 4), (1, 9, 33, 4))
    yield _case("among_264_heads", heads(), (1, 2, 264, 2), (1, 2, 264, 2), (1, 2, 264, 8))
    small = _case("results_far_below_values", stacked(2, 0.01), (4, 8), (64, 8), (64, 5))
    y = replace(small.call.output, qparams=QParams((0.003,), 0, Dtype.INT8))
    yield replace(small, call=replace(small.call, outputs=(y,)))


def _kept(bias: Array) -> Array:
    """Every query meets itself."""
    return bias * (1 - np.eye(bias.shape[-1]))


def _case(
    label: str, attrs: AttentionAttrs, q: Shape, k: Shape, v: Shape | None = None, bias: Array | None = None
) -> Case:
    scales = {"q": (q, 0.04, 3), "k": (k, 0.02, -41), "v": (v or k, 0.03, 17)}
    inputs = [activation(name, shape, scale, zero) for name, (shape, scale, zero) in scales.items()]
    if bias is not None:
        q_fine = QParams((2.0**-20,), 0, Dtype.INT32)
        data = np.rint(bias * 2.0**20).astype(np.int32)
        inputs.append(Tensor("bias", bias.shape, q_fine, data))
    made = OPS["attention"].shape(attrs, *[t.shape for t in inputs])
    keys = (v or k)[attrs.v_order[-2]]
    y = activation("y", made, 0.03 if keys < 3 else 0.012 if keys < 50 else 0.006, 9)
    return Case(label, Call(attrs, tuple(inputs), (y,)))
