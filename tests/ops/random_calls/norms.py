"""How does chance call norms and variances?"""

from typing import Any

from .drawing import At, Call, Draw, Family


def norm(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.choice([1, 2]), d.choice([None, d.axes(shape)]), d.maybe(0.5)


def linalg_norm(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.choice([None, 1, 2]), [d.axis(shape)], d.maybe(0.5)


def spread(d: Draw) -> tuple[Any, ...]:
    """Over axes, with the whole number of values or one less."""
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axes(shape), d.maybe(0.5), d.maybe(0.5)


def corrected(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axes(shape), {"correction": d.choice([0, 1, 1]), "keepdim": d.maybe(0.5)}


def normalized(d: Draw, call: Call) -> At:
    """As F.normalize writes it."""
    x, shape = d.ranked(1, 2, 3, 4, 5)
    length = call("linalg_vector_norm.default", x, 2, [d.axis(shape)], True)
    return call("div.Tensor", x, call("expand.default", call("clamp_min.default", length, 1e-6), [*shape]))


FAMILY = Family(
    {
        "linalg_vector_norm.default": norm,
        "linalg_norm.default": linalg_norm,
        "var.dim": spread,
        "std.dim": spread,
        "var.correction": corrected,
        "std.correction": corrected,
    },
    {"normalize": normalized},
    weight=3,
)
