"""How does PyTorch's writing into parts of a tensor read? As what is kept and what is new, reordered."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from ....ir import Array, Shape, Tensor
from ....ops.compare import CompareAttrs
from ....ops.pick import FILL, runs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import part, reshaped, transposed
from ...common.places import picked
from ...common.repeats import expanded
from .arithmetic import from_aten_add, from_aten_mul
from .choices import from_aten_not, from_aten_where
from .indexing import counted_by, from_aten_one_hot, inside, listed, numbered
from .joining import from_aten_cat
from .pooling import from_aten_sum


def from_aten_slice_scatter(
    b: Builder,
    x: Value,
    src: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """x[:, start:end:step] = src."""
    axis = dim % len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[axis])
    if step != 1:
        return _replaced(b, x, src, axis, np.arange(first, last, step))
    before, behind = _cut(b, x, axis, 0, first), _cut(b, x, axis, last, x.shape[axis])
    return from_aten_cat(b, [before, src, behind], axis)


def from_aten_select_scatter(b: Builder, x: Value, src: Value, dim: int, index: int) -> Tensor:
    """x[:, index] = src."""
    axis = dim % len(x.shape)
    at = index % x.shape[axis]
    one = _shaped(b, src, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return from_aten_slice_scatter(b, x, one, axis, at, at + 1)


def from_aten_diagonal_scatter(
    b: Builder, x: Value, src: Value, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    return _put(b, x, np.diagonal(numbered(x), offset, dim1, dim2), src)


def from_aten_copy(b: Builder, x: Value, src: Tensor, non_blocking: bool = False) -> Tensor:
    """x[...] = src: what was there is gone."""
    return expanded(b, src, x.shape)


def from_aten_index_copy(b: Builder, x: Value, dim: int, index: Value, source: Value) -> Tensor:
    axis = dim % len(x.shape)
    if isinstance(index, Tensor):
        return _at_computed_place(b, x, axis, index, source)
    return _replaced(b, x, source, axis, inside(index.ravel(), x.shape[axis]))


def from_aten_index_fill(b: Builder, x: Tensor, dim: int, index: Array, value: float) -> Tensor:
    axis = dim % len(x.shape)
    at = inside(index.ravel(), x.shape[axis])
    shape = (*x.shape[:axis], len(at), *x.shape[axis + 1 :])
    return _replaced(b, x, np.full(shape, value), axis, at)


def from_aten_index_put(
    b: Builder,
    x: Value,
    indices: Sequence[Value | None],
    values: Value,
    accumulate: bool = False,
) -> Tensor:
    """x[i, j] = values, by constant indices or masks; or one number, where a mask of activations holds."""
    mask = indices[0]
    if isinstance(mask, Tensor) and len(indices) == 1 and mask.shape == x.shape and not accumulate:
        if prod(values.shape) > 1:
            raise Unsupported("values of their own where a mask holds: write torch.where(mask, values, x)")
        return from_aten_where(b, mask, _shaped(b, values, ()), x)
    computed = [axis for axis, index in enumerate(indices) if index is not None]
    if len(computed) == 1 and isinstance(place := indices[computed[0]], Tensor) and place.size == 1:
        one = (*x.shape[: computed[0]], 1, *x.shape[computed[0] + 1 :])
        if not accumulate and x.shape != (1,) and prod(values.shape) == prod(one):
            return _at_computed_place(b, x, computed[0], place, _shaped(b, values, one))
    if any(isinstance(index, Tensor) for index in indices):
        raise Unsupported("its 'indices' are computed by the network: firmnet writes at constant ones")
    given = listed([index for index in indices if not isinstance(index, Tensor)])
    along = [axis for axis, index in enumerate(given) if index is not None]
    if len(along) == 1 and not accumulate:
        (axis,) = along
        at = inside(np.asarray(given[axis]), x.shape[axis])
        if at.ndim == 1:
            return _replaced(b, x, values, axis, at)
    places = [
        slice(None) if index is None else inside(index, n) for index, n in zip(given, x.shape, strict=False)
    ]
    write = _add_at if accumulate else _put
    return write(b, x, numbered(x)[tuple(places)], values)


def _at_computed_place(b: Builder, x: Value, axis: int, place: Tensor, source: Value) -> Tensor:
    """One entry along an axis, at a place that the network computes: chosen by a mask of all places.

    A place that is none, where PyTorch stops, writes nothing.
    """
    if place.size != 1:
        raise Unsupported("it writes at several places that the network computes: firmnet writes at one")
    shape = [1] * len(x.shape)
    apart = reshaped(b, place, tuple(shape))
    shape[axis] = x.shape[axis]
    ahead = affine(b, apart, 1.0, -np.arange(x.shape[axis]).reshape(shape))
    here = b.add("compare", CompareAttrs("eq", 0.0), ahead)
    written = expanded(b, source, x.shape) if isinstance(source, Tensor) else np.broadcast_to(source, x.shape)
    return from_aten_where(b, here, written, x)


def from_aten_masked_scatter(b: Builder, x: Value, mask: Array, source: Value) -> Tensor:
    """The first values of source, one behind the other, where a constant mask holds."""
    places = numbered(x)[np.broadcast_to(mask, x.shape) != 0]
    flat = _shaped(b, source, (prod(source.shape),))
    return _put(b, x, places, _cut(b, flat, 0, 0, len(places)))


def from_aten_scatter(b: Builder, x: Value, dim: int, index: Value, src: Value | float) -> Tensor:
    """At places that are constant, or that the network computes for every line."""
    axis = dim % len(x.shape)
    if isinstance(index, Tensor):
        return _marked(b, x, axis, index, src)
    written = np.asarray(src) if isinstance(src, int | float) else _corner(b, src, index.shape)
    return _put(b, x, _scattered(x, axis, index), written)


def from_aten_scatter_add(b: Builder, x: Value, dim: int, index: Array, src: Value) -> Tensor:
    axis = dim % len(x.shape)
    return _add_at(b, x, _scattered(x, axis, index), _corner(b, src, index.shape))


def from_aten_scatter_reduce(
    b: Builder, x: Value, dim: int, index: Array, src: Value, reduce: str, *, include_self: bool = True
) -> Tensor:
    if reduce != "sum" or not include_self:
        raise Unsupported(
            f"scatter_reduce by {reduce!r}: firmnet adds up what meets, including what was there"
        )
    return from_aten_scatter_add(b, x, dim, index, src)


def from_aten_index_add(
    b: Builder, x: Value, dim: int, index: Array, source: Value, *, alpha: float = 1
) -> Tensor:
    axis = dim % len(x.shape)
    at = inside(index.ravel(), x.shape[axis])
    return from_aten_add(b, x, _gathered(b, source, axis, at, x.shape[axis]), alpha)


def _marked(b: Builder, x: Value, axis: int, index: Tensor, value: Value | float) -> Tensor:
    """Values of each line along an axis become others, or a number, where one-hot rows say so; no place is
    named twice.
    """
    if index.shape != (*x.shape[:axis], index.shape[axis], *x.shape[axis + 1 :]):
        raise Unsupported("its 'index' is computed by the network, and goes along some lines alone: give all")
    if index.shape[axis] > 1 and counted_by(b, index) != "argsort":
        raise Unsupported(
            "its 'index' is computed by the network, and may name a place twice: take one of topk or argsort"
        )
    rows = from_aten_one_hot(b, index, x.shape[axis])
    mask = _in_lines(b, rows, axis, x.shape)
    if not isinstance(value, Tensor) and np.size(value) == 1:
        return from_aten_where(b, mask, float(np.asarray(value).ravel()[0]), x)
    written = _shaped(b, _corner(b, value, index.shape), (*index.shape, 1))  # type: ignore[arg-type]
    weighed = _in_lines(b, from_aten_mul(b, rows, written), axis, x.shape)
    if not isinstance(x, Tensor) and not np.any(x):
        return weighed
    return from_aten_add(b, from_aten_mul(b, x, from_aten_not(b, mask)), weighed)


def _in_lines(b: Builder, rows: Tensor, axis: int, shape: Shape) -> Tensor:
    """Rows, of which there are several along the axis, added up and laid along it."""
    last = len(shape)
    total = from_aten_sum(b, rows, axis, True) if rows.shape[axis] > 1 else rows
    order = [*range(axis), last, *range(axis + 1, last), axis]
    return reshaped(b, transposed(b, total, order), shape)


def _scattered(x: Value, axis: int, index: Array) -> Array:
    """Which values of x scatter writes, in the shape of the index."""
    along: list[Array] = list(np.indices(index.shape))
    along[axis] = inside(index, x.shape[axis])
    places: Array = numbered(x)[tuple(along)]
    return places


def _put(b: Builder, x: Value, places: Array, src: Value) -> Tensor:
    """x with the values of src, which repeats over them, at these places."""
    if isinstance(src, Tensor):
        flat: Value = reshaped(b, expanded(b, src, places.shape), (places.size,))
    else:
        flat = np.broadcast_to(src, places.shape).ravel()
    y = _replaced(b, _shaped(b, x, (prod(x.shape),)), flat, 0, places.ravel())
    return reshaped(b, y, x.shape)


def _replaced(b: Builder, x: Value, src: Value, axis: int, at: Array) -> Tensor:
    """x with entries of src, which repeats over them, at these places of an axis; the last of several stays.

    What is one number everywhere is not stored.
    """
    count = x.shape[axis]
    shape = (*x.shape[:axis], len(at), *x.shape[axis + 1 :])
    new = expanded(b, src, shape) if isinstance(src, Tensor) else np.broadcast_to(src, shape)
    order = np.arange(count)
    order[at] = count + np.arange(len(at))
    is_new = order >= count
    if isinstance(new, Tensor) and (is_new.all() or (not isinstance(x, Tensor) and not np.ptp(x))):
        fill = 0.0 if isinstance(x, Tensor) else float(x.flat[0])
        return picked(b, new, {axis: runs(np.where(is_new, order - count, FILL))}, fill)
    if not isinstance(new, Tensor) and isinstance(x, Tensor) and new.size and not np.ptp(new):
        return picked(b, x, {axis: runs(np.where(is_new, FILL, order))}, float(new.flat[0]))
    return picked(b, from_aten_cat(b, [x, new], axis), {axis: runs(order)})


def _add_at(b: Builder, x: Value, places: Array, src: Value) -> Tensor:
    """x with the values of src added at these places, as often as each is named."""
    over = expanded(b, src, places.shape) if isinstance(src, Tensor) else np.broadcast_to(src, places.shape)
    flat = _shaped(b, over, (places.size,))
    added = _gathered(b, flat, 0, places.ravel(), prod(x.shape))
    return from_aten_add(b, x, _shaped(b, added, x.shape))


def _gathered(b: Builder, src: Value, axis: int, at: Array, count: int) -> Value:
    """For each of `count` places of an axis the sum of the entries of src that go there."""
    if not isinstance(src, Tensor):
        goes = (np.arange(count)[:, None] == at).astype(np.float64)
        total: Array = np.moveaxis(np.tensordot(goes, src, (1, axis)), 0, axis)
        return total
    times = np.bincount(at, minlength=count)
    which = np.full((times.max(), count), FILL)
    for entry, place in enumerate(at):
        which[times[place] - 1, place] = entry
        times[place] -= 1
    several = picked(b, src, {axis: runs(which.ravel())}, name=f"{b.layer}_places")
    split = reshaped(b, several, (*src.shape[:axis], *which.shape, *src.shape[axis + 1 :]))
    return from_aten_sum(b, split, axis)


def _shaped(b: Builder, x: Value, shape: Sequence[int]) -> Value:
    return reshaped(b, x, shape) if isinstance(x, Tensor) else x.reshape(shape)


def _corner(b: Builder, x: Value, sizes: Sequence[int]) -> Value:
    """The first entries along every axis."""
    for axis, size in enumerate(sizes):
        x = _cut(b, x, axis, 0, size)
    return x


def _cut(b: Builder, x: Value, axis: int, start: int, end: int) -> Value:
    """A part, perhaps without values."""
    if isinstance(x, np.ndarray):
        return x[(slice(None),) * axis + (slice(start, end),)]
    if start == end:
        return np.zeros((*x.shape[:axis], 0, *x.shape[axis + 1 :]))
    return part(b, x, axis, start, end - start)


RULES: Mapping[str, Rule] = {
    "aten.slice_scatter.default": from_aten_slice_scatter,
    "aten.select_scatter.default": from_aten_select_scatter,
    "aten.diagonal_scatter.default": from_aten_diagonal_scatter,
    "aten.copy.default": from_aten_copy,
    "aten.index_add.default": from_aten_index_add,
    "aten.index_copy.default": from_aten_index_copy,
    "aten.index_fill.int_Scalar": from_aten_index_fill,
    "aten.index_put.default": from_aten_index_put,
    "aten.masked_scatter.default": from_aten_masked_scatter,
    "aten.scatter.src": from_aten_scatter,
    "aten.scatter.value": from_aten_scatter,
    "aten.scatter_add.default": from_aten_scatter_add,
    "aten.scatter_reduce.two": from_aten_scatter_reduce,
}
