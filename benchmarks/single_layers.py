"""Which single layers does benchmarks/layers.py sweep? Real shapes and hard ones, of every class of layer.

A label says it all: kernel, channels, image (height x width), padding p, stride s, dilation d, groups g.
Weights are uniform noise with its largest value at 127, as an untrained PyTorch layer's are: nearly the
largest sums that weights can have. A layer that stands up (width 1) is compared with the same one lying down.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from firmnet.frontends.common.builder import Builder
from firmnet.frontends.common.places import padded
from firmnet.ir import Array, Dtype, Graph, Node, Port, QParams, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.add import AddAttrs
from firmnet.ops.argmax import WHOLE_NUMBERS, ArgmaxAttrs
from firmnet.ops.attention import AttentionAttrs
from firmnet.ops.avg_pool2d import AvgPool2dAttrs
from firmnet.ops.batch_norm import BatchNormAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.conv_transpose2d import ConvTranspose2dAttrs
from firmnet.ops.div import DivAttrs
from firmnet.ops.functions import single
from firmnet.ops.interpolate import PLACE_BITS, InterpolateAttrs
from firmnet.ops.layer_norm import LayerNormAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.matmul import MatmulAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.maximum import MaximumAttrs
from firmnet.ops.mul import MulAttrs
from firmnet.ops.normalize import UNIT_OUTPUT, NormalizeAttrs
from firmnet.ops.pad import PadAttrs
from firmnet.ops.pick import PickAttrs, Places, Run, everything, runs
from firmnet.ops.prelu import PReluAttrs
from firmnet.ops.reduce import ReduceAttrs
from firmnet.ops.rescale import RescaleAttrs
from firmnet.ops.slice import SliceAttrs
from firmnet.ops.softmax import OUTPUT, SoftmaxAttrs
from firmnet.ops.transpose import TransposeAttrs
from firmnet.ops.windows import Padding
from firmnet.passes import optimize
from firmnet.passes.stand_lines import stand_lines
from firmnet.quantize import quantize

INPUT_SCALE, INPUT_ZERO_POINT = 0.05, 3
NAME = "subject"
"""Of every graph."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer, and what it may take.

    `most`: cycles per multiply-accumulate, without any per output element. `lying`: the label of the same
    layer with height and width exchanged, which this one may exceed by a tenth. `most_ram_bytes`: of arena.
    `shapes`: of layers that it is made of, where they are many.
    """

    label: str
    kind: str
    make: Callable[[], Graph]
    most: float | None = None
    lying: str | None = None
    most_ram_bytes: int | None = None
    shapes: int = 1

    def graph(self) -> Graph:
        """Quantized, of this layer alone (a few more where it is made of several); the same each time."""
        return self.make()


def layers() -> tuple[Layer, ...]:
    """All of them, in the order of the table."""
    found = (
        *_dense(),
        *_dilated(),
        *_grouped(),
        *_transposed(),
        *_lines(),
        *_depthwise(),
        *_linear(),
        *_max_pools(),
        *_average_pools(),
        *_norms(),
        *_layer_norms(),
        *_elementwise(),
        *_softmaxes(),
        *_products(),
        *_attention(),
        *_movement(),
        *_picked(),
        *_reduced(),
        *_of_int16(),
        Layer(f"network of {len(_SHAPES)} shapes", "network", _network, shapes=len(_SHAPES)),
    )
    labels = [layer.label for layer in found]
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise ValueError(f"two layers are called {sorted(twice)}")
    return found


# --- convolutions

MOST_PER_MAC = 2.5
LEAST_CHANNELS = 8
"""Output channels of a layer for which MOST_PER_MAC holds."""


def _conv(
    label: str,
    kernel: Pair,
    channels: Pair,
    image: Pair,
    p: int | Padding = 0,
    s: int | Pair = 1,
    d: int | Pair = 1,
    g: int = 1,
    kind: str = "conv",
    lying: str | None = None,
) -> Layer:
    """`channels` in and out; a padding of one number is along both axes where the kernel has any extent."""
    around = _around(kernel, p) if isinstance(p, int) else p
    stride, dilation = (_along(kernel, n) if isinstance(n, int) else n for n in (s, d))
    attrs = Conv2dAttrs(stride, around, dilation, g)
    n_in, n_out = channels

    def make() -> Graph:
        return weighted("conv2d", attrs, (1, *image, n_in), (n_out, *kernel, n_in // g))

    return Layer(label, kind, make, MOST_PER_MAC if n_out >= LEAST_CHANNELS else None, lying)


def _around(kernel: Pair, p: int) -> Padding:
    vertical, horizontal = (p if size > 1 or max(kernel) == 1 else 0 for size in kernel)
    return vertical, vertical, horizontal, horizontal


def _along(kernel: Pair, n: int) -> Pair:
    """A stride or dilation along the axes along which the kernel has any extent."""
    if kernel[0] == kernel[1]:
        return n, n
    return (n if kernel[0] > 1 else 1), (n if kernel[1] > 1 else 1)


def _dense() -> Iterator[Layer]:
    for c in (8, 16, 32, 64, 3, 5, 7, 9, 10, 13, 20, 30):
        yield _conv(f"conv3x3 {c}->{c} 16x16 p1", (3, 3), (c, c), (16, 16), 1)
    yield _conv("conv5x5 16->16 16x16 p2", (5, 5), (16, 16), (16, 16), 2)
    yield _conv("conv7x7 16->16 16x16 p3", (7, 7), (16, 16), (16, 16), 3)
    yield _conv("conv3x3 s2 16->32 16x16 p1", (3, 3), (16, 32), (16, 16), 1, 2)
    for n_in, n_out in [(4, 8), (8, 16), (10, 20), (13, 13), (16, 64), (64, 16), (64, 64), (128, 128)]:
        yield _conv(f"conv1x1 {n_in}->{n_out} 8x8", (1, 1), (n_in, n_out), (8, 8))
    for n_in, n_out in [(30, 30), (2, 2), (1, 8), (1, 13), (3, 8), (256, 256), (70, 9)]:
        yield _conv(f"conv1x1 {n_in}->{n_out} 8x8", (1, 1), (n_in, n_out), (8, 8))
    yield _conv("conv1x1 s2 1->16 16x16", (1, 1), (1, 16), (16, 16), 0, 2)
    yield _conv("conv1x1 s2 32->64 16x16", (1, 1), (32, 64), (16, 16), 0, 2)
    yield _conv("conv1x1 64->64 1x5", (1, 1), (64, 64), (1, 5))
    yield _conv("conv1x1 64->64 1x2", (1, 1), (64, 64), (1, 2))
    yield _conv("conv1x1 64->10 1x1", (1, 1), (64, 10), (1, 1))
    yield _conv("conv1x1 1100->16 2x3", (1, 1), (1100, 16), (2, 3))
    yield _conv("conv1x1 6->1400 1x4", (1, 1), (6, 1400), (1, 4))
    yield _conv("conv1x1 16->16 8x8 p1", (1, 1), (16, 16), (8, 8), 1)
    yield _conv("conv1x1 16->16 1x1 of 1x1 p1", (1, 1), (16, 16), (1, 1), 1)
    yield _conv("first 3x3 s2 3->8 96x96 p1", (3, 3), (3, 8), (96, 96), 1, 2, kind="first")
    yield _conv("first 3x3 3->16 32x32 p1", (3, 3), (3, 16), (32, 32), 1, kind="first")
    yield _conv("first 3x3 1->8 28x28", (3, 3), (1, 8), (28, 28), kind="first")
    yield _conv("first 5x5 1->6 28x28 p2 (LeNet)", (5, 5), (1, 6), (28, 28), 2, kind="first")
    yield _conv("LeNet conv2 5x5 6->16 14x14", (5, 5), (6, 16), (14, 14))
    yield _conv("first 7x7 s2 3->16 48x48 p3", (7, 7), (3, 16), (48, 48), 3, 2, kind="first")
    yield _conv("first 10x4 s2 1->64 49x10", (10, 4), (1, 64), (49, 10), (4, 5, 1, 1), (2, 2), kind="first")
    yield _conv("first 3x3 4->8 16x16 p1", (3, 3), (4, 8), (16, 16), 1, kind="first")
    yield _conv("first 3x3 2->8 32x32 p1", (3, 3), (2, 8), (32, 32), 1, kind="first")
    yield _conv("conv4x4 s4 patchify 3->16 32x32", (4, 4), (3, 16), (32, 32), 0, 4)
    yield _conv("conv8x8 valid 16->10 whole image", (8, 8), (16, 10), (8, 8))
    yield _conv("conv3x3 32->32 2x2 p1", (3, 3), (32, 32), (2, 2), 1)
    yield _conv("conv3x3 260->16 3x3 p1", (3, 3), (260, 16), (3, 3), 1)
    yield _conv("conv2x2 s2 16->32 16x16", (2, 2), (16, 32), (16, 16), 0, 2)
    yield _conv("conv3x3 s1x2 16->16 16x16 p1", (3, 3), (16, 16), (16, 16), 1, (1, 2))
    yield _conv("conv3x5 12->12 20x12 p1", (3, 5), (12, 12), (20, 12), (1, 1, 2, 2))
    yield _conv("conv3x3 s3 8->8 24x24", (3, 3), (8, 8), (24, 24), 0, 3)


def _dilated() -> Iterator[Layer]:
    def dilated(k: int, d: int, channels: Pair, size: int) -> Layer:
        p = d * (k // 2)
        label = f"conv{k}x{k} d{d} {channels[0]}->{channels[1]} {size}x{size} p{p}"
        return _conv(label, (k, k), channels, (size, size), p, 1, d, kind="dilated")

    yield dilated(3, 2, (16, 16), 16)
    yield dilated(3, 2, (8, 8), 16)
    for k, d, channels, size in [
        (3, 2, (3, 8), 24),
        (3, 2, (1, 8), 24),
        (3, 4, (32, 32), 16),
        (3, 6, (16, 16), 16),
        (3, 12, (16, 16), 16),
        (5, 2, (8, 16), 16),
        (5, 3, (16, 8), 20),
        (2, 2, (16, 16), 16),
        (7, 2, (4, 8), 20),
        (3, 2, (13, 9), 15),
    ]:
        yield dilated(k, d, channels, size)
    yield _conv("conv3x3 s2 d2 16->16 16x16 p2", (3, 3), (16, 16), (16, 16), 2, 2, 2, kind="dilated")
    yield _conv(
        "conv3x3 d1x2 16->16 16x16", (3, 3), (16, 16), (16, 16), (1, 1, 2, 2), 1, (1, 2), kind="dilated"
    )
    yield _conv(
        "conv3x3 d2x1 16->16 16x16", (3, 3), (16, 16), (16, 16), (2, 2, 1, 1), 1, (2, 1), kind="dilated"
    )


def _grouped() -> Iterator[Layer]:
    for g, label in [(2, "g2 16->16 16x16"), (4, "g4 16->16 16x16"), (8, "g8 16->16 (2 per group)")]:
        yield _conv(f"conv3x3 {label}", (3, 3), (16, 16), (16, 16), 1, g=g, kind="grouped")
    yield _conv("conv1x1 g4 64->64 8x8 (shuffle)", (1, 1), (64, 64), (8, 8), g=4, kind="grouped")
    yield _conv("conv1x1 g8 32->32 8x8", (1, 1), (32, 32), (8, 8), g=8, kind="grouped")
    for k, g, channels, size, s in [
        (3, 16, (32, 32), 12, 1),
        (3, 32, (64, 64), 8, 1),
        (3, 8, (64, 64), 8, 1),
        (3, 4, (24, 24), 14, 2),
        (3, 8, (8, 32), 12, 1),
        (3, 3, (9, 24), 13, 1),
        (5, 8, (16, 16), 16, 1),
        (3, 2, (64, 64), 8, 1),
        (5, 2, (12, 8), 12, 1),
        (3, 4, (32, 16), 12, 1),
        (3, 16, (64, 32), 8, 1),
    ]:
        label = f"conv{k}x{k} g{g} {channels[0]}->{channels[1]} {size}x{size} p{k // 2}{f' s{s}' * (s > 1)}"
        yield _conv(label, (k, k), channels, (size, size), k // 2, s, 1, g, "grouped")
    yield _conv("conv1x1 g2 128->128 8x8", (1, 1), (128, 128), (8, 8), g=2, kind="grouped")
    yield _conv("conv1x1 g16 32->32 8x8", (1, 1), (32, 32), (8, 8), g=16, kind="grouped")
    yield _conv("conv1x1 g3 24->24 14x14", (1, 1), (24, 24), (14, 14), g=3, kind="grouped")
    yield _conv("conv1x1 g2 s2 32->32 16x16", (1, 1), (32, 32), (16, 16), 0, 2, g=2, kind="grouped")
    yield _conv("conv3x3 d2 g4 16->16 16x16 p2", (3, 3), (16, 16), (16, 16), 2, 1, 2, 4, "grouped")
    yield _conv("conv1x9 g4 32->32 1x128", (1, 9), (32, 32), (1, 128), 4, g=4, kind="grouped")
    yield _conv(
        "conv9x1 g4 32->32 128x1",
        (9, 1),
        (32, 32),
        (128, 1),
        4,
        g=4,
        kind="grouped",
        lying="conv1x9 g4 32->32 1x128",
    )


def _pair_of_lines(
    lying: str,
    standing: str,
    k: int,
    channels: Pair,
    length: int,
    p: int,
    s: int = 1,
    d: int = 1,
    g: int = 1,
    *,
    kind: str = "line",
) -> Iterator[Layer]:
    yield _conv(lying, (1, k), channels, (1, length), p, s, d, g, kind)
    yield _conv(standing, (k, 1), channels, (length, 1), p, s, d, g, kind, lying)


def _transposed() -> Iterator[Layer]:
    for k, s, channels, size, g in [
        (2, 2, (16, 8), (8, 8), 1),
        (2, 2, (64, 32), (8, 8), 1),
        (3, 2, (16, 8), (8, 8), 1),
        (3, 2, (32, 32), (8, 8), 1),
        (3, 2, (8, 16), (13, 11), 1),
        (4, 2, (16, 16), (8, 8), 1),
        (4, 2, (64, 32), (4, 4), 1),
        (5, 2, (16, 16), (7, 7), 1),
        (4, 4, (32, 8), (4, 4), 1),
        (3, 3, (8, 8), (9, 9), 1),
        (8, 4, (16, 8), (5, 5), 1),
        (3, 2, (16, 16), (8, 8), 2),
        (4, 2, (8, 1), (14, 14), 1),
        (3, 2, (8, 3), (16, 16), 1),
        (4, 2, (16, 16), (8, 8), 16),
    ]:
        over = max(k - s, 0)
        crop = over - over // 2, over // 2, over - over // 2, over // 2
        yield _transpose(f"{k}x{k}", (k, k), channels, size, (s, s), crop, g)
    for k, s, channels, n in [
        (2, 2, (16, 8), 64),
        (4, 2, (32, 16), 64),
        (8, 4, (16, 8), 100),
        (16, 8, (8, 8), 50),
    ]:
        over = k - s
        yield _transpose(f"1x{k}", (1, k), channels, (1, n), (1, s), (0, 0, over - over // 2, over // 2))


def _transpose(
    kernel: str,
    size: Pair,
    channels: Pair,
    image: Pair,
    stride: Pair,
    crop: tuple[int, int, int, int],
    g: int = 1,
) -> Layer:
    attrs = ConvTranspose2dAttrs(stride, crop, groups=g)
    n_in, n_out = channels
    label = f"convT{kernel} s{stride[1]} {n_in}->{n_out} {image[0]}x{image[1]}{f' g{g}' if g > 1 else ''}"
    shapes = (1, *image, n_in), (n_out, *size, n_in // g)
    most = 2.5 if n_out >= 8 and g < n_in else None
    return Layer(label, "transposed", lambda: weighted("conv_transpose2d", attrs, *shapes), most)


def _lines() -> Iterator[Layer]:
    for k in (3, 5, 7, 9, 15, 31):
        labels = f"conv1x{k} 16->16 1x128", f"conv{k}x1 16->16 128x1"
        yield from _pair_of_lines(*labels, k, (16, 16), 128, k // 2)
    for d in (2, 4, 8, 16, 32, 64):
        suffix = " (TCN)" if d == 4 else ""
        labels = f"conv1x3 d{d} 16->16 1x128{suffix}", f"conv3x1 d{d} 16->16 128x1{suffix}"
        yield from _pair_of_lines(*labels, 3, (16, 16), 128, d, 1, d)
    yield from _pair_of_lines(
        "conv1x3 d64 16->16 1x256 causal", "conv3x1 d64 16->16 256x1 causal", 3, (16, 16), 256, 64, 1, 64
    )
    for labels, k, channels, length, p, s in [
        (("conv1x7 s2 1->8 1x256 (ECG)", "conv7x1 s2 1->8 256x1 (ECG)"), 7, (1, 8), 256, 3, 2),
        (("conv1x5 3->16 1x128 (accel)", "conv5x1 3->16 128x1 (accel)"), 5, (3, 16), 128, 0, 1),
        (("conv1x16 s4 6->16 1x128", "conv16x1 s4 6->16 128x1"), 16, (6, 16), 128, 0, 4),
        (
            ("conv1x80 s4 1->8 1x4000 (raw audio)", "conv80x1 s4 1->8 4000x1 (raw audio)"),
            80,
            (1, 8),
            4000,
            0,
            4,
        ),
        (("conv1x3 40->32 1x49 (MFCC)", "conv3x1 40->32 49x1 (MFCC)"), 3, (40, 32), 49, 1, 1),
        (("conv1x9 s2 32->48 1x98", "conv9x1 s2 32->48 98x1"), 9, (32, 48), 98, 4, 2),
        (("conv1x1 64->64 1x64", "conv1x1 64->64 64x1"), 1, (64, 64), 64, 0, 1),
        (("conv1x11 s5 1->16 1x400", "conv11x1 s5 1->16 400x1"), 11, (1, 16), 400, 5, 5),
        (("conv1x4 s2 5->9 1x33", "conv4x1 s2 5->9 33x1"), 4, (5, 9), 33, 0, 2),
    ]:
        yield from _pair_of_lines(*labels, k, channels, length, p, s)
    for labels, k, c, length, p, s, d in [
        (("dw1x9 32 1x64 p4", "dw9x1 32 64x1 p4"), 9, 32, 64, 4, 1, 1),
        (("dw1x3 32 1x64", "dw3x1 32 64x1"), 3, 32, 64, 1, 1, 1),
        (("dw1x3 s2 32 1x64", "dw3x1 s2 32 64x1"), 3, 32, 64, 1, 2, 1),
        (("dw1x31 16 1x128", "dw31x1 16 128x1"), 31, 16, 128, 15, 1, 1),
        (("dw1x29 d2 32 1x128", "dw29x1 d2 32 128x1"), 29, 32, 128, 28, 1, 2),
        (("dw1x5 d4 16 1x128", "dw5x1 d4 16 128x1"), 5, 16, 128, 8, 1, 4),
        (("dw1x3 d64 16 1x256", "dw3x1 d64 16 256x1"), 3, 16, 256, 64, 1, 64),
        (("dw1x13 s2 24 1x98 p6", "dw13x1 s2 24 98x1 p6"), 13, 24, 98, 6, 2, 1),
        (("dw1x80 s4 8 1x800", "dw80x1 s4 8 800x1"), 80, 8, 800, 0, 4, 1),
    ]:
        yield from _pair_of_lines(*labels, k, (c, c), length, p, s, d, c, kind="depthwise line")
    yield Layer(
        "raw audio 1x16000: conv1x80 s4 1->8, maxpool 4",
        "audio",
        partial(_audio, True),
        most_ram_bytes=20 * 1024,
    )
    yield Layer(
        "raw audio 16000x1: conv80x1 s4 1->8, maxpool 4",
        "audio",
        partial(_audio, False),
        most_ram_bytes=20 * 1024,
        lying="raw audio 1x16000: conv1x80 s4 1->8, maxpool 4",
    )


def _depthwise() -> Iterator[Layer]:
    def dw(
        label: str, k: Pair, c: int, size: Pair, p: int | Padding, s: int = 1, d: int = 1, x: int = 1
    ) -> Layer:
        return _conv(label, k, (c, c * x), size, p, s, d, c, "depthwise")

    for c, size in [(8, 48), (16, 24), (64, 12), (128, 6), (256, 3)]:
        yield dw(f"dw3x3 {c} {size}x{size} p1", (3, 3), c, (size, size), 1)
    yield dw("dw3x3 s2 16 48x48 p1", (3, 3), 16, (48, 48), 1, 2)
    yield dw("dw3x3 s2 64 12x12 p1", (3, 3), 64, (12, 12), 1, 2)
    yield dw("dw3x3 64 25x5 p1 (KWS)", (3, 3), 64, (25, 5), 1)
    for c in (3, 5, 10, 13, 30):
        yield dw(f"dw3x3 {c} 16x16 p1", (3, 3), c, (16, 16), 1)
    yield dw("dw5x5 32 16x16 p2", (5, 5), 32, (16, 16), 2)
    yield dw("dw5x5 s2 32 16x16 p2", (5, 5), 32, (16, 16), 2, 2)
    yield dw("dw7x7 32 16x16 p3", (7, 7), 32, (16, 16), 3)
    yield dw("dw7x7 s2 32 16x16 p3", (7, 7), 32, (16, 16), 3, 2)
    yield dw("dw9x9 16 16x16 p4", (9, 9), 16, (16, 16), 4)
    yield dw("dw9x9 s2 16 24x24 p4", (9, 9), 16, (24, 24), 4, 2)
    yield dw("dw3x3 x2 16 16x16", (3, 3), 16, (16, 16), 1, x=2)
    yield _conv("dw3x3 x8 of 1ch 28x28 (=conv)", (3, 3), (1, 8), (28, 28), 1, kind="depthwise")
    yield dw("dw3x3 x4 of 3ch 32x32", (3, 3), 3, (32, 32), 1, x=4)
    yield dw("dw5x5 x2 8 16x16 p2", (5, 5), 8, (16, 16), 2, x=2)
    yield dw("dw3x3 d2 32 16x16", (3, 3), 32, (16, 16), 2, 1, 2)
    yield dw("dw3x3 d4 16 16x16", (3, 3), 16, (16, 16), 4, 1, 4)
    yield dw("dw5x5 d2 16 16x16", (5, 5), 16, (16, 16), 4, 1, 2)
    yield dw("dw3x3 s2 d2 16 16x16", (3, 3), 16, (16, 16), 2, 2, 2)
    yield dw("dw3x3 s3 16 18x18", (3, 3), 16, (18, 18), 0, 3)
    yield dw("dw global 6x6 64 (pool-like)", (6, 6), 64, (6, 6), 0)
    yield dw("dw global 7x7 1280", (7, 7), 1280, (7, 7), 0)
    yield dw("dw11x11 8 24x24", (11, 11), 8, (24, 24), 5)
    yield dw("dw11x11 s2 16 24x24 p5", (11, 11), 16, (24, 24), 5, 2)
    yield dw("dw13x13 8 20x20 p6", (13, 13), 8, (20, 20), 6)
    yield dw("dw3x3 1400 4x4", (3, 3), 1400, (4, 4), 1)
    yield dw("dw3x3 1366 2x2 p1", (3, 3), 1366, (2, 2), 1)
    yield dw("dw3x3 2048 1x1 p1", (3, 3), 2048, (1, 1), 1)
    yield dw("dw5x5 1500 3x3 p2", (5, 5), 1500, (3, 3), 2)
    yield dw("dw3x3 600 2x3 p1", (3, 3), 600, (2, 3), 1)
    yield dw("dw2x2 s2 16 16x16", (2, 2), 16, (16, 16), 0, 2)
    yield dw("dw4x4 16 16x16", (4, 4), 16, (16, 16), 1)
    yield dw("dw3x3 1 64x64 p1", (3, 3), 1, (64, 64), 1)
    yield dw("dw3x3 8 9x7 p1", (3, 3), 8, (9, 7), 1)
    yield dw("dw3x3 64 3x5 p0x1 (stream)", (3, 3), 64, (3, 5), (0, 0, 1, 1))
    yield dw("dw3x3 32 3x3 p0x1", (3, 3), 32, (3, 3), (0, 0, 1, 1))


# --- linear


def _linear() -> Iterator[Layer]:
    def linear(k: int, n: int, rows: int = 1, label: str = "", most: float | None = None) -> Layer:
        shape = (1, k) if rows == 1 else (1, rows, k)
        most = 2.0 if n < 8 and k >= 64 else most
        return Layer(
            label or f"linear {k}x{n}",
            "linear",
            lambda: weighted("linear", LinearAttrs(), shape, (n, k)),
            most,
        )

    yield linear(640, 128)
    yield linear(1024, 256, most=1.25)
    for k, n in [(128, 128), (8, 4), (16, 16), (4, 3), (13, 7), (100, 10), (64, 12), (784, 32), (7, 64)]:
        yield linear(k, n)
    yield linear(2, 16)
    yield linear(30, 1)
    yield linear(64, 64, 32, "linear rows 32x(64->64)")
    yield linear(13, 7, 10, "linear rows 10x(13->7)")
    for k in (64, 128, 256, 1024):
        for n in (1, 2, 4, 7):
            yield linear(k, n)
    for k, n in [(65, 3), (100, 5), (256, 6), (2048, 64), (1100, 100), (512, 9), (3000, 10), (96, 130)]:
        yield linear(k, n)
    yield linear(32, 32, 16, "linear rows 16x(32->32)")
    yield linear(128, 4, 20, "linear rows 20x(128->4)")
    yield linear(256, 2, 3, "linear rows 3x(256->2)")
    yield linear(1100, 24, 5, "linear rows 5x(1100->24)")
    for heavy in (0, 1):
        label = f"linear rows 5x(1100->24) {heavy} heavy"
        yield Layer(label, "linear", partial(_heavy_rows, heavy))
    yield linear(1, 1, 100, "linear rows 100x(1->1)")


def _heavy_rows(heavy: int) -> Graph:
    """Five rows of inputs against small weights; the last `heavy` channels' are as large as they can be."""
    graph = weighted("linear", LinearAttrs(), (1, 5, 1100), (24, 1100))
    w = graph.tensors["w"]
    signs = np.where(w.values < 0, -1, 1)
    values = np.where(np.arange(24)[:, None] < 24 - heavy, signs * 20, signs * 127).astype(np.int8)
    return replace(graph, tensors={**graph.tensors, "w": replace(w, data=values)})


