"""Which images does firmnet take, and how do lines and stacks pass for one?"""

from collections.abc import Callable
from functools import wraps
from math import prod
from typing import Concatenate, ParamSpec

from ...ir import Shape, Tensor
from ...ops.windows import is_image
from .builder import Builder, Unsupported
from .movement import reshaped, transposed

Options = ParamSpec("Options")
SampleRule = Callable[Concatenate[Builder, Tensor, Options], Tensor]
"""A rule of one sample."""


def of_one(axes: int) -> Callable[[SampleRule[Options]], SampleRule[Options]]:
    """A rule of one sample, whose `axes` begin with its batch of 1, takes it without that axis too."""

    def taking(rule: SampleRule[Options]) -> SampleRule[Options]:
        @wraps(rule)
        def of_either(b: Builder, x: Tensor, /, *args: Options.args, **options: Options.kwargs) -> Tensor:
            if len(x.shape) != axes - 1:
                return rule(b, x, *args, **options)
            y = rule(b, reshaped(b, x, (1, *x.shape)), *args, **options)
            return reshaped(b, y, y.shape[1:])

        return of_either

    return taking


def as_image(b: Builder, x: Tensor) -> Tensor:
    """Lines (channels, length) or (n, channels, length) as an image whose rows they are."""
    if len(x.shape) not in (2, 3):
        raise Unsupported(f"it needs lines of shape (1, channels, length), got {x.shape}")
    n, channels, length = (1, *x.shape)[-3:]
    rows = transposed(b, x, (1, 0, 2)) if n > 1 else x
    return reshaped(b, rows, (1, channels, n, length))


def as_lines(b: Builder, image: Tensor, x: Tensor) -> Tensor:
    """An image whose rows are lines, as those that `as_image` made one of x."""
    _, channels, n, length = image.shape
    if n == 1:
        return reshaped(b, image, (*x.shape[:-2], channels, length))
    return transposed(b, reshaped(b, image, (channels, n, length)), (1, 0, 2))


def require_image(op: str, shape: Shape) -> None:
    """Raise Unsupported unless the shape is one batched image (1, channels, height, width)."""
    if not is_image(shape):
        raise Unsupported(
            f"{op} needs one image of shape (1, channels, height, width), got {shape}: export with batch 1, "
            "and fold no other axis into the first one"
        )


def channelwise(b: Builder, x: Tensor, axes: int, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """A layer of images that treats every channel alike, over the last `axes` (1 or 2) of x.

    All axes before them are channels to it.
    """
    if len(x.shape) <= axes:
        raise Unsupported(f"it needs {'lines' if axes == 1 else 'images'}, got shape {x.shape}")
    outer, inner = x.shape[:-axes], x.shape[-axes:]
    y = layer(reshaped(b, x, (1, prod(outer), *[1] * (2 - axes), *inner)))
    return reshaped(b, y, (*outer, *y.shape[-axes:]))
