"""How does the DSP extension compute a recurrent layer? All sums of a step first, four rows at a time."""

from dataclasses import dataclass, fields

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops import OPS
from ...ops.recurrent import RECURRENT_OPS
from ...ops.spec import Constants
from ...targets import Isa
from ..portable.recurrent import Recurrence, RecurrentSteps, recurrent
from ..spec import register

SHARING = 4
"""Rows that share what is loaded."""
QUAD = 4
"""Inputs of four rows: four words of weights."""
STRAIGHT, ROUND = 8, 4
"""Up to so many quads without a loop, and in a round of one."""
QUAD_CYCLES, GROUP_CYCLES, ROUND_CYCLES = 19, 35, 6
UNIT_CYCLES = {"rnn": 52, "gru": 168, "lstm": 203}
"""What a unit takes beside its sums: gates and state."""


@dataclass(frozen=True)
class SummedPart:
    """`quads` of inputs: those that begin, before `rounds` of a loop."""

    quads: int

    @property
    def rounds(self) -> int:
        return 0 if self.quads <= STRAIGHT else self.quads // ROUND

    @property
    def straight(self) -> int:
        return self.quads - ROUND * self.rounds

    @property
    def cycles(self) -> int:
        return QUAD_CYCLES * self.quads + ROUND_CYCLES * self.rounds


@dataclass(frozen=True)
class SummedRecurrence(Recurrence):
    """Scratch holds the state, what an LSTM projects, inputs and state side by side, the sums of a step."""

    gates: int
    parts: tuple[SummedPart, ...]

    @property
    def summed(self) -> bool:
        return True

    @property
    def few(self) -> bool:
        """Inputs and state, so that no loop goes over them."""
        return not any(part.rounds for part in self.parts)

    @property
    def round(self) -> int:
        """Quads of a round."""
        return ROUND

    @property
    def groups(self) -> int:
        return -(-self.gates * self.units // SHARING)

    @property
    def row_words(self) -> int:
        """Of a unit's multipliers and offsets."""
        return SHARING * self.gates + 2 * (self.op == "gru")

    @property
    def state_at(self) -> int:
        return QUAD * self.parts[0].quads

    @property
    def given_at(self) -> int:
        return -(-super().scratch_bytes // 4) * 4

    @property
    def given_bytes(self) -> int:
        return 2 * QUAD * sum(part.quads for part in self.parts)

    @property
    def sums_at(self) -> int:
        return self.given_at + self.given_bytes

    @property
    def scratch_bytes(self) -> int:
        return self.sums_at + 4 * 2 * SHARING * self.groups


class RecurrentSums(RecurrentSteps):
    name = "sums"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    @property
    def template(self) -> str:
        return "kernels/dsp/recurrent.sums.c.j2"

    def accepts(self, call: Call) -> bool:
        """Sums that int32 holds."""
        return not any(OPS[self.op].prepare(call)["long"])

    def cycles(self, call: Call) -> float:
        steps = self.layout(call, {})
        sums = steps.groups * (GROUP_CYCLES + sum(part.cycles for part in steps.parts))
        copied = 40 + 3.0 * steps.n_in + steps.width
        more = steps.width * (30 + 8 * steps.units) if steps.projected else 0
        each = sums + copied + steps.units * UNIT_CYCLES[self.op] + more
        return 100 + steps.sequences * steps.steps * (60 + each)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        steps = self.layout(call, k)
        begins = {key: v for key, v in super().pack(call, k).items() if key.startswith("begin_")}
        more = {key: k[key] for key in ("projection", "multiplier") if key in k and steps.projected}
        weights = [
            _quads(_by_unit(k[key], steps), part.quads)
            for key, part in zip(("input_weight", "state_weight"), steps.parts, strict=True)
        ]
        stream = np.concatenate([part.reshape(steps.groups, -1) for part in weights], axis=1)
        return {"weight": stream.ravel(), "rows": _rows(k, steps), "entries": k["entries"], **more, **begins}

    def layout(self, call: Call, k: Constants) -> SummedRecurrence:
        plain = super().layout(call, k)
        parts = tuple(SummedPart(-(-n // QUAD)) for n in (plain.n_in, plain.width))
        known = {field.name: getattr(plain, field.name) for field in fields(Recurrence)}
        return SummedRecurrence(**known, gates=recurrent(self.op).gates, parts=parts)


def _by_unit(weight: Array, steps: SummedRecurrence) -> Array:
    """int64 (rows, K): unit by unit the rows of its gates, and rows of zeros to fill the last four."""
    rows = weight.reshape(steps.gates, steps.units, -1).transpose(1, 0, 2)
    flat = rows.reshape(steps.gates * steps.units, -1).astype(np.int64)
    return np.pad(flat, ((0, -len(flat) % SHARING), (0, 0)))


def _quads(rows: Array, quads: int) -> Array:
    """int32: for four rows and four inputs the words of rows 0, 1 and 2, 3 at inputs 0, 1, and at 2, 3.

    A halfword is the weight of the first row and 256 times that of the second.
    """
    padded = np.pad(rows, ((0, 0), (0, QUAD * quads - rows.shape[1])))
    joined = padded[0::2] + 256 * padded[1::2]
    halves = joined.reshape(len(rows) // SHARING, 2, quads, 2, 2).transpose(0, 2, 3, 1, 4)
    words: Array = np.ascontiguousarray(halves).astype("<i2").view("<i4")
    return words


def _rows(k: Constants, steps: SummedRecurrence) -> Array:
    """int32: of each unit its gates' multipliers of both sums and their offset, low word first; of a GRU then
    the offset inside.
    """
    offsets = np.ascontiguousarray(k["offset"]).astype("<i8").view("<i4").reshape(-1, steps.units, 2)
    multipliers = [
        k[key].reshape(steps.gates, steps.units, 1) for key in ("input_multiplier", "state_multiplier")
    ]
    each = np.concatenate([*multipliers, offsets[: steps.gates]], axis=2).transpose(1, 0, 2)
    inside = offsets[steps.gates :].transpose(1, 0, 2) if steps.op == "gru" else np.zeros((steps.units, 0, 2))
    flat = np.concatenate([each.reshape(steps.units, -1), inside.reshape(steps.units, -1)], axis=1)
    return flat.astype(np.int32).ravel()


for _op in RECURRENT_OPS:
    register(RecurrentSums(_op))
