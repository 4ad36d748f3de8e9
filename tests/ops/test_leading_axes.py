"""Is a network right whose first axis is no batch: in PyTorch, on host and core, by stripes or not?"""

from functools import cache

import numpy as np
import pytest
import torch
from compiler_warnings import WARNINGS
from layered_networks import noise
from leading_axes import SEEDS, graphs, named, optimized
from matrix_rows import MACHINES, ROWS
from test_cascades import random_cascades
from together import NOT_OPTIMIZED, together

from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, from_graph
from firmnet.interpret import run_float, run_int
from firmnet.ir import Array
from firmnet.ops import OPS
from firmnet.plan import least
from firmnet.targets import Isa

INPUTS = 6
WATCHED = 10
"""Networks that run under the sanitizers, which make compiling slow."""

every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_seed
def test_equals_torch(seed: int) -> None:
    network, _, example = named(seed)
    sample = np.random.default_rng(seed).normal(size=example.shape).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(sample.copy())).numpy()
    got = run_float(optimized(seed), sample)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@cache
def expected() -> dict[str, Array]:
    return {g.name: np.stack([run_int(g, x).ravel() for x in noise(g, INPUTS)]) for g in graphs()}


def right(models: list[Model], answers: list[Array]) -> list[str]:
    """The models whose every output is what the oracle says."""
    pairs = zip(models, answers, strict=True)
    return [model.name for model, answer in pairs if np.array_equal(answer, expected()[model.name])]


def models(isa: Isa, limited: bool) -> list[Model]:
    """Every network as it is planned freely; or, where that is other C, in the least RAM it can have."""
    free = [from_graph(graph, isa=isa) for graph in graphs()]
    if not limited:
        return free
    limits = [least(graph, isa=isa).ram_bytes for graph in graphs()]
    tight = [from_graph(g, isa=isa, ram_limit_bytes=n) for g, n in zip(graphs(), limits, strict=True)]
    return [model for model, known in zip(tight, free, strict=True) if model.files != known.files]


@pytest.mark.parametrize("limited", [False, True], ids=["free", "least_ram"])
@pytest.mark.parametrize("device", ["host", "core", "core_m3"])
def test_is_bit_exact(device: str, limited: bool) -> None:
    made = models(Isa.SCALAR if device == "core_m3" else Isa.DSP, limited)
    assert made
    units, flags = together(made), (*WARNINGS, *NOT_OPTIMIZED)
    build = (
        host.executable(units, NOT_OPTIMIZED)
        if device == "host"
        else core.image(units, MACHINES[device], cflags=flags)
    )
    by_name = {graph.name: graph for graph in graphs()}
    answers = build.ask([Request(model.name, noise(by_name[model.name], INPUTS)) for model in made])
    assert right(made, [answer.outputs for answer in answers]) == [model.name for model in made]


@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP], ids=["portable", "dsp_kernels"])
def test_random_cascades_stay_in_their_buffers(isa: Isa) -> None:
    watched = graphs()[:WATCHED]
    made = [from_graph(g, isa=isa, separate_buffers=True, cascades=random_cascades(g, isa)) for g in watched]
    program = host.executable(together(made), host.SANITIZERS)
    answers = program.ask([Request(g.name, noise(g, INPUTS)) for g in watched])
    assert right(made, [answer.outputs for answer in answers]) == [g.name for g in watched]


@pytest.mark.parametrize("row", [row for row in ROWS if "leading" in row.id], ids=lambda row: row.id)
def test_rows_of_several_images_are_no_stripe(row) -> None:
    assert row.op.stripe(row.case.call, range(1)) is None


WITH_SUCH_A_ROW = {row.op.name for row in ROWS if "leading" in row.id}


@pytest.mark.parametrize(
    "op", [n for n, op in OPS.items() if not (op.view or op.float_only or n in WITH_SUCH_A_ROW)]
)
def test_an_op_that_has_no_such_row_refuses_several_images(op: str) -> None:
    """It is one of images, as convolution and pooling are."""
    call = next(row.case.call for row in ROWS if row.op.name == op)
    shapes = [(4, *t.shape[1:]) if t.data is None else t.shape for t in call.inputs]
    with pytest.raises(ValueError, match=r"one image of shape \(1, height, width, channels\)"):
        OPS[op].shape(call.attrs, *shapes)
