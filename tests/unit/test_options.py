"""Are options that no network has refused by their op, whatever file they come from, before work begins?"""

import json
from functools import cache

import numpy as np
import pytest

from firmnet.frontends.common.builder import Builder
from firmnet.graph_file import graph_to_json, read_graph
from firmnet.ir import Array, Shape
from firmnet.ops.avg_pool2d import AvgPool2dAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.conv_transpose2d import ConvTranspose2dAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.normalize import NormalizeAttrs
from firmnet.ops.pad import PadAttrs
from firmnet.ops.reduce import ReduceAttrs
from firmnet.quantize import quantize

IMAGE = (1, 4, 5, 3)
ENDLESS = 10**12
SOUND = {
    "conv2d": Conv2dAttrs(),
    "conv_transpose2d": ConvTranspose2dAttrs(),
    "max_pool2d": MaxPool2dAttrs((2, 2), (1, 1)),
    "avg_pool2d": AvgPool2dAttrs((2, 2)),
    "pad": PadAttrs((0, 1, 0, 0), (0, 0, 0, 0)),
    "reduce": ReduceAttrs((1, 2), "l2"),
    "normalize": NormalizeAttrs((1, 2)),
}
WEIGHTED = ("conv2d", "conv_transpose2d")

ABSURD = [
    ("conv2d", {"padding": [-1, 1, 0, 0]}, IMAGE),
    ("conv2d", {"padding": [ENDLESS, 0, 0, 0], "stride": [ENDLESS, 1]}, IMAGE),
    ("conv2d", {"dilation": [0, 1]}, IMAGE),
    ("conv_transpose2d", {"stride": [0, 1]}, (1, 1, 1, 3)),
    ("conv_transpose2d", {"stride": [ENDLESS, 1]}, (1, 1, 1, 3)),
    ("conv_transpose2d", {"dilation": [-1, 1]}, IMAGE),
    ("conv_transpose2d", {"dilation": [ENDLESS, 1], "crop": [ENDLESS, 0, 0, 0]}, IMAGE),
    ("conv_transpose2d", {"crop": [-ENDLESS, ENDLESS, 0, 0]}, IMAGE),
    ("max_pool2d", {"dilation": [-1, 1]}, IMAGE),
    ("max_pool2d", {"stride": [-1, 1]}, IMAGE),
    ("max_pool2d", {"padding": [-1, 1, 0, 0]}, IMAGE),
    ("avg_pool2d", {"kernel": [0, 1]}, IMAGE),
    ("avg_pool2d", {"padding": [ENDLESS, 0, 0, 0]}, IMAGE),
    ("pad", {"before": [0, -1, 0, 0]}, IMAGE),
    ("reduce", {"axes": [2, 2]}, IMAGE),
    ("normalize", {"axes": [2, 2]}, IMAGE),
]


@cache
def stored(op: str, image: Shape) -> tuple[bytes, dict[str, Array]]:
    """graph.json and constants of a network of one such layer with sound options."""
    b = Builder("net")
    x = b.input("x", image)
    constants = (
        [b.constant("w", np.ones((2, 2, 2, 3))), b.constant("b", np.ones(2))] if op in WEIGHTED else []
    )
    y = b.add(op, SOUND[op], x, *constants)
    samples = np.random.default_rng(0).normal(size=(4, *image[1:])).astype(np.float32)
    graph = quantize(b.graph(x, y), samples).graph
    arrays = {name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None}
    return json.dumps(graph_to_json(graph)).encode(), arrays


@pytest.mark.parametrize(("op", "options", "image"), ABSURD)
def test_absurd_options_of_a_graph_on_disk_are_refused(
    op: str, options: dict[str, object], image: Shape
) -> None:
    text, arrays = stored(op, image)
    (node,) = read_graph(text, arrays).nodes
    assert node.attrs == SOUND[op]
    tree = json.loads(text)
    tree["nodes"][0]["attrs"].update(options)
    with pytest.raises(ValueError, match="cannot be computed"):
        read_graph(json.dumps(tree).encode(), arrays)
