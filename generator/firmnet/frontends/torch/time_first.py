"""Which inputs of a network begin with time, not with samples?

Those along whose first axis recurrent layers walk, or whose places attend to each other.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import nn
from torch.fx import Node as FxNode

RECURRENT = ("aten.rnn_tanh.input", "aten.rnn_relu.input", "aten.gru.input", "aten.lstm.input")
RECURRENT_CELLS = ("aten.rnn_tanh_cell", "aten.rnn_relu_cell", "aten.gru_cell", "aten.lstm_cell")
BATCH_FIRST = 8
"""Its place among the arguments of these."""
ATTENTION = ("aten.scaled_dot_product_attention", "aten._scaled_dot_product")
SOFTMAX = ("aten.softmax", "aten._softmax", "aten._safe_softmax")
SCORES = ("aten.bmm", "aten.baddbmm", "aten.matmul")
ATTENTIVE = (
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)


@dataclass
class _Walks:
    """How many steps layers walked along, or attended to, on axis 0 of what they read, and how often a cell
    was called.
    """

    steps: set[int] = field(default_factory=set)
    samples: set[int] = field(default_factory=set)
    calls: dict[nn.Module, int] = field(default_factory=dict)

    def layer(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        x = given[0]
        if x.ndim == 3 and module.batch_first:
            self.samples.add(x.shape[0])
        else:
            self.steps.add(x.shape[0])

    def attention(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        within = getattr(module, "self_attn", module)
        for x in (*given, *named.values()):
            if isinstance(x, torch.Tensor) and x.is_floating_point() and x.shape[-1:] == (within.embed_dim,):
                (self.samples if x.ndim == 3 and within.batch_first else self.steps).add(x.shape[0])

    def cell(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self.calls[module] = self.calls.get(module, 0) + 1
        if given[0].ndim == 2:
            self.samples.add(given[0].shape[0])


def time_first(
    module: nn.Module, leaves: Sequence[Any], call: Callable[[nn.Module, Sequence[torch.Tensor]], Any]
) -> set[int]:
    """Numbers of those of the leaves, all that the user gave for them, whose axis 0 is one of steps.

    The module is called once with them, a copy of it.
    """
    if not any(isinstance(part, (nn.RNNBase, nn.RNNCellBase, *ATTENTIVE)) for part in module.modules()):
        return set()
    walks = _Walks()
    with suppress(Exception), catch_warnings(), torch.no_grad():  # what fails here fails in the export too
        simplefilter("ignore")
        tried = deepcopy(module).eval()
        for part in tried.modules():
            if isinstance(part, nn.RNNBase | nn.RNNCellBase):
                part.register_forward_pre_hook(walks.layer if isinstance(part, nn.RNNBase) else walks.cell)
            if isinstance(part, ATTENTIVE):
                part.register_forward_pre_hook(walks.attention, with_kwargs=True)
        call(tried, [torch.as_tensor(leaf).float() for leaf in leaves])
    lengths = (walks.steps | {*walks.calls.values()}) - walks.samples - {1}
    return {i for i, leaf in enumerate(leaves) if leaf.ndim in (2, 3) and leaf.shape[0] in lengths}


def steps_first(node: FxNode) -> bool:
    """Whether an input of an exported program, of one sample, has its steps along axis 0."""
    shape = tuple(node.meta["val"].shape)
    if not (len(shape) == 2 or (len(shape) == 3 and shape[1] == 1)):
        return False
    for other in node.graph.nodes:
        if str(other.target).startswith(RECURRENT_CELLS) and any(_cuts(user) for user in node.users):
            return True
        if str(other.target) in RECURRENT:
            read: Any = other.args[0]
            x = read.meta["val"]
            first = x.ndim == 2 or not other.args[BATCH_FIRST]
            if first and x.shape[0] == shape[0]:
                return True
        if shape[0] in _attended(other):
            return True
    return False


def _attended(node: FxNode) -> tuple[int, ...]:
    """How many places attend, and to how many, in a layer of attention or its softmax."""
    name = str(node.target)
    if name.startswith(ATTENTION):
        query, key = (node.args[i].meta["val"] for i in (0, 1))  # type: ignore[union-attr]
        return int(query.shape[-2]), int(key.shape[-2])
    if not name.startswith(SOFTMAX):
        return ()
    scores: Any = node.args[0]
    while isinstance(scores, FxNode) and not str(scores.target).startswith(SCORES):
        scores = next(iter(scores.all_input_nodes), None)
    return () if scores is None else tuple(node.meta["val"].shape[-2:])


def _cuts(user: FxNode) -> bool:
    """Whether it takes something of its input's axis 0."""
    name = str(user.target)
    return name.startswith(("aten.select.int", "aten.unbind", "aten.split")) and user.args[1:2] in ((), (0,))
