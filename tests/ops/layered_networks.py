"""Which networks of several layers do the device and sanitizer tests run? Small, seeded, quantized."""

from functools import cache

import numpy as np

from firmnet.frontends.common.builder import Builder
from firmnet.frontends.torch.rules import RULES
from firmnet.interpret import int_values
from firmnet.ir import Array, Graph, Tensor
from firmnet.ops import OPS
from firmnet.passes import optimize
from firmnet.quantize import quantize


class Network:
    """Grows a float graph by the rules of a frontend."""

    def __init__(self, name: str, *shape: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = Builder(name)
        self.input = self.builder.input("x", shape)

    def __call__(self, source: str, layer: str, *args: object) -> Tensor:
        self.builder.layer = layer
        return RULES[f"aten.{source}"](self.builder, *args)

    def weights(self, *shape: int) -> Array:
        """Normal, of unit gain."""
        return self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    def quantized(self, output: Tensor) -> Graph:
        graph = optimize(self.builder.graph(self.input, output))
        return quantize(graph, self.rng.normal(size=(16, *self.input.shape[1:]))).graph


@cache
def residual() -> Graph:
    """A residual block between a padded convolution and a classifier."""
    net = Network("residual", 1, 3, 9, 7, seed=1)
    stem = net("conv2d.default", "stem", net.input, net.weights(8, 3, 3, 3), net.weights(8), [1, 1], [1, 1])
    a = net("relu.default", "stem_relu", stem)
    b = net("conv2d.padding", "conv", a, net.weights(8, 8, 3, 3), None, [1, 1], "same")
    c = net("relu.default", "sum_relu", net("add.Tensor", "sum", a, b))
    d = net("max_pool2d.default", "pool", c, [3, 3], [2, 2], [1, 1])
    e = net("adaptive_avg_pool2d.default", "average", d, [2, 2])
    f = net("linear.default", "classify", net("flatten.using_ints", "flat", e, 1), net.weights(5, 32))
    return net.quantized(net("softmax.int", "scores", f, 1))


@cache
def branches() -> Graph:
    """Depthwise, pointwise and pooled branches joined along the channels."""
    net = Network("branches", 1, 4, 8, 8, seed=2)
    a = net("conv2d.default", "depthwise", net.input, net.weights(4, 1, 3, 3), net.weights(4), 1, 1, 1, 4)
    b = net("conv2d.default", "pointwise", net.input, net.weights(3, 4, 1, 1), net.weights(3))
    c = net("avg_pool2d.default", "smooth", net.input, [3, 3], [1, 1], [1, 1])
    joined = net("cat.default", "joined", [a, net("hardtanh.default", "bounded", b, -1.0, 1.0), c], 1)
    padded = net("pad.default", "padded", joined, [1, 0, 0, 1])
    return net.quantized(net("linear.default", "mix", padded, net.weights(6, 9), net.weights(6)))


@cache
def lines() -> Graph:
    """Convolutions with batch norm and pools of a line of values, one of them dilated, with a residual."""
    net = Network("lines", 1, 3, 61, seed=3)
    a = net("conv1d.default", "far", net.input, net.weights(4, 3, 9), None, [2], [4])
    statistics = np.ones(4), net.weights(4, 1)[:, 0], np.zeros(4), np.full(4, 2.0)
    b = net("relu.default", "rectified", net("batch_norm.default", "norm", a, *statistics, False, 0.1, 1e-5))
    c = net("conv1d.default", "dilated", b, net.weights(4, 4, 3), net.weights(4), [1], [4], [4])
    d = net("max_pool1d.default", "pool", net("add.Tensor", "sum", b, c), [3], [2], [1])
    e = net("conv1d.default", "groups", d, net.weights(6, 2, 3), None, [1], [1], [1], 2)
    f = net("avg_pool1d.default", "average", e, [4])
    return net.quantized(
        net("linear.default", "classify", net("flatten.using_ints", "flat", f, 1), net.weights(5, 24))
    )


NETWORKS = (residual, branches, lines)


def kernels(graph: Graph, x: Array) -> list[Array]:
    """The oracle's output of every layer that has a kernel, flat."""
    values = int_values(graph, x)
    return [values[node.output].ravel() for node in graph.nodes if not OPS[node.op].view]


def noise(graph: Graph, count: int, seed: int = 0) -> Array:
    """Seeded int8 inputs over the whole range, (count, bytes)."""
    size = graph.tensors[graph.input].size
    return np.random.default_rng(seed).integers(-128, 128, (count, size)).astype(np.int8)
