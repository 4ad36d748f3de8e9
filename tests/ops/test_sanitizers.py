"""Does the generated C stay inside its buffers and inside int32? Sanitizers watch, and do catch mistakes."""

from dataclasses import replace

import numpy as np
import pytest
from forced import cheapest, dearer, plain, wrong_ones
from layered_networks import NETWORKS, noise, residual
from matrix_rows import ROWS, ops_of

from firmnet.devices.host import SANITIZERS, executable
from firmnet.devices.runner import Model, Request, from_graph
from firmnet.errors import VerificationError
from firmnet.interpret import run_int
from firmnet.targets import Isa

both_kernels = pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP], ids=["portable", "dsp_kernels"])


@pytest.mark.parametrize("op", ops_of(ROWS))
def test_op_matrix(op: str) -> None:
    """Every row by the kernels that can compute it, those of the DSP extension by their twins in C.

    Every tensor in an array of its own: an overrun inside a shared arena would go unseen.
    """
    seldom = [*cheapest(op), *dearer(op, turn=0)]
    assert not wrong_ones(plain(op), seldom, lambda models: executable(models, SANITIZERS), separate=True)


@both_kernels
@pytest.mark.parametrize("separate", [True, False], ids=["separate_buffers", "arena"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_network(network, separate: bool, isa: Isa) -> None:
    graph = network()
    inputs = noise(graph, 50)
    model = from_graph(graph, isa=isa, separate_buffers=separate)
    (answer,) = executable([model], SANITIZERS).ask([Request(graph.name, inputs)])
    expected = np.stack([run_int(graph, x).ravel() for x in inputs])
    np.testing.assert_array_equal(answer.outputs, expected)


def test_planted_write_out_of_bounds_is_caught() -> None:
    with pytest.raises(VerificationError, match="global-buffer-overflow"):
        run_patched("y[o] = fn_clamp(", "y[o + 1] = fn_clamp(")


def test_planted_read_out_of_bounds_is_caught() -> None:
    with pytest.raises(VerificationError, match="index 8 out of bounds"):
        run_patched("= residual__stem__bias[o];", "= residual__stem__bias[o + 1];")


def test_planted_overflow_is_caught() -> None:
    with pytest.raises(VerificationError, match="signed integer overflow"):
        run_patched("= residual__stem__bias[o];", "= INT32_MAX - residual__stem__bias[o] % 2;")


def run_patched(old: str, new: str) -> None:
    """Run the residual network with one piece of its portable code replaced."""
    graph = residual()
    model = patched(from_graph(graph, isa=Isa.SCALAR, separate_buffers=True), old, new)
    executable([model], SANITIZERS).ask([Request(graph.name, noise(graph, 5))])


def patched(model: Model, old: str, new: str) -> Model:
    file = f"{model.name}.c"
    assert old in model.files[file]
    return replace(model, files={**model.files, file: model.files[file].replace(old, new)})
