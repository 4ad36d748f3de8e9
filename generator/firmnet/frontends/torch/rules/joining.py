"""How does what PyTorch joins and repeats read?"""

from collections.abc import Mapping, Sequence

import numpy as np

from ....ir import Array, Tensor
from ....ops.concat import ConcatAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import reshaped
from ...common.repeats import expanded, repeated


def from_aten_cat(b: Builder, tensors: Sequence[Tensor | Array], dim: int = 0) -> Tensor:
    """Of activations and constants, at least one of the former; parts without values are left out."""
    parts = [part for part in tensors if 0 not in part.shape]
    activations = [part for part in parts if isinstance(part, Tensor)]
    if not activations:
        raise Unsupported("constants take the place of all that is computed: use them alone")
    at = tuple(i for i, part in enumerate(parts) if not isinstance(part, Tensor))
    constants = [b.constant(f"{b.layer}_part", part) for part in parts if isinstance(part, np.ndarray)]
    if len(parts) == 1:
        return activations[0]
    return b.add("concat", ConcatAttrs(dim % len(activations[0].shape), at), *activations, *constants)


def from_aten_stack(b: Builder, tensors: Sequence[Tensor | Array], dim: int = 0) -> Tensor:
    axis = dim % (len(tensors[0].shape) + 1)
    shape = (*tensors[0].shape[:axis], 1, *tensors[0].shape[axis:])
    parts = [
        reshaped(b, part, shape) if isinstance(part, Tensor) else part.reshape(shape) for part in tensors
    ]
    return from_aten_cat(b, parts, axis)


def from_aten_expand(b: Builder, x: Tensor, size: Sequence[int], implicit: bool = False) -> Tensor:
    ranked = (*[1] * (len(size) - len(x.shape)), *x.shape)
    return expanded(b, x, tuple(m if n == -1 else n for m, n in zip(ranked, size, strict=True)))


def from_aten_repeat(b: Builder, x: Tensor, repeats: Sequence[int]) -> Tensor:
    y = reshaped(b, x, (*[1] * (len(repeats) - len(x.shape)), *x.shape))
    for axis, times in enumerate(repeats):
        y = repeated(b, y, axis, times)
    return y


RULES: Mapping[str, Rule] = {
    "aten.cat.default": from_aten_cat,
    "aten.concat.default": from_aten_cat,
    "aten.concatenate.default": from_aten_cat,
    "aten.stack.default": from_aten_stack,
    "aten.expand.default": from_aten_expand,
    "aten.repeat.default": from_aten_repeat,
}
