"""How do PyTorch's paddings read? Zeros as a pad, which convolutions take up; others as places to pick."""

from collections.abc import Mapping, Sequence

import numpy as np

from ....ir import Tensor
from ....ops.pad import PadAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.places import MODES, padded, picked


def from_aten_constant_pad_nd(b: Builder, x: Tensor, pad: Sequence[int], value: float | None = 0.0) -> Tensor:
    """pad = (before, after) of the last axis, then of the one before it, and so on; below zero it crops."""
    if not any(pad):
        return x
    if value is not None and not np.isfinite(value):
        raise Unsupported(
            f"padding with {value}: int8 has no such value; pad with the least one there can be"
        )
    if value or min(pad) < 0:
        return _around(b, x, pad, "constant", value or 0.0)
    missing = [0] * (len(x.shape) - len(pad) // 2)
    attrs = PadAttrs((*missing, *map(int, pad[-2::-2])), (*missing, *map(int, pad[::-2])))
    return b.add("pad", attrs, x)


def from_aten_pad(
    b: Builder, x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    if mode == "constant":
        return from_aten_constant_pad_nd(b, x, pad, value)
    if mode not in MODES:
        raise Unsupported(f"padding mode {mode!r}: firmnet has constant, {', '.join(MODES)}")
    return _around(b, x, pad, mode)


def from_aten_reflection_pad(b: Builder, x: Tensor, padding: Sequence[int]) -> Tensor:
    return _around(b, x, padding, "reflect")


def from_aten_replication_pad(b: Builder, x: Tensor, padding: Sequence[int]) -> Tensor:
    return _around(b, x, padding, "replicate")


def _around(b: Builder, x: Tensor, pad: Sequence[int], mode: str, value: float = 0.0) -> Tensor:
    ends = {len(x.shape) - 1 - i: (int(pad[2 * i]), int(pad[2 * i + 1])) for i in range(len(pad) // 2)}
    along = {axis: padded(x.shape[axis], *end, mode) for axis, end in ends.items() if any(end)}
    return picked(b, x, along, value)


RULES: Mapping[str, Rule] = {
    "aten.pad.default": from_aten_pad,
    "aten.constant_pad_nd.default": from_aten_constant_pad_nd,
    **{f"aten.reflection_pad{n}d.default": from_aten_reflection_pad for n in (1, 2, 3)},
    **{f"aten.replication_pad{n}d.default": from_aten_replication_pad for n in (1, 2, 3)},
}
