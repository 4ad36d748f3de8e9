"""What is done to a float graph before it is quantized? The list, in order."""

from collections.abc import Callable

from ..ir import Graph, check
from .compose_functions import compose_functions
from .copy_states import copy_states
from .drop_dead import drop_dead
from .fold_batch_norm import fold_batch_norm
from .fold_flatten import fold_flatten
from .fold_pad import fold_pad
from .fold_products import fold_products
from .fuse_clamp import fuse_clamp
from .gather_attention import gather_attention
from .gather_norms import gather_norms
from .join_cells import join_cells
from .join_parts import join_parts
from .keep_last_steps import keep_last_steps
from .lower_batch_norm import lower_batch_norm
from .merge_sums import merge_sums
from .plain_transposed import plain_transposed
from .remove_identities import remove_identities
from .restate_inputs import restate_inputs
from .settle_layout import settle_layout
from .stand_lines import stand_lines

PIPELINE: tuple[Callable[[Graph], Graph], ...] = (
    remove_identities,
    plain_transposed,
    join_cells,
    keep_last_steps,
    join_parts,
    gather_norms,
    gather_attention,
    settle_layout,  # most transposes cancel, so that what the model applies in sequence becomes neighbours
    fold_batch_norm,
    merge_sums,
    fold_batch_norm,  # what lay behind a sum
    restate_inputs,
    fuse_clamp,
    compose_functions,
    lower_batch_norm,  # what could not be folded becomes a convolution, between transposes
    settle_layout,
    fold_products,
    fold_pad,
    fuse_clamp,
    fold_flatten,
    stand_lines,
    remove_identities,
    drop_dead,
    copy_states,
)
"""Each pass keeps the meaning: the same output for every input, up to float64 rounding."""


def optimize(graph: Graph) -> Graph:
    """Run every pass, checking the graph between them."""
    check(graph)
    for run_pass in PIPELINE:
        before, graph = graph, run_pass(graph)
        if graph is not before:
            check(graph)
    return graph
