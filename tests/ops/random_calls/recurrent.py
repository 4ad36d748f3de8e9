"""How does chance call recurrent layers?"""

import math
from dataclasses import dataclass
from typing import Any

from firmnet.ir import Shape

from .drawing import At, Call, Constant, Draw, Family, Generator, Phrase

MOST_UNITS = 5
MOST_READ = 120
"""Values of which a state is computed."""


@dataclass(frozen=True)
class Options:
    """1 or 2 layers, 1 or 2 directions; `width` of the state, which a projection makes smaller."""

    units: int
    width: int
    count: int
    ways: int
    biases: bool
    first: bool

    @staticmethod
    def drawn(d: Draw, states: int) -> "Options":
        units = d.randint(1, MOST_UNITS)
        width = d.randint(1, units - 1) if states > 1 and units > 1 and d.maybe(0.3) else units
        return Options(units, width, d.choice([1, 1, 2]), d.choice([1, 1, 2]), d.maybe(0.8), d.maybe(0.6))

    def params(self, d: Draw, gates: int, n_in: int) -> list[Constant]:
        params: list[Constant] = []
        rows, width = gates * self.units, self.width
        for layer in range(self.count):
            for _ in range(self.ways):
                params += [d.constant(rows, self.ways * width if layer else n_in), d.constant(rows, width)]
                params += [d.constant(rows), d.constant(rows)] if self.biases else []
                params += [d.constant(width, self.units)] if width != self.units else []
        return params

    def begins(self, shape: Shape, states: int) -> list[Shape]:
        """Of what its states begin with."""
        batch = (shape[0 if self.first else 1],) if len(shape) == 3 else ()
        return [(self.count * self.ways, *batch, n) for n in (self.width, self.units)[:states]]

    def call(self, d: Draw, x: At, gates: int, begins: list[Any]) -> tuple[Any, ...]:
        shape = d.known[x.number].shape
        hx = begins if len(begins) > 1 else begins[0]
        how = self.biases, self.count, 0.0, False, self.ways == 2, self.first and len(shape) == 3
        return x, hx, self.params(d, gates, shape[-1]), *how


def layers(gates: int, states: int = 1) -> Generator:
    """With constants as states; an LSTM has two of them, and may have a projection."""

    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.ranked(2, 3)
        options = Options.drawn(d, states)
        begins = [
            Constant(begin, 0, below=1) if d.maybe(0.4) else d.constant(*begin)
            for begin in options.begins(shape, states)
        ]
        return options.call(d, x, gates, begins)

    return drawn


def given(name: str, gates: int, states: int = 1) -> Phrase:
    """A layer that begins with what the network computes, as a decoder does."""

    def drawn(d: Draw, call: Call) -> At:
        x, shape = d.ranked(2, 3)
        options, begins = Options.drawn(d, states), list[At]()
        for begin in options.begins(shape, states):
            alike = [i for i, known in enumerate(d.known) if known.shape == begin and not known.rows]
            if alike and d.maybe(0.5):
                begins.append(At(d.choice(alike)))
                continue
            source, _ = d.activation(lambda known: math.prod(known.shape) <= MOST_READ)
            row = call("reshape.default", source, [1, math.prod(d.known[source.number].shape)])
            size = math.prod(begin)
            made = call("linear.default", row, d.constant(size, d.known[row.number].shape[1]))
            bounded = call("tanh.default", made) if d.maybe(0.5) else made
            begins.append(call("reshape.default", bounded, [*begin]))
        return call(name, *options.call(d, x, gates, begins))

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
    {
        "rnn_given": given("rnn_tanh.input", 1),
        "gru_given": given("gru.input", 3),
        "lstm_given": given("lstm.input", 4, 2),
    },
    weight=2,
)
