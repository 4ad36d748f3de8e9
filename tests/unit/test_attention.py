"""Does attention need a row of scores and no more, and is it as exact over long rows as over short ones?"""

import numpy as np
import pytest

from firmnet.frontends.common.builder import Builder
from firmnet.interpret import quantize_sample, run_float, run_int
from firmnet.ir import Graph
from firmnet.ops.attention import AttentionAttrs
from firmnet.passes import optimize
from firmnet.plan import plan
from firmnet.quantize import quantize
from firmnet.targets import Isa

WIDTH = 32


def one_head(length: int) -> Graph:
    """Tokens (1, length, 32) that ask each other."""
    b = Builder("one_head")
    x = b.input("x", (1, length, WIDTH))
    attrs = AttentionAttrs((0, 1, 2), (0, 2, 1), (0, 1, 2), (0, 1, 2), WIDTH**-0.5)
    return optimize(b.graph(x, b.add("attention", attrs, x, x, x, name="y")))


def noise(length: int, size: float = 1.0) -> np.ndarray:
    return np.random.default_rng(length).normal(size=(4, length, WIDTH)).astype(np.float32) * size


@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP], ids=["portable", "dsp"])
def test_scores_are_never_there_as_a_whole(isa: Isa) -> None:
    length = 200
    program = plan(quantize(one_head(length), noise(length)).graph, isa=isa)
    tokens = 2 * length * WIDTH
    assert program.arena_bytes < tokens + 8 * length < length * length


@pytest.mark.parametrize(("length", "size"), [(10, 1.0), (600, 1.0), (600, 0.05)])
def test_rows_of_600_keep_their_precision(length: int, size: float) -> None:
    """Where every key counts alike, too: what is left is the rounding of the result, in steps of it."""
    samples = noise(length, size)
    graph = one_head(length)
    made = quantize(graph, samples).graph
    y = made.tensors["y"].q
    for sample in samples[:2]:
        q = quantize_sample(made, sample)
        right = run_float(graph, made.tensors["x"].q.to_real(q))
        off = (y.to_real(run_int(made, q)) - np.clip(right, *y.range)) / y.scale[0]
        assert np.abs(off).max() < 1
        assert (off**2).mean() ** 0.5 < 0.295  # rounding alone: 0.289
