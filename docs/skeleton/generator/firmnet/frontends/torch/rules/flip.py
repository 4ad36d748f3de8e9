"""How does PyTorch's flip read? As one layer for each axis."""

from collections.abc import Callable, Mapping, Sequence

from ....ir import Array, Tensor
from ....ops.flip import FlipAttrs
from ...common.builder import Builder


def from_aten_flip(b: Builder, x: Tensor, dims: Sequence[int]) -> Tensor:
    for dim in dims:
        x = b.add("flip", FlipAttrs(dim % len(x.shape)), x)
    return x


RULES: Mapping[str, Callable[..., Tensor | Array]] = {"aten.flip.default": from_aten_flip}
