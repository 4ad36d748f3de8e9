"""How does a recurrent layer walk through a sequence? What RNN, GRU and LSTM have in common.

A layer is one node for each direction: x (N, T, I) → hidden (N, T, P), or (N, 1, P) where only the last step
is kept, and of an LSTM the last cell (N, 1, H). Rows of weights lie gate by gate, as PyTorch has them.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import frexp
from typing import Any, ClassVar

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape, Tensor
from ..qmath import INT32_MAX, Requant, int32, largest_sums, requantize, to_requant
from .gates import FINE_BITS, GATE_BITS, LOGISTIC
from .spec import Constants, Op

RECURRENT_OPS = ("rnn", "gru", "lstm")
STEP_AXIS = 1
UNIT_STATE = QParams((2.0**-GATE_BITS,), 0, Dtype.INT16)
"""What no gate can leave: −1 … 1."""
GROWTH = 1.5
"""By how much a state that is not bounded may grow beyond what calibration showed."""
COARSEST_BITS = -15
"""Of a state's scale, a power of two."""
MOST_SHIFT, LARGEST_SUM = 30, 2**62
LEAST_STEP = 2.0**-100
BIAS_STEPS = 2.0**30
"""Of the largest bias."""
MOST_STATE_STEPS = 2.0**15 - 2.0**-16
"""Of a state to a step of what it begins with: as good as more, for any step but 0 is beyond its end then."""


@dataclass(frozen=True)
class RecurrentAttrs:
    """`reverse`: from the last step to the first. `every`: all steps are kept, in their own order; else the
    one that comes last. `given`: states begin as activations say, and else as constants do.
    """

    reverse: bool = False
    every: bool = True
    given: bool = False


@dataclass(frozen=True)
class StepStates:
    """Hidden (N, 1, P), and of an LSTM the cell (N, 1, H)."""

    hidden: Array
    cell: Array | None = None


