"""Which activations are int16 without a word? What a model computes anew from itself, run after run."""

from collections.abc import Sequence

from ..ir import Dtype, Graph
from .apply import fits_int8, own_constants
from .groups import groups, rescaled
from .growth import goes_on
from .loops import each_loop
from .observe import Ranges
from .repeated import adding_up, from_itself
from .types import NamedTypes, by_tensor, typed


def loop_types(graph: Graph, observed: Ranges, named: NamedTypes) -> NamedTypes:
    """int16 for states that are computed from themselves, and what is between such a state and its next.

    Not where users have named a type, nor where a layer computes with int8 alone. What is only moved on, as
    in a window of frames, stays as it is: its rounding does not add up. Nor does that of small whole numbers
    which stay small (a counter modulo 10, a flag): as int8 in steps of 1 they are exact, jumps and all.
    """
    inexact = [loop for loop in each_loop(graph) if not _is_exact_as_int8(graph, observed, loop)]
    chosen = [name for loop in inexact for name in loop]
    if not chosen:
        return {}
    return _wide(graph, chosen, named)


def step_types(graph: Graph, named: NamedTypes) -> list[NamedTypes]:
    """int16 for what adds up over the steps of a loop that is written out, then for all that is computed from
    itself there; each where users have named no type. What users give and get stays as it is.
    """
    asked = {name for name, _ in by_tensor(graph, named)}
    chosen = (names for names in (adding_up(graph), from_itself(graph)) if not asked.intersection(names))
    found = [_inside(graph, _wide(graph, names, named)) for names in chosen]
    return [types for i, types in enumerate(found) if types and types not in found[:i]]


def _inside(graph: Graph, types: NamedTypes) -> NamedTypes:
    """Without what has the scale of an input or output of the model."""
    of = groups(rescaled(own_constants(graph))).of
    edges = {of[port.tensor] for port in (*graph.inputs, *graph.outputs)}
    return {name: dtype for name, dtype in types.items() if of[name] not in edges}


def _wide(graph: Graph, names: Sequence[str], named: NamedTypes) -> NamedTypes:
    """int16 for those that can have it."""
    wide = typed(rescaled(own_constants(graph)), named, Dtype.INT16)
    return {name: Dtype.INT16 for name in names if wide.of(name) is Dtype.INT16}


def _is_exact_as_int8(graph: Graph, observed: Ranges, names: tuple[str, ...]) -> bool:
    """Whether all of them held whole numbers that int8 has, and no state of them goes on growing."""
    states = [state.tensor for state in graph.states if state.tensor in names]
    return (
        all(fits_int8(observed.histograms[name]) for name in names)
        and all(observed.grids.get(name) == 1.0 for name in names)
        and not any(goes_on(observed.spans[name]) for name in states)
    )