# --- pools


def _pool(
    op: str,
    label: str,
    kernel: Pair,
    channels: int,
    image: Pair,
    s: Pair | None = None,
    p: int = 0,
    lying: str | None = None,
    **options: Any,
) -> Layer:
    vertical, horizontal = (p if size > 1 else 0 for size in kernel)
    padding = (vertical, vertical, horizontal, horizontal)
    attrs: Any
    if op == "max_pool2d":
        attrs = MaxPool2dAttrs(kernel, s or kernel, padding, **options)
    else:
        attrs = AvgPool2dAttrs(kernel, s or kernel, padding, **options)
    once = op == "avg_pool2d" and (s or kernel) == kernel and not p and "adaptive" not in options
    small = once and kernel[0] * kernel[1] <= 4
    kind = "max pool" if op == "max_pool2d" else "average pool"
    return Layer(
        label,
        kind,
        lambda: of_activations(op, attrs, [(1, *image, channels)], same=op == "max_pool2d"),
        8.0 if small else None,
        lying,
    )


def _max_pools() -> Iterator[Layer]:
    def pool(label: str, kernel: Pair, c: int, image: Pair, *more: Any, **options: Any) -> Layer:
        return _pool("max_pool2d", label, kernel, c, image, *more, **options)

    for c, size, name in [(16, 32, ""), (3, 32, ""), (1, 28, ""), (6, 28, " (LeNet)"), (10, 14, "")]:
        yield pool(f"maxpool2 {c} {size}x{size}{name}", (2, 2), c, (size, size))
    yield pool("maxpool3 s2 p1 16 32x32", (3, 3), 16, (32, 32), (2, 2), 1)
    yield pool("maxpool1x2 16 1x128", (1, 2), 16, (1, 128))
    yield pool("maxpool2x1 16 128x1", (2, 1), 16, (128, 1), lying="maxpool1x2 16 1x128")
    yield pool("maxpool1x2 5 1x128", (1, 2), 5, (1, 128))
    yield pool("maxpool2x1 5 128x1", (2, 1), 5, (128, 1), lying="maxpool1x2 5 1x128")
    yield pool("maxpool1x4 8 1x256", (1, 4), 8, (1, 256))
    yield pool("maxpool4x1 8 256x1", (4, 1), 8, (256, 1), lying="maxpool1x4 8 1x256")
    yield pool("maxpool1x3 s2 p1 1 1x200", (1, 3), 1, (1, 200), (1, 2), 1)
    yield pool("maxpool3x1 s2 p1 1 200x1", (3, 1), 1, (200, 1), (2, 1), 1, lying="maxpool1x3 s2 p1 1 1x200")
    yield pool("maxpool5 s1 p2 32 8x8 (SPPF)", (5, 5), 32, (8, 8), (1, 1), 2)
    yield pool("maxpool13 s1 p6 8 16x16", (13, 13), 8, (16, 16), (1, 1), 6)
    yield pool("maxpool7 64 7x7 global", (7, 7), 64, (7, 7))
    yield pool("maxpool16 3 16x16 global", (16, 16), 3, (16, 16))
    yield pool("maxpool2 d2 8 16x16", (2, 2), 8, (16, 16), (1, 1), dilation=(2, 2))
    yield pool("maxpool1 s2 16 16x16 (every second)", (1, 1), 16, (16, 16), (2, 2))
    yield pool("maxpool3 s3 2 18x18", (3, 3), 2, (18, 18))