class Recurrent(Op):
    """Its inputs, in this order: x, the states it begins with where they are `given`, the weights of inputs
    and of the hidden state (rows of all gates, I) and (…, P), biases, an LSTM's projection (P, H) if it has
    one, and the states where they are constants.
    """

    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True
    reads_wide = True
    learned = True
    stacks = True
    gates: ClassVar[int]
    biases: ClassVar[int]
    """Rows of biases for each unit."""
    states: ClassVar[tuple[str, ...]] = ("hidden",)

    def parts(self, attrs: Any, each: tuple[Any, ...]) -> dict[str, Any]:
        """The inputs of a call, or their shapes, by name; ValueError where there are more or fewer."""
        names = ["x", "input_weight", "state_weight", "bias"]
        names += ["projection"] if getattr(attrs, "projected", False) else []
        names[1 if attrs.given else len(names) : 1 if attrs.given else len(names)] = self.states
        if len(names) != len(each):
            raise ValueError(f"{self.name} reads {', '.join(names)}, and got {len(each)} inputs")
        return dict(zip(names, each, strict=True))

    def shape(self, attrs: Any, *inputs: Shape) -> Shape:
        return self.shapes(attrs, *inputs)[0]

    def shapes(self, attrs: Any, *inputs: Shape) -> tuple[Shape, ...]:
        known = self.parts(attrs, inputs)
        x, state_weight = known["x"], known["state_weight"]
        if len(x) != 3 or len(state_weight) != 2 or state_weight[0] % self.gates:
            raise ValueError(
                f"{self.name} of {x} with weights {state_weight}: give (sequences, steps, values)"
            )
        units = state_weight[0] // self.gates
        width = known["projection"][0] if "projection" in known else units
        wanted = {
            "input_weight": (self.gates * units, x[2]),
            "state_weight": (self.gates * units, width),
            "bias": (self.biases * units,),
            "projection": (width, units),
            "hidden": (x[0], 1, width),
            "cell": (x[0], 1, units),
        }
        for key, shape in known.items():
            if key != "x" and shape != wanted[key]:
                raise ValueError(f"{self.name} of {x} and {units} units has {key} {shape}, not {wanted[key]}")
        ends = [wanted[state] for state in self.states]
        return ((x[0], x[1] if attrs.every else 1, width), *ends[1:])

    def output_qparams(self, attrs: Any, dtype: Dtype = Dtype.INT8) -> QParams:
        return UNIT_STATE

    def fitted_qparams(self, q: QParams, highest: float) -> QParams:
        """A coarser power of two where the state leaves −1 … 1."""
        if highest <= 1.0:
            return q
        _, exponent = frexp(GROWTH * highest)
        return replace(q, scale=(2.0 ** -max(GATE_BITS - exponent, COARSEST_BITS),))

    def refuses(self, call: Call) -> str:
        wide = next((y for y in call.outputs if y.dtype is not Dtype.INT16), None)
        return super().refuses(call) or (
            f"writes {wide.name!r}, which is {wide.dtype}, and has states of int16: put a rescale behind it"
            if wide
            else ""
        )

    def quantized_constants(self, call: Call) -> tuple[Tensor, ...]:
        """Weights int8 with a scale per row, biases int32, states as the outputs are."""
        ends = dict(zip(self.states, call.outputs, strict=True))
        known = self.parts(call.attrs, call.inputs)
        made = {key: _quantized(key, t, ends) for key, t in known.items() if t.data is not None}
        return tuple(made.values())

    def held(self, call: Call, *inputs: Array) -> Mapping[int, Array]:
        """Hidden (N, T + 1, P) and cell (N, T + 1, H), float64: as they begin, then after every step."""
        hidden, cell = self._walked(call, *inputs)
        return {0: hidden} if cell is None else {0: hidden, 1: cell}

    def run_float(self, call: Call, *inputs: Array) -> Any:
        return self._kept(call, *self._walked(call, *inputs))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Any:
        return self._kept(call, *self._counted(call, k, *inputs))

    def macs(self, call: Call) -> int:
        known = self.parts(call.attrs, call.inputs)
        weights = sum(
            known[key].size for key in ("input_weight", "state_weight", "projection") if key in known
        )
        return int(weights) * call.inputs[0].shape[0] * call.inputs[0].shape[1]

    def prepare(self, call: Call) -> Constants:
        """`offset` is int64; of `bits` and `begins` each state has one. See docs/numerics.md."""
        known = self.parts(call.attrs, call.inputs)
        _require_types(known)
        if any((known[key].data is None) is not call.attrs.given for key in self.states):
            raise ValueError(f"{self.name} begins with constants or with activations, as its options say")
        x, bits = known["x"], tuple(scale_bits(y.q) for y in call.outputs)
        fine = self.fine_bits(call.attrs, bits[0])
        weights = known["input_weight"], known["state_weight"]
        scales = [
            row_scales(w) * scale * 2.0**fine
            for w, scale in zip(weights, (x.scale, call.outputs[0].scale), strict=True)
        ]
        worst = [
            largest_sums(np.zeros(len(w.values)), w.values, largest)
            for w, largest in zip(weights, (-x.dtype.low, -Dtype.INT16.low), strict=True)
        ]
        shift, multipliers = _multipliers(scales, worst)
        offsets = self._offsets(known, multipliers[0], fine + shift, shift)
        largest = [w * m.astype(np.int64) for w, m in zip(worst, multipliers, strict=True)]
        bound = int(largest[0].max()) + int(largest[1].max()) + int(np.abs(offsets).max())
        begins = {key: _begin(known[key], y) for key, y in zip(self.states, call.outputs, strict=True)}
        return {
            "input_weight": weights[0].values,
            "state_weight": weights[1].values,
            "input_multiplier": multipliers[0],
            "state_multiplier": multipliers[1],
            "offset": offsets,
            "shift": shift,
            "saturates": bound >> shift > INT32_MAX,
            "long": tuple(bool(w.max() > INT32_MAX) for w in worst),
            "entries": LOGISTIC,
            "bits": bits,
            "begins": begins,
            "x_dtype": x.dtype,
            **self._more(call, known),
        }

    def fine_bits(self, attrs: Any, bits: int) -> int:
        """Behind the point of what gates are given, where the hidden state has so many."""
        return FINE_BITS

    def _more(self, call: Call, known: Mapping[str, Tensor]) -> Constants:
        """Constants of the one op."""
        return {}

    def _offsets(self, known: Mapping[str, Tensor], multiplier: Array, bits: int, shift: int) -> Array:
        """int64, of every row of biases: bias behind so many bits, what the zero point adds, half a step."""
        x, w = known["x"], known["input_weight"].values.astype(np.int64)
        rows = w.sum(axis=1) * x.zero_point * multiplier.astype(np.int64)
        folded = np.concatenate([rows, np.zeros(len(known["bias"].values) - len(rows), np.int64)])
        biases = np.rint(np.clip(known["bias"].real * 2.0**bits, -LARGEST_SUM, LARGEST_SUM)).astype(np.int64)
        half = 1 << shift - 1 if shift else 0
        offsets: Array = biases - folded + half
        return offsets

    def _walked(self, call: Call, *inputs: Array) -> tuple[Array, Array | None]:
        """Hidden and cell in float64 (N, T + 1, …), in the order of time: first what they begin with."""
        known = self.parts(call.attrs, inputs)
        x = known["x"][:, ::-1] if call.attrs.reverse else known["x"]
        of_input = x @ known["input_weight"].T
        states = StepStates(*(_for_each(known[key], x) for key in self.states))
        seen = [states]
        for step in range(x.shape[1]):
            of_state = states.hidden @ known["state_weight"].T
            states = self._float_step(call.attrs, of_input[:, step : step + 1], of_state, known, states)
            seen.append(states)
        return _joined(seen)

    def _counted(self, call: Call, k: Constants, *inputs: Array) -> tuple[Array, Array | None]:
        """The same in the integers of the device, int16."""
        x = inputs[0][:, ::-1] if call.attrs.reverse else inputs[0]
        of_input = exact_sums(x, k["input_weight"])
        states = self._begun(call, k, inputs)
        seen = [states]
        for step in range(x.shape[1]):
            of_state = exact_sums(states.hidden, k["state_weight"])
            states = self._int_step(k, of_input[:, step : step + 1], of_state, states)
            seen.append(states)
        return _joined(seen)

    def _begun(self, call: Call, k: Constants, inputs: tuple[Array, ...]) -> StepStates:
        """StepStates as they begin, as int64; given ones of another scale are requantized."""
        found = []
        for place, (key, y) in enumerate(zip(self.states, call.outputs, strict=True)):
            begin: Begin = k["begins"][key]
            if begin.constant is not None:
                found.append(_for_each(begin.constant.astype(np.int64), inputs[0]))
            elif begin.requant is None:
                found.append(inputs[1 + place].astype(np.int64))
            else:
                centred = inputs[1 + place].astype(np.int64) - begin.zero_point
                low, high = y.dtype.low, y.dtype.high
                found.append(requantize(centred, begin.requant, 0, low, high, y.dtype).astype(np.int64))
        return StepStates(*found)

    def _kept(self, call: Call, hidden: Array, cell: Array | None) -> Any:
        steps = hidden[:, 1:] if call.attrs.every else hidden[:, -1:]
        if call.attrs.reverse:
            steps = steps[:, ::-1]
        return steps if cell is None else (steps, cell[:, -1:])

    @abstractmethod
    def _float_step(
        self, attrs: Any, of_input: Array, of_state: Array, known: Mapping[str, Array], states: StepStates
    ) -> StepStates:
        """One step of real numbers: sums (N, 1, rows) without biases → the states after it."""

    @abstractmethod
    def _int_step(self, k: Constants, of_input: Array, of_state: Array, states: StepStates) -> StepStates:
        """One step of integers, sums and states int64."""


