"""Is int16 given to what needs it most, to no more than the target takes, and is it told what cannot be?"""

from dataclasses import replace

import numpy as np
import pytest

from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import run_float
from firmnet.ir import Array, Dtype, Graph
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.div import Div, DivAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.quantize import Found16, output_snr, quantize, read_precision


def uneven() -> Graph:
    """Three layers; of the second, one channel is 25 times the others, and the third does not look at it."""
    rng, b = np.random.default_rng(5), Builder("uneven")
    x = b.input("x", (1, 10))
    factors = np.where(np.arange(12) == 3, 25.0, 1.0)[:, None]

    def linear(y, name: str, weight: Array):
        bias = b.constant(f"{name}_b", np.zeros(len(weight)))
        return b.add("linear", LinearAttrs(), y, b.constant(f"{name}_w", weight), bias, name=name)

    first = b.add("clamp", ClampAttrs(0.0), linear(x, "first", rng.normal(size=(12, 10))), name="bent")
    second = linear(first, "second", rng.normal(size=(12, 12)) * factors)
    third = linear(second, "third", rng.normal(size=(4, 12)) * (factors.T == 1))
    return b.graph((x,), {"third": third})


def samples() -> Array:
    return np.random.default_rng(6).normal(size=(50, 10)).astype(np.float32)


def found(**options: object) -> tuple[Found16, Graph]:
    precision = read_precision("auto", options.pop("snr", None), options.pop("accuracy", None))
    made = quantize(uneven(), samples(), precision=replace(precision, **options), test=classes())
    assert made.found is not None
    return made.found, made.graph


def classes() -> tuple[Array, Array]:
    graph = uneven()
    return samples(), np.array([np.argmax(run_float(graph, x[None])) for x in samples()])


def int16_of(graph: Graph) -> set[str]:
    return {name for name, t in graph.tensors.items() if t.data is None and t.dtype is Dtype.INT16}


def test_what_hurts_most_is_int16_and_nothing_that_need_not_be() -> None:
    what, graph = found(snr=30.0)
    assert what.met
    assert what.narrow < 30 <= what.reached <= what.wide
    assert [damage.names for damage in what.widened] == [("second",)]
    assert int16_of(graph) == {"second"}
    assert what.reached == output_snr(uneven(), graph, samples())
    assert "int16 for 1 of" in what.lines()[0]
    assert what.lines()[1].startswith("  second: as int8 it alone leaves")


def test_what_is_good_enough_already_stays_int8() -> None:
    what, graph = found(snr=10.0)
    assert what.met
    assert what.widened == ()
    assert int16_of(graph) == set()


def test_more_int16_where_more_is_asked_for_and_the_damage_ranks_it() -> None:
    counts = []
    for target in (10.0, 30.0, 36.0, 38.0, 110.0):
        what, _ = found(snr=target)
        damages = [damage.snr_db for damage in what.widened]
        assert damages == sorted(damages)
        assert what.met == (what.wide >= target)
        counts.append(len(what.widened))
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_what_cannot_be_reached_is_said_and_nearly_all_of_it_given() -> None:
    what, _ = found(snr=110.0)
    assert not what.met
    assert what.reached >= what.wide - 1.0
    assert "110.0 dB cannot be reached: int16 everywhere has" in what.lines()[-1]


def quotients() -> tuple[Graph, tuple[Array, Array]]:
    b = Builder("ratio")
    x, y = b.input("x", (1, 10)), b.input("y", (1, 10))
    ratio = b.add("div", DivAttrs(), x, b.add("clamp", ClampAttrs(0.5), y, name="away"), name="ratio")
    return b.graph((x, y), {"ratio": ratio}), (samples(), samples() + 3.0)


def test_quotients_and_what_they_read_are_widened() -> None:
    graph, data = quotients()
    made = quantize(graph, data, precision=read_precision("auto", 60.0))
    assert made.found is not None
    assert made.found.met
    assert {"ratio", "away"} <= int16_of(made.graph)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("least", [0.0, 1.0], ids=["zero_by_zero", "one_by_zero"])
def test_what_would_divide_by_zero_as_int8_is_widened_first(least: float) -> None:
    b = Builder("ratio")
    x, y = b.input("x", (1, 10)), b.input("y", (1, 10))
    graph = b.graph((x, y), {"ratio": b.add("div", DivAttrs(), x, y, name="ratio")})
    divisors = np.geomspace(0.01, 10.0, 500).astype(np.float32).reshape(50, 10)
    dividends = divisors * np.float32(2.0) + np.float32(least)
    made = quantize(graph, (dividends, divisors), precision=read_precision("auto", 60.0))
    assert made.found is not None
    assert made.found.widened[0].names == ("y",)
    assert "  y: as int8 it alone makes outputs infinite or NaN" in made.found.lines()


def test_what_is_lost_to_layers_of_int8_is_not_blamed_on_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Div, "dtypes", (Dtype.INT8,))
    graph, data = quotients()
    made = quantize(graph, data, precision=read_precision("auto", 80.0))
    assert made.found is not None
    assert not made.found.met
    assert made.found.lines()[-1].endswith("the rest is lost to what stays int8 (ratio)")
    what, _ = found(snr=110.0)
    assert what.lines()[-1].endswith("the rest is lost to int8 weights")
    what, _ = found(snr=110.0, named={"first": Dtype.INT8})
    assert what.lines()[-1].endswith("lost to int8 weights and to what stays int8 (first)")


def test_what_the_user_named_stays() -> None:
    what, graph = found(snr=30.0, named={"second": Dtype.INT8, "first": Dtype.INT16})
    assert not {"second", "first"} & {name for damage in what.widened for name in damage.names}
    assert graph.tensors["second"].dtype is Dtype.INT8
    assert graph.tensors["first"].dtype is Dtype.INT16


def test_an_accuracy_is_a_target_too() -> None:
    what, graph = found(accuracy=0.99)
    assert what.by_accuracy
    assert what.narrow < 0.99 <= what.reached
    assert "second" in int16_of(graph)
    assert "(target 99.00%" in what.lines()[0]


def test_the_same_choice_every_time() -> None:
    assert found(snr=38.0)[0] == found(snr=38.0)[0]


@pytest.mark.parametrize(
    ("precision", "snr", "accuracy", "sentence"),
    [
        ("int16", 30.0, None, "add --precision auto or leave it out"),
        (None, None, 0.9, "add --precision auto or leave it out"),
        ("auto", 30.0, 0.9, "leave one out"),
        ("auto", 0.0, None, "0 dB makes no sense: give 1 to 120"),
        ("auto", float("nan"), None, "nan dB makes no sense"),
        ("auto", None, 97.0, "an accuracy of 97 makes no sense: give a fraction such as 0.97"),
        (["auto", "int16"], None, None, "both auto and int16"),
    ],
)
def test_targets_that_make_no_sense(
    precision: str, snr: float | None, accuracy: float | None, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        read_precision(precision, snr, accuracy)
