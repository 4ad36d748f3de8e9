"""Do layers lose less by weights that make up for each other, and are others left alone?"""

import numpy as np
import pytest

from firmnet.frontends.common.builder import Builder
from firmnet.interpret import Stepper, float_values, int_values, quantized_inputs, run_float
from firmnet.ir import Array, Dtype, Graph
from firmnet.ops import OPS
from firmnet.ops.recurrent import RecurrentAttrs
from firmnet.quantize import (
    Sequences,
    apply,
    calibrate,
    check_samples,
    output_snr,
    quantize,
    read_precision,
)
from firmnet.quantize.feedback import Compensation
from firmnet.quantize.runs import float_runs

STEPS, WIDTH, UNITS = 30, 8, 12
LEAST_DB = 0.2


def recurrent(reverse: bool = False) -> Graph:
    rng, b = np.random.default_rng(0), Builder("net")
    x = b.input("x", (1, STEPS, WIDTH))
    shapes = {"w": (3 * UNITS, WIDTH), "u": (3 * UNITS, UNITS), "b": (4 * UNITS,)}
    constants = [b.constant(name, rng.uniform(-0.7, 0.7, shape)) for name, shape in shapes.items()]
    begin = b.constant("h", np.zeros((1, 1, UNITS)))
    attrs = RecurrentAttrs(every=False, reverse=reverse)
    return b.graph(x, b.add("gru", attrs, x, *constants, begin, name="layer"))


