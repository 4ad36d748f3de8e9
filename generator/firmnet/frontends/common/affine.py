"""How does x · scale + shift, with constants of any shape that repeats, become a layer?"""

from math import prod

import numpy as np

from ...ir import Array, Tensor
from ...ops.batch_norm import BatchNormAttrs
from .builder import Builder, Unsupported
from .movement import reshaped
from .repeats import broadcast_shape, expanded


def affine(b: Builder, x: Tensor, scale: Array | float, shift: Array | float) -> Tensor:
    """x · scale + shift with constants that repeat over x; a batch norm along the axes on which they vary."""
    gain, offset = (np.asarray(constant, np.float64) for constant in (scale, shift))
    shape = broadcast_shape("a constant", x.shape, gain.shape, offset.shape)
    x = expanded(b, x, shape)
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise Unsupported("a constant that is NaN or infinite: look for a division by zero")
    first, last = _varying(b, x, gain, offset)
    constants = [
        np.broadcast_to(c, x.shape)[(0,) * first][(..., *(0,) * (len(shape) - 1 - last))].ravel()
        for c in (gain, offset)
    ]
    merged = reshaped(b, x, (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :]))
    return reshaped(b, scaled(b, merged, BatchNormAttrs(first), *constants), shape)


def _varying(b: Builder, x: Tensor, *constants: Array) -> tuple[int, int]:
    """The first and the last axis on which the constants vary; where they do not, one that may be folded."""
    full = [np.broadcast_to(c, x.shape) for c in constants]
    axes = [axis for axis in range(len(x.shape)) if any(np.ptp(c, axis=axis).any() for c in full)]
    if axes:
        return axes[0], axes[-1]
    made_by = next((node.op for node in b.nodes if x.name in node.outputs), "")
    axis = len(x.shape) - 1 if made_by == "linear" else min(1, len(x.shape) - 1)
    return axis, axis


def scaled(b: Builder, x: Tensor, attrs: BatchNormAttrs, scale: Array, shift: Array) -> Tensor:
    constants = b.constant(f"{b.layer}_scale", scale), b.constant(f"{b.layer}_shift", shift)
    return b.add("batch_norm", attrs, x, *constants)
