"""Which networks of windows does chance make? Lines and images with time, most of them fit for a stream.

    python tests/ops/random_streams.py --count 20000 [--seed 3000]

Each becomes a stream that is compared with windows, or is refused; what fails is printed with its seed.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.ir import Graph, Tensor
from firmnet.ops import OPS, check_quantized
from firmnet.ops.avg_pool2d import AvgPool2dAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.layer_norm import LayerNormAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.pad import PadAttrs
from firmnet.ops.recurrent import RecurrentAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.ops.slice import SliceAttrs
from firmnet.ops.softmax import SoftmaxAttrs
from firmnet.quantize import quantize
from firmnet.stream import Followed, follow, proven, rewritten

MOST_LAYERS = 7


@dataclass
class Draw:
    """A network in the making: what goes on with time along `axis` (1: the height, 2: the width)."""

    rng: np.random.Generator
    b: Builder
    x: Tensor
    axis: int
    causal: bool

    @property
    def places(self) -> int:
        return self.x.shape[self.axis]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pair(self, along: int, other: int) -> tuple[int, int]:
        return (along, other) if self.axis == 1 else (other, along)

    def padded(self, before: int, after: int = 0) -> None:
        """A layer of its own with zeros along the time."""
        if before or after:
            sizes = [[n if a == self.axis else 0 for a in range(4)] for n in (before, after)]
            self.x = self.b.add("pad", PadAttrs(tuple(sizes[0]), tuple(sizes[1])), self.x, name="pad")

    def convolved(self) -> None:
        kernel, dilation = int(self.rng.integers(1, 5)), int(self.rng.integers(1, 4))
        stride = 2 if self.chance(0.2) and not self.places % 2 else 1
        look = (kernel - 1) * dilation
        if self.causal or self.chance(0.4):
            self.padded(max(look - (stride - 1), 0))
        if look >= self.places - 2:
            return
        channels = self.x.shape[3]
        deep = self.chance(0.3)
        n_out = channels if deep else int(self.rng.integers(1, 7))
        across = min(int(self.rng.integers(1, 4)), self.x.shape[3 - self.axis])
        shape = (n_out, *self.pair(kernel, across), 1 if deep else channels)
        constants = (
            self.b.constant("w", self.rng.normal(size=shape)),
            self.b.constant("c", self.rng.normal(size=n_out)),
        )
        attrs = Conv2dAttrs(
            self.pair(stride, 1), dilation=self.pair(dilation, 1), groups=channels if deep else 1
        )
        self.x = self.b.add("conv2d", attrs, self.x, *constants, name="conv")
        if self.chance(0.5):
            self.x = self.b.add("clamp", ClampAttrs(0.0), self.x, name="relu")

    def pooled(self) -> None:
        if self.causal or self.places < 6:
            return
        kernel, stride = (
            self.pair(int(self.rng.integers(2, 4)), 1),
            self.pair(int(self.rng.integers(1, 3)), 1),
        )
        if self.chance(0.5):
            self.x = self.b.add("max_pool2d", MaxPool2dAttrs(kernel, stride), self.x, name="largest")
        else:
            self.x = self.b.add("avg_pool2d", AvgPool2dAttrs(kernel, stride), self.x, name="average")

    def each(self) -> None:
        """Something of every place alone."""
        match int(self.rng.integers(0, 4)):
            case 0:
                self.x = self.b.add("softmax", SoftmaxAttrs(3), self.x, name="softmax")
            case 1:
                n = self.x.shape[3]
                gains = (self.b.constant(name, self.rng.normal(size=n)) for name in ("gain", "shift"))
                self.x = self.b.add("layer_norm", LayerNormAttrs((3,), (3,)), self.x, *gains, name="norm")
            case 2:
                weight = self.b.constant("w", self.rng.normal(size=(4, self.x.shape[3])))
                bias = self.b.constant("c", self.rng.normal(size=4))
                self.x = self.b.add("linear", LinearAttrs(), self.x, weight, bias, name="linear")
            case _:
                self.x = self.b.add("rescale", OPS["rescale"].attrs(), self.x, name="rescale")

    def branched(self) -> None:
        """Two ways, joined where they have the same places: the shorter one decides."""
        before = self.x
        self.convolved()
        one, self.x = self.x, before
        self.convolved()
        least = min(one.shape[self.axis], self.places)
        if one.shape[3 - self.axis] != self.x.shape[3 - self.axis] or least * 2 <= max(
            one.shape[self.axis], self.places
        ):
            return
        if max(one.shape[self.axis], self.places) % 2 != least % 2 and self.chance(0.5):
            return
        parts = [self._last(part, least) for part in (one, self.x)]
        if parts[0].shape == parts[1].shape and self.chance(0.5):
            self.x = self.b.add("add", OPS["add"].attrs(), *parts, name="sum")
        else:
            self.x = self.b.add("concat", ConcatAttrs(3), *parts, name="both")

    def _last(self, part: Tensor, count: int) -> Tensor:
        spare = part.shape[self.axis] - count
        if not spare:
            return part
        size = tuple(count if a == self.axis else n for a, n in enumerate(part.shape))
        start = tuple(spare if a == self.axis else 0 for a in range(4))
        return self.b.add("slice", SliceAttrs(start, (1,) * 4, size), part, name="crop")

    def walked(self) -> None:
        """A recurrent layer over frames, all other axes in a row."""
        units, steps = 3, self.places
        if self.axis == 2 and self.x.shape[1] > 1:
            return
        line = self.b.add("reshape", ReshapeAttrs((1, steps, self.x.size // steps)), self.x, name="frames")
        constants = [
            self.b.constant(name, self.rng.normal(size=shape) / 2)
            for name, shape in (
                ("iw", (3 * units, line.shape[2])),
                ("sw", (3 * units, units)),
                ("bias", (4 * units,)),
                ("begin", (1, 1, units)),
            )
        ]
        hidden = self.b.add("gru", RecurrentAttrs(), line, *constants, name="gru")
        self.x = self.b.add("reshape", ReshapeAttrs((1, steps, 1, units)), hidden, name="steps")
        self.axis = 1

    def ended(self) -> Tensor:
        """The last step, the mean, the largest, all in a row, or every step."""
        x, axis = self.x, self.axis
        ways = 2 if self.causal else 5
        match int(self.rng.integers(0, ways)):
            case 0:
                return self._last(x, 1)
            case 1:
                return x
            case 2:
                return self.b.add("avg_pool2d", AvgPool2dAttrs(adaptive=(1, 1)), x, name="mean")
            case 3:
                window = self.pair(self.places, 1)
                return self.b.add("max_pool2d", MaxPool2dAttrs(window, window), x, name="largest_of_all")
            case _:
                row = self.b.add("reshape", ReshapeAttrs((1, x.size)), x, name=f"row_{axis}")
                weight = self.b.constant("w", self.rng.normal(size=(3, x.size)))
                return self.b.add(
                    "linear", LinearAttrs(), row, weight, self.b.constant("c", np.zeros(3)), name="head"
                )


def drawn(seed: int) -> tuple[Graph, int]:
    """A quantized graph of windows, and the stored axis of time."""
    rng = np.random.default_rng(seed)
    b, axis, causal = Builder(f"stream_{seed}"), int(rng.integers(1, 3)), bool(rng.random() < 0.4)
    frames, beside = int(rng.choice([16, 20, 24, 32])), int(rng.choice([1, 1, 3, 4]))
    shape = (1, *((frames, beside) if axis == 1 else (beside, frames)), int(rng.integers(1, 5)))
    x = b.input("x", shape)
    draw = Draw(rng, b, x, axis, causal)
    for _ in range(int(rng.integers(1, MOST_LAYERS))):
        kinds = [draw.convolved, draw.convolved, draw.pooled, draw.each, draw.branched]
        kinds[int(rng.integers(0, len(kinds)))]()
    if causal and rng.random() < 0.6:
        draw.walked()
    y = draw.ended()
    if y is x:
        y = b.add("rescale", OPS["rescale"].attrs(), x, name="rescale")
    graph = b.graph(x, y)
    return quantize(graph, rng.normal(size=(3, *shape[1:])).astype(np.float32), "minmax").graph, axis


def streamed(seed: int) -> tuple[Graph, Followed]:
    """The stream of a drawn network, shown to be it on noise; UserError where none is."""
    window, axis = drawn(seed)
    rng, found = np.random.default_rng(seed), follow(window, axis, None)
    hop = found.hop * int(rng.integers(1, 4))
    if hop < found.window and not (found.from_reset and found.window % hop):
        found = follow(window, axis, hop)
    stream = rewritten(window, found)
    check_quantized(stream)
    shape = stream.tensors[stream.input].shape
    runs = found.window // found.hop + 6
    assert proven(window, stream, found, [rng.normal(size=shape) for _ in range(runs)]) >= 3
    return stream, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="how many networks")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    options = parser.parse_args()
    came: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.count):
        try:
            streamed(seed)
            came["equal"] += 1
        except UserError:
            came["refused"] += 1
        except Exception as error:
            came["failed"] += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
    print(", ".join(f"{count} {what}" for what, count in came.items()))
    return 1 if came["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
