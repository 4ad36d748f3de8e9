"""Which activations are int16 without a word? What a model computes anew from itself, run after run."""

from ..ir import Dtype, Graph
from .apply import fits_int8, own_constants
from .groups import rescaled
from .growth import goes_on
from .loops import each_loop
from .observe import Ranges
from .types import NamedTypes, typed


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
    wide = typed(rescaled(own_constants(graph)), named, Dtype.INT16)
    return {name: Dtype.INT16 for name in chosen if wide.of(name) is Dtype.INT16}


def _is_exact_as_int8(graph: Graph, observed: Ranges, names: tuple[str, ...]) -> bool:
    """Whether all of them held whole numbers that int8 has, and no state of them goes on growing."""
    states = [state.tensor for state in graph.states if state.tensor in names]
    return (
        all(fits_int8(observed.histograms[name]) for name in names)
        and all(observed.grids.get(name) == 1.0 for name in names)
        and not any(goes_on(observed.spans[name]) for name in states)
    )
