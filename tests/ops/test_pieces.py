"""Is every layer seen whole when it comes in pieces, those of different layers in turn?"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from layered_networks import NETWORKS, kernels, noise, residual
from pieces import Rewrite, halved, in_pieces, in_two_rounds

from firmnet.devices import core
from firmnet.devices.host import SANITIZERS, HostLibrary, executable
from firmnet.devices.runner import Model, Request, Runner, Wanted, from_graph
from firmnet.ir import Array, Graph
from firmnet.targets import Isa


@dataclass(frozen=True)
class Way:
    """How outputs are cut."""

    rewrite: Rewrite
    separate_buffers: bool

    def model(self, graph: Graph) -> Model:
        return in_pieces(graph, self.rewrite, isa=Isa.DSP, separate_buffers=self.separate_buffers)


WAYS = {"halved": Way(halved, False), "in_two_rounds": Way(in_two_rounds, True)}

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)


def sanitized(model: Model) -> Runner:
    return executable([model], SANITIZERS)


def counting(model: Model) -> Runner:
    return core.image([model], "netduinoplus2", count_instructions=True)


@every_way
@every_network
@pytest.mark.parametrize("build", [sanitized, counting])
def test_every_layer_is_checked_and_dumped(
    build: Callable[[Model], Runner], network: Callable[[], Graph], way: Way
) -> None:
    graph = network()
    inputs = noise(graph, 3)
    expected = [kernels(graph, x) for x in inputs]
    layers = range(len(expected[0]))
    dumps = [Request(graph.name, inputs, Wanted.DUMP, layer) for layer in layers]
    checked, *dumped = build(way.model(graph)).ask([Request(graph.name, inputs, Wanted.CHECK), *dumps])
    np.testing.assert_array_equal(checked.words, [[zlib.crc32(y.tobytes()) for y in ys] for ys in expected])
    for layer in layers:
        np.testing.assert_array_equal(dumped[layer].outputs, [ys[layer] for ys in expected])


@every_way
@every_network
def test_library_joins_the_pieces(network: Callable[[], Graph], way: Way) -> None:
    graph = network()
    model = HostLibrary({graph.name: way.model(graph).files}).models[graph.name]
    for x in noise(graph, 3):
        for got, expected in zip(model.run_layers(x), kernels(graph, x), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_a_layer_is_charged_for_all_its_pieces() -> None:
    graph = residual()
    once = ticks(graph, from_graph(graph, isa=Isa.DSP, separate_buffers=True))
    np.testing.assert_allclose(ticks(graph, WAYS["in_two_rounds"].model(graph)), 2 * once, rtol=0.1)


def ticks(graph: Graph, model: Model) -> Array:
    """Instructions of every layer, the same for each of two runs."""
    inputs = np.repeat(noise(graph, 1), 2, axis=0)
    (answer,) = counting(model).ask([Request(graph.name, inputs, Wanted.PROFILE)])
    np.testing.assert_array_equal(*answer.words)
    return answer.words[0].astype(int)
