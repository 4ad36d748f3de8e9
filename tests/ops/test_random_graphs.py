"""Are 2,000 random graphs the same in PyTorch, imported, optimized, and in C? `make fuzz` tries 20,000.

Every graph is imported and optimized, and its C runs on one of the targets, by turns.
"""

from dataclasses import replace
from functools import cache

import pytest
from graph_checks import DSP, HOST, PORTABLE, Checked, check_graphs, integer
from random_calls import FAMILIES
from random_graphs import graph_with

from firmnet.ir import Dtype
from firmnet.ops import OPS

COUNT = 2000
BATCH = 100
OF_STREAMS = {"append", "running_mean"}
"""Ops that no network has, only what becomes of one as a stream: random_streams.py makes these by chance."""
TURNS = ((DSP,), (PORTABLE,), (DSP,), (HOST,))


@pytest.mark.parametrize("first", range(0, COUNT, BATCH), ids=lambda first: f"from_{first}")
def test_random_graphs_mean_the_same_everywhere(first: int) -> None:
    checked = check_graphs(range(first, first + BATCH), TURNS)
    assert not checked.failures, checked.told()


@cache
def calling(family: str, name: str) -> Checked:
    """What a graph that makes this call or phrase is found to be."""
    made, checked = graph_with(FAMILIES[family], name), Checked()
    if made is None:
        checked.fail(0, f"{name} is always refused, or what it needs is never there")
        return checked
    in_int8 = replace(made, default=Dtype.INT8, named={})
    for graph in (made.graph, integer(made, checked), integer(in_int8, checked)):
        checked.ops.update(node.op for node in graph.nodes)
    return checked


EACH = [(family, name) for family, each in FAMILIES.items() for name in each.names]


@pytest.mark.parametrize(("family", "name"), EACH, ids=[f"{family}-{name}" for family, name in EACH])
def test_chance_reaches_every_call(family: str, name: str) -> None:
    checked = calling(family, name)
    assert not checked.failures, checked.failures


def test_chance_reaches_every_op() -> None:
    reached = check_graphs(range(BATCH), [()]).ops.union(*(calling(*each).ops for each in EACH))
    assert {*OPS} - reached == OF_STREAMS, (
        "a line in a table of tests/ops/random_calls makes graphs with this op"
    )
