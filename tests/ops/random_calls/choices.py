"""How does chance compare, choose by a mask, and ask where the largest value is?"""

from typing import Any

import torch

from .drawing import At, Call, Constant, Draw, Family, alone

RELATIONS = ("gt", "ge", "lt", "le", "eq", "ne")


def argmax(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.choice([None, d.axis(shape), d.axis(shape)]), d.maybe(0.5)


def compared(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], d.number()


def compared_both(d: Draw) -> tuple[Any, ...]:
    """With another activation, or with a constant on either side."""
    x, shape = d.activation()
    if d.maybe(0.6):
        return x, d.other(shape)
    constant = d.over(shape)
    return (x, constant) if d.maybe(0.7) else (constant, x)


def truths(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    return x, d.other(shape)


def where(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    other = d.other(shape) if d.maybe(0.6) else d.over(shape)
    return mask(d, shape), *d.sample([x, other], 2)


def where_number(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    return mask(d, shape), x, d.number()


def where_number_first(d: Draw) -> tuple[Any, ...]:
    condition, x, number = where_number(d)
    return condition, number, x


def filled(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    return x, mask(d, shape), d.number()


def filled_tensor(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    return x, mask(d, shape), d.constant()


def mask(d: Draw, shape: tuple[int, ...]) -> At | Constant:
    """Of truths that repeat over a shape: a constant, or a comparison."""
    if d.maybe(0.5):
        return d.truths_over(shape)
    kept = shape[d.randint(0, len(shape)) :]
    return Constant(tuple(kept), d.randrange(1 << 30), truths=True)


def chosen(d: Draw, call: Call) -> At:
    """The one where it is above a number, else the other."""
    x, shape = d.activation()
    above = At(call("gt.Scalar", x, d.number()).number, torch.bool)
    return call("where.self", above, x, d.other(shape))


FAMILY = Family(
    {
        "argmax.default": argmax,
        **{f"{relation}.Scalar": compared for relation in RELATIONS},
        **{f"{relation}.Tensor": compared_both for relation in RELATIONS},
        "logical_not.default": alone,
        "logical_and.default": truths,
        "logical_or.default": truths,
        "where.self": where,
        "where.ScalarOther": where_number,
        "where.ScalarSelf": where_number_first,
        "masked_fill.Scalar": filled,
        "masked_fill.Tensor": filled_tensor,
    },
    {"chosen": chosen},
    leaps={
        *(f"{relation}.{kind}" for relation in RELATIONS for kind in ("Scalar", "Tensor")),
        *(f"logical_{kind}.default" for kind in ("not", "and", "or")),
        "where.self",
        "where.ScalarOther",
        "where.ScalarSelf",
        "masked_fill.Scalar",
        "masked_fill.Tensor",
    },
)
