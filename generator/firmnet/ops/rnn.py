"""rnn: h' = tanh(Wx + Uh + b), or relu of it, over a sequence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Dtype
from .gates import FINE_BITS, GATE_BITS, gate_tanh
from .recurrent import Recurrent, RecurrentAttrs, StepStates, fine, shifted
from .spec import Constants, register

RELU_BITS = FINE_BITS - GATE_BITS
"""By which a sum is finer than the state that relu makes of it."""


@dataclass(frozen=True)
class RnnAttrs(RecurrentAttrs):
    """`relu` instead of tanh."""

    relu: bool = False


class Rnn(Recurrent):
    name = "rnn"
    attrs = RnnAttrs
    gates = 1
    biases = 1

    def fine_bits(self, attrs: RnnAttrs, bits: int) -> int:
        return bits + RELU_BITS if attrs.relu else FINE_BITS

    def _more(self, call: Any, known: Any) -> Constants:
        return {"relu": call.attrs.relu}

    def _float_step(
        self,
        attrs: RnnAttrs,
        of_input: Array,
        of_state: Array,
        known: Mapping[str, Array],
        states: StepStates,
    ) -> StepStates:
        sums = of_input + of_state + known["bias"]
        return StepStates(np.maximum(sums, 0.0) if attrs.relu else np.tanh(sums))

    def _int_step(self, k: Constants, of_input: Array, of_state: Array, states: StepStates) -> StepStates:
        sums = fine(k, of_input * k["input_multiplier"] + of_state * k["state_multiplier"] + k["offset"])
        if k["relu"]:
            return StepStates(np.clip(sums + (1 << RELU_BITS - 1) >> RELU_BITS, 0, Dtype.INT16.high))
        return StepStates(shifted(gate_tanh(sums), GATE_BITS - k["bits"][0]))


register(Rnn())
