"""Which data movement does an import put around a layer?"""

from collections.abc import Sequence

from ...ir import Tensor
from ...ops.reshape import ReshapeAttrs
from ...ops.transpose import TransposeAttrs
from .builder import Builder


def reshaped(b: Builder, x: Tensor, shape: Sequence[int]) -> Tensor:
    """A view on the way to or from the layer being imported."""
    sizes = tuple(int(n) for n in shape)
    return x if sizes == x.shape else b.add("reshape", ReshapeAttrs(sizes), x, name=f"{b.layer}_view")


def to_nhwc(b: Builder, x: Tensor) -> Tensor:
    return b.add("transpose", TransposeAttrs((0, 2, 3, 1)), x, name=f"{b.layer}_nhwc")


def to_nchw(b: Builder, x: Tensor) -> Tensor:
    return b.add("transpose", TransposeAttrs((0, 3, 1, 2)), x, name=f"{b.layer}_nchw")


def transposed(b: Builder, x: Tensor, order: Sequence[int]) -> Tensor:
    """A transpose on the way to or from the layer being imported."""
    axes = tuple(order)
    same = axes == tuple(range(len(axes)))
    return x if same else b.add("transpose", TransposeAttrs(axes), x, name=f"{b.layer}_transposed")
