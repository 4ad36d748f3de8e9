"""concat: inputs of one scale and zero point, one after the other along an axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .casework import activation
from .reshape import reshaped
from .spec import Case, Constants, Op, Stripe, register
from .stripes import same_rows

MOST_COPIES = 8
"""Inputs of one layer that are copies of one activation."""


@dataclass(frozen=True)
class ConcatAttrs:
    axis: int


def from_aten_cat(b: Builder, tensors: Sequence[Tensor | Array], dim: int = 0) -> Tensor:
    activations = [tensor for tensor in tensors if isinstance(tensor, Tensor)]
    if len(activations) < len(tensors):
        raise Unsupported(
            "one of its parts is a constant: firmnet concatenates activations; F.pad appends zeros"
        )
    if len(activations) == 1:
        return activations[0]
    return b.add("concat", ConcatAttrs(dim % len(activations[0].shape)), *activations)


def from_aten_stack(b: Builder, tensors: Sequence[Tensor | Array], dim: int = 0) -> Tensor:
    rank = len(tensors[0].shape) + 1
    axis = dim % rank
    parts = [
        reshaped(b, part, (*part.shape[:axis], 1, *part.shape[axis:])) if isinstance(part, Tensor) else part
        for part in tensors
    ]
    return from_aten_cat(b, parts, axis)


def from_aten_expand(b: Builder, x: Tensor, size: Sequence[int], implicit: bool = False) -> Tensor:
    ranked = (*[1] * (len(size) - len(x.shape)), *x.shape)
    return expanded(b, x, tuple(m if n == -1 else n for m, n in zip(ranked, size, strict=True)))


def from_aten_repeat(b: Builder, x: Tensor, repeats: Sequence[int]) -> Tensor:
    y = reshaped(b, x, (*[1] * (len(repeats) - len(x.shape)), *x.shape))
    for axis, times in enumerate(repeats):
        y = _repeated(b, y, axis, times)
    return y


def expanded(b: Builder, x: Tensor, shape: Shape) -> Tensor:
    """x repeated along axes where it has size 1, to the whole `shape`: copies, one behind the other."""
    y = reshaped(b, x, (*[1] * (len(shape) - len(x.shape)), *x.shape))
    for axis, size in enumerate(shape):
        if y.shape[axis] != size:
            y = _repeated(b, y, axis, size)
    if y is not x:
        b.expanded[y.name] = x
    return y


def before_expansion(b: Builder, x: Tensor) -> Tensor:
    """For a layer that repeats its input itself: what `expanded` made x of, or x."""
    return b.expanded.get(x.name, x)


def broadcast_shape(op: str, *shapes: Shape) -> Shape:
    """The shape of what PyTorch computes from inputs of these shapes, element by element."""
    try:
        return tuple(int(n) for n in np.broadcast_shapes(*shapes))
    except ValueError:
        raise Unsupported(f"{op} needs shapes that repeat over each other, got {shapes}") from None


def _repeated(b: Builder, x: Tensor, axis: int, times: int) -> Tensor:
    """Copies along an axis, doubled as long as that goes, so that no layer has very many inputs."""
    for factor in (2, 3, 5, 7):
        while times % factor == 0 and times > MOST_COPIES:
            x = _repeated(b, x, axis, factor)
            times //= factor
    return x if times == 1 else b.add("concat", ConcatAttrs(axis), *[x] * times)


class Concat(Op):
    name = "concat"
    attrs = ConcatAttrs
    sources = {
        "aten.cat.default": from_aten_cat,
        "aten.concat.default": from_aten_cat,
        "aten.concatenate.default": from_aten_cat,
        "aten.stack.default": from_aten_stack,
        "aten.expand.default": from_aten_expand,
        "aten.repeat.default": from_aten_repeat,
    }
    keeps_qparams = True

    def shape(self, attrs: ConcatAttrs, *inputs: Shape) -> Shape:
        first, axis = inputs[0], attrs.axis
        if any((*x[:axis], 0, *x[axis + 1 :]) != (*first[:axis], 0, *first[axis + 1 :]) for x in inputs):
            raise ValueError(f"concat along axis {axis} needs equal other axes, got {inputs}")
        return (*first[:axis], sum(x[axis] for x in inputs), *first[axis + 1 :])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return np.concatenate(inputs, call.attrs.axis)

    def remap(self, attrs: ConcatAttrs, order: Shape) -> ConcatAttrs:
        return ConcatAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        axis = call.attrs.axis
        return {
            "blocks": int(np.prod(call.output.shape[:axis], dtype=np.int64)),
            "lengths": [int(np.prod(x.shape[axis:], dtype=np.int64)) for x in call.inputs],
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return np.concatenate(inputs, call.attrs.axis)

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, list[Shape], int]] = [
            ("channels_3_5", [(1, 4, 3, 3), (1, 4, 3, 5)], 3),
            ("image_rows_2_3", [(1, 2, 5, 3), (1, 3, 5, 3)], 1),
            ("rows_of_three", [(1, 2, 5), (1, 1, 5), (1, 3, 5)], 1),
            ("vectors", [(1, 7), (1, 2)], 1),
            ("leading_2_1_3", [(2, 3, 5), (1, 3, 5), (3, 3, 5)], 0),
            ("channels_behind_leading_4", [(4, 2, 3, 3), (4, 2, 3, 5)], 3),
        ]
        for label, shapes, axis in rows:
            attrs = ConcatAttrs(axis)
            inputs = tuple(activation(f"x{i}", shape) for i, shape in enumerate(shapes))
            yield Case(label, Call(attrs, inputs, activation("y", self.shape(attrs, *shapes))))


register(Concat())
