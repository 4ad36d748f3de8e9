"""How does PyTorch's choosing by constant indices read, and what moves values to constant places?"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import torch

from ....ir import Array, Tensor
from ....ops import OPS
from ....ops.compare import CompareAttrs
from ....ops.embedding import EmbeddingAttrs
from ....ops.functions import single
from ....ops.pick import runs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import part, reshaped, transposed
from ...common.places import picked
from ...common.repeats import expanded
from .arithmetic import from_aten_mul
from .joining import from_aten_cat
from .pooling import from_aten_amax, from_aten_mean, from_aten_sum

MOST_LOOKED_UP = 256
"""Places along an axis: a table of one-hot rows has as many rows and columns."""
MOST_NEAR = 64
"""Places that int8 tells from each other though what they are computed from was rounded."""


def from_aten_index_select(b: Builder, x: Tensor, dim: int, index: Array) -> Tensor:
    axis = dim % len(x.shape)
    return picked(b, x, {axis: runs(inside(index, x.shape[axis]).ravel())})


def from_aten_index(b: Builder, x: Tensor, indices: Sequence[Array | None]) -> Tensor:
    """x[:, i, …]: one array of indices chooses along its axis, several choose values; masks are such too."""
    indices = listed(indices)
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if len(given) == 1:
        (axis,) = given
        index = np.asarray(indices[axis])
        chosen = from_aten_index_select(b, x, axis, index)
        return reshaped(b, chosen, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))
    places = [
        slice(None) if index is None else inside(index, x.shape[axis]) for axis, index in enumerate(indices)
    ]
    return _values(b, x, numbered(x)[tuple(places)])


def listed(indices: Sequence[Array | None]) -> list[Array | None]:
    """A mask over some axes as the places along each where it holds."""
    found: list[Array | None] = []
    for index in indices:
        if index is not None and index.dtype == bool:
            found.extend(np.nonzero(index))
        else:
            found.append(index)
    return found


def from_aten_masked_select(b: Builder, x: Tensor, mask: Array) -> Tensor:
    """The values in a row where a constant mask holds."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    places = np.broadcast_to(numbered(x), shape)[np.broadcast_to(mask, shape) != 0]
    return _values(b, x, places)


def from_aten_gather(b: Builder, x: Tensor, dim: int, index: Value, sparse_grad: bool = False) -> Tensor:
    axis = dim % len(x.shape)
    if isinstance(index, Tensor):
        return _looked_up(b, x, axis, index)
    within = tuple(slice(None) if a == axis else slice(n) for a, n in enumerate(index.shape))
    return _values(b, x, np.take_along_axis(numbered(x)[within], inside(index, x.shape[axis]), axis))


def _looked_up(b: Builder, x: Tensor, axis: int, index: Tensor) -> Tensor:
    """At places that the network computes for every line: the sum of all values, weighed by a one-hot row."""
    n, last = x.shape[axis], len(x.shape)
    if index.shape != (*x.shape[:axis], index.shape[axis], *x.shape[axis + 1 :]):
        raise Unsupported("its 'index' is computed by the network, and goes along some lines alone: give all")
    if n > MOST_LOOKED_UP:
        raise Unsupported(f"its 'index' is computed by the network, of more than {MOST_LOOKED_UP} places")
    rows = from_aten_one_hot(b, index, n) if _counts(b, index) else _near(b, index, n)
    line = transposed(b, x, [*(i for i in range(last) if i != axis), axis])
    line = reshaped(b, line, (*x.shape[:axis], 1, *x.shape[axis + 1 :], n))
    return from_aten_sum(b, from_aten_mul(b, rows, line), last)


