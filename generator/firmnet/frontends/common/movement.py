"""Which data movement does an import put around a layer, and how does it take parts out of a tensor?"""

from collections.abc import Sequence

from ...ir import Tensor
from ...ops.reshape import ReshapeAttrs
from ...ops.slice import SliceAttrs
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


def sliced(b: Builder, x: Tensor, axis: int, start: int, step: int, size: int) -> Tensor:
    """`size` entries of an axis, from `start` on in steps that may be negative or 0; x where that is all.

    What lies within one part of a concatenation is taken of that part, which has a range of its own.
    """
    x, start = _source(b, x, axis, start, start + (size - 1) * step)
    begin, steps, sizes = [0] * len(x.shape), [1] * len(x.shape), list(x.shape)
    begin[axis], steps[axis], sizes[axis] = start, step, size
    if tuple(sizes) == x.shape and (step == 1 or size == 1):
        return x
    return b.add("slice", SliceAttrs(tuple(begin), tuple(steps), tuple(sizes)), x)


def _source(b: Builder, x: Tensor, axis: int, first: int, last: int) -> tuple[Tensor, int]:
    """From where entries first to last of an axis of x come, and which is the first of them there."""
    node = next((node for node in b.nodes if x.name in node.outputs), None)
    if node is None or node.op != "concat" or node.attrs.axis != axis:
        return x, first
    begin = 0
    for each in node.attrs.parts([b.tensors[name] for name in node.inputs]):
        if begin <= min(first, last) and max(first, last) < begin + each.shape[axis]:
            return (
                (x, first) if each.data is not None else _source(b, each, axis, first - begin, last - begin)
            )
        begin += each.shape[axis]
    return x, first


def part(b: Builder, x: Tensor, axis: int, start: int, size: int) -> Tensor:
    """So many entries of an axis, one after the other."""
    return sliced(b, x, axis, start, 1, size)
