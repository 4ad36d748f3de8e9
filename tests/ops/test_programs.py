"""What do the bare image and the host's library report beside outputs: layers, counts, faults, hangs?"""

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from compiler_warnings import WARNINGS
from layered_networks import NETWORKS, branches, kernels, noise, residual

from firmnet.codegen.model import model_sources
from firmnet.devices import core
from firmnet.devices.host import HostLibrary, executable
from firmnet.devices.runner import Model, Request, Runner, Wanted, from_graph
from firmnet.errors import UserError, VerificationError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import model_shape, quantize_sample, run_int
from firmnet.ir import Graph
from firmnet.ops import OPS
from firmnet.ops.pick import FILL, PickAttrs, Run, everything
from firmnet.quantize import quantize
from firmnet.targets import Isa

COUNTING = "netduinoplus2"


def image(models: list[Model]) -> Runner:
    return core.image(models, COUNTING, count_instructions=True)


@pytest.fixture(params=[executable, image], ids=["executable", "core"])
def program(request: pytest.FixtureRequest) -> Runner:
    build: Callable[[list[Model]], Runner] = request.param
    return build([from_graph(network(), isa=Isa.DSP) for network in NETWORKS])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_every_layer_is_checked_and_dumped(program: Runner, network: Callable[[], Graph]) -> None:
    graph = network()
    inputs = noise(graph, 3)
    expected = [kernels(graph, x) for x in inputs]
    layers = range(len(expected[0]))
    dumps = [Request(graph.name, inputs, Wanted.DUMP, layer) for layer in layers]
    checked, *dumped = program.ask([Request(graph.name, inputs, Wanted.CHECK), *dumps])
    np.testing.assert_array_equal(checked.words, [[zlib.crc32(y.tobytes()) for y in ys] for ys in expected])
    for layer in layers:
        np.testing.assert_array_equal(dumped[layer].outputs, [ys[layer] for ys in expected])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_library_shows_every_layer(network: Callable[[], Graph]) -> None:
    graph = network()
    model = HostLibrary({graph.name: model_sources(graph, isa=Isa.SCALAR)}).models[graph.name]
    for x in noise(graph, 3):
        for got, expected in zip(model.run_layers(x), kernels(graph, x), strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_c_quantizes_the_input_as_the_oracle_does(network: Callable[[], Graph]) -> None:
    graph = network()
    model = HostLibrary({graph.name: model_sources(graph, isa=Isa.SCALAR)}).models[graph.name]
    shape = model_shape(graph.tensors[graph.input], graph.inputs[0].order)
    x = np.random.default_rng(3).normal(scale=2, size=shape).astype(np.float32)
    np.testing.assert_array_equal(model.quantize(x), quantize_sample(graph, x).ravel())


def test_fingerprint_is_the_compiled_one() -> None:
    graph, mark = residual(), bytes(range(32))
    files = model_sources(graph, isa=Isa.DSP, fingerprint=mark)
    assert HostLibrary({graph.name: files}).models[graph.name].fingerprint == mark
    program = image([replace(from_graph(graph, isa=Isa.DSP), files=files)])
    (answer,) = program.ask([Request(graph.name, np.empty((1, 0), np.int8), Wanted.IDENTIFY)])
    assert answer.outputs.tobytes() == mark


def test_instructions_are_counted_and_repeat() -> None:
    program, graph = image([from_graph(network(), isa=Isa.DSP) for network in NETWORKS]), residual()
    inputs = np.repeat(noise(graph, 1), 3, axis=0)
    requests = [Request(graph.name, inputs, Wanted.COUNT), Request(graph.name, inputs, Wanted.PROFILE)]
    (counted, profiled), (again, _) = program.ask(requests), program.ask(requests)
    np.testing.assert_array_equal(counted.words, again.words)
    assert len(np.unique(counted.words)) == 1
    macs = 9 * 7 * 8 * 27 + 9 * 7 * 8 * 72  # the two convolutions
    assert macs / 4 < counted.words[0, 0] < macs * 10
    assert profiled.words.shape == (3, len(kernels(graph, inputs[0])))
    assert (profiled.words > 0).all()
    assert 0.9 < profiled.words[0].sum() / counted.words[0, 0] < 1.1


def test_a_fault_is_named() -> None:
    program = image([with_first_statement("__builtin_trap();")])
    with pytest.raises(VerificationError, match=r"netduinoplus2 hit a fault at pc 0x0800[0-9a-f]{4}"):
        program.ask([Request("residual", noise(residual(), 1))])


def test_a_hang_ends() -> None:
    endless = with_first_statement("for (volatile int32_t i = 0;; i++) {}")
    program = core.image([endless], "mps2-an386", timeout_s=1.0)
    with pytest.raises(VerificationError, match="did not end within 1 s"):
        program.ask([Request("residual", noise(residual(), 1))])


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(UserError, match="no emulated core 'z80': firmnet knows mps2-an386"):
        core.image([from_graph(branches(), isa=Isa.DSP)], "z80")


def test_only_one_machine_counts() -> None:
    with pytest.raises(UserError, match="cannot count instructions: use netduinoplus2"):
        core.image([from_graph(branches(), isa=Isa.DSP)], "mps2-an386", count_instructions=True)


def test_c_that_does_not_compile_is_shown() -> None:
    with pytest.raises(UserError, match=r"compiling residual/residual\.c failed"):
        executable([with_first_statement("nonsense")])


def test_a_model_without_layers_compiles_without_a_warning() -> None:
    """It hands its input on, under another shape."""
    builder = Builder("views")
    x = builder.input("x", (1, 3, 4))
    graph = builder.graph(x, builder.add("reshape", OPS["reshape"].attrs((1, 12)), x))
    integer = quantize(graph, np.random.default_rng(0).normal(size=(4, 3, 4)).astype(np.float32)).graph
    rows = np.arange(24, dtype=np.int8).reshape(2, 12)
    (answer,) = executable([from_graph(integer, isa=Isa.DSP)], cflags=WARNINGS).ask([Request("views", rows)])
    np.testing.assert_array_equal(answer.outputs, rows)


def test_what_picks_nothing_of_its_input_compiles_without_a_warning() -> None:
    """Windows of an image that lie beside it: a whole axis of the fill."""
    builder = Builder("beside")
    x = builder.input("x", (1, 2, 3))
    nowhere = PickAttrs((everything(1), everything(2), (Run(FILL, 2),)), 0.5)
    graph = builder.graph(x, builder.add("pick", nowhere, x))
    integer = quantize(graph, np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)).graph
    (answer,) = executable([from_graph(integer, isa=Isa.DSP)], cflags=WARNINGS).ask(
        [Request("beside", np.ones((1, 6), np.int8))]
    )
    np.testing.assert_array_equal(answer.outputs[0], run_int(integer, np.ones(6, np.int8)).ravel())


def with_first_statement(statement: str) -> Model:
    """The residual network, doing something else first."""
    model = from_graph(residual(), isa=Isa.DSP)
    start = "static void run(fn_observer observer, void *context)\n{\n"
    text = model.files["residual.c"]
    assert start in text
    files = {**model.files, "residual.c": text.replace(start, f"{start}    {statement}\n")}
    return replace(model, files=files)
