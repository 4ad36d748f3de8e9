"""Are random graphs the same in PyTorch, imported, optimized, and in C? `make fuzz` tries very many more.

2,000 of any calls, and as many that surely walk, attend, remember or are streams: compared after every step.
The C of each runs on one of the targets, that of a batch on the same.
"""

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from every import every
from graph_checks import DSP, HOST, PORTABLE, Checked, Drawn, check_graphs, integer
from random_calls import FAMILIES
from random_graphs import graph_with, random_graph
from random_sequences import KINDS, kind_of, random_sequence

from firmnet.ir import Dtype
from firmnet.ops import OPS

COUNT, SEQUENCES = 2000, 2000
BATCH = 200
TURNS = (DSP, PORTABLE, DSP, HOST)
LEAST_SHARE = 0.15
"""Of each kind among sequence graphs."""


def checked(first: int, draw: Drawn) -> Checked:
    target = TURNS[first // BATCH % len(TURNS)]
    return check_graphs(range(first, first + BATCH), [(target,)], draw)


@pytest.mark.parametrize("first", range(0, COUNT, BATCH), ids=lambda first: f"from_{first}")
def test_random_graphs_mean_the_same_everywhere(first: int) -> None:
    found = checked(first, random_graph)
    assert not found.failures, found.told()


@pytest.mark.parametrize("first", range(0, SEQUENCES, BATCH), ids=lambda first: f"from_{first}")
def test_random_sequences_mean_the_same_everywhere(first: int) -> None:
    found = checked(first, random_sequence)
    assert not found.failures, found.told()
    for kind in KINDS:
        assert found.kinds[kind] >= sum(kind_of(seed) == kind for seed in found.seeds)


def test_what_a_mask_leaves_is_told_from_a_difference() -> None:
    """`make fuzz` found them: a norm or a tangent behind a mask makes much of the little that differs."""
    found = check_graphs([400251, 702264], [()], random_sequence)
    assert not found.failures, found.told()


def test_sequences_are_of_every_kind() -> None:
    drawn = Counter(map(kind_of, range(SEQUENCES)))
    assert min(drawn[kind] for kind in KINDS) > LEAST_SHARE * SEQUENCES


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


@every("drawn", EACH, kind=lambda drawn: drawn[0], said="-".join)
def test_chance_reaches_every_call(drawn: tuple[str, str]) -> None:
    checked = calling(*drawn)
    assert not checked.failures, checked.failures


def test_chance_reaches_every_op() -> None:
    reached = check_graphs(range(BATCH // 5), [()], random_sequence).ops.union(
        *(calling(*each).ops for each in EACH)
    )
    assert {*OPS} - reached == set(), "a line in a table of tests/ops/random_calls makes graphs with this op"
