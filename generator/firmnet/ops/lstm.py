"""lstm: gates i, f, g, o; c' = f·c + i·g, h' = o·tanh(c'), or a projection of that, over a sequence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Tensor
from ..qmath import largest_sums, requant_of_sums, requantize
from .gates import FINE_BITS, GATE_BITS, gate_sigmoid, gate_tanh, sigmoid
from .recurrent import (
    Recurrent,
    RecurrentAttrs,
    StepStates,
    exact_sums,
    fine,
    parts_of,
    row_scales,
    shifted,
)
from .spec import Constants, register


@dataclass(frozen=True)
class LstmAttrs(RecurrentAttrs):
    """`projected`: what is hidden is a product of o·tanh(c') with a matrix."""

    projected: bool = False


class Lstm(Recurrent):
    """Outputs are hidden and, of the step that comes last, the cell."""

    name = "lstm"
    attrs = LstmAttrs
    gates = 4
    biases = 4
    states = ("hidden", "cell")

    def _more(self, call: Call, known: Mapping[str, Tensor]) -> Constants:
        if not call.attrs.projected:
            return {}
        w, y = known["projection"], call.outputs[0]
        worst = int(largest_sums(np.zeros(len(w.values)), w.values, -Dtype.INT16.low).max())
        scales = row_scales(w) * 2.0**-GATE_BITS / y.scale
        r = requant_of_sums(scales, worst)
        bounds = {"zero_point": 0, "lo": y.dtype.low, "hi": y.dtype.high, "dtype": y.dtype}
        return {"projection": w.values, "requant": r, "multiplier": r.multiplier, **bounds}

    def _float_step(
        self,
        attrs: LstmAttrs,
        of_input: Array,
        of_state: Array,
        known: Mapping[str, Array],
        states: StepStates,
    ) -> StepStates:
        i, f, g, o = parts_of(of_input + of_state + known["bias"], 4)
        i, f, o = (sigmoid(v) for v in (i, f, o))
        cell = f * states.cell + i * np.tanh(g)
        hidden = o * np.tanh(cell)
        return StepStates(hidden @ known["projection"].T if attrs.projected else hidden, cell)

    def _int_step(self, k: Constants, of_input: Array, of_state: Array, states: StepStates) -> StepStates:
        sums = of_input * k["input_multiplier"] + of_state * k["state_multiplier"] + k["offset"]
        i, f, g, o = parts_of(fine(k, sums), 4)
        (i, f, o), g = (gate_sigmoid(v) for v in (i, f, o)), gate_tanh(g)
        hidden_bits, cell_bits = k["bits"]
        assert states.cell is not None
        cell = shifted(f * (states.cell << GATE_BITS - cell_bits) + i * g, 2 * GATE_BITS - cell_bits)
        out = o * gate_tanh(cell << FINE_BITS - cell_bits)
        if "projection" not in k:
            return StepStates(shifted(out, 2 * GATE_BITS - hidden_bits), cell)
        wide = shifted(out, GATE_BITS)
        sums, int16 = exact_sums(wide, k["projection"]), Dtype.INT16
        hidden = requantize(sums, k["requant"], 0, int16.low, int16.high, int16).astype(np.int64)
        return StepStates(hidden, cell)


register(Lstm())
