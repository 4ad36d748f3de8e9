"""Are the four MLPerf Tiny networks what they should be, and every layer the same everywhere, bit for bit?"""

import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from compiler_warnings import WARNINGS
from matrix_rows import MACHINES
from together import NOT_OPTIMIZED

from firmnet.api import load_model
from firmnet.assets import assets
from firmnet.codegen.model import model_sources
from firmnet.devices import core
from firmnet.devices.host import HostLibrary
from firmnet.devices.runner import Request, Wanted, from_graph
from firmnet.interpret import int_values, quantize_sample
from firmnet.ir import Array, Graph
from firmnet.ops import OPS
from firmnet.passes import optimize
from firmnet.plan import plan
from firmnet.quantize import quantize
from firmnet.targets import Isa

MACS = {"ad": 264_192, "kws": 2_656_768, "ic": 12_501_632, "vww": 7_489_664}

every_network = pytest.mark.parametrize("name", MACS)


@cache
def network(name: str) -> tuple[Graph, Array]:
    """The quantized graph, and inputs int8 (N, bytes): one sample, noise, both extremes in turn."""
    imported = load_model(f"{assets('examples') / 'mlperf_tiny.py'}:{name}")
    assert imported.calibration is not None
    graph = quantize(optimize(imported.graph), imported.calibration).graph
    sample = quantize_sample(graph, imported.calibration[0]).ravel()
    noise = np.random.default_rng(0).integers(-128, 128, sample.shape)
    return graph, np.stack([sample, noise, np.arange(sample.size) % 2 * 255 - 128]).astype(np.int8)


@cache
def checksums(name: str) -> Array:
    """The oracle's CRC-32 of every layer that has a kernel, per input."""
    graph, inputs = network(name)
    nodes = [node for node in graph.nodes if not OPS[node.op].view]
    values = [int_values(graph, x) for x in inputs]
    return np.array([[zlib.crc32(value[node.output].tobytes()) for node in nodes] for value in values])


@cache
def on_host(*, isa: Isa) -> dict[str, Array]:
    graphs = {name: network(name)[0] for name in MACS}
    sources = {name: model_sources(graph, isa=isa) for name, graph in graphs.items()}
    library = HostLibrary(sources, cflags=(*WARNINGS, *NOT_OPTIMIZED))
    return {
        name: np.array([[zlib.crc32(y.tobytes()) for y in model.run_layers(x)] for x in network(name)[1]])
        for name, model in library.models.items()
    }


@cache
def on_core(machine: str) -> dict[str, Array]:
    isa = Isa.SCALAR if machine == MACHINES["core_m3"] else Isa.DSP
    image = core.image([from_graph(network(name)[0], isa=isa) for name in MACS], machine, cflags=WARNINGS)
    answers = image.ask([Request(name, network(name)[1], Wanted.CHECK) for name in MACS])
    return {name: answer.words for name, answer in zip(MACS, answers, strict=True)}


DEVICES: dict[str, Callable[[], dict[str, Array]]] = {
    "host": lambda: on_host(isa=Isa.SCALAR),
    "host_twins": lambda: on_host(isa=Isa.DSP),
    **{name: (lambda machine=machine: on_core(machine)) for name, machine in MACHINES.items()},
}
"""host_twins: the kernels of cores with the DSP extension, in plain C."""


@every_network
def test_work_is_that_of_the_published_network(name: str) -> None:
    graph, _ = network(name)
    assert sum(OPS[node.op].macs(graph.call(node)) for node in graph.nodes) == MACS[name]


@pytest.mark.parametrize("device", DEVICES)
@every_network
def test_every_layer_is_bit_exact(name: str, device: str) -> None:
    np.testing.assert_array_equal(DEVICES[device]()[name], checksums(name))


@every_network
def test_answers_differ(name: str) -> None:
    assert len({tuple(row) for row in checksums(name)[:, -1:]}) == len(checksums(name))


@every_network
@pytest.mark.parametrize("isa", [Isa.DSP, Isa.SCALAR], ids=["dsp", "portable"])
def test_arena_is_near_its_lower_bound(name: str, isa: Isa) -> None:
    """At it in all but two: some results have to lie where the next step does not want them."""
    program = plan(network(name)[0], isa=isa)
    assert program.arena_bytes <= 1.04 * program.lower_bound_bytes


@pytest.mark.parametrize(("name", "limit_kb"), [("vww", 40), ("kws", 11), ("ic", 40)])
def test_fits_its_ram_limit(name: str, limit_kb: int) -> None:
    assert plan(network(name)[0], isa=Isa.DSP, ram_limit_bytes=limit_kb * 1024).ram_bytes <= limit_kb * 1024
