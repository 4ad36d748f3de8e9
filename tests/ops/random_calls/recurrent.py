"""How does chance call recurrent layers?"""

from typing import Any

from .drawing import Draw, Family, Generator

MOST_UNITS = 5


def layers(gates: int, states: int = 1) -> Generator:
    """1 or 2 layers, 1 or 2 directions; an LSTM has two states, and may have a projection."""

    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.ranked(2, 3)
        units, count, ways = d.randint(1, MOST_UNITS), d.choice([1, 1, 2]), d.choice([1, 1, 2])
        width = d.randint(1, units - 1) if states > 1 and units > 1 and d.maybe(0.3) else units
        biases, first = d.maybe(0.8), d.maybe(0.6)
        params: list[Any] = []
        for layer in range(count):
            for _ in range(ways):
                rows = gates * units
                params += [d.constant(rows, ways * width if layer else shape[-1]), d.constant(rows, width)]
                params += [d.constant(rows), d.constant(rows)] if biases else []
                params += [d.constant(width, units)] if width != units else []
        batch = (shape[0 if first else 1],) if len(shape) == 3 else ()
        begins = [d.constant(count * ways, *batch, n) for n in (width, units)[:states]]
        hx = begins if states > 1 else begins[0]
        return x, hx, params, biases, count, 0.0, False, ways == 2, first and len(shape) == 3

    return drawn


def cell(gates: int, states: int = 1) -> Generator:
    """One that begins with what the network computes where there is something like it, or with constants."""

    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.ranked(1, 2)
        begins: list[Any]
        if d.maybe(0.5):
            state, like = d.activation(lambda known: known.shape[:-1] == shape[:-1] and bool(known.shape))
            begins, units = [state] * states, like[-1]
        else:
            units = d.randint(1, MOST_UNITS)
            begins = [d.constant(*shape[:-1], units) for _ in range(states)]
        weights = [d.constant(gates * units, n) for n in (shape[-1], units)]
        biases = [d.constant(gates * units) for _ in range(2)] if d.maybe(0.7) else []
        return x, begins if states > 1 else begins[0], *weights, *biases

    return drawn


FAMILY = Family(
    {
        "rnn_tanh.input": layers(1),
        "rnn_relu.input": layers(1),
        "gru.input": layers(3),
        "lstm.input": layers(4, 2),
        "rnn_tanh_cell.default": cell(1),
        "rnn_relu_cell.default": cell(1),
        "gru_cell.default": cell(3),
        "lstm_cell.default": cell(4, 2),
    },
    weight=2,
)
