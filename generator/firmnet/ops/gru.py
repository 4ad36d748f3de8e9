"""gru: gates r and z, n = tanh(W x + b + r·(U h + d)), h' = (1 - z)·n + z·h over a sequence."""

from collections.abc import Mapping

import numpy as np

from ..ir import Array
from .gates import GATE_BITS, WHOLE_GATE, gate_sigmoid, gate_tanh, sigmoid
from .recurrent import Recurrent, RecurrentAttrs, StepStates, fine, parts_of, shifted
from .spec import Constants, register


class Gru(Recurrent):
    """Rows are r, z, n. A bias more per unit, the last ones, is that inside the product with r."""

    name = "gru"
    attrs = RecurrentAttrs
    gates = 3
    biases = 4

    def _float_step(
        self,
        attrs: RecurrentAttrs,
        of_input: Array,
        of_state: Array,
        known: Mapping[str, Array],
        states: StepStates,
    ) -> StepStates:
        (xr, xz, xn), (hr, hz, hn) = (parts_of(sums, 3) for sums in (of_input, of_state))
        br, bz, bx, bh = parts_of(known["bias"], 4)
        r, z = sigmoid(xr + hr + br), sigmoid(xz + hz + bz)
        n = np.tanh(xn + bx + r * (hn + bh))
        return StepStates((1 - z) * n + z * states.hidden)

    def _int_step(self, k: Constants, of_input: Array, of_state: Array, states: StepStates) -> StepStates:
        inputs, hidden = of_input * k["input_multiplier"], of_state * k["state_multiplier"]
        (xr, xz, xn), (hr, hz, hn) = (parts_of(sums, 3) for sums in (inputs, hidden))
        br, bz, bx, bh = parts_of(k["offset"], 4)
        r, z = (gate_sigmoid(fine(k, sums)) for sums in (xr + hr + br, xz + hz + bz))
        inside = (r * fine(k, hn + bh) + (1 << GATE_BITS - 1)) >> GATE_BITS
        n = gate_tanh(fine(k, xn + bx) + inside)
        bits = k["bits"][0]
        mixed = (WHOLE_GATE - z) * n + z * (states.hidden << GATE_BITS - bits)
        return StepStates(shifted(mixed, 2 * GATE_BITS - bits))


register(Gru())