def _near(b: Builder, index: Tensor, n: int) -> Tensor:
    """(…, n): 1 where a whole number that is computed as a real one is nearest to that of the place."""
    if n > MOST_NEAR:
        raise Unsupported(
            f"its 'index' is computed by the network as real numbers, of more than {MOST_NEAR} places"
        )
    many = expanded(b, reshaped(b, index, (*index.shape, 1)), (*index.shape, n))
    distance = b.add("table", single("abs"), affine(b, many, 1.0, -np.arange(n)))
    return b.add("compare", CompareAttrs("lt", 0.5), distance)


def from_aten_take_along_dim(b: Builder, x: Tensor, indices: Array, dim: int | None = None) -> Tensor:
    if dim is None:
        return from_aten_take(b, x, indices.ravel())
    axis = dim % len(x.shape)
    return _values(b, x, np.take_along_axis(numbered(x), inside(indices, x.shape[axis]), axis))


def from_aten_take(b: Builder, x: Tensor, index: Array) -> Tensor:
    return _values(b, x, inside(index, x.size))


def from_aten_roll(b: Builder, x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor:
    """Along each axis, or of all values in a row."""
    if not dims:
        return _values(b, x, np.roll(numbered(x), shifts[0]))
    for dim, shift in zip(dims, shifts, strict=True):
        axis = dim % len(x.shape)
        x = picked(b, x, {axis: runs(np.roll(np.arange(x.shape[axis]), shift))})
    return x


def from_aten_rot90(b: Builder, x: Tensor, k: int, dims: Sequence[int]) -> Tensor:
    first, second = (dim % len(x.shape) for dim in dims)
    return _values(b, x, np.rot90(numbered(x), k, (first, second)))


def from_aten_diagonal(b: Builder, x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return _values(b, x, np.diagonal(numbered(x), offset, dim1, dim2))


def from_aten_as_strided(
    b: Builder, x: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Places of the values in a row, so many apart along each axis."""
    places = sum(
        (np.arange(n) * step).reshape(-1, *[1] * (len(size) - 1 - axis))
        for axis, (n, step) in enumerate(zip(size, stride, strict=True))
    )
    return _values(b, x, inside(np.asarray(places + (storage_offset or 0)), x.size))


def _in_place(move: Callable[..., torch.Tensor]) -> Rule:
    """The rule of a function that moves values and puts zeros between: PyTorch itself moves the places."""

    def rule(b: Builder, x: Tensor, *options: Any, **named: Any) -> Tensor:
        from_one = torch.arange(1, x.size + 1).reshape(x.shape)
        return _values(b, x, move(from_one, *options, **named).numpy() - 1)

    return rule


def from_aten_embedding(b: Builder, weight: Array, indices: Tensor, *options: Any) -> Tensor:
    """The rows of a table that whole numbers name; what is trained about it (padding_idx) is done."""
    if shifted := _shifted(b, indices):
        return reshaped(b, _rows_of_fields(b, weight, *shifted), (*indices.shape, weight.shape[1]))
    if not _counts(b, indices):
        raise Unsupported(
            "rows named by real numbers: give the network their numbers as an input of int64, or by argmax"
        )
    table = b.constant(f"{b.layer}_table", weight)
    return b.add("embedding", EmbeddingAttrs(len(weight)), indices, table)


def _counts(b: Builder, x: Tensor) -> bool:
    """Whether these are whole numbers: of an input, or places, perhaps moved."""
    return counted_by(b, x) in ("", "argmax", "argsort")


def counted_by(b: Builder, x: Tensor) -> str:
    """The op that made values which were perhaps moved; "": they are given."""
    made = {output: node for node in b.nodes for output in node.outputs}
    name = x.name
    while (node := made.get(name)) and OPS[node.op].keeps_qparams:
        name = node.inputs[0]
    return node.op if node else ""


def _shifted(b: Builder, indices: Tensor) -> tuple[Tensor, Array] | None:
    """Whole numbers to which constants are added, and these, one for each; None: it is something else."""
    made = {output: node for node in b.nodes for output in node.outputs}
    node = made.get(indices.name)
    while node and node.op == "reshape":
        node = made.get(node.inputs[0])
    if not node or node.op != "batch_norm":
        return None
    x, scale, shift = (b.tensors[name] for name in node.inputs)
    offsets = shift.values
    if np.any(scale.values != 1) or np.any(offsets % 1) or not _counts(b, x):
        return None
    behind = (1,) * (len(x.shape) - 1 - node.attrs.axis)
    return x, np.broadcast_to(offsets.reshape(-1, *behind), x.shape).astype(np.int64)


def _rows_of_fields(b: Builder, weight: Array, numbers: Tensor, offsets: Array) -> Tensor:
    """(values, n): tables of several fields lie in one, each from its offset to that of the next field."""
    begins = sorted({int(offset) for offset in offsets.ravel()})
    if begins[0] < 0 or begins[-1] >= len(weight):
        raise Unsupported(f"offsets {begins[0]} to {begins[-1]} in a table of {len(weight)} rows")
    ends = dict(zip(begins, [*begins[1:], len(weight)], strict=True))
    tables = {at: b.constant(f"{b.layer}_table", weight[at:end]) for at, end in ends.items()}
    flat, of_each = reshaped(b, numbers, (numbers.size,)), offsets.ravel()
    firsts = [0, *(np.flatnonzero(np.diff(of_each)) + 1), len(of_each)]
    rows = []
    for first, last in pairwise(firsts):
        table = tables[int(of_each[first])]
        field = part(b, flat, 0, int(first), int(last - first))
        rows.append(b.add("embedding", EmbeddingAttrs(table.shape[0]), field, table))
    return from_aten_cat(b, rows, 0)


def from_aten_one_hot(b: Builder, x: Tensor, num_classes: int = -1) -> Tensor:
    """A row of the unit matrix for each number."""
    if num_classes < 1:
        raise Unsupported("how many classes there are depends on the data: give it num_classes")
    return from_aten_embedding(b, np.eye(num_classes), x)


def from_aten_embedding_bag(
    b: Builder,
    weight: Array,
    indices: Tensor,
    offsets: Array,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Of bags that begin at constant places: the sum, the mean or the largest of their rows."""
    if padding_idx is not None and padding_idx >= 0:
        raise Unsupported("a padding_idx, whose rows do not count: leave it out, and keep that row zero")
    if per_sample_weights is not None:
        raise Unsupported("per_sample_weights: multiply the rows of F.embedding by them, and add up")
    (count,) = indices.shape
    begins = [int(at) for at in offsets.ravel()]
    ends = begins[1:] if include_last_offset else [*begins[1:], count]
    bags = [(begin, end - begin) for begin, end in zip(begins, ends, strict=False)]
    if any(size < 1 for _, size in bags):
        raise Unsupported("a bag without rows: leave it out")
    rows = from_aten_embedding(b, weight, indices)
    pooled = (from_aten_sum, from_aten_mean, from_aten_amax)[mode]
    return from_aten_cat(b, [pooled(b, part(b, rows, 0, *bag), 0, True) for bag in bags], 0)


def numbered(x: Value) -> Array:
    """The places of all values."""
    return np.arange(prod(x.shape)).reshape(x.shape)


def inside(index: Array, size: int) -> Array:
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
    "aten.masked_select.default": from_aten_masked_select,
    "aten.take.default": from_aten_take,
    "aten.take_along_dim.default": from_aten_take_along_dim,
    "aten.roll.default": from_aten_roll,
    "aten.rot90.default": from_aten_rot90,
    "aten.diagonal.default": from_aten_diagonal,
    "aten.as_strided.default": from_aten_as_strided,
    "aten.diag.default": _in_place(torch.diag),
    "aten.diag_embed.default": _in_place(torch.diag_embed),
    "aten.triu.default": _in_place(torch.triu),
    "aten.one_hot.default": from_aten_one_hot,
    "aten.embedding_bag.padding_idx": from_aten_embedding_bag,
    "aten.embedding.default": from_aten_embedding,
}
