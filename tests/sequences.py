"""How is the call of a recurrent layer made for a row of the matrix? With seeded weights."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from casework import Case, activation

from firmnet.ir import Array, Call, Dtype, QParams, Tensor
from firmnet.ops import OPS
from firmnet.ops.recurrent import Recurrent


@dataclass(frozen=True)
class Sequence:
    """Sizes: `steps` of `n_in` values for `units`. `begins`: the largest state it begins with, where
    constants say; `given`: types of states that activations say. `bits`: of the scales of hidden state and
    cell. `gain`: how large weights are, beside those of a trained network; `flat`: all as large as can be.
    """

    label: str
    steps: int
    n_in: int
    units: int
    options: Any
    sequences: int = 1
    width: int = 0
    begins: float = 0.0
    given: tuple[Dtype, ...] = ()
    bits: tuple[int, int] = (15, 13)
    gain: float = 1.0
    flat: bool = False
    x: Dtype = Dtype.INT8

    def case(self, op: str) -> Case:
        kind = OPS[op]
        assert isinstance(kind, Recurrent)
        width = self.width or self.units
        rng = np.random.default_rng([*self.label.encode()])
        x = activation("x", (self.sequences, self.steps, self.n_in), *_scale(self.x))
        reach = self.gain / np.sqrt(self.units)

        def weights(*shape: int) -> Array:
            drawn = rng.uniform(-reach, reach, shape)
            return np.sign(drawn) * reach if self.flat else drawn

        real = [
            weights(kind.gates * self.units, self.n_in),
            weights(kind.gates * self.units, width),
            weights(kind.biases * self.units),
            *([weights(width, self.units)] if self.width else []),
        ]
        names = ["input_weight", "state_weight", "bias", "projection"]
        constants = [Tensor(n, v.shape, None, v) for n, v in zip(names, real, strict=False)]
        shapes = [(self.sequences, 1, width), (self.sequences, 1, self.units)][: len(kind.states)]
        options = replace(self.options, given=bool(self.given))
        if self.given:
            like = zip("hc", shapes, self.given, self.bits, strict=False)
            states = [activation(n, s, *_scale(d, bits)) for n, s, d, bits in like]
            inputs = (x, *states, *constants)
        else:
            values = [rng.uniform(-self.begins, self.begins, shape) for shape in shapes]
            states = [Tensor(n, v.shape, None, v) for n, v in zip("hc", values, strict=False)]
            inputs = (x, *constants, *states)
        made = kind.shapes(options, *(t.shape for t in inputs))
        outputs = tuple(
            Tensor(n, shape, QParams((2.0**-bits,), 0, Dtype.INT16))
            for n, shape, bits in zip(("y", "cell"), made, self.bits, strict=False)
        )
        integers = {t.name: t for t in kind.quantized_constants(Call(options, inputs, outputs))}
        return Case(self.label, Call(options, tuple(integers.get(t.name, t) for t in inputs), outputs))


def _scale(dtype: Dtype, bits: int = 13) -> tuple[float, int, Dtype]:
    """int8 off its middle; int16 as the state has it that the layer writes."""
    return (0.02, -3, dtype) if dtype is Dtype.INT8 else (2.0**-bits, 0, dtype)
