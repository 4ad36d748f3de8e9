"""How does PyTorch's tril read? As one layer."""

from collections.abc import Mapping

from ....ir import Tensor
from ....ops.tril import TrilAttrs
from ...common.arguments import Rule
from ...common.builder import Builder


def from_aten_tril(b: Builder, x: Tensor, diagonal: int = 0) -> Tensor:
    return b.add("tril", TrilAttrs(diagonal), x)


RULES: Mapping[str, Rule] = {"aten.tril.default": from_aten_tril}