@dataclass(frozen=True)
class Begin:
    """What a state begins with: a `constant`, int16; else an activation, as it is or requantized."""

    constant: Array | None = None
    requant: Requant | None = None
    zero_point: int = 0


def scale_bits(q: QParams) -> int:
    """n of a state's scale 2^-n; ValueError for another scale."""
    mantissa, exponent = frexp(q.scale[0])
    bits = 1 - exponent
    if mantissa != 0.5 or not COARSEST_BITS <= bits <= GATE_BITS or q.dtype is not Dtype.INT16:
        raise ValueError(f"a state has the scale {q.scale[0]}: it must be a power of two, and int16")
    return bits


def parts_of(rows: Array, count: int) -> list[Array]:
    """(…, count · units) → count times (…, units): what each gate is given, without a copy."""
    units = rows.shape[-1] // count
    return [rows[..., i * units : (i + 1) * units] for i in range(count)]


def fine(k: Constants, sums: Array) -> Array:
    """int64 sums with their offset → what gates are given, as int32 holds it."""
    held: Array = np.minimum(np.maximum(sums >> k["shift"], -INT32_MAX), INT32_MAX)
    return held


def shifted(values: Array, bits: int) -> Array:
    """int64 / 2^bits, rounded half up and saturated to int16."""
    rounded = (values + (1 << bits - 1) >> bits) if bits else values
    held: Array = np.minimum(np.maximum(rounded, Dtype.INT16.low), Dtype.INT16.high)
    return held


