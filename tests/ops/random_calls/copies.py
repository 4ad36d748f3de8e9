"""How does chance call what computes nothing?"""

from typing import Any

import torch

from .drawing import Draw, Family, alone


def dropout(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], 0.5, False


def to_double(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], torch.float64


def like(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], d.constant(2)


FAMILY = Family(
    {
        "dropout.default": dropout,
        "feature_dropout.default": dropout,
        "alpha_dropout.default": dropout,
        "to.dtype": to_double,
        "type_as.default": like,
        "clone.default": alone,
        "contiguous.default": alone,
        "alias.default": alone,
        "detach.default": alone,
        "detach_.default": alone,
        "lift_fresh_copy.default": alone,
        "_to_copy.default": alone,
    },
    weight=1,
)