def weighted(op: str, **options: object) -> Graph:
    rng, b = np.random.default_rng(0), Builder("net")
    line = b.input("x", (1, STEPS, WIDTH) if op == "linear" else (1, STEPS // 2, 2, WIDTH))
    groups = int(str(options.get("groups", 1)))
    shape = (UNITS, WIDTH) if op == "linear" else (UNITS, 3, 1, WIDTH // groups)
    constants = b.constant("w", rng.uniform(-0.7, 0.7, shape)), b.constant("b", rng.normal(size=UNITS))
    return b.graph(line, b.add(op, OPS[op].attrs(**options), line, *constants, name="layer"))


NETWORKS = {
    "recurrent": recurrent(),
    "backwards": recurrent(reverse=True),
    "linear": weighted("linear"),
    "convolved": weighted("conv2d", padding=(1, 1, 0, 0), stride=(2, 1)),
    "in groups": weighted("conv2d", groups=2, dilation=(3, 1)),
}


def mixtures(count: int, seed: int = 1) -> Array:
    """Of three signals all others are made, and they have a mean."""
    rng = np.random.default_rng(seed)
    mixed = np.random.default_rng(7).normal(size=(3, WIDTH))
    return (rng.normal(size=(count, STEPS, 3)) @ mixed + 0.5).astype(np.float32)


def shaped(graph: Graph, samples: Array) -> Array:
    (port,) = graph.inputs
    return samples.reshape(-1, *graph.tensors[port.tensor].shape[1:])


def integers(graph: Graph, samples: Array) -> Graph:
    """With int16 wherever there are no weights."""
    return apply(graph, calibrate(graph, samples), default=Dtype.INT16)


def noise(graph: Graph, integer: Graph, samples: Array) -> float:
    errors = []
    for x in samples:
        y = int_values(integer, *quantized_inputs(integer, x))[integer.output]
        errors.append(run_float(graph, x).ravel() - integer.tensors[integer.output].q.to_real(y).ravel())
    return float(np.square(errors).mean())


@pytest.mark.parametrize("graph", NETWORKS.values(), ids=NETWORKS)
def test_noise_of_samples_not_seen_is_less_and_scales_stay(graph: Graph) -> None:
    samples, others = (shaped(graph, mixtures(*given)) for given in ((40, 1), (20, 2)))
    plain = integers(graph, samples)
    better = Compensation(float_runs(graph, samples)).of(plain, LEAST_DB)
    assert better is not None
    assert better.layers == ("layer",)
    before, after = (noise(graph, each, others) for each in (plain, better.graph))
    assert after < 0.5 * before
    assert abs(10 * np.log10(before / after) - better.gain_db) < 2
    assert all(better.graph.tensors[name].q == tensor.q for name, tensor in plain.tensors.items())


def test_what_is_lost_on_average_goes_into_the_bias() -> None:
    """Inputs that vary by themselves leave nothing else to do."""
    graph = weighted("linear")
    samples = np.random.default_rng(3).normal(3.0, 0.1, (40, STEPS, WIDTH)).astype(np.float32)
    plain = integers(graph, samples)
    better = Compensation(float_runs(graph, samples)).of(plain, LEAST_DB)
    assert better is not None
    assert better.gain_db > 10
    assert (better.graph.tensors["w"].values == plain.tensors["w"].values).mean() > 0.98
    assert (better.graph.tensors["b"].values != plain.tensors["b"].values).any()


def test_a_network_that_would_lose_is_left_alone() -> None:
    """In few samples many inputs go together by chance."""
    rng, b = np.random.default_rng(0), Builder("net")
    x = b.input("x", (1, 64))
    constants = b.constant("w", rng.normal(size=(16, 64))), b.constant("b", np.zeros(16))
    graph = b.graph(x, b.add("linear", OPS["linear"].attrs(), x, *constants, name="layer"))
    few, others = (rng.normal(size=(count, 64)).astype(np.float32) for count in (12, 100))
    plain, floats = integers(graph, few), float_runs(graph, few)
    assert Compensation(floats).of(plain, LEAST_DB) is None
    anyway = Compensation(floats).of(plain, -100.0)
    assert anyway is not None
    assert noise(graph, anyway.graph, others) > noise(graph, plain, others)


def test_few_samples_tell_nothing() -> None:
    graph = weighted("linear")
    assert Compensation(float_runs(graph, mixtures(11))).of(integers(graph, mixtures(11)), -100.0) is None
    assert Compensation(float_runs(graph, mixtures(12))).of(integers(graph, mixtures(12)), LEAST_DB)


def test_of_sequences_some_are_kept_for_the_judgement() -> None:
    b, rng = Builder("net"), np.random.default_rng(0)
    x, h = b.input("x", (1, WIDTH)), b.state("h", np.zeros((1, WIDTH)))
    weights = [b.constant(f"w{i}", rng.uniform(-0.3, 0.3, (WIDTH, WIDTH))) for i in range(2)]
    biases = [b.constant(f"b{i}", rng.normal(size=WIDTH)) for i in range(2)]
    attrs = OPS["linear"].attrs()
    given = (b.add("linear", attrs, each, w, c) for each, w, c in zip((x, h), weights, biases, strict=True))
    following = b.add("add", OPS["add"].attrs(), *given, name="following")
    b.update(h, following)
    graph = b.graph((x,), {"y": following})
    samples = check_samples([*mixtures(8)], graph)
    assert isinstance(samples, Sequences)
    made, plain = (
        quantize(graph, samples, precision="int16", compensate=each).graph for each in (True, False)
    )
    assert made.tensors["w1"].q == plain.tensors["w1"].q
    found = []
    for integer in (made, plain):
        errors = []
        for line in mixtures(10, seed=4):
            real, steps = Stepper(graph, float_values), Stepper(integer)
            for each in line[:, None]:
                y = integer.tensors[integer.output].q.to_real(
                    steps(*quantized_inputs(integer, each))[integer.output]
                )
                errors.append(real(each)[graph.output] - y)
        found.append(float(np.square(errors).mean()))
    assert found[0] < 0.7 * found[1]


def test_generate_says_what_was_rounded_anew() -> None:
    graph = NETWORKS["recurrent"]
    made = quantize(graph, mixtures(40)).found_ranges
    assert made is not None
    assert made.compensated == ("layer",)
    assert (
        f"weights of layer rounded to make up for each other: a sample gains {made.compensation_db:.1f} dB"
        in made.line()
    )
    plain = quantize(graph, mixtures(40), compensate=False).found_ranges
    assert plain is not None
    assert not plain.compensated
    assert "make up" not in plain.line()


def test_types_are_found_out_with_weights_that_make_up_for_each_other() -> None:
    graph, samples = weighted("linear"), mixtures(40)
    plain = quantize(graph, samples, precision=read_precision("auto", 120.0), compensate=False).found
    assert plain is not None
    target = plain.wide + 3
    wanted = read_precision("auto", target)
    without, made = (quantize(graph, samples, precision=wanted, compensate=each) for each in (False, True))
    assert without.found is not None
    assert made.found is not None
    assert not without.found.met
    assert made.found.met
    assert output_snr(graph, made.graph, samples) >= target
