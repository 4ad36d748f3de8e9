"""rescale: the same real values with another scale and zero point, by table."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir import Array, Call, Shape
from .casework import activation
from .spec import Case, register
from .tables import TableOp


@dataclass(frozen=True)
class RescaleAttrs:
    """No options: both scales are in the tensors."""


class Rescale(TableOp):
    name = "rescale"
    attrs = RescaleAttrs

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, Shape, float, int]] = [
            ("coarser_5x7", (1, 5, 7), 0.13, -20),
            ("finer_saturates", (1, 3, 3, 3), 0.011, 9),
            ("seven", (1, 7), 0.06, -20),
            ("leading_2x3x5", (2, 3, 5), 0.06, -20),
            ("shifted", (1, 13), 0.05, -100),
        ]
        for label, shape, scale, zero_point in rows:
            x, y = activation("x", shape), activation("y", shape, scale, zero_point)
            yield Case(label, Call(RescaleAttrs(), (x,), y))


register(Rescale())
