"""How does a function of one int8 value run? As a table of 256 entries, made from its float meaning."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Array, Call, QParams, Shape
from .spec import Constants, Op, Stripe
from .stripes import same_rows

LEVELS = np.arange(-128, 128)


class TableOp(Op):
    """An op that treats every value alike: `run_float` says it all."""

    def shape(self, attrs: Any, *inputs: Shape) -> Shape:
        return inputs[0]

    def remap(self, attrs: Any, order: Shape) -> Any:
        return attrs

    def prepare(self, call: Call) -> Constants:
        entries = table(call.inputs[0].q, call.output.q, lambda real: self.run_float(call, real))
        return {"table": entries}

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        out: Array = k["table"][inputs[0].astype(np.int64) + 128]
        return out


def table(x: QParams, y: QParams, function: Callable[[Array], Array]) -> Array:
    """int8 (256,): entry x + 128 is the quantized function of what x stands for, rounded half up.

    What is infinite saturates. An input for which the function is no number, as the root of less than zero,
    has the entry of the nearest one for which it is; ValueError where there is none.
    """
    real = everywhere(function(x.to_real(LEVELS)))
    out: Array = np.clip(np.floor(real / y.scale[0] + 0.5) + y.zero_point, -128, 127).astype(np.int8)
    return out


def everywhere(values: Array) -> Array:
    """NaN replaced by the nearest value in a row that is a number, of two as near by the later."""
    (known,) = np.nonzero(~np.isnan(values))
    if not len(known):
        raise ValueError(
            "a function that is no number for any input: look for a root or a logarithm of less than zero"
        )
    places = np.arange(len(values))
    after = known[np.searchsorted(known, places).clip(max=len(known) - 1)]
    before = known[(np.searchsorted(known, places, side="right") - 1).clip(min=0)]
    nearest: Array = values[np.where(np.abs(after - places) <= np.abs(before - places), after, before)]
    return nearest
