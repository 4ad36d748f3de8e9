"""rescale: the same real values with another scale and zero point, by table."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir import Array, Call, Shape
from .casework import activation
from .spec import Case, Constants, Op, register
from .tables import look_up, pack_table, table


@dataclass(frozen=True)
class RescaleAttrs:
    """No options: both scales are in the tensors."""


class Rescale(Op):
    name = "rescale"
    attrs = RescaleAttrs

    def shape(self, attrs: RescaleAttrs, *inputs: Shape) -> Shape:
        return inputs[0]

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def remap(self, attrs: RescaleAttrs, order: Shape) -> RescaleAttrs:
        return attrs

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        return (0,)

    def prepare(self, call: Call) -> Constants:
        return {"table": table(call.inputs[0].q, call.output.q, lambda real: real), "size": call.output.size}

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        return {"table": pack_table(k["table"], dsp)}

    def variant(self, call: Call, dsp: bool) -> str:
        return "dsp" if dsp else ""

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return look_up(k["table"], inputs[0])

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, Shape, float, int]] = [
            ("coarser_5x7", (1, 5, 7), 0.13, -20),
            ("finer_saturates", (1, 3, 3, 3), 0.011, 9),
            ("seven", (1, 7), 0.06, -20),
            ("shifted", (1, 13), 0.05, -100),
        ]
        for label, shape, scale, zero_point in rows:
            x, y = activation("x", shape), activation("y", shape, scale, zero_point)
            yield Case(label, Call(RescaleAttrs(), (x,), y))


register(Rescale())
