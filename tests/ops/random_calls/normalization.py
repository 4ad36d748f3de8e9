"""How does chance call normalizations?"""

from math import prod
from typing import Any

from .drawing import Constant, Draw, Family

EPS = (1e-5, 1e-3, 1e-2)


def _statistics(d: Draw) -> tuple[Any, Constant | None, Constant | None, Constant, Constant]:
    """An activation, and weight, bias, mean and variance of its channels."""
    x, shape = d.ranked(2, 3, 4, 5)
    n = shape[1]
    return x, *_affine(d, n), d.constant(n), d.constant(n, positive=True)


def _affine(d: Draw, *shape: int) -> tuple[Constant | None, Constant | None]:
    return d.choice(
        [(None, None), (d.constant(*shape), None), *[(d.constant(*shape), d.constant(*shape))] * 2]
    )


def batch_norm(d: Draw) -> tuple[Any, ...]:
    return *_statistics(d), False, 0.1, d.choice(EPS), False


def inference(d: Draw) -> tuple[Any, ...]:
    return *_statistics(d), 0.1, 1e-5


def layer_norm(d: Draw) -> tuple[Any, ...]:
    """Over some of the last axes."""
    x, shape = d.ranked(1, 2, 3, 4)
    last = shape[d.randrange(len(shape)) :]
    return x, [*last], *_affine(d, *last), d.choice(EPS)


def rms_norm(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    last = shape[d.randrange(len(shape)) :]
    return x, [*last], d.choice([None, d.constant(*last)]), d.choice(EPS)


def group_norm(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(2, 3, 4)
    groups = d.choice([m for m in range(1, shape[1] + 1) if shape[1] % m == 0])
    return x, groups, *_affine(d, shape[1]), d.choice(EPS)


def native_group_norm(d: Draw) -> tuple[Any, ...]:
    x, groups, weight, bias, eps = group_norm(d)
    n, channels, *rest = d.known[x.number].shape
    return x, weight, bias, n, channels, prod(rest), groups, eps


def instance_norm(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(3, 4)
    return x, *_affine(d, shape[1]), None, None, True, 0.1, d.choice(EPS), False


FAMILY = Family(
    {
        "batch_norm.default": batch_norm,
        "_native_batch_norm_legit_no_training.default": inference,
        "layer_norm.default": layer_norm,
        "native_layer_norm.default": layer_norm,
        "rms_norm.default": rms_norm,
        "group_norm.default": group_norm,
        "native_group_norm.default": native_group_norm,
        "instance_norm.default": instance_norm,
    },
    weight=6,
)