def _average_pools() -> Iterator[Layer]:
    def pool(label: str, kernel: Pair, c: int, image: Pair, *more: Any, **options: Any) -> Layer:
        return _pool("avg_pool2d", label, kernel, c, image, *more, **options)

    yield pool("avgpool2 16 32x32", (2, 2), 16, (32, 32))
    yield pool("avgpool3 s1 p1 16 16x16", (3, 3), 16, (16, 16), (1, 1), 1)
    yield pool("avgpool2 6 28x28", (2, 2), 6, (28, 28))
    yield pool("avgpool8 64 8x8 global", (8, 8), 64, (8, 8))
    for label, c, image, out in [
        ("adaptive avg 1 64 7x7", 64, (7, 7), (1, 1)),
        ("adaptive avg 1 10 13x13", 10, (13, 13), (1, 1)),
        ("adaptive avg 1 16 128x1", 16, (128, 1), (1, 1)),
        ("adaptive avg (4,1) 16 32x10", 16, (32, 10), (4, 1)),
        ("adaptive avg 1 3 32x32", 3, (32, 32), (1, 1)),
        ("adaptive avg 1 1 200x200", 1, (200, 200), (1, 1)),
        ("adaptive avg 3 8 7x7", 8, (7, 7), (3, 3)),
    ]:
        yield pool(label, (1, 1), c, image, adaptive=out)
    for c, size in [(3, 32), (1, 32), (13, 16), (64, 8), (4, 24)]:
        yield pool(f"avgpool2 {c} {size}x{size}", (2, 2), c, (size, size))
    yield pool("avgpool3 16 18x18", (3, 3), 16, (18, 18))
    yield pool("avgpool4 32 8x8", (4, 4), 32, (8, 8))
    yield pool("avgpool1x2 16 1x128", (1, 2), 16, (1, 128))
    yield pool("avgpool2x1 16 128x1", (2, 1), 16, (128, 1), lying="avgpool1x2 16 1x128")
    yield pool("avgpool1x4 5 1x200", (1, 4), 5, (1, 200))
    yield pool("avgpool4x1 5 200x1", (4, 1), 5, (200, 1), lying="avgpool1x4 5 1x200")
    yield pool("avgpool3 s2 p1 8 16x16", (3, 3), 8, (16, 16), (2, 2), 1, count_include_pad=False)
    yield pool("avgpool9 s1 p4 4 20x20", (9, 9), 4, (20, 20), (1, 1), 4)


