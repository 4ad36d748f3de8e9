"""How does chance call functions of one value? With the options that prove their rules."""

from collections.abc import Callable
from typing import Any

import torch_calls.functions as proofs
from torch_calls import X

from .drawing import INFINITE, At, Call, Draw, Family, Phrase

DOMAINS = {
    **dict.fromkeys(("acos", "arccos", "asin", "arcsin", "atanh"), (-0.99, 0.99)),
    **dict.fromkeys(("log", "log10", "log2", "sqrt", "rsqrt"), (0.01, INFINITE)),
    **dict.fromkeys(("pow", "float_power"), (0.01, 30.0)),
    **dict.fromkeys(("exp", "exp2", "expm1", "special_expm1", "sinh", "cosh"), (-30.0, 8.0)),
    "log1p": (-0.9, INFINITE),
}
"""Between what values must lie, so that what becomes of them is finite."""
LEAPS = ("ceil", "fix", "floor", "frac", "hardshrink", "remainder", "round", "sgn", "sign", "tan", "trunc")
"""Where a step in the last place of a float64 may lead anywhere else."""


def proven(name: str) -> Callable[[Draw], tuple[Any, ...]]:
    options = [arguments for other, _, arguments in proofs.CALLS if other == name]
    low, high = DOMAINS.get(name.partition(".")[0], (-INFINITE, INFINITE))

    def drawn(d: Draw) -> tuple[Any, ...]:
        x, _ = d.activation(lambda known: known.low >= low and known.high <= high)
        return tuple(x if argument is X else argument for argument in d.choice(options))

    return drawn


def prelu(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation(lambda known: len(known.shape) > 1 and known.shape[1] > 1)
    return x, d.constant(shape[1] if d.maybe(0.8) else 1)


def angle(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    constant = d.over(shape)
    return (x, constant) if d.maybe(0.7) else (constant, x)


def to_the_power(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation(lambda known: known.low >= 0.01 and known.high <= 30.0)
    return x, d.constant(shape[-1]) if shape and d.maybe(0.3) else d.constant()


def beyond_one(name: str) -> Phrase:
    """Of a function that is none below 1."""

    def made(d: Draw, call: Call) -> At:
        return call(name, call("add.Scalar", call("square.default", d.activation()[0]), 1.1))

    return made


BEYOND_ONE = ("acosh.default", "arccosh.default")

FAMILY = Family(
    {
        **{name: proven(name) for name, _, _ in proofs.CALLS if name not in BEYOND_ONE},
        "atan2.default": angle,
        "pow.Tensor_Tensor": to_the_power,
        "prelu.default": prelu,
    },
    {name.partition(".")[0]: beyond_one(name) for name in BEYOND_ONE},
    weight=9,
    leaps={name for name, _, _ in proofs.CALLS if name.startswith(LEAPS)}
    | {"threshold.default", "atan2.default"},
)
