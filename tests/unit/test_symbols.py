"""Does every generated thing have a C name of its own, whatever models and layers are called?"""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from cases import cases_of

from firmnet.codegen.model import library, model_sources
from firmnet.codegen.symbols import is_of, layer_of, of_layer, shared, stripe
from firmnet.devices.host import HostLibrary
from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import run_int
from firmnet.ir import Graph, Node, Port
from firmnet.qmath import Requant
from firmnet.targets import Isa

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")


def chain(model: str, *layers: str) -> Graph:
    """A linear layer of one value to one, so often; its constants are named after it."""
    call = cases_of("linear")[0].call
    x, w, b = call.inputs
    tensors = {tensor.name: tensor for tensor in (x, w, b)}
    nodes, last = [], x
    for layer in layers:
        tensors[layer] = replace(call.output, name=layer)
        last_q = replace(b, name=f"b of {layer}")
        tensors[last_q.name] = last_q
        nodes.append(Node(layer, "linear", call.attrs, (last.name, "w", last_q.name), (layer,)))
        last = tensors[layer]
    return Graph(model, tuple(nodes), tensors, (Port("x", "x"),), (Port("y", last.name),))


@needs_gcc
@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP])
def test_layers_named_like_parts_of_others_and_models_named_like_layers_of_others(isa: Isa) -> None:
    """All of them in one library; each computes what it should."""
    graphs = [
        chain("net", "conv", "conv_weight", "conv_kernel", "conv_stripe0", "model", "fingerprint", "weights"),
        chain("net_conv", "weight", "a", "kernel"),
        chain("net_weights", "h", "model"),
        chain("size", "t"),
        chain("buffer", "x1", "run"),
    ]
    every = HostLibrary({graph.name: model_sources(graph, isa=isa) for graph in graphs}, ("-Werror", "-Wall"))
    for graph in graphs:
        for x in (-100, 0, 90):
            given = np.array([[x]], np.int8)
            assert every.run(graph.name, given) == run_int(graph, given).ravel()


@needs_gcc
def test_separate_buffers_have_names_of_their_own() -> None:
    graph = chain("buffer", "x1", "buffer", "kernel")
    files = library(graph, isa=Isa.DSP, separate_buffers=True).files
    given = np.array([[7]], np.int8)
    assert HostLibrary({"buffer": files}).run("buffer", given) == run_int(graph, given).ravel()


def test_a_symbol_tells_its_layer() -> None:
    assert layer_of("net", of_layer("net", "conv_1", stripe(3))) == "conv_1"
    assert layer_of("net", "net__conv__kernel_across.constprop.0") == "conv"
    assert layer_of("net", "net_model") is None
    assert layer_of("net", "net_conv__a__weight") is None
    assert layer_of("net_conv", "net_conv__a__weight") == "a"
    assert is_of("net", "net_model")
    assert not is_of("net", "net_conv_model")


def test_functions_that_differ_share_no_name() -> None:
    k = {"requant": Requant(np.ones(1), 5, 0), "zero_point": -7, "lo": -128, "hi": 127}
    assert shared("few", 4, True, (3, 5), (), "none", k) == "few_4_1_3x5_none_none_5_0_m7_m128_127"
    different = [(1, 23), (12, 3), (-1, 23), ((1, 23),), (1, 2, 3), ((1, 2), 3), (1, (2, 3))]
    assert len({shared("few", *made_of) for made_of in different}) == len(different)


@pytest.mark.parametrize("name", ["a__b", "_a", "a_", "", "a b"])
def test_a_name_that_could_be_two_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"a layer cannot be called .* in C"):
        of_layer("net", name, "weight")


def test_a_frontend_never_makes_such_a_name() -> None:
    builder = Builder("net")
    made = [builder.input(name, (1, 1)).name for name in ("a__b", "__init__", "x._y", "9__lives", "model")]
    assert made == ["a_b", "init", "x_y", "layer_9_lives", "model"]
    for name in made:
        of_layer("net", name, "weight")
