"""Which calls prove the rules of recurrent layers, and which are refused?"""

from typing import Any

from .arguments import Call, Refused, Values, X, Y

STEPS, CELL = (1, 5, 3), (1, 4)


def _params(
    gates: int, n_in: int, units: int, ways: int = 1, layers: int = 1, width: int = 0, biases: bool = True
) -> list[Any]:
    """Of all layers, `width` of an LSTM's projection."""
    found: list[Any] = []
    for layer in range(layers):
        for _ in range(ways):
            rows, n = gates * units, n_in if layer == 0 else ways * (width or units)
            found += [Values((rows, n)), Values((rows, width or units))]
            found += [Values((rows,)), Values((rows,))] if biases else []
            found += [Values((width, units))] if width else []
    return found


def _of(*shape: int) -> Values:
    return Values(shape)


PLAIN: tuple[Any, ...] = (True, 1, 0.0, False, False, True)

CALLS: list[Call] = [
    ("rnn_tanh.input", STEPS, (X, _of(1, 1, 4), _params(1, 3, 4), *PLAIN)),
    ("rnn_tanh.input", (5, 3), (X, _of(2, 4), _params(1, 3, 4, ways=2), True, 1, 0.0, False, True, False)),
    (
        "rnn_relu.input",
        STEPS,
        (X, _of(2, 1, 4), _params(1, 3, 4, layers=2), True, 2, 0.5, False, False, True),
    ),
    ("gru.input", STEPS, (X, _of(1, 1, 4), _params(3, 3, 4), *PLAIN)),
    (
        "gru.input",
        (5, 1, 3),
        (X, _of(1, 1, 4), _params(3, 3, 4, biases=False), False, 1, 0.0, False, False, False),
    ),
    ("gru.input", (2, 3, 3), (X, _of(4, 2, 4), _params(3, 3, 4, 2, 2), True, 2, 0.0, False, True, True)),
    ("gru.input", (4, 3, 3), (X, _of(1, 3, 4), _params(3, 3, 4), True, 1, 0.0, False, False, False)),
    ("gru.input", (1, 1, 4), (X, Y, _params(3, 4, 4), *PLAIN)),
    ("lstm.input", STEPS, (X, [_of(1, 1, 4), _of(1, 1, 4)], _params(4, 3, 4), *PLAIN)),
    (
        "lstm.input",
        STEPS,
        (X, [_of(4, 1, 2), _of(4, 1, 4)], _params(4, 3, 4, 2, 2, width=2), True, 2, 0.0, False, True, True),
    ),
    (
        "lstm.input",
        (1, 5, 3),
        (
            X,
            [_of(1, 1, 2), _of(1, 1, 4)],
            _params(4, 3, 4, width=2, biases=False),
            False,
            1,
            0.0,
            True,
            False,
            True,
        ),
    ),
    ("lstm.input", (2, 1, 4), (X, [Y, Y], _params(4, 4, 4, ways=2), True, 1, 0.0, False, True, False)),
    ("rnn_tanh_cell.default", CELL, (X, Y, _of(4, 4), _of(4, 4), _of(4), _of(4))),
    ("rnn_relu_cell.default", CELL, (X, _of(1, 4), _of(4, 4), _of(4, 4))),
    ("gru_cell.default", (3, 4), (X, Y, _of(12, 4), _of(12, 4), _of(12), _of(12))),
    ("lstm_cell.default", CELL, (X, [Y, Y], _of(16, 4), _of(16, 4), _of(16), _of(16))),
    ("lstm_cell.default", CELL, (X, [_of(1, 4), _of(1, 4)], _of(16, 4), _of(16, 4))),
]

REFUSED: list[Refused] = [
    (
        "gru.input",
        STEPS,
        (X, _of(2, 1, 4), _params(3, 3, 4, layers=2), True, 2, 0.5, True, False, True),
        "drops values at random",
    ),
    ("lstm_cell.default", CELL, (X, [Y, _of(1, 4)], _of(16, 4), _of(16, 4)), "one of the states"),
    ("gru_cell.default", CELL, (X, Y, X, _of(12, 4)), "'w_ih' is computed by the network"),
]
