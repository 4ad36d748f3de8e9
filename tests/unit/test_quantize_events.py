"""Does an event that calibration shows once still come out, or is somebody told?"""

from collections.abc import Sequence

import numpy as np
import pytest

from firmnet.frontends.common.builder import Builder
from firmnet.interpret import run_int
from firmnet.ir import Array, Graph
from firmnet.ops.spec import OPS
from firmnet.quantize import Asking, Quantized, quantize
from firmnet.quantize.lost import MOST_EVENTS, lost_events

IMAGE = (1, 24, 24, 1)
EVENT, AT = 1.0, (41, 11, 13, 0)


def samples(sign: float = 1.0, count: int = 200) -> Array:
    """Faint noise, and one event among 115,200 values."""
    x = np.random.default_rng(0).random((count, *IMAGE[1:])) * 0.02
    x[AT] = EVENT
    return (sign * x).astype(np.float32)


def network(gains: Sequence[float], lo: float | None = None) -> Graph:
    """1x1 convolutions of one channel, each times a number."""
    builder = Builder("net")
    x = first = builder.input("image", IMAGE)
    for i, gain in enumerate(gains):
        constants = (
            builder.constant(f"layer{i}_weight", np.full((1, 1, 1, 1), gain)),
            builder.constant(f"layer{i}_bias", np.zeros(1)),
        )
        last = i == len(gains) - 1
        attrs = OPS["conv2d"].attrs(lo=None if last else lo)
        x = builder.add("conv2d", attrs, x, *constants, name=f"layer{i}")
    return builder.graph(first, x)


def event_of(quantized: Quantized, x: Array) -> tuple[float, float]:
    """What comes out at the event, and a step of the output."""
    graph = quantized.graph
    q = graph.tensors[graph.output].q
    levels = (
        np.floor(x[AT[0]] / graph.tensors[graph.input].scale + 0.5) + graph.tensors[graph.input].zero_point
    )
    y = q.to_real(run_int(graph, levels.clip(-128, 127).astype(np.int8)[None]))
    return float(y[(0, *AT[1:])]), q.scale[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_input_and_output_cover_every_value_that_calibration_showed(sign: float) -> None:
    quantized = quantize(network([1.0]), samples(sign))
    found, step = event_of(quantized, samples(sign))
    assert abs(found - sign * EVENT) <= step
    assert quantized.lost == ()
    assert quantized.quality[0].clipped_fraction == 0


@pytest.mark.parametrize("gain", [0.5, -0.5])
def test_an_event_cut_inside_the_network_is_told(gain: float) -> None:
    quantized = quantize(network([1.0, gain], lo=0.0), samples(), "mse")
    found, step = event_of(quantized, samples())
    assert abs(found - gain) > 10 * step, "else this test says nothing"
    (lost,) = quantized.lost
    assert lost.cut.sample == AT[0]
    assert lost.cut.tensor == "layer0"
    assert lost.expected == pytest.approx(gain)
    assert lost.got == pytest.approx(found)
    (sentence,) = lost_events(quantized.lost)
    assert f"sample 41 has an output of {gain:g} that comes out as {found:.3g}" in sentence
    assert f"'layer0' reaches 1 and is cut to {quantized.quality[0].high:.3g}" in sentence
    assert f"with --ranges minmax it comes out as {lost.minmax:.3g}" in sentence


def test_the_advice_helps() -> None:
    covered = quantize(network([1.0, 0.5], lo=0.0), samples(), "minmax")
    found, step = event_of(covered, samples())
    assert abs(found - 0.5) <= step
    assert covered.lost == ()
    (lost,) = quantize(network([1.0, 0.5], lo=0.0), samples(), "mse").lost
    assert lost.minmax == pytest.approx(found)


@pytest.mark.parametrize("method", ["percentile", "mse"])
@pytest.mark.parametrize("gain", [0.5, -0.5])
def test_no_method_loses_an_event_in_silence(method: Asking, gain: float) -> None:
    x = samples()
    quantized = quantize(network([1.0, gain], lo=0.0), x, method)
    found, step = event_of(quantized, x)
    assert (abs(found - gain) <= 2 * step) == (not quantized.lost)


@pytest.mark.parametrize("gain", [0.5, -0.5])
def test_auto_keeps_events(gain: float) -> None:
    quantized = quantize(network([1.0, gain], lo=0.0), samples())
    found, step = event_of(quantized, samples())
    assert abs(found - gain) <= 2 * step
    assert quantized.lost == ()
    assert not quantized.quality[0].clipped_fraction


def test_what_is_clipped_is_counted_over_all_samples() -> None:
    """Sample 41 is none of those from which signal and noise are taken."""
    first, _ = quantize(network([1.0, 0.5], lo=0.0), samples(), "mse").quality
    assert first.clipped_fraction == pytest.approx(1 / samples().size)
    assert first.seen_high == pytest.approx(EVENT)
    assert first.high < 0.9


def test_a_cut_that_no_output_shows_is_not_told() -> None:
    """The second layer's weights make the event small beside a larger value."""
    x = samples()
    x[:, 0, 0, 0] = 3.0
    assert quantize(network([1.0, 0.5], lo=0.0), x, "mse").lost == ()


def test_many_events_are_told_in_a_few_sentences() -> None:
    (lost,) = quantize(network([1.0, 0.5], lo=0.0), samples(), "mse").lost
    told = list(lost_events([lost] * (MOST_EVENTS + 4)))
    assert len(told) == MOST_EVENTS + 1
    assert told[-1].startswith("4 more")
