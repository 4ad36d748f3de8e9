"""How does plain C compute a recurrent layer? Step by step, unit by unit, a dot product for each gate."""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops import OPS
from ...ops.recurrent import RECURRENT_OPS, Recurrent
from ...ops.spec import Constants
from ..spec import FAMILIES, Kernel, register

FEW_INPUTS = 16


@dataclass(frozen=True)
class Recurrence:
    """`width`: of what is hidden; `given`: C types of the states that are activations; `zeros`: which of the
    constant ones are nothing else.
    """

    op: str
    sequences: int
    steps: int
    n_in: int
    units: int
    width: int
    reverse: bool
    every: bool
    given: tuple[Dtype, ...]
    zeros: tuple[bool, ...]
    projected: bool

    @property
    def summed(self) -> bool:
        """Whether a function makes all sums of a step before its units."""
        return False

    @property
    def state_bytes(self) -> int:
        """Of the hidden state that is not in the output."""
        return 2 * self.width

    @property
    def scratch_bytes(self) -> int:
        """With what an LSTM projects, each at a word's address."""
        wide = 2 * self.units if self.projected else 0
        return self.state_bytes + 2 * (self.width % 2) + wide


def _dot_cycles(count: int) -> float:
    """Of int16; the compiler makes no loop of a few."""
    return count * (4.5 if count <= FEW_INPUTS else 8.0)


def recurrent(op: str) -> Recurrent:
    """The op of this name."""
    found = OPS[op]
    assert isinstance(found, Recurrent)
    return found


class RecurrentSteps(Kernel):
    dtypes = (Dtype.INT8, Dtype.INT16)

    def __init__(self, op: str) -> None:
        self.op = op

    @property
    def template(self) -> str:
        return f"kernels/{FAMILIES[self.isa]}/recurrent.c.j2"

    def cycles(self, call: Call) -> float:
        steps = self.layout(call, {})
        gates = recurrent(self.op).gates
        of_input = _dot_cycles(steps.n_in) if call.inputs[0].dtype is Dtype.INT16 else 3.3 * steps.n_in
        each = 10 + gates * (55 + of_input + _dot_cycles(steps.width))
        more = steps.width * (30 + 8 * steps.units) if steps.projected else 0
        whole: float = 60 + steps.sequences * steps.steps * (20 + steps.units * each + more)
        return whole

    def scratch_bytes(self, call: Call) -> int:
        return self.layout(call, {}).scratch_bytes

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        keys = ["input_weight", "state_weight", "input_multiplier", "state_multiplier", "entries"]
        keys += ["projection", "multiplier"] if "projection" in k else []
        offset = np.ascontiguousarray(k["offset"]).astype("<i8").view(np.uint32)
        begins = {
            f"begin_{key}": begin.constant.ravel()
            for key, begin in k["begins"].items()
            if begin.constant is not None and begin.constant.any()
        }
        return {**{key: k[key] for key in keys}, "offset": offset, **begins}

    def layout(self, call: Call, k: Constants) -> Recurrence:
        x, y = call.inputs[0], call.outputs[0]
        op = recurrent(self.op)
        known = op.parts(call.attrs, call.inputs)
        states = [known[key] for key in op.states]
        return Recurrence(
            op=self.op,
            sequences=x.shape[0],
            steps=x.shape[1],
            n_in=x.shape[2],
            units=known["state_weight"].shape[0] // op.gates,
            width=y.shape[2],
            reverse=call.attrs.reverse,
            every=call.attrs.every,
            given=tuple(t.dtype for t in states) if call.attrs.given else (),
            zeros=() if call.attrs.given else tuple(not t.values.any() for t in states),
            projected="projection" in known,
        )


for _op in RECURRENT_OPS:
    register(RecurrentSteps(_op))
