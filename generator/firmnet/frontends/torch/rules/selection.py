"""How does PyTorch read which takes parts out of a tensor, turns it round, or repeats it? As slices."""

from collections.abc import Mapping, Sequence

from ....ir import Tensor
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import part, reshaped, sliced


def from_aten_slice(
    b: Builder, x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    axis = dim % len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[axis])
    return sliced(b, x, axis, first, step, -(-(last - first) // step))


def from_aten_narrow(b: Builder, x: Tensor, dim: int, start: int, length: int) -> Tensor:
    axis = dim % len(x.shape)
    return part(b, x, axis, start % x.shape[axis], length)


def from_aten_select(b: Builder, x: Tensor, dim: int, index: int) -> Tensor:
    """x[:, 0]: one entry of an axis, which vanishes."""
    axis = dim % len(x.shape)
    one = part(b, x, axis, index % x.shape[axis], 1)
    return reshaped(b, one, (*x.shape[:axis], *x.shape[axis + 1 :]))


def from_aten_unbind(b: Builder, x: Tensor, dim: int = 0) -> list[Tensor]:
    return [from_aten_select(b, x, dim, index) for index in range(x.shape[dim])]


def from_aten_split_with_sizes(
    b: Builder, x: Tensor, split_sizes: Sequence[int], dim: int = 0
) -> list[Tensor]:
    axis = dim % len(x.shape)
    begins = [sum(split_sizes[:i]) for i in range(len(split_sizes))]
    if 0 in split_sizes:
        raise Unsupported("one of its parts is empty: leave that out")
    return [part(b, x, axis, begin, size) for begin, size in zip(begins, split_sizes, strict=True)]


def from_aten_split(b: Builder, x: Tensor, split_size: int, dim: int = 0) -> list[Tensor]:
    """Parts of one size; the last may have fewer."""
    n = x.shape[dim]
    return from_aten_split_with_sizes(b, x, [min(split_size, n - at) for at in range(0, n, split_size)], dim)


def from_aten_chunk(b: Builder, x: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    """At most so many parts."""
    return from_aten_split(b, x, -(-x.shape[dim] // chunks), dim)


def from_aten_flip(b: Builder, x: Tensor, dims: Sequence[int]) -> Tensor:
    for axis in (dim % len(x.shape) for dim in dims):
        x = sliced(b, x, axis, x.shape[axis] - 1, -1, x.shape[axis])
    return x


def from_aten_fliplr(b: Builder, x: Tensor) -> Tensor:
    return from_aten_flip(b, x, [1])


def from_aten_flipud(b: Builder, x: Tensor) -> Tensor:
    return from_aten_flip(b, x, [0])


RULES: Mapping[str, Rule] = {
    "aten.slice.Tensor": from_aten_slice,
    "aten.narrow.default": from_aten_narrow,
    "aten.select.int": from_aten_select,
    "aten.unbind.int": from_aten_unbind,
    "aten.split.Tensor": from_aten_split,
    "aten.split.sizes": from_aten_split_with_sizes,
    "aten.split_with_sizes.default": from_aten_split_with_sizes,
    "aten.unsafe_split.Tensor": from_aten_split,
    "aten.unsafe_split_with_sizes.default": from_aten_split_with_sizes,
    "aten.chunk.default": from_aten_chunk,
    "aten.unsafe_chunk.default": from_aten_chunk,
    "aten.flip.default": from_aten_flip,
    "aten.fliplr.default": from_aten_fliplr,
    "aten.flipud.default": from_aten_flipud,
}