# --- one value at a time


def _norms() -> Iterator[Layer]:
    for shape, axis, label in [
        ((1, 16, 16, 16), 3, "16 16x16"),
        ((1, 16, 16, 3), 3, "3 16x16"),
        ((1, 12, 12, 30), 3, "30 12x12"),
        ((1, 8, 8, 64), 3, "64 8x8"),
        ((1, 28, 28, 1), 3, "1 28x28"),
        ((1, 128), 1, "128 alone"),
        ((1, 1, 128, 6), 3, "6 1x128"),
        ((1, 128, 1, 6), 3, "6 128x1"),
        ((1, 49, 40), 2, "40 of 49 rows"),
        ((1, 2, 2, 1500), 3, "1500 2x2"),
    ]:
        yield Layer(
            f"batch norm {label}",
            "batch norm",
            partial(_norm, shape, axis),
            3.0,
            most_ram_bytes=-(-prod(shape) // 4) * 4,
        )


def _layer_norms() -> Iterator[Layer]:
    """Over channels as transformers and ConvNeXt have it, in groups, and channel by channel."""

    for rows, n in [(49, 40), (16, 32), (16, 64), (4, 256), (1, 512)]:
        yield norm_layer(f"{n} of {rows} rows", (1, rows, n), LayerNormAttrs((2,), (2,)), 15.0)
    yield norm_layer("64 of 16 rows, no gains", (1, 16, 64), LayerNormAttrs((2,)), 15.0)
    yield norm_layer("rms 64 of 16 rows", (1, 16, 64), LayerNormAttrs((2,), (2,), centred=False), 15.0)
    yield norm_layer("whole image 16 8x8", (1, 8, 8, 16), LayerNormAttrs((1, 2, 3), (1, 2, 3)), 15.0)
    yield norm_layer("16 of 8x8", (1, 8, 8, 16), LayerNormAttrs((3,), (3,)), 15.0)
    yield norm_layer("8 of 8x8", (1, 8, 8, 8), LayerNormAttrs((3,), (3,)), None)
    yield norm_layer("in 4 groups 16 8x8", (1, 8, 8, 4, 4), LayerNormAttrs((1, 2, 4), (3, 4)), 15.0)
    yield norm_layer("all channels 16 8x8", (1, 8, 8, 16), LayerNormAttrs((1, 2, 3), (3,)), 15.0)
    yield norm_layer("of each channel 16 8x8", (1, 8, 8, 16), LayerNormAttrs((1, 2), (3,)), 15.0)
    yield norm_layer("channels first 64 7x7", (1, 64, 49), LayerNormAttrs((1,), (1,)), 15.0)
    yield norm_layer("of each channel 32 4x4", (1, 4, 4, 32), LayerNormAttrs((1, 2), (3,)), None)


def norm_layer(label: str, shape: Shape, attrs: LayerNormAttrs, most: float | None) -> Layer:
    sizes = tuple(shape[axis] for axis in attrs.gain_axes) or (1,)

    def make() -> Graph:
        builder, rng = Builder(NAME), np.random.default_rng(9)
        x = builder.input("x", shape)
        gain, shift = (builder.constant(n, rng.normal(1, 0.2, sizes)) for n in ("gain", "shift"))
        y = builder.add("layer_norm", attrs, x, gain, shift)
        return quantize(builder.graph(x, y), rng.normal(size=(8, *shape))).graph

    return Layer(f"layer norm {label}", "layer norm", make, most)


def _elementwise() -> Iterator[Layer]:
    image = (1, 16, 16, 16)
    broadcasts: list[tuple[str, Shape, Shape]] = [
        ("by channel 16 16x16", image, (1, 1, 1, 16)),
        ("by channel 3 32x32", (1, 32, 32, 3), (1, 1, 1, 3)),
        ("by channel 7 20x9", (1, 20, 9, 7), (1, 1, 1, 7)),
        ("by channel 64 8x8", (1, 8, 8, 64), (1, 1, 1, 64)),
        ("by pixel 16 16x16", image, (1, 16, 16, 1)),
        ("by pixel 5 12x12", (1, 12, 12, 5), (1, 12, 12, 1)),
        ("by row 16 16x16", image, (1, 16, 1, 1)),
        ("by column 16 16x16", image, (1, 1, 16, 1)),
        ("by row and channel 16 16x16", image, (1, 16, 1, 16)),
        ("by column and channel 8 9x16", (1, 9, 16, 8), (1, 1, 16, 8)),
        ("by one value 16 16x16", image, (1, 1, 1, 1)),
        ("of rows 49x40 by 40", (1, 49, 40), (1, 1, 40)),
    ]

    def two(op: str, label: str, a: Shape, b: Shape, most: float | None) -> Layer:
        attrs = {"add": AddAttrs(), "mul": MulAttrs(), "div": DivAttrs(), "maximum": MaximumAttrs()}[op]
        same = op == "maximum"
        return Layer(label, op, lambda: of_activations(op, attrs, [a, b], same=same), most)

    yield two("add", "add 16 16x16", image, image, 8.0)
    yield two("mul", "mul 16 16x16", image, image, 8.0)
    for op in ("div", "maximum"):
        yield two(op, f"{op} 16 16x16", image, image, 8.0)
        yield two(op, f"{op} 3 15x15", (1, 15, 15, 3), (1, 15, 15, 3), 8.0)
        for label, a, b in broadcasts:
            yield two(op, f"{op} {label}", a, b, 8.0)
    apart = AddAttrs(b=-1.0)
    yield Layer("sub 16 16x16", "add", lambda: of_activations("add", apart, [image, image]), 8.0)
    yield two("add", "add 5", (1, 5), (1, 5), None)
    yield two("mul", "mul 7x5x3", (1, 7, 5, 3), (1, 7, 5, 3), 8.0)
    for op in ("mul", "add"):
        for label, a, b in broadcasts:
            yield two(op, f"{op} {label}", a, b, 8.0)
    for label, shape, axis in [
        ("16 16x16", image, 3),
        ("3 15x15", (1, 15, 15, 3), 3),
        ("planes of 256 values", image, 1),
    ]:
        slopes = tuple(float(slope) for slope in np.linspace(0.05, 0.4, shape[axis]))
        bent = partial(of_activations, "prelu", PReluAttrs(axis, slopes), [shape])
        yield Layer(f"prelu {label}", "prelu", bent, 8.0)
    shapes: list[tuple[str, Shape]] = [
        ("16 16x16", image),
        ("3 15x15", (1, 15, 15, 3)),
        ("32", (1, 32)),
        ("5", (1, 5)),
    ]
    tables: list[tuple[str, str, Any]] = [
        ("clamp", "clamp", ClampAttrs(0.0, 6.0)),
        ("rescale", "rescale", RescaleAttrs()),
        ("sigmoid", "table", single("sigmoid")),
        ("gelu", "table", single("gelu")),
    ]
    for name, op, table in tables:
        for label, shape in shapes:
            most = 4.5 if len(shape) > 2 else None
            yield Layer(f"{name} {label}", "table", partial(of_activations, op, table, [shape]), most)
    wide = QParams((1 / 4096,), 0, Dtype.INT16), QParams((1 / 32768,), 0, Dtype.INT16)
    ends = [Tensor(name, image, q) for name, q in zip(("x0", "y"), wide, strict=True)]
    yield Layer(
        "tanh int16 16 16x16", "table", lambda: _chain([("table", single("tanh"), ends[:1], ends[1])])
    )


def _softmaxes() -> Iterator[Layer]:
    def softmax(label: str, shape: Shape, axis: int) -> Layer:
        make = partial(of_activations, "softmax", SoftmaxAttrs(axis), [shape], output=OUTPUT)
        return Layer(label, "softmax", make, 20.0 if shape[axis] < 8 else None)

    for n in (10, 2, 4, 100, 3, 5, 6, 7, 8, 12, 35):
        yield softmax(f"softmax {n}", (1, n), 1)
    yield softmax("softmax rows 16x16", (1, 16, 16), 2)
    yield softmax("softmax rows 50x3", (1, 50, 3), 2)
    yield softmax("softmax rows 20x7", (1, 20, 7), 2)
    yield softmax("softmax dim1 of NCHW (segmentation) 4 16x16", (1, 4, 16, 16), 1)
    yield softmax("softmax channels-last 4 16x16", (1, 16, 16, 4), 3)
    yield softmax("softmax dim1 of NCHW 12 10x10", (1, 12, 10, 10), 1)


def _products() -> Iterator[Layer]:
    """Of two activations, as attention has them; heads lie where linear layers leave them."""
    plain, heads = tuple(range(4)), (0, 2, 1, 3)

    def matmul(label: str, a: Shape, b: Shape, attrs: MatmulAttrs) -> Layer:
        make = partial(of_activations, "matmul", attrs, [a, b], output=QParams((0.4,), 5))
        return Layer(f"matmul {label}", "matmul", make, 2.75)

    for n in (16, 32, 64):
        square = (1, 1, n, n)
        yield matmul(f"{n}x{n} by {n}x{n}", square, square, MatmulAttrs(plain, plain, plain))
        turned = MatmulAttrs(plain, (0, 1, 3, 2), plain)
        yield matmul(f"{n}x{n} by {n}x{n} turned", square, square, turned)
    yield matmul(
        "scores 4 heads 32x16", (1, 32, 4, 16), (1, 32, 4, 16), MatmulAttrs(heads, (0, 2, 3, 1), plain)
    )
    yield matmul("values 4 heads 32x16", (1, 4, 32, 32), (1, 32, 4, 16), MatmulAttrs(plain, heads, heads))
    yield matmul("left turned 31x33", (1, 1, 33, 31), (1, 1, 33, 17), MatmulAttrs((0, 1, 3, 2), plain, plain))
    for rows in (1, 3):
        a, b = (1, 1, rows, 64), (1, 1, 64, 64)
        yield matmul(f"{rows}x64 by 64x64", a, b, MatmulAttrs(plain, plain, plain))
        yield matmul(f"{rows}x64 by 64x64 turned", a, b, MatmulAttrs(plain, (0, 1, 3, 2), plain))
    one, every = (1, 1, 4, 16), (1, 50, 4, 16)
    yield matmul("scores of one query", one, every, MatmulAttrs(heads, (0, 2, 3, 1), plain))
    yield matmul("values of one query", (1, 4, 1, 50), every, MatmulAttrs(plain, heads, heads))


def _attention() -> Iterator[Layer]:
    """Heads where linear layers leave them; multiply-accumulates are those of both products."""
    heads, keys, plain = (0, 2, 1, 3), (0, 2, 3, 1), tuple(range(4))

    def attention(label: str, q: Shape, k: Shape, causal: int | None = None, most: float = 3.3) -> Layer:
        attrs = AttentionAttrs(heads, keys, heads, heads, 0.02, causal)
        make = partial(of_activations, "attention", attrs, [q, k, k], output=QParams((0.03,), 5))
        return Layer(f"attention {label}", "attention", make, most)

    for n, count, depth in [(50, 4, 16), (64, 1, 64), (64, 4, 32), (200, 1, 32), (17, 2, 24), (600, 1, 8)]:
        shape = (1, n, count, depth)
        yield attention(f"{count} x {n}x{depth}", shape, shape)
    yield attention("causal 4 x 64x32", (1, 64, 4, 32), (1, 64, 4, 32), 0)
    yield attention("of one query 4 x 64x32", (1, 1, 4, 32), (1, 64, 4, 32))
    yield attention("of 8 queries, 1 x 98x64", (1, 8, 1, 64), (1, 98, 1, 64))
    attrs = AttentionAttrs(plain, (0, 1, 3, 2), plain, plain, 0.02)
    small = partial(of_activations, "attention", attrs, [(1, 4, 9, 8)] * 3, output=QParams((0.03,), 5))
    yield Layer("attention stacked 4 x 9x8", "attention", small, 6.5)


def _movement() -> Iterator[Layer]:
    def moved(op: str, label: str, attrs: Any, shapes: list[Shape]) -> Layer:
        return Layer(label, "movement", partial(of_activations, op, attrs, shapes, same=True))

    for label, shape, order in [
        ("permute NHWC->NCHW 16x16x16", (1, 16, 16, 16), (0, 3, 1, 2)),
        ("permute of 3x32x32", (1, 3, 32, 32), (0, 2, 3, 1)),
        ("transpose matrix 64x64", (1, 64, 64), (0, 2, 1)),
        ("transpose heads 32x4x16", (1, 32, 4, 16), (0, 2, 1, 3)),
        ("channel shuffle 64 g4 8x8", (1, 4, 16, 8, 8), (0, 2, 1, 3, 4)),
        ("channel shuffle 64 g4 8x8 channels-last", (1, 8, 8, 4, 16), (0, 1, 2, 4, 3)),
        ("transpose heads 32x4x3", (1, 32, 4, 3), (0, 2, 1, 3)),
        ("transpose pairs 40x10x2", (1, 40, 10, 2), (0, 2, 1, 3)),
        ("permute NCHW->NHWC 5x7x9", (1, 5, 7, 9), (0, 2, 3, 1)),
    ]:
        yield moved("transpose", label, TransposeAttrs(order), [shape])
    for label, shape, sliced in [
        ("first half of 32 channels 16x16", (1, 16, 16, 32), SliceAttrs((0,) * 4, (1,) * 4, (1, 16, 16, 16))),
        ("3 of 8 channels 16x16", (1, 16, 16, 8), SliceAttrs((0, 0, 0, 5), (1,) * 4, (1, 16, 16, 3))),
        ("one channel of 3 32x32", (1, 32, 32, 3), SliceAttrs((0, 0, 0, 1), (1,) * 4, (1, 32, 32, 1))),
        ("rows 4 to 12 of 16x16x16", (1, 16, 16, 16), SliceAttrs((0, 4, 0, 0), (1,) * 4, (1, 8, 16, 16))),
        ("every second pixel 16 16x16", (1, 16, 16, 16), SliceAttrs((0,) * 4, (1, 2, 2, 1), (1, 8, 8, 16))),
        ("every second pixel 1 32x32", (1, 32, 32, 1), SliceAttrs((0,) * 4, (1, 2, 2, 1), (1, 16, 16, 1))),
        ("last token of 64x32", (1, 64, 32), SliceAttrs((0, 63, 0), (1,) * 3, (1, 1, 32))),
        ("reversed line of 500", (1, 500), SliceAttrs((0, 499), (1, -1), (1, 500))),
        (
            "reversed columns 3 32x32",
            (1, 32, 32, 3),
            SliceAttrs((0, 0, 31, 0), (1, 1, -1, 1), (1, 32, 32, 3)),
        ),
        (
            "pixels twice 16 8x8",
            (1, 8, 1, 8, 1, 16),
            SliceAttrs((0,) * 6, (1, 1, 0, 1, 0, 1), (1, 8, 2, 8, 2, 16)),
        ),
        ("values eight times 8x16", (1, 8, 16, 1), SliceAttrs((0,) * 4, (1, 1, 1, 0), (1, 8, 16, 8))),
    ]:
        yield moved("slice", label, sliced, [shape])
    for label, shape, axis in [("10", (1, 10), 1), ("of 64x32 tokens", (1, 64, 32), 2)]:
        make = partial(of_activations, "argmax", ArgmaxAttrs(axis), [shape], output=WHOLE_NUMBERS)
        yield Layer(f"argmax {label}", "movement", make)
    parts: list[tuple[str, list[Shape], int]] = [
        ("concat channels 16+16 16x16", [(1, 16, 16, 16)] * 2, 3),
        ("concat channels 3+5 16x16", [(1, 16, 16, 3), (1, 16, 16, 5)], 3),
        ("concat channels 1+1+1+1 16x16", [(1, 16, 16, 1)] * 4, 3),
        ("concat rows 8+8 of 16x16", [(1, 8, 16, 16)] * 2, 1),
        ("concat vectors 7+2", [(1, 7), (1, 2)], 1),
    ]
    for label, shapes, axis in parts:
        yield moved("concat", label, ConcatAttrs(axis), shapes)
    for label, shape, before, after in [
        ("pad 1 around 16 16x16", (1, 16, 16, 16), (0, 1, 1, 0), (0, 1, 1, 0)),
        ("pad 2 around 3 32x32", (1, 32, 32, 3), (0, 2, 2, 0), (0, 2, 2, 0)),
        ("pad channels 5->8 12x12", (1, 12, 12, 5), (0, 0, 0, 0), (0, 0, 0, 3)),
        ("pad vector 100", (1, 100), (0, 3), (0, 4)),
    ]:
        yield moved("pad", label, PadAttrs(before, after), [shape])


# --- int16 activations

_WIDE = {
    *("conv3x3 8->8 16x16 p1", "conv3x3 32->32 16x16 p1", "conv3x3 3->3 16x16 p1", "conv3x3 7->7 16x16 p1"),
    *("conv5x5 16->16 16x16 p2", "conv3x3 64->64 16x16 p1"),
    *("dw3x3 16 24x24 p1", "dw3x3 64 12x12 p1", "dw3x3 5 16x16 p1", "dw5x5 32 16x16 p2", "add 16 16x16"),
    *("mul 16 16x16", "linear 640x128", "linear 64x12", "linear rows 32x(64->64)", "linear 13x7"),
    *("sub 16 16x16", "add by channel 16 16x16", "add by pixel 16 16x16", "add by one value 16 16x16"),
    *("mul by channel 16 16x16", "mul by pixel 16 16x16", "mul 7x5x3", "mul by one value 16 16x16"),
    *("mul by channel 3 32x32", "div 16 16x16", "div by pixel 16 16x16", "maximum 16 16x16"),
    *("prelu 16 16x16", "prelu planes of 256 values", "clamp 16 16x16", "clamp 3 15x15", "sigmoid 3 15x15"),
    *(
        "maxpool2 16 32x32",
        "maxpool3 s2 p1 16 32x32",
        "maxpool2 1 28x28",
        "maxpool2 3 32x32",
        "maxpool7 64 7x7 global",
    ),
    *("avgpool2 16 32x32", "avgpool3 s1 p1 16 16x16", "avgpool8 64 8x8 global", "avgpool2 3 32x32"),
    *("convT2x2 s2 16->8 8x8", "convT3x3 s2 32->32 8x8", "convT4x4 s2 16->16 8x8 g16", "bilinear x2 16 8x8"),
    *("l1 of channels 64 8x8", "l2 of channels 64 8x8", "std of an image 16 16x16", "var of a vector 128"),
    *("normalize of channels 64 8x8", "normalize of an image 16 16x16", "matmul 32x32 by 32x32"),
    *("matmul 32x32 by 32x32 turned", "layer norm 64 of 16 rows", "layer norm of each channel 16 8x8"),
    "layer norm channels first 64 7x7",
    *("softmax 10", "softmax rows 16x16", "attention 4 x 50x16", "attention 4 x 64x32"),
    *("attention causal 4 x 64x32", "attention of one query 4 x 64x32"),
}
"""Labels of layers that are swept with int16 too."""
_MIXED = {"add 16 16x16", "mul 16 16x16", "mul by channel 16 16x16", "mul by pixel 16 16x16"}
"""And whose second input is int8 then."""


def _of_int16() -> Iterator[Layer]:
    """Some of every class, with activations of int16; no limit is set for them but that of convolutions."""
    every = (
        *(*_dense(), *_transposed(), *_depthwise(), *_linear(), *_max_pools(), *_average_pools()),
        *(
            *_elementwise(),
            *_picked(),
            *_reduced(),
            *_products(),
            *_attention(),
            *_layer_norms(),
            *_softmaxes(),
        ),
    )
    for layer in every:
        if layer.label in _WIDE:
            yield replace(layer, label=f"int16 {layer.label}", make=partial(widened, layer))
        if layer.label in _MIXED:
            make = partial(widened, layer, but="x1")
            yield replace(layer, label=f"int16 with int8 {layer.label}", make=make)
    for n_in, n_out in ((16, 16), (64, 32), (3, 8)):
        layer = _conv(f"int16 conv1x1 {n_in}->{n_out} 16x16", (1, 1), (n_in, n_out), (16, 16))
        yield replace(layer, make=partial(widened, layer))


def widened(layer: Layer, but: str = "") -> Graph:
    """The layer with activations of int16 over the same real ranges, or as its op dictates; `but` one."""
    graph = layer.make()
    tensors = {name: tensor if name == but else _finer(tensor) for name, tensor in graph.tensors.items()}
    for node in graph.nodes:
        fixed = OPS[node.op].output_qparams(node.attrs, Dtype.INT16)
        tensors[node.output] = replace(tensors[node.output], qparams=fixed or tensors[node.output].q)
    return replace(graph, tensors=tensors)


def _finer(tensor: Tensor) -> Tensor:
    if tensor.data is None:
        return replace(tensor, qparams=QParams((tensor.scale / 256,), 0, Dtype.INT16))
    if (
        tensor.dtype is Dtype.INT32 and np.abs(tensor.values).max() < 2**23
    ):  # a norm's gains are finer already
        q = QParams(tuple(scale / 256 for scale in tensor.q.scale), 0, Dtype.INT32)
        return replace(tensor, qparams=q, data=tensor.values * np.int32(256))
    return tensor


# --- all in one image: how much code do layers of distinct shapes share?

_SHAPES: tuple[tuple[int, Pair, int, int, int], ...] = (
    *((8, (3, 3), 2, 1, 1), (8, (3, 3), 1, 8, 1), (16, (1, 1), 1, 1, 1), (16, (3, 3), 2, 16, 1)),
    *((24, (1, 1), 1, 1, 1), (24, (3, 3), 1, 24, 1), (32, (1, 1), 1, 1, 1), (32, (3, 3), 1, 1, 1)),
    *((32, (3, 3), 2, 1, 1), (48, (1, 1), 1, 1, 1), (48, (5, 5), 1, 48, 1), (16, (1, 1), 1, 1, 1)),
    *((64, (1, 1), 1, 1, 1), (64, (3, 3), 2, 64, 1), (40, (1, 1), 1, 1, 1), (40, (3, 3), 1, 1, 1)),
    *((20, (1, 3), 1, 1, 1), (20, (3, 1), 1, 1, 1), (96, (1, 1), 1, 1, 1), (96, (3, 3), 1, 96, 1)),
    *((24, (1, 1), 1, 1, 1), (24, (3, 3), 1, 2, 1), (12, (5, 5), 1, 1, 1), (36, (1, 1), 1, 1, 1)),
    *((36, (3, 3), 1, 1, 2), (10, (1, 1), 1, 1, 1)),
)
"""Of the layers of a network on 48x48 pixels of three channels: n_out, kernel, stride, groups, dilation."""


def _network() -> Graph:
    x, steps = _activation("x", (1, 48, 48, 3)), []
    for i, (n_out, kernel, s, groups, d) in enumerate(_SHAPES):
        top, left = (d * (size // 2) for size in kernel)
        attrs = Conv2dAttrs((s, s), (top, top, left, left), (d, d), groups, lo=0.0)
        w, b = _constants((n_out, *kernel, x.shape[3] // groups))
        scales = tuple(x.scale * scale for scale in w.q.scale)
        w, b = replace(w, name=f"w{i}"), replace(b, name=f"b{i}", qparams=replace(b.q, scale=scales))
        name = "y" if i + 1 == len(_SHAPES) else f"y{i}"
        y = _activation(name, OPS["conv2d"].shape(attrs, x.shape, w.shape, b.shape), _output_scale(w), -128)
        steps.append(("conv2d", attrs, [x, w, b], y))
        x = y
    return _chain(steps)


def _picked() -> Iterator[Layer]:
    """Paddings, crops, enlargements and windows: movement all, of values between others too."""

    def pick(label: str, shape: Shape, along: dict[int, Places]) -> Layer:
        attrs = PickAttrs(tuple(along.get(axis, everything(n)) for axis, n in enumerate(shape)))
        return Layer(label, "movement", lambda: of_activations("pick", attrs, [shape], same=True), most=4)

    def around(n: int, mode: str) -> Places:
        return padded(n, 1, 1, mode)

    for c, n in [(16, 16), (3, 32), (1, 32)]:
        for mode in ("reflect", "circular", "constant"):
            shape = (1, n, n, c)
            yield pick(f"pick {mode} 1 around {c} {n}x{n}", shape, {1: around(n, mode), 2: around(n, mode)})
        yield pick(f"pick nearest x2 {c} {n}x{n}", shape, {axis: (Run(0, n, 1, 2),) for axis in (1, 2)})
        yield pick(f"pick crop 2 of {c} {n}x{n}", shape, {axis: (Run(2, n - 4),) for axis in (1, 2)})
    stretched = runs(np.arange(25) * 16 // 25)
    for c in (8, 1):
        yield pick(f"pick nearest 16->25 {c} 16x16", (1, 16, 16, c), {1: stretched, 2: stretched})
    windows = runs([i + tap for i in range(14) for tap in range(3)])
    for c in (8, 1):
        yield pick(f"pick windows 3x3 {c} 16x16", (1, 16, 16, c), {1: windows, 2: windows})
    frames = runs([i + tap for i in range(0, 3601, 160) for tap in range(400)])
    yield pick("pick frames of 400 every 160 of 4000", (1, 4000), {1: frames})
    permuted = runs(np.random.default_rng(0).permutation(32))
    yield pick("pick channels of 32 in any order 8x8", (1, 8, 8, 32), {3: permuted})
    yield pick("pick reflect 2 around 6 1x128", (1, 1, 128, 6), {2: padded(128, 2, 2, "reflect")})
    for c, n in [(16, 8), (8, 16), (3, 16), (1, 16)]:
        one = 1 << PLACE_BITS
        attrs = InterpolateAttrs((2 * n, 2 * n), (-one // 4, -one // 4), (one // 2, one // 2))
        yield Layer(
            f"bilinear x2 {c} {n}x{n}",
            "interpolation",
            lambda attrs=attrs, c=c, n=n: of_activations("interpolate", attrs, [(1, n, n, c)]),
        )


def _reduced() -> Iterator[Layer]:
    for label, shape in [("4096 values", (1, 1, 4096, 1)), ("21x37 values", (1, 21, 37, 1))]:
        window = shape[1], shape[2]
        pools = [
            ("mean", "avg_pool2d", AvgPool2dAttrs(adaptive=(1, 1))),
            ("largest", "max_pool2d", MaxPool2dAttrs(window, (1, 1))),
        ]
        for name, op, attrs in pools:
            make = partial(of_activations, op, attrs, [shape], same=True)
            yield Layer(f"{name} of {label}", "reduction", make)
    cases: list[tuple[str, Shape, tuple[int, ...]]] = [
        ("of channels 64 8x8", (1, 8, 8, 64), (3,)),
        ("of an image 16 16x16", (1, 16, 16, 16), (1, 2)),
        ("of a vector 128", (1, 128), (1,)),
    ]
    for label, shape, axes in cases:
        for kind in ("l1", "l2", "var", "std"):
            attrs = ReduceAttrs(axes, kind)
            yield Layer(
                f"{kind} {label}",
                "reduction",
                lambda attrs=attrs, shape=shape: of_activations("reduce", attrs, [shape]),
            )
        unit = NormalizeAttrs(axes, 1e-12)
        yield Layer(
            f"normalize {label}",
            "reduction",
            lambda unit=unit, shape=shape: of_activations("normalize", unit, [shape], output=UNIT_OUTPUT),
        )


# --- how they are made


def _activation(
    name: str, shape: Shape, scale: float = INPUT_SCALE, zero_point: int = INPUT_ZERO_POINT
) -> Tensor:
    return Tensor(name, shape, QParams((scale,), zero_point))


def weighted(op: str, attrs: Any, x_shape: Shape, w_shape: Shape) -> Graph:
    inputs = [_activation("x", x_shape), *_constants(w_shape)]
    shape = OPS[op].shape(attrs, *[tensor.shape for tensor in inputs])
    return _chain([(op, attrs, inputs, _activation("y", shape, _output_scale(inputs[1]), 5))])


def _constants(w_shape: Shape) -> tuple[Tensor, Tensor]:
    """Weights of any shape and a bias, for inputs of INPUT_SCALE."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, (w_shape[0], prod(w_shape[1:])))
    data = np.rint(noise / np.abs(noise).max(axis=1, keepdims=True) * 127).astype(np.int8).reshape(w_shape)
    scales = tuple(float(s) for s in rng.uniform(0.004, 0.005, w_shape[0]))
    units = tuple(INPUT_SCALE * s for s in scales)
    bias = rng.integers(-2000, 2000, w_shape[0]).astype(np.int32)
    return (
        Tensor("w", w_shape, QParams(scales), data),
        Tensor("b", (w_shape[0],), QParams(units, 0, Dtype.INT32), bias),
    )


def _output_scale(w: Tensor) -> float:
    """One that noise fills, with some saturation at both ends."""
    return float(INPUT_SCALE * np.mean(w.q.scale) * 45 * np.sqrt(w.size // w.shape[0]))


def of_activations(
    op: str, attrs: Any, shapes: list[Shape], *, same: bool = False, output: QParams | None = None
) -> Graph:
    """`same`: the output has the scale of the inputs."""
    inputs = [_activation(f"x{i}", shape) for i, shape in enumerate(shapes)]
    shape = OPS[op].shape(attrs, *shapes)
    y = Tensor("y", shape, output or QParams((INPUT_SCALE if same else 0.07,), INPUT_ZERO_POINT))
    return _chain([(op, attrs, inputs, y)])


def _chain(steps: list[tuple[str, Any, list[Tensor], Tensor]]) -> Graph:
    """Layers one after the other; activations that none of them makes are the inputs."""
    tensors = {t.name: t for _, _, inputs, output in steps for t in (*inputs, output)}
    nodes = tuple(
        Node(output.name, op, attrs, tuple(t.name for t in inputs), (output.name,))
        for op, attrs, inputs, output in steps
    )
    made = {node.output for node in nodes}
    inputs = tuple(t.name for t in tensors.values() if t.data is None and t.name not in made)
    return Graph(
        NAME, nodes, tensors, tuple(Port(name, name) for name in inputs), (Port("y", nodes[-1].output),)
    )


def _audio(lying: bool) -> Graph:
    """What a network that listens begins with: a second of sound, through the pass that lines take."""

    def along(n: int) -> Pair:
        return (1, n) if lying else (n, 1)

    w, b = _constants((8, *along(80), 1))
    x = _activation("x", (1, *along(16_000), 1))
    conv = Conv2dAttrs(stride=along(4), lo=0.0)
    pool = MaxPool2dAttrs(along(4), along(4))
    h = _activation("h", OPS["conv2d"].shape(conv, x.shape, w.shape, b.shape), _output_scale(w), -128)
    y = replace(h, name="y", shape=OPS["max_pool2d"].shape(pool, h.shape))
    return stand_lines(_chain([("conv2d", conv, [x, w, b], h), ("max_pool2d", pool, [h], y)]))


def _norm(shape: Shape, axis: int) -> Graph:
    """A batch norm that no layer before takes up, through the same passes as any."""
    rng = np.random.default_rng(0)
    builder = Builder(NAME)
    x = builder.input("x", shape)
    constants = [
        builder.constant("scale", rng.uniform(0.5, 1.5, shape[axis])),
        builder.constant("shift", rng.uniform(-1, 1, shape[axis])),
    ]
    y = builder.add("batch_norm", BatchNormAttrs(axis), x, *constants, name="y")
    samples: Array = rng.standard_normal((8, *shape[1:]))
    return quantize(optimize(builder.graph(x, y)), samples).graph
