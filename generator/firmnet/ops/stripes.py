"""How is a call cut to some rows of its output?"""

from dataclasses import replace
from typing import Any

from ..ir import Call, Tensor
from .spec import Stripe
from .windows import Window, is_image


def cut(call: Call, rows: range, *read: range, **options: Any) -> Stripe | None:
    """The call with `rows` of its output and read[i] of activation i; `options` replace some of its attrs.

    None where some activation is not one image: rows of several images do not lie in one piece of memory.
    """
    if not all(is_image(t.shape) for t in (*call.inputs[: len(read)], call.output)):
        return None
    activations = tuple(_some(tensor, r) for tensor, r in zip(call.inputs, read, strict=False))
    inputs = (*activations, *call.inputs[len(read) :])
    return Stripe(Call(replace(call.attrs, **options), inputs, (_some(call.output, rows),)), read)


def same_rows(call: Call, rows: range) -> Stripe | None:
    """For ops whose rows depend on the same rows of every activation; None as in `cut`."""
    return cut(call, rows, *[rows for tensor in call.inputs if tensor.data is None])


def window_rows(call: Call, rows: range, window: Window) -> Stripe | None:
    """For ops with a `padding` that slide a window over one image.

    None as in `cut`, and where some row reads no row of the image.
    """
    if not is_image(call.inputs[0].shape):
        return None
    found = window.read(rows, call.inputs[0].shape[1])
    return found and cut(call, rows, found[0], padding=found[1])


def _some(tensor: Tensor, rows: range) -> Tensor:
    return replace(tensor, shape=(1, len(rows), *tensor.shape[2:]))
