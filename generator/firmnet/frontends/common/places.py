"""Which places of an axis does PyTorch pick when it pads or enlarges?"""

from collections.abc import Mapping

import numpy as np

from ...ir import Tensor
from ...ops.pick import FILL, PickAttrs, Places, everything, runs
from .builder import Builder, Unsupported

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's names of paddings that repeat values → NumPy's."""


def picked(b: Builder, x: Tensor, along: Mapping[int, Places], fill: float = 0.0, name: str = "") -> Tensor:
    """x with these places of some axes; the others stay."""
    axes = tuple(along.get(axis, everything(n)) for axis, n in enumerate(x.shape))
    unchanged = all(a == everything(n) for a, n in zip(axes, x.shape, strict=True))
    return x if unchanged else b.add("pick", PickAttrs(axes, fill), x, name=name)


def padded(size: int, before: int, after: int, mode: str) -> Places:
    """Of an axis with so much before and after; less than nothing crops."""
    places = np.arange(max(-before, 0), size - max(-after, 0))
    if not len(places):
        raise Unsupported(f"padding ({before}, {after}) leaves nothing of {size} values")
    around = max(before, 0), max(after, 0)
    most = {"reflect": len(places) - 1, "circular": len(places)}.get(mode, max(around))
    if max(around) > most:
        raise Unsupported(
            f"{mode} padding of {max(around)} takes more values than the {len(places)} there are"
        )
    if mode == "constant":
        return runs(np.pad(places, around, constant_values=FILL))
    return runs(np.pad(places, around, mode=MODES[mode]))  # type: ignore[call-overload]
