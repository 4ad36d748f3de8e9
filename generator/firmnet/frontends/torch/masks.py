"""Which masks of 0 and minus infinity did PyTorch make of booleans? They become booleans again.

nn.MultiheadAttention and the layers of nn.Transformer turn a key_padding_mask that is computed into numbers
to be added to scores. What the sum keeps a softmax away from, booleans say without an infinity.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node as FxNode

aten = torch.ops.aten

FILLS = (aten.masked_fill.Scalar, aten.masked_fill_.Scalar)
ZEROS = (aten.zeros_like.default, aten.zeros.default)
MOVED_ALIKE = (
    *(aten.view.default, aten.reshape.default, aten.expand.default, aten.contiguous.default),
    *(aten.unsqueeze.default, aten.squeeze.dim, aten.transpose.int, aten.permute.default),
)
"""What only moves values, of whatever type."""
MASK_SUM = aten.add.Tensor
WHOLE_ATTENTION, MASKED_SCORES = aten.scaled_dot_product_attention.default, aten.baddbmm.default
"""What adds a mask to scores: whole attention, and its first half where the weights are asked for."""


def masks_as_booleans(program: ExportedProgram) -> None:
    """Changes the program in place, where all that read such a mask, or a sum of two, are attentions."""
    fills = [node for node in program.graph.nodes if _is_made(node)]
    while (masks := _masks(fills)) and (
        strange := [node for node in masks if not _is_only_added(node, masks)]
    ):
        fills = [fill for fill in fills if not any(node in _masks([fill]) for node in strange)]
    for mask in masks:
        _exchange(mask)
    for fill in fills:
        zeros: Any = fill.args[0]
        program.graph.erase_node(fill)
        program.graph.erase_node(zeros)
    program.graph_module.recompile()


def _is_made(node: FxNode) -> bool:
    """Whether it puts minus infinity into zeros of its own."""
    if node.target not in FILLS or node.args[2] != -torch.inf:
        return False
    zeros: Any = node.args[0]
    return zeros.target in ZEROS and [*zeros.users] == [node]


def _masks(fills: Sequence[FxNode]) -> list[FxNode]:
    """These masks, and what they become moved and added to each other, in their order."""
    found = dict.fromkeys(fills)
    for mask in (waiting := [*fills]):
        more = [node for node in mask.users if node.target in (*MOVED_ALIKE, MASK_SUM) and node not in found]
        found |= dict.fromkeys(more)
        waiting += more
    return [node for node in fills[0].graph.nodes if node in found] if fills else []


def _is_only_added(mask: FxNode, masks: Collection[FxNode]) -> bool:
    """Whether nothing but attention reads it, which adds it to its scores; a sum is one of masks alone."""
    if mask.target is MASK_SUM and not (len(mask.args) == 2 and {*mask.args} <= {*masks} and not mask.kwargs):
        return False
    return all(node in masks or _is_added_by(node, mask) for node in mask.users)


def _is_added_by(node: FxNode, mask: FxNode) -> bool:
    if node.target is WHOLE_ATTENTION:
        asked = node.args[3] if len(node.args) > 3 else node.kwargs.get("attn_mask")
        return asked is mask and mask not in node.args[:3]
    return (
        node.target is MASKED_SCORES
        and node.args[0] is mask
        and mask not in node.args[1:]
        and not node.kwargs
    )


def _exchange(mask: FxNode) -> None:
    """What reads a mask reads where it bars a value; in their order, so that what it is made of is done."""
    with mask.graph.inserting_before(mask):
        if mask.target in FILLS:
            barred = _call(mask, aten.expand.default, mask.args[1], tuple(mask.meta["val"].shape))
        elif mask.target is MASK_SUM:
            barred = _call(mask, aten.logical_or.default, *mask.args)
        else:
            barred = _call(mask, mask.target, *mask.args, **mask.kwargs)
    for node in [*mask.users]:
        with node.graph.inserting_before(node):
            if node.target is WHOLE_ATTENTION:
                node.replace_input_with(mask, _call(node, aten.logical_not.default, barred))
            elif node.target is MASKED_SCORES:
                scores = _call(node, aten.bmm.default, *node.args[1:])
                node.replace_all_uses_with(_call(node, FILLS[0], scores, barred, -torch.inf))
                node.graph.erase_node(node)
            else:
                node.replace_input_with(mask, barred)
    if mask.target not in FILLS:
        mask.graph.erase_node(mask)


def _call(like: FxNode, target: Any, *args: Any, **options: Any) -> FxNode:
    """A node more, in the place of `like` in the user's model."""

    def known(x: Any) -> Any:
        return x.meta["val"] if isinstance(x, FxNode) else x

    made = like.graph.call_function(target, args, options)
    values = {name: known(x) for name, x in options.items()}
    made.meta = {**like.meta, "val": target(*map(known, args), **values)}
    return made
