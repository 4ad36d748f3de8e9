"""Is noise judged where there is a signal, places by whether they are right, and what is zero by nothing?"""

import numpy as np
import pytest

from firmnet import interpret
from firmnet.frontends.common.builder import Builder
from firmnet.ir import Array, Graph, Tensor
from firmnet.ops.spec import OPS
from firmnet.quantize import output_snr, poor_layers, poor_outputs, quantize, read_precision
from firmnet.quantize.signals import judged, places


def linear(b: Builder, x: Tensor, weight: Array, name: str) -> Tensor:
    constants = b.constant(f"{name}_w", weight), b.constant(f"{name}_b", np.zeros(len(weight)))
    return b.add("linear", OPS["linear"].attrs(), x, *constants, name=name)


def chooser(outputs: str, spread: float = 1.0) -> Graph:
    """Scores of 40 classes at 6 positions and which is the best; the smaller the spread, the less sure."""
    rng, b = np.random.default_rng(2), Builder("chooser")
    x = b.input("x", (6, 16))
    scores = linear(b, x, 1 + spread * rng.normal(size=(40, 16)), "scores")
    place = b.add("argmax", OPS["argmax"].attrs(axis=1), scores, name="place")
    moved = b.add("reshape", OPS["reshape"].attrs(shape=(1, 6)), place, name="moved")
    return b.graph(x, {name: {"scores": scores, "place": moved}[name] for name in outputs.split()})


def samples(count: int = 40) -> Array:
    return np.random.default_rng(3).uniform(0, 1, size=(count, 6, 16)).astype(np.float32)


def test_what_holds_places_is_judged_by_the_values_that_decide_them() -> None:
    graph = chooser("place")
    assert places(graph) == {"place": ("scores",), "moved": ("scores",)}
    assert judged(graph) == ("scores",)
    assert judged(chooser("scores place")) == ("scores",)
    both, alone = (quantize(chooser(outputs), samples()) for outputs in ("scores place", "scores"))
    assert both.found_ranges is not None
    assert alone.found_ranges is not None
    assert both.found_ranges.snr_db == alone.found_ranges.snr_db
    assert output_snr(graph, both.graph, samples()) == output_snr(chooser("scores"), alone.graph, samples())


def test_precision_is_found_by_the_scores_where_places_are_the_output() -> None:
    made = quantize(chooser("place"), samples(), precision=read_precision("auto", 55.0))
    assert made.found is not None
    assert made.found.met
    assert 40 < made.found.narrow < 55 <= made.found.reached < 65


@pytest.mark.parametrize(("spread", "poor"), [(1.0, False), (0.01, True)])
def test_places_are_poor_where_many_are_wrong_not_where_they_are_far_off(spread: float, poor: bool) -> None:
    graph, data = chooser("place", spread), samples(32)
    made = quantize(graph, data)
    right = [interpret.run_float(graph, x) for x in data]
    said = [interpret.run_int(made.graph, interpret.quantize_sample(made.graph, x)) for x in data]
    wrong = np.mean(np.array(right) != np.array(said))
    row = next(row for row in made.quality if row.op == "argmax")
    assert row.snr_db == pytest.approx(-10 * np.log10(wrong))
    assert wrong > 0
    assert (wrong > 0.1) == poor
    told = f"'place' ({wrong:.0%} of its places are not the float network's)"
    assert (told in poor_outputs(made.graph, made.quality)) == poor
    assert ("place" in poor_layers(made.quality)) == poor


def test_a_place_that_a_cut_range_makes_another_is_an_event_however_near_it_is() -> None:
    """Of 50 places the one before the last instead of the last, in one sample."""
    b = Builder("alarm")
    x = b.input("x", (1, 500))
    hidden = b.add("clamp", OPS["clamp"].attrs(lo=0.0), x, name="hidden")
    weight, bias = np.zeros((50, 500)), np.zeros(50)
    weight[49, 0], bias[48] = 1.0, 5.0
    constants = b.constant("w", weight), b.constant("b", bias)
    scores = b.add("linear", OPS["linear"].attrs(), hidden, *constants, name="scores")
    place = b.add("argmax", OPS["argmax"].attrs(axis=1), scores, name="place")
    data = np.random.default_rng(6).uniform(0, 1, (80, 500)).astype(np.float32)
    data[7, 0] = 30.0
    made = quantize(b.graph(x, place), data, "percentile")
    (event,) = made.lost
    assert (event.cut.tensor, event.cut.sample, event.expected, event.got) == ("hidden", 7, 49, 48)
    assert event.minmax == 49


def balanced() -> Graph:
    """Two outputs: one that is 3·a − (3a), so zero but for rounding, moved and bent; and a real one."""
    rng, b = np.random.default_rng(4), Builder("balanced")
    x = b.input("x", (1, 8))
    row = rng.normal(size=(1, 8))
    pair = linear(b, x, np.concatenate([row, 3 * row]), "pair")
    zero = linear(b, pair, np.array([[3.0, -1.0], [-3.0, 1.0]]), "zero")
    bent = b.add("clamp", OPS["clamp"].attrs(lo=0.0), zero, name="bent")
    behind = linear(b, bent, np.ones((2, 2)), "behind")
    return b.graph(x, {"nothing": behind, "something": linear(b, x, rng.normal(size=(3, 8)), "real")})


def test_where_there_is_no_signal_none_is_lost() -> None:
    data = np.random.default_rng(5).normal(size=(40, 8)).astype(np.float32)
    graph = balanced()
    real = [interpret.run_float(graph, x[None])[0] for x in data]
    assert 0 < np.abs(real).max() < 1e-14, "else this test says nothing"
    made = quantize(graph, data, precision=read_precision("auto", 30.0))
    assert not poor_layers(made.quality)
    assert not poor_outputs(made.graph, made.quality)
    snr = {row.name: row.snr_db for row in made.quality}
    assert snr["zero"] == snr["behind"] == -np.inf
    assert made.found_ranges is not None
    assert made.found_ranges.final_db > 30
    assert made.found is not None
    assert made.found.met
    assert made.found.widened == ()
