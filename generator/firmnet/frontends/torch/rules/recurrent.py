"""How do PyTorch's recurrent layers and their cells read? A node for each layer and direction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....ir import Array, Tensor
from ....ops import OPS
from ....ops.concat import ConcatAttrs
from ....ops.lstm import LstmAttrs
from ....ops.recurrent import RecurrentAttrs
from ....ops.rnn import RnnAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import part, reshaped, transposed

RecurrentKind = tuple[str, RecurrentAttrs]
"""An op, and its options as PyTorch's operator has them."""
RNN: RecurrentKind = ("rnn", RnnAttrs())
RELU_RNN: RecurrentKind = ("rnn", RnnAttrs(relu=True))
GRU: RecurrentKind = ("gru", RecurrentAttrs())
LSTM: RecurrentKind = ("lstm", LstmAttrs())


@dataclass(frozen=True)
class LayerWeights:
    """Of one layer in one direction: float64, as PyTorch has them; biases zero where there are none."""

    input_weight: Array
    state_weight: Array
    input_bias: Array
    state_bias: Array
    projection: Array | None = None

    def bias(self, op: str) -> Array:
        """Of both kinds in one; but those of a GRU's new values stand side by side."""
        both = self.input_bias + self.state_bias
        if op != "gru":
            return both
        units = len(both) // 3
        return np.concatenate([both[: 2 * units], self.input_bias[2 * units :], self.state_bias[2 * units :]])


