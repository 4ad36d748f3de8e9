"""How does PyTorch's flip read? As one layer for each axis."""

from collections.abc import Mapping, Sequence

from ....ir import Tensor
from ....ops.flip import FlipAttrs
from ...common.arguments import Rule
from ...common.builder import Builder


def from_aten_flip(b: Builder, x: Tensor, dims: Sequence[int]) -> Tensor:
    for dim in dims:
        x = b.add("flip", FlipAttrs(dim % len(x.shape)), x)
    return x


RULES: Mapping[str, Rule] = {"aten.flip.default": from_aten_flip}
