"""Is the way ranges are chosen the one that serves the outputs, and is it the same every time?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.ir import Array, Dtype, Graph
from firmnet.ops.spec import OPS
from firmnet.quantize import Asking, Quantized, quantize
from firmnet.quantize.observe import METHODS
from firmnet.quantize.quality import LayerQuality

VALUES = 5_000


def chain(*layers: Mapping[str, float]) -> Graph:
    """1x1 convolutions of one channel, each with a gain and a bias, the bounds of a clamp behind it."""
    return chains(layers)


def chains(*layers: Sequence[Mapping[str, float]]) -> Graph:
    """Several of one input, an output each."""
    builder = Builder("net")
    line = builder.input("line", (1, 1, VALUES, 1))
    ends = {}
    for c, branch in enumerate(layers):
        x = line
        for i, layer in enumerate(branch):
            name = f"layer{c}_{i}"
            constants = (
                builder.constant(f"{name}_weight", np.full((1, 1, 1, 1), layer.get("gain", 1.0))),
                builder.constant(f"{name}_bias", np.full(1, layer.get("bias", 0.0))),
            )
            attrs = OPS["conv2d"].attrs(lo=layer.get("lo"), hi=layer.get("hi"))
            x = builder.add("conv2d", attrs, x, *constants, name=name)
        ends[f"end{c}"] = x
    return builder.graph(line, ends)


def quantized(graph: Graph, data: Array, ranges: Asking = "auto") -> Quantized:
    """With edges of 16 bits: what is lost is lost inside."""
    wide = dict.fromkeys((*graph.given, *graph.wanted), Dtype.INT16)
    return quantize(graph, data, ranges, precision=wide)


def samples(values: Array) -> Array:
    return values.reshape(-1, 1, VALUES, 1).astype(np.float32)


def heavy(seed: int = 0, freedom: int = 4) -> Array:
    return samples(np.random.default_rng(seed).standard_t(freedom, size=8 * VALUES))


def output(made: Quantized) -> LayerQuality:
    return made.quality[-1]


PLAIN = chain({}, {})
FAR_VALUES_ALONE = chain({"lo": 0.0}, {"bias": -6.0, "lo": 0.0})
NEAR_VALUES_ALONE = chain({"gain": 100.0, "lo": 0.0, "hi": 1e5}, {"gain": 0.01, "lo": 0.0, "hi": 0.5})


def with_far_ones() -> Array:
    """Values up to 1, and one in 20,000 that is 30: not cut for its square, and nobody sees it behind."""
    values = np.random.default_rng(1).uniform(0, 1, 8 * VALUES)
    values[::20_000] = 30.0
    return samples(values)


@pytest.mark.parametrize(
    ("method", "graph", "data"),
    [
        ("mse", PLAIN, heavy(1, 6)),
        ("minmax", FAR_VALUES_ALONE, heavy()),
        ("percentile", NEAR_VALUES_ALONE, with_far_ones()),
    ],
    ids=["mse", "minmax", "percentile"],
)
def test_auto_takes_the_method_that_serves_the_output_best(method: str, graph: Graph, data: Array) -> None:
    by_itself = {m: output(quantized(graph, data, m)).snr_db for m in METHODS}
    others = max(snr for m, snr in by_itself.items() if m != method)
    assert by_itself[method] > others + 0.3, "else this test says nothing"
    found = quantized(graph, data)
    assert found.found_ranges is not None
    assert found.found_ranges.method == method
    assert found.found_ranges.snr_db == pytest.approx(by_itself)
    assert output(found).snr_db == pytest.approx(found.found_ranges.final_db)
    assert output(found).snr_db >= by_itself[method]
    line = found.found_ranges.line()
    assert line.startswith(f"ranges    {method}")
    assert all(f"{m} {snr:.1f} dB" in line for m, snr in by_itself.items())


def test_layers_get_methods_of_their_own_where_that_pays() -> None:
    """Behind one layer the far values are the signal, behind the other they are cut off."""
    graph = chains([{"lo": 0.0}, {"bias": -6.0, "lo": 0.0}], [{"lo": 0.0}, {"lo": 0.0, "hi": 0.5}])
    found = quantized(graph, with_far_ones()).found_ranges
    assert found is not None
    assert {
        **dict.fromkeys(["layer0_0", "layer1_0"], found.method),
        **found.own,
    } == {
        "layer0_0": "minmax",
        "layer1_0": "percentile",
    }
    assert found.final_db > max(found.snr_db.values()) + 3
    assert all(name in found.line() for name in found.own)


def test_the_choice_repeats() -> None:
    first, second = quantized(PLAIN, heavy()), quantized(PLAIN, heavy())
    assert first.found_ranges == second.found_ranges
    assert first.quality == second.quality


def test_a_percentile_cuts_as_many_values_as_it_says() -> None:
    data = samples(np.random.default_rng(2).normal(size=40 * VALUES))
    first, _ = quantized(PLAIN, data, "percentile").quality
    seen = np.sort(np.abs(data.ravel()))
    assert 0.95 < first.high / seen[-20] < 1.05
    assert 0 < first.clipped_fraction <= 1e-4


def test_a_method_that_there_is_not_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^there is no way 'entropy' to choose ranges: give auto, minmax, "):
        quantized(PLAIN, heavy(), "entropy")  # type: ignore[arg-type]
