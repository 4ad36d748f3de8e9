"""Does the arena keep every value until its last reader has run?"""

import numpy as np
import pytest

from firmnet.ir import Graph, Node, QParams, Tensor
from firmnet.ops import OPS
from firmnet.ops.add import AddAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.ops.transpose import TransposeAttrs
from firmnet.plan import ALIGNMENT, Plan, plan

Q = QParams((0.1,), 0)


def random_graph(seed: int) -> Graph:
    """A branching graph of adds (may work in place), transposes (may not) and reshapes (views)."""
    rng = np.random.default_rng(seed)
    shape = (1, int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    tensors = {"x": Tensor("x", shape, Q)}
    nodes = []
    for i in range(int(rng.integers(1, 12))):
        name = f"n{i}"
        a = str(rng.choice(list(tensors)))
        twins = [t.name for t in tensors.values() if t.shape == tensors[a].shape]
        kind = rng.choice(["add", "transpose", "reshape"])
        if kind == "add":
            node = Node(name, "add", AddAttrs(), (a, str(rng.choice(twins))), name)
        elif kind == "transpose":
            node = Node(name, "transpose", TransposeAttrs((0, 2, 1)), (a,), name)
        else:
            node = Node(name, "reshape", ReshapeAttrs((1, tensors[a].size, 1)), (a,), name)
        out = OPS[node.op].shape(node.attrs, *[tensors[i].shape for i in node.inputs])
        tensors[name] = Tensor(name, out, Q)
        nodes.append(node)
    return Graph("g", (), tensors, ("x",), f"n{len(nodes) - 1}").with_nodes(nodes, **tensors)


def run_in_arena(graph: Graph, memory: Plan) -> None:
    """Write every result's own tag into a byte arena in execution order; each read must find its value's tag whole."""
    arena = np.full(memory.arena_bytes, -1)
    root = {"x": "x"}
    tags = {name: tag for tag, name in enumerate(graph.tensors)}

    def bytes_of(name: str) -> slice:
        return slice(memory.offsets[name], memory.offsets[name] + graph.tensors[name].size)

    arena[bytes_of("x")] = tags["x"]
    for node in graph.nodes:
        for name in node.inputs:
            assert (arena[bytes_of(name)] == tags[root[name]]).all(), f"{name} was overwritten before {node.name}"
        root[node.output] = root[node.inputs[0]] if OPS[node.op].view else node.output
        if not OPS[node.op].view:
            arena[bytes_of(node.output)] = tags[node.output]
    assert (arena[bytes_of(graph.output)] == tags[root[graph.output]]).all(), "the output was overwritten"


@pytest.mark.parametrize("overlap", [True, False], ids=["overlapping", "apart"])
def test_no_value_is_overwritten_before_its_last_reader(overlap: bool) -> None:
    for seed in range(300):
        graph = random_graph(seed)
        memory = plan(graph, dsp=True, overlap=overlap)
        run_in_arena(graph, memory)
        assert memory.lower_bound_bytes <= memory.arena_bytes
        assert all(offset % ALIGNMENT == 0 for offset in memory.offsets.values())


def test_a_chain_of_elementwise_layers_needs_one_buffer() -> None:
    tensors = {name: Tensor(name, (1, 40), Q) for name in "xabc"}
    chain = [Node(o, "add", AddAttrs(), (i, i), o) for i, o in zip("xab", "abc", strict=True)]
    memory = plan(Graph("g", tuple(chain), tensors, ("x",), "c"), dsp=True)
    assert memory.arena_bytes == memory.lower_bound_bytes == 40


def test_a_plan_is_the_same_every_time() -> None:
    assert plan(random_graph(7), dsp=True) == plan(random_graph(7), dsp=True)
