"""A convolution that makes one place alone is a linear layer of what it reads: the fastest it can be.

Where it steps over places (dilation), those that it reads are put beside each other first.
"""

from dataclasses import replace

from ..ir import Graph, Node, Tensor
from ..ops.conv2d import Conv2dAttrs
from ..ops.linear import LinearAttrs
from ..ops.reshape import ReshapeAttrs
from ..ops.slice import SliceAttrs
from ..passes.rewrite import fresh_name


def single_places(graph: Graph) -> Graph:
    """Quantized graph → quantized graph, with the same bits."""
    nodes: list[Node] = []
    new: dict[str, Tensor] = {}
    for node in graph.nodes:
        nodes += _linear(graph, node, new) if _makes_one_place(graph, node) else [node]
    return graph.with_nodes(nodes, **new)


def _makes_one_place(graph: Graph, node: Node) -> bool:
    if node.op != "conv2d" or graph.tensors[node.output].shape[:3] != (1, 1, 1):
        return False
    attrs: Conv2dAttrs = node.attrs
    return attrs.groups == 1 and not any(attrs.padding)


def _linear(graph: Graph, node: Node, new: dict[str, Tensor]) -> list[Node]:
    """The layer as a linear one, `new` tensors filed."""
    x, weight, bias = (graph.tensors[name] for name in node.inputs)
    y, (n_out, kh, kw, depth) = graph.tensors[node.output], weight.shape
    size, made = kh * kw * depth, list[Node]()

    def tensor(like: Tensor, what: str, shape: tuple[int, ...]) -> str:
        name = fresh_name(graph, f"{node.name}_{what}", new)
        data = None if like.data is None else like.data.reshape(shape)
        new[name] = replace(like, name=name, shape=shape, data=data)
        return name

    read = x.name
    if x.shape != (1, kh, kw, depth):
        read = tensor(x, "taps", (1, kh, kw, depth))
        taken = SliceAttrs((0,) * 4, (1, *node.attrs.dilation, 1), (1, kh, kw, depth))
        made.append(Node(read, "slice", taken, (x.name,), (read,), node.source))
    line, values = tensor(x, "line", (1, size)), tensor(y, "values", (1, n_out))
    made.append(Node(line, "reshape", ReshapeAttrs((1, size)), (read,), (line,), node.source))
    inputs = line, tensor(weight, "rows", (n_out, size)), bias.name
    attrs = LinearAttrs(node.attrs.lo, node.attrs.hi)
    made.append(replace(node, op="linear", attrs=attrs, inputs=inputs, outputs=(values,)))
    made.append(
        Node(
            y.name if y.name != node.name else fresh_name(graph, f"{y.name}_place", new),
            "reshape",
            ReshapeAttrs(y.shape),
            (values,),
            (y.name,),
            node.source,
        )
    )
    return made
