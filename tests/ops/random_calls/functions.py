"""How does chance call functions of one value? With the options that prove their rules."""

from collections.abc import Callable
from typing import Any

import torch_calls.functions as proofs
from torch_calls import X

from .drawing import INFINITE, Draw, Family

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
    x, shape = d.ranked(2, 3, 4, 5)
    return x, d.constant(d.choice([1, shape[1]]))


FAMILY = Family(
    {**{name: proven(name) for name, _, _ in proofs.CALLS}, "prelu.default": prelu},
    weight=9,
    leaps={name for name, _, _ in proofs.CALLS if name.startswith(LEAPS)} | {"threshold.default"},
)
