"""How does a function of one int8 value run? As a table of 256 entries, made from its float meaning."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Array, Call, QParams, Shape
from .spec import Constants, Op, Stripe
from .stripes import same_rows

LEVELS = np.arange(-128, 128)


class TableOp(Op):
    """An op that treats every value alike: `run_float` says it all; the output may take the input's place."""

    def shape(self, attrs: Any, *inputs: Shape) -> Shape:
        return inputs[0]

    def remap(self, attrs: Any, order: Shape) -> Any:
        return attrs

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        return (0,)

    def prepare(self, call: Call) -> Constants:
        entries = table(call.inputs[0].q, call.output.q, lambda real: self.run_float(call, real))
        return {"table": entries, "size": call.output.size}

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        """From −128 up, or for the DSP kernel in the order of the values read as uint8, from 0 up."""
        entries = k["table"]
        return {"table": np.roll(entries, len(entries) // 2) if dsp else entries}

    def variant(self, call: Call, dsp: bool) -> str:
        return "dsp" if dsp else ""

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        out: Array = k["table"][inputs[0].astype(np.int64) + 128]
        return out


def table(x: QParams, y: QParams, function: Callable[[Array], Array]) -> Array:
    """int8 (256,): entry x + 128 is the quantized function of what x stands for, rounded half up."""
    real = function(x.to_real(LEVELS))
    out: Array = np.clip(np.floor(real / y.scale[0] + 0.5) + y.zero_point, -128, 127).astype(np.int8)
    return out
