"""How does PyTorch's choosing by constant indices read, and writing into a part of a tensor?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.embedding import EmbeddingAttrs
from ....ops.pick import runs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import part, reshaped
from ...common.places import picked
from ...common.repeats import expanded
from .joining import from_aten_cat


def from_aten_index_select(b: Builder, x: Tensor, dim: int, index: Array) -> Tensor:
    axis = dim % len(x.shape)
    return picked(b, x, {axis: runs(_inside(index, x.shape[axis]).ravel())})


def from_aten_index(b: Builder, x: Tensor, indices: Sequence[Array | None]) -> Tensor:
    """x[:, i, …]: one array of indices chooses along its axis, several choose values."""
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if len(given) == 1:
        (axis,) = given
        index = np.asarray(indices[axis])
        chosen = from_aten_index_select(b, x, axis, index)
        return reshaped(b, chosen, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))
    places = [
        slice(None) if index is None else _inside(index, x.shape[axis]) for axis, index in enumerate(indices)
    ]
    return _values(b, x, _numbered(x)[tuple(places)])


def from_aten_gather(b: Builder, x: Tensor, dim: int, index: Array, sparse_grad: bool = False) -> Tensor:
    axis = dim % len(x.shape)
    within = tuple(slice(None) if a == axis else slice(n) for a, n in enumerate(index.shape))
    return _values(b, x, np.take_along_axis(_numbered(x)[within], _inside(index, x.shape[axis]), axis))


def from_aten_take_along_dim(b: Builder, x: Tensor, indices: Array, dim: int | None = None) -> Tensor:
    if dim is None:
        return from_aten_take(b, x, indices.ravel())
    axis = dim % len(x.shape)
    return _values(b, x, np.take_along_axis(_numbered(x), _inside(indices, x.shape[axis]), axis))


def from_aten_take(b: Builder, x: Tensor, index: Array) -> Tensor:
    return _values(b, x, _inside(index, x.size))


def from_aten_roll(b: Builder, x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor:
    """Along each axis, or of all values in a row."""
    if not dims:
        return _values(b, x, np.roll(_numbered(x), shifts[0]))
    for dim, shift in zip(dims, shifts, strict=True):
        axis = dim % len(x.shape)
        x = picked(b, x, {axis: runs(np.roll(np.arange(x.shape[axis]), shift))})
    return x


def from_aten_rot90(b: Builder, x: Tensor, k: int, dims: Sequence[int]) -> Tensor:
    first, second = (dim % len(x.shape) for dim in dims)
    return _values(b, x, np.rot90(_numbered(x), k, (first, second)))


def from_aten_diagonal(b: Builder, x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return _values(b, x, np.diagonal(_numbered(x), offset, dim1, dim2))


def from_aten_slice_scatter(
    b: Builder,
    x: Value,
    src: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """x[:, start:end] = src."""
    axis = dim % len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[axis])
    if step != 1:
        raise Unsupported("writing every n-th entry: write parts one after the other, or torch.cat them")
    before, behind = _cut(b, x, axis, 0, first), _cut(b, x, axis, last, x.shape[axis])
    return from_aten_cat(b, [before, src, behind], axis)


def from_aten_select_scatter(b: Builder, x: Value, src: Value, dim: int, index: int) -> Tensor:
    """x[:, index] = src."""
    axis = dim % len(x.shape)
    at = index % x.shape[axis]
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    one = reshaped(b, src, shape) if isinstance(src, Tensor) else src.reshape(shape)
    return from_aten_slice_scatter(b, x, one, axis, at, at + 1)


def from_aten_copy(b: Builder, x: Value, src: Tensor, non_blocking: bool = False) -> Tensor:
    """x[...] = src: what was there is gone."""
    return expanded(b, src, x.shape)


def from_aten_embedding(b: Builder, weight: Array, indices: Tensor, *options: Any) -> Tensor:
    """The rows of a table that whole numbers name; what is trained about it (padding_idx) is done."""
    table = b.constant(f"{b.layer}_table", weight)
    return b.add("embedding", EmbeddingAttrs(len(weight)), indices, table)


def _cut(b: Builder, x: Value, axis: int, start: int, end: int) -> Value:
    """A part, perhaps without values."""
    if isinstance(x, np.ndarray):
        return x[(slice(None),) * axis + (slice(start, end),)]
    if start == end:
        return np.zeros((*x.shape[:axis], 0, *x.shape[axis + 1 :]))
    return part(b, x, axis, start, end - start)


def _numbered(x: Tensor) -> Array:
    """The places of all values."""
    return np.arange(x.size).reshape(x.shape)


def _inside(index: Array, size: int) -> Array:
    """Indices from 0 on; negative ones count from the end."""
    whole = np.asarray(index).astype(np.int64)
    if ((whole < -size) | (whole >= size)).any():
        raise Unsupported(f"an index beyond the {size} entries of its axis")
    return whole % size


def _values(b: Builder, x: Tensor, places: Array) -> Tensor:
    """The values at these places, in their shape."""
    return reshaped(b, picked(b, reshaped(b, x, (x.size,)), {0: runs(places.ravel())}), places.shape)


RULES: Mapping[str, Rule] = {
    "aten.index_select.default": from_aten_index_select,
    "aten.index.Tensor": from_aten_index,
    "aten.gather.default": from_aten_gather,
    "aten.take.default": from_aten_take,
    "aten.take_along_dim.default": from_aten_take_along_dim,
    "aten.roll.default": from_aten_roll,
    "aten.rot90.default": from_aten_rot90,
    "aten.diagonal.default": from_aten_diagonal,
    "aten.slice_scatter.default": from_aten_slice_scatter,
    "aten.select_scatter.default": from_aten_select_scatter,
    "aten.copy.default": from_aten_copy,
    "aten.embedding.default": from_aten_embedding,
}
