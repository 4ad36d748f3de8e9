"""Are 2,000 random graphs the same in PyTorch, imported, optimized, and in C? `make fuzz` tries 20,000.

Every graph is imported and optimized, and its C runs on one or two of the targets, by turns.
"""

import pytest
from graph_checks import DSP, HOST, PORTABLE, Checked, check_graphs
from random_calls import CALLS

from firmnet.ops import OPS

COUNT = 2000
BATCH = 100
TURNS = ((DSP,), (PORTABLE, DSP), (DSP, HOST), (PORTABLE,))


@pytest.mark.parametrize("first", range(0, COUNT, BATCH), ids=lambda first: f"from_{first}")
def test_random_graphs_mean_the_same_everywhere(first: int) -> None:
    checked = check_graphs(range(first, first + BATCH), TURNS)
    assert not checked.failures, checked.told()


def test_chance_reaches_every_op_and_every_call() -> None:
    """A line in the table of a family (tests/ops/random_calls) reaches one; of the ops none is left out."""
    reached = Checked()
    for first in range(0, COUNT, BATCH):
        found = check_graphs(range(first, first + BATCH), [()])
        reached.calls |= found.calls
        reached.ops |= found.ops
        if reached.calls == {*CALLS} and reached.ops == {*OPS}:
            break
    assert {*OPS} - reached.ops == set(), "no graph has these ops: give random_calls a call that makes them"
    assert {*CALLS} - reached.calls == set(), "always refused, or what they need is never there"
