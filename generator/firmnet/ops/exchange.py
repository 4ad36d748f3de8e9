"""Which call is the same layer with height and width exchanged? For images of one row or one column."""

from dataclasses import replace

from ..ir import Call, Tensor
from .windows import Padding, Pair, is_image


def exchangeable(call: Call) -> bool:
    """Whether all its activations are the same bytes either way."""
    activations = (*(tensor for tensor in call.inputs if tensor.data is None), call.output)
    return all(is_image(tensor.shape) and 1 in tensor.shape[1:3] for tensor in activations)


def turned(tensor: Tensor) -> Tensor:
    """An activation of an exchangeable call, (1, height, width, channels), as it lies in the other call."""
    _, height, width, channels = tensor.shape
    return replace(tensor, shape=(1, width, height, channels))


def turned_padding(padding: Padding) -> Padding:
    top, bottom, left, right = padding
    return left, right, top, bottom


def turned_pair(pair: Pair) -> Pair:
    return pair[1], pair[0]