def _layers(
    b: Builder,
    kind: RecurrentKind,
    x: Tensor,
    states: Sequence[Value],
    params: Sequence[Array],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> list[Tensor]:
    """The outputs of all steps, and of every state the last."""
    if train and dropout and num_layers > 1:
        raise Unsupported("it drops values at random: export the model after model.eval()")
    ways = 2 if bidirectional else 1
    weights = _weights(params, has_biases, num_layers * ways)
    batched = len(x.shape) == 3
    count = (x.shape[0] if batch_first else x.shape[1]) if batched else 1
    y = _sequences(b, x, batch_first, count)
    ends: list[list[Tensor]] = [[] for _ in states]
    for layer in range(num_layers):
        made: list[Tensor] = []
        for way in range(ways):
            place = layer * ways + way
            begins = [_state(b, state, place, count) for state in states]
            several = f"{b.layer}_l{layer}{'_reverse' if way else ''}"
            name = b.layer if len(weights) == 1 else several
            hidden, *rest = _node(b, kind, y, begins, weights[place], reverse=way == 1, name=name)
            made.append(hidden)
            last = part(b, hidden, 1, 0 if way else hidden.shape[1] - 1, 1)
            for end, state in zip(ends, (last, *rest), strict=True):
                end.append(reshaped(b, state, (1, count, state.shape[2])))
        y = made[0] if ways == 1 else b.add("concat", ConcatAttrs(2), *made, name=f"{b.layer}_both")
    finals = [end[0] if len(end) == 1 else b.add("concat", ConcatAttrs(0), *end) for end in ends]
    if not batched:
        return [
            reshaped(b, each, each.shape[1:] if each is y else (each.shape[0], each.shape[2]))
            for each in (y, *finals)
        ]
    return [_sequences(b, y, batch_first, y.shape[1]), *finals]


def _sequences(b: Builder, x: Tensor, batch_first: bool, count: int) -> Tensor:
    """(N, T, I) of what PyTorch has, or back again; `count`: of what comes first then."""
    if len(x.shape) == 2:
        return reshaped(b, x, (1, *x.shape))
    if batch_first:
        return x
    _, _, width = x.shape
    turned = (x.shape[1], x.shape[0], width)
    return reshaped(b, x, turned) if 1 in turned[:2] else transposed(b, x, (1, 0, 2))


def _weights(params: Sequence[Array], has_biases: bool, count: int) -> list[LayerWeights]:
    each = len(params) // count
    found = []
    for i in range(count):
        of_input, of_state, *rest = params[i * each : (i + 1) * each]
        biases = rest[:2] if has_biases else [np.zeros(len(of_input))] * 2
        (projection,) = rest[2 if has_biases else 0 :] or (None,)
        found.append(LayerWeights(of_input, of_state, biases[0], biases[1], projection))
    return found


def _state(b: Builder, state: Value, place: int, count: int) -> Value:
    """(N, 1, H) of the states of all layers (L, N, H), or (L, H)."""
    shape = (count, 1, state.shape[-1])
    if isinstance(state, np.ndarray):
        return np.broadcast_to(state[place], shape[:1] + shape[2:]).reshape(shape)
    return reshaped(b, part(b, state, 0, place, 1), shape)


def _node(
    b: Builder,
    kind: RecurrentKind,
    x: Tensor,
    begins: Sequence[Value],
    w: LayerWeights,
    *,
    reverse: bool,
    name: str,
) -> tuple[Tensor, ...]:
    op, attrs = kind
    given = [begin for begin in begins if isinstance(begin, Tensor)]
    if given and len(given) != len(begins):
        raise Unsupported(
            "one of the states it begins with is a constant and one is computed: give both as inputs, or none"
        )
    attrs = replace(attrs, reverse=reverse, given=bool(given))
    if isinstance(attrs, LstmAttrs):
        attrs = replace(attrs, projected=w.projection is not None)
    weights = {"input_weight": w.input_weight, "state_weight": w.state_weight, "bias": w.bias(op)}
    weights |= {} if w.projection is None else {"projection": w.projection}
    constants = [b.constant(f"{name}_{key}", values) for key, values in weights.items()]
    states = [
        begin if isinstance(begin, Tensor) else b.constant(f"{name}_begin_{key}", begin)
        for key, begin in zip(OPS[op].states, begins, strict=True)  # type: ignore[attr-defined]
    ]
    inputs = (x, *states, *constants) if given else (x, *constants, *states)
    return b.add_all(op, attrs, *inputs, name=name)


def _layers_of(kind: RecurrentKind) -> Rule:
    def rule(
        b: Builder,
        input: Tensor,
        hx: Value | Sequence[Value],
        params: Sequence[Array],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> list[Tensor]:
        options = (has_biases, num_layers, dropout, train, bidirectional, batch_first)
        return _layers(b, kind, input, _states(hx), params, *options)

    return rule


def _states(hx: Value | Sequence[Value]) -> Sequence[Value]:
    """Of an LSTM PyTorch has a pair, of others the only one."""
    return [hx] if isinstance(hx, Tensor | np.ndarray) else hx


def _cell(
    b: Builder,
    kind: RecurrentKind,
    x: Tensor,
    states: Sequence[Value],
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
) -> list[Tensor]:
    """One step of (N, I) or (I,)."""
    batch, count = x.shape[:-1], x.shape[0] if len(x.shape) == 2 else 1
    none = np.zeros(len(w_ih))
    weights = LayerWeights(w_ih, w_hh, none if b_ih is None else b_ih, none if b_hh is None else b_hh)
    begins = [
        reshaped(b, state, (count, 1, state.shape[-1]))
        if isinstance(state, Tensor)
        else np.broadcast_to(state, (count, state.shape[-1]))[:, np.newaxis]
        for state in states
    ]
    line = reshaped(b, x, (count, 1, x.shape[-1]))
    made = _node(b, kind, line, begins, weights, reverse=False, name=b.layer)
    return [reshaped(b, each, (*batch, each.shape[-1])) for each in made]


def _cell_of(kind: RecurrentKind) -> Rule:
    def rule(
        b: Builder,
        input: Tensor,
        hx: Value | Sequence[Value],
        w_ih: Array,
        w_hh: Array,
        b_ih: Array | None = None,
        b_hh: Array | None = None,
    ) -> Tensor | list[Tensor]:
        made = _cell(b, kind, input, _states(hx), w_ih, w_hh, b_ih, b_hh)
        return made if len(made) > 1 else made[0]

    return rule


RULES: Mapping[str, Rule] = {
    "aten.gru.input": _layers_of(GRU),
    "aten.gru_cell.default": _cell_of(GRU),
    "aten.lstm.input": _layers_of(LSTM),
    "aten.lstm_cell.default": _cell_of(LSTM),
    "aten.rnn_relu.input": _layers_of(RELU_RNN),
    "aten.rnn_relu_cell.default": _cell_of(RELU_RNN),
    "aten.rnn_tanh.input": _layers_of(RNN),
    "aten.rnn_tanh_cell.default": _cell_of(RNN),
}