def _for_each(state: Array, x: Array) -> Array:
    """A constant state of one sequence, for all that are stacked in x."""
    return np.broadcast_to(state, (len(x), *state.shape[1:]))


def _quantized(key: str, tensor: Tensor, ends: Mapping[str, Tensor]) -> Tensor:
    real = tensor.values
    if key in ends:
        q = ends[key].q
        levels = np.clip(np.rint(real / q.scale[0]), q.dtype.low, q.dtype.high).astype(q.dtype.numpy)
        return replace(tensor, qparams=q, data=levels)
    if key == "bias":
        step = max(float(np.abs(real).max()) / BIAS_STEPS, LEAST_STEP)
        return replace(
            tensor, qparams=QParams((step,), 0, Dtype.INT32), data=np.rint(real / step).astype(np.int32)
        )
    largest = np.abs(real).max(axis=1) / Dtype.INT8.high
    scales = np.maximum(np.where(largest > 0, largest, 1.0), LEAST_STEP)
    levels = np.clip(np.rint(real / scales[:, None]), -127, 127).astype(np.int8)
    return replace(tensor, qparams=QParams(tuple(map(float, scales))), data=levels)


def _require_types(known: Mapping[str, Tensor]) -> None:
    wanted = {"input_weight": Dtype.INT8, "state_weight": Dtype.INT8, "projection": Dtype.INT8}
    wanted |= {"bias": Dtype.INT32}
    for key, dtype in wanted.items():
        if key in known and (
            known[key].data is None or known[key].dtype is not dtype or known[key].zero_point
        ):
            raise ValueError(f"{key} must be constants of {dtype} around zero")


def row_scales(w: Tensor) -> Array:
    """float64 (rows,) of a matrix, whether it has one scale or one per row."""
    return np.broadcast_to(np.asarray(w.q.scale), len(w.values))


def _multipliers(scales: list[Array], worst: list[Array]) -> tuple[int, list[Array]]:
    """The shift, and int32 multipliers of both sums per row, as fine as 31 bits and sums of 62 allow.

    Where there are none that fine without any shift, they are as large as they may be: what they multiply
    saturates.
    """
    most = [np.minimum(INT32_MAX, LARGEST_SUM // (4 * np.maximum(w, 1))) for w in worst]
    for shift in range(MOST_SHIFT, -1, -1):
        multipliers = [np.rint(s * 2.0**shift) for s in scales]
        if not shift or all((m <= top).all() for m, top in zip(multipliers, most, strict=True)):
            break
    return shift, [int32(np.minimum(m, top)) for m, top in zip(multipliers, most, strict=True)]


def _begin(tensor: Tensor, y: Tensor) -> Begin:
    if tensor.data is not None:
        if tensor.q != y.q:
            raise ValueError(f"the state {tensor.name!r} begins with a constant of another scale")
        return Begin(tensor.values)
    if tensor.q == y.q:
        return Begin()
    factor = min(tensor.scale / y.scale, MOST_STATE_STEPS)
    return Begin(None, to_requant(np.array([factor])), tensor.zero_point)


def exact_sums(x: Array, w: Array) -> Array:
    """x (…, I) and weights (rows, I), integers → int64 (…, rows): below 2^53 in any order, so exact."""
    sums: Array = (x.astype(np.float64) @ w.T.astype(np.float64)).astype(np.int64)
    return sums


def _joined(seen: list[StepStates]) -> tuple[Array, Array | None]:
    hidden = np.concatenate([states.hidden for states in seen], axis=1)
    cells = [states.cell for states in seen if states.cell is not None]
    if hidden.dtype == np.int64:
        hidden = hidden.astype(np.int16)
        cells = [cell.astype(np.int16) for cell in cells]
    return hidden, np.concatenate(cells, axis=1) if cells else None
