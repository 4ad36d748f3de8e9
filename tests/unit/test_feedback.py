"""Do recurrent layers lose less by weights that make up for each other?"""

import numpy as np

from firmnet.frontends.common.builder import Builder
from firmnet.interpret import int_values, quantized_inputs, run_float
from firmnet.ir import Array, Graph
from firmnet.ops.recurrent import RecurrentAttrs
from firmnet.quantize import apply, calibrate
from firmnet.quantize.feedback import compensated
from firmnet.quantize.runs import float_runs

STEPS, WIDTH, UNITS = 30, 8, 12


def network() -> Graph:
    rng, b = np.random.default_rng(0), Builder("net")
    x = b.input("x", (1, STEPS, WIDTH))
    shapes = {"w": (3 * UNITS, WIDTH), "u": (3 * UNITS, UNITS), "b": (4 * UNITS,)}
    constants = [b.constant(name, rng.uniform(-0.7, 0.7, shape)) for name, shape in shapes.items()]
    begin = b.constant("h", np.zeros((1, 1, UNITS)))
    return b.graph(x, b.add("gru", RecurrentAttrs(every=False), x, *constants, begin, name="gru"))


def noise(graph: Graph, integer: Graph, samples: Array) -> float:
    errors = []
    for x in samples:
        y = int_values(integer, *quantized_inputs(integer, x))[integer.output]
        errors.append(run_float(graph, x) - integer.tensors[integer.output].q.to_real(y))
    return float(np.square(errors).mean())


def test_noise_of_samples_not_seen_is_less_and_scales_stay() -> None:
    rng, graph = np.random.default_rng(1), network()
    mixed = rng.normal(size=(3, WIDTH))
    samples = (rng.normal(size=(60, STEPS, 3)) @ mixed + 0.5).astype(np.float32)
    plain = apply(graph, calibrate(graph, samples[:40]))
    better = compensated(float_runs(graph, samples[:40]), plain)
    assert noise(graph, better, samples[40:]) < 0.85 * noise(graph, plain, samples[40:])
    assert all(better.tensors[name].q == tensor.q for name, tensor in plain.tensors.items())
