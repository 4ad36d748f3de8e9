"""Is a random network the same in PyTorch, as imported, as optimized, and in C on host and core?"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from casework import Case, activation, bias, output_scale, weight
from compiler_warnings import WARNINGS
from matrix_rows import MACHINES, Row, rows_of
from random_networks import random_network
from together import NOT_OPTIMIZED, in_units, together

from firmnet.codegen.model import model_sources
from firmnet.devices import core, host
from firmnet.devices.runner import Request, from_graph
from firmnet.frontends import Imported, load
from firmnet.interpret import run_float, run_int
from firmnet.ir import Array, Call, Graph
from firmnet.ops import OPS
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.conv_transpose2d import ConvTranspose2dAttrs
from firmnet.passes import optimize
from firmnet.plan import STACK_BYTES, least
from firmnet.profile import profile_graph
from firmnet.quantize import quantize
from firmnet.targets import Isa, isa

SEEDS = range(24)
STACK_SEEDS = range(4, 24, 6)
Outputs = Callable[[str], dict[int, Array]]

TOLERANCE = 1e-5
INPUTS = 12


@cache
def imported(seed: int) -> Imported:
    network, example = random_network(seed)
    return load(network, name=f"random_{seed}", example=example)


@cache
def integer(seed: int) -> Graph:
    """The seed's network optimized and quantized on 8 samples of noise."""
    made = imported(seed)
    assert made.example is not None
    samples = np.random.default_rng(seed).normal(size=(8, *made.example[0].shape[1:])).astype(np.float32)
    return replace(quantize(optimize(made.graph), samples).graph, name=f"random_{seed}")


def noise(seed: int) -> Array:
    """int8 (INPUTS, bytes): seeded, the last two all −128 and all 127."""
    graph = integer(seed)
    x = np.random.default_rng(seed).integers(-128, 128, (INPUTS, graph.tensors[graph.input].size))
    x[-2:] = [[-128], [127]]
    return x.astype(np.int8)


def on_host() -> dict[int, Array]:
    sources = {f"random_{seed}": model_sources(integer(seed), isa=Isa.SCALAR) for seed in SEEDS}
    library = host.HostLibrary(in_units(sources), cflags=(*WARNINGS, *NOT_OPTIMIZED))
    return {seed: np.stack([library.run(f"random_{seed}", x) for x in noise(seed)]) for seed in SEEDS}


def on_core(device: str) -> dict[int, Array]:
    isa = Isa.SCALAR if device == "core_m3" else Isa.DSP
    models = together([from_graph(integer(seed), isa=isa) for seed in SEEDS])
    image = core.image(models, MACHINES[device], cflags=WARNINGS)
    answers = image.ask([Request(f"random_{seed}", noise(seed)) for seed in SEEDS])
    return {seed: answer.outputs for seed, answer in zip(SEEDS, answers, strict=True)}


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    """Device → seed → outputs, all networks in one program per device."""
    return cache(lambda device: on_host() if device == "host" else on_core(device))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_network_equals_torch(seed: int) -> None:
    network, example = random_network(seed)
    optimized = optimize(imported(seed).graph)
    sample = np.random.default_rng(seed).normal(size=example.shape).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(sample.copy())).numpy()
    before, after = run_float(imported(seed).graph, sample), run_float(optimized, sample)
    assert after.shape == expected.shape
    assert np.max(np.abs(after - expected)) <= TOLERANCE * max(1.0, np.max(np.abs(expected)))
    assert np.max(np.abs(after - before)) <= 1e-9 * max(1.0, np.max(np.abs(expected)))


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4f"])
def test_the_stack_stays_within_its_reserve(core: str) -> None:
    taken = {seed: profile_graph(integer(seed), core).stack_bytes for seed in STACK_SEEDS}
    assert max(taken.values()) <= STACK_BYTES[isa(core)], taken


def test_loops_that_a_compiler_would_write_out_stay_within_the_reserve() -> None:
    """With few registers each copy of a loop's body spills: `python benchmarks/stack.py` tries every row."""
    gates = [row for row in rows_of("mul") if "gate" in row.case.label]
    taken = {row.id: profile_graph(row.graph, "cortex-m0plus").stack_bytes for row in gates}
    assert max(taken.values()) <= STACK_BYTES[Isa.SCALAR], taken


@pytest.mark.parametrize("core", ["cortex-m4f", "cortex-m7"])
def test_plain_c_that_a_limit_chooses_stays_within_the_reserve_too(core: str) -> None:
    """A compiler that unrolls a long dot product spills more than any kernel in assembly saves."""
    attrs = Conv2dAttrs((3, 2), (2, 0, 12, 12), (1, 3), lo=-1.0)
    x, w = activation("x", (1, 4, 9, 33)), weight("w", (40, 5, 9, 33), 1)
    y = activation("y", OPS["conv2d"].shape(attrs, x.shape, w.shape, (40,)), output_scale(x, w))
    graph = Row(OPS["conv2d"], Case("spills", Call(attrs, (x, w, bias("b", x, w, 1)), (y,)))).graph
    smallest = least(graph, isa=isa(core)).ram_bytes
    taken = profile_graph(graph, core, ram_limit_bytes=smallest)
    assert [layer.kernel for layer in taken.layers] == ["portable/conv2d"]
    assert taken.arena_bytes + taken.stack_bytes <= smallest


def test_the_stack_does_not_grow_with_the_taps_of_a_transposed_convolution() -> None:
    attrs = ConvTranspose2dAttrs(dilation=(1, 2))
    x, w = activation("x", (1, 3, 3, 2)), weight("w", (2, 9, 9, 2), 1)
    shape = OPS["conv_transpose2d"].shape(attrs, x.shape, w.shape, (2,))
    call = Call(attrs, (x, w, bias("b", x, w, 1)), (activation("y", shape, output_scale(x, w)),))
    graph = Row(OPS["conv_transpose2d"], Case("many_taps", call)).graph
    for cpu in ("cortex-m0plus", "cortex-m4f"):
        taken = profile_graph(graph, cpu)
        assert [layer.kernel for layer in taken.layers] == ["portable/conv_transpose2d"]
        assert taken.stack_bytes <= STACK_BYTES[isa(cpu)]


@pytest.mark.parametrize("device", ["host", "core"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_network_is_bit_exact(
    seed: int, device: str, outputs: Callable[[str], dict[int, Array]]
) -> None:
    expected = np.stack([run_int(integer(seed), x).ravel() for x in noise(seed)])
    np.testing.assert_array_equal(outputs(device)[seed].reshape(INPUTS, -1), expected)
