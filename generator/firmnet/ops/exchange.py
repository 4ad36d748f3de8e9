"""Which call is the same layer with height and width exchanged? For images of one row or one column."""

from dataclasses import replace

from ..ir import Call, Tensor
from .windows import Padding, Pair, is_image


def exchangeable(call: Call) -> bool:
    """Whether all its activations are the same bytes either way."""
    activations = (*(tensor for tensor in call.inputs if tensor.data is None), call.output)
    return all(is_image(tensor.shape) and 1 in tensor.shape[1:3] for tensor in activations)


def with_turned_weight(call: Call, **edges: Padding) -> Call | None:
    """A call of x, weight (O, kh, kw, C/groups) and bias, with a stride and dilation, exchanged.

    `edges`: the option that says what is at the edges of the image, by its name.
    """
    if not exchangeable(call):
        return None
    (x, w, b), attrs = call.inputs, call.attrs
    n_out, kh, kw, depth = w.shape
    weight = replace(w, shape=(n_out, kw, kh, depth), data=w.values.transpose(0, 2, 1, 3))
    options = {name: turned_padding(each) for name, each in edges.items()}
    windows = {"stride": turned_pair(attrs.stride), "dilation": turned_pair(attrs.dilation)}
    return Call(replace(attrs, **options, **windows), (turned(x), weight, b), (turned(call.output),))


def turned(tensor: Tensor) -> Tensor:
    """An activation of an exchangeable call, (1, height, width, channels), as it lies in the other call."""
    _, height, width, channels = tensor.shape
    return replace(tensor, shape=(1, width, height, channels))


def turned_padding(padding: Padding) -> Padding:
    top, bottom, left, right = padding
    return left, right, top, bottom


def turned_pair(pair: Pair) -> Pair:
    return pair[1], pair[0]
