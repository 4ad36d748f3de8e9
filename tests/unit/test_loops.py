"""Is what a model computes again and again from itself int16, and nothing else?"""

import numpy as np

from firmnet.frontends.common.builder import Builder
from firmnet.ir import Dtype, Graph
from firmnet.ops import OPS
from firmnet.ops.slice import SliceAttrs
from firmnet.quantize import quantize
from firmnet.quantize.loops import loops


def remembering() -> Graph:
    """A sum of all inputs, through two layers, and beside it a window of the last three inputs."""
    b = Builder("remembering")
    x, total, window = (
        b.input("x", (1, 4)),
        b.state("total", np.zeros((1, 4))),
        b.state("window", np.zeros((3, 4))),
    )
    halves = b.add("rescale", OPS["rescale"].attrs(), total, name="halves")
    following = b.add("add", OPS["add"].attrs(), halves, x, name="following")
    b.update(total, following)
    rest = b.add("slice", SliceAttrs((1, 0), (1, 1), (2, 4)), window, name="rest")
    joined = b.add("concat", OPS["concat"].attrs(0), rest, x, name="joined")
    b.update(window, joined)
    return b.graph((x,), {"following": following, "joined": joined})


def test_what_is_computed_from_itself_is_a_loop_and_what_is_only_moved_is_none() -> None:
    assert set(loops(remembering())) == {"total", "halves", "following"}


def test_loops_are_int16_unless_users_say_otherwise() -> None:
    graph, x = remembering(), np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    made = quantize(graph, x).graph.tensors
    assert {name for name in ("total", "halves", "following") if made[name].dtype is Dtype.INT16} == {
        "total",
        "halves",
        "following",
    }
    assert made["window"].dtype is made["joined"].dtype is made["x"].dtype is Dtype.INT8
    assert {
        t.dtype for t in quantize(graph, x, precision="int8").graph.tensors.values() if t.data is None
    } == {Dtype.INT8}
    named = quantize(graph, x, precision={"total": "int8"}).graph.tensors
    assert named["total"].dtype is named["following"].dtype is Dtype.INT8
