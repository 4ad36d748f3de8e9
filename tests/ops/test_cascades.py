"""Do layers that run stripe by stripe compute the same, every byte of every layer, wherever they are cut?"""

import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from compiler_warnings import WARNINGS
from layered_networks import NETWORKS, noise
from matrix_rows import MACHINES
from random_networks import SEEDS, random_network
from test_random_modules import integer
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, Runner, Wanted, from_graph
from firmnet.interpret import int_values
from firmnet.ir import Array, Graph
from firmnet.ops import OPS
from firmnet.plan import Cascade, Striper
from firmnet.targets import Isa

INPUTS = 6
LONGEST = 6
FEW, MANY = 12, 32
"""Networks: sanitizers make compiling slow."""

both_kernels = pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP], ids=["portable", "dsp_kernels"])


def random_cascades(graph: Graph, isa: Isa) -> list[Cascade]:
    """As many as there is room for, of 1 to LONGEST layers in stripes of 1 to 5 rows."""
    rng, striper = np.random.default_rng(zlib.crc32(graph.name.encode())), Striper(graph, isa)
    found, i = list[Cascade](), 0
    while i < len(graph.nodes):
        lengths = rng.permutation(range(1, min(LONGEST, len(graph.nodes) - i) + 1))
        tries = ((int(n), int(rows)) for n in lengths for rows in rng.permutation(range(1, 6)))
        made = (striper.cascade(graph.nodes[i : i + n], rows) for n, rows in tries)
        cascade = next(filter(None, made), None) if rng.random() < 0.9 else None
        found += [cascade] if cascade else []
        i += len(cascade.nodes) if cascade else 1
    return found


@cache
def graphs(count: int) -> list[Graph]:
    """Networks of which several layers can run as one cascade."""
    known = [network() for network in NETWORKS]
    for seed in SEEDS:
        _, example = random_network(seed)
        if example.ndim != 4:
            continue  # hardly any of these has such layers, and importing all of them takes a minute
        if any(len(cascade.nodes) > 1 for cascade in random_cascades(integer(seed), isa=Isa.DSP)):
            known.append(integer(seed))
        if len(known) == count:
            break
    return known


def cut(count: int, *, isa: Isa, separate_buffers: bool) -> list[Model]:
    return [
        from_graph(graph, isa=isa, separate_buffers=separate_buffers, cascades=random_cascades(graph, isa))
        for graph in graphs(count)
    ]


@cache
def expected(count: int) -> list[tuple[Array, Array]]:
    """The oracle's outputs and CRC-32s of every layer, per graph and input."""
    found = []
    for graph in graphs(count):
        nodes = [node for node in graph.nodes if not OPS[node.op].view]
        values = [int_values(graph, x) for x in noise(graph, INPUTS)]
        checksums = [[zlib.crc32(value[node.output].tobytes()) for node in nodes] for value in values]
        found.append((np.stack([value[graph.output].ravel() for value in values]), np.array(checksums)))
    return found


def wrong_ones(models: Sequence[Model], program: Runner) -> list[str]:
    """The models of which the output or some layer is not what the oracle says."""
    asked = [Request(graph.name, noise(graph, INPUTS), Wanted.CHECK) for graph in graphs(len(models))]
    return [
        model.name
        for model, answer, (outputs, checksums) in zip(
            models, program.ask(asked), expected(len(models)), strict=True
        )
        if not np.array_equal(answer.outputs, outputs) or not np.array_equal(answer.words, checksums)
    ]


@both_kernels
def test_on_host(isa: Isa) -> None:
    """With an array for each value, a piece that goes beyond its rows is seen by the sanitizers."""
    models = cut(FEW, isa=isa, separate_buffers=True)
    assert wrong_ones(models, host.executable(together(models), host.SANITIZERS)) == []


@pytest.mark.parametrize("machine", ["core", "core_m3"])
def test_in_one_arena_on_core(machine: str) -> None:
    models = cut(MANY, isa=Isa.SCALAR if machine == "core_m3" else Isa.DSP, separate_buffers=False)
    flags = (*WARNINGS, *NOT_OPTIMIZED)
    assert wrong_ones(models, core.image(together(models), MACHINES[machine], cflags=flags)) == []


@both_kernels
def test_there_are_cascades_of_every_kind(isa: Isa) -> None:
    """Else the tests above say little."""
    made = [cascade for graph in graphs(MANY) for cascade in random_cascades(graph, isa)]
    longer = [cascade for cascade in made if len(cascade.nodes) > 1]
    assert {"conv2d", "max_pool2d", "avg_pool2d", "add"} <= {
        n.op for cascade in longer for n in cascade.nodes
    }
    assert sum(len(cascade.nodes) > 2 for cascade in made) >= 10
    assert any(rows.kept_bytes(len(c.stripes) - 1) for c in longer for rows in c.rolling.values())
    assert any(len(cascade.inputs) > 1 for cascade in longer)
    assert any(distance for cascade in made for distance in cascade.inputs.values())
    assert any(len(cascade.nodes) == 1 for cascade in made)
