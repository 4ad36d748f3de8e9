"""What several layers have in flash is there once: constants of any size, and functions."""

from pathlib import Path

import numpy as np
from casework import activation, bias, output_scale, weight

from firmnet.artifact import save
from firmnet.codegen.firmware import firmware
from firmnet.codegen.model import library
from firmnet.devices.parts import Parts
from firmnet.image import Image
from firmnet.ir import Graph, Node, Port, QParams, Tensor
from firmnet.ops.linear import LinearAttrs
from firmnet.targets import Isa, load_board


def pair(seed: int) -> Graph:
    """x → first → second, of three values each; the weights of `second` are those of `first` for seed 1."""
    x = activation("x", (1, 3))
    one = weight("one", (3, 3), seed=1)
    q = QParams((output_scale(x, one),), 0)
    first, second = (Tensor(name, (1, 3), q) for name in ("first", "second"))
    other = weight("other", (3, 3), seed=seed)
    x = Tensor("x", (1, 3), q)
    tensors = [x, one, bias("one_bias", x, one, 3), first, other, bias("other_bias", first, other, 3), second]
    nodes = (
        Node("first", "linear", LinearAttrs(), ("x", "one", "one_bias"), ("first",)),
        Node("second", "linear", LinearAttrs(), ("first", "other", "other_bias"), ("second",)),
    )
    ports = (Port("x", "x"),), (Port("y", "second"),)
    return Graph("net", nodes, {tensor.name: tensor for tensor in tensors}, *ports)


def test_layers_with_the_same_constants_are_one_in_flash() -> None:
    for isa in Isa:
        made = library(pair(1), isa=isa)
        first, second = made.layers
        assert first.flash_bytes
        assert not second.flash_bytes
        assert "second__" not in made.files["net.c"] + made.files["net_weights.c"]
        assert made.files["net.c"].count("net__first__kernel(") == 3  # its definition, and two calls


def test_what_they_share_is_told_as_that_of_all(tmp_path: Path) -> None:
    graph = pair(1)
    made = firmware(graph, load_board("netduinoplus2"))
    artifact = save(tmp_path / "made", made.manifest, graph, np.zeros((1, 1, 3), np.int8), made.files)
    parts = Parts(artifact, Image(tmp_path / "firmware.elf", ()))
    for symbol in ("net__first__kernel", "net__first__kernel_across", "net__first__weight"):
        assert [layer.name for layer in parts.layers(symbol)] == ["first", "second"], symbol
    assert parts.layers("net__second__kernel")[0].name == "second"
    assert parts.layers("net_run") == []


def test_others_have_their_own() -> None:
    made = library(pair(2), isa=Isa.SCALAR)
    first, second = made.layers
    assert first.flash_bytes >= second.flash_bytes > 0
    assert "net__second__kernel(" in made.files["net.c"]
