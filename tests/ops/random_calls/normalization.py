"""How does chance call normalizations?"""

from typing import Any

from .drawing import Constant, Draw, Family


def _statistics(d: Draw) -> tuple[Any, Constant | None, Constant | None, Constant, Constant]:
    """An activation, and weight, bias, mean and variance of its channels."""
    x, shape = d.ranked(2, 3, 4, 5)
    n = shape[1]
    affine = d.maybe(0.8)
    weights = (d.constant(n), d.constant(n)) if affine else (None, None)
    return x, *weights, d.constant(n), d.constant(n, positive=True)


def batch_norm(d: Draw) -> tuple[Any, ...]:
    return *_statistics(d), False, 0.1, d.choice([1e-5, 1e-3]), False


def inference(d: Draw) -> tuple[Any, ...]:
    return *_statistics(d), 0.1, 1e-5


FAMILY = Family({"batch_norm.default": batch_norm, "_native_batch_norm_legit_no_training.default": inference})
