"""What do ops of two activations share, of which the second repeats where it has size 1?"""

from typing import Any

from ..ir import Call, Shape
from .spec import Op, Slide, Stripe
from .stripes import cut


class BroadcastOp(Op):
    """Value by value: of a (1, H, W, C) and a b of that shape, or (1, 1, 1, C), or without any other axes."""

    def shape(self, attrs: Any, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(
                f"{self.name} needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}"
            )
        return a

    def remap(self, attrs: Any, order: Shape) -> Any:
        return attrs

    def slide(self, call: Call, axis: int) -> Slide | None:
        """None too where one of the two is a constant with values of its own along the axis."""
        varied = any(t.data is not None and t.shape[axis] > 1 for t in call.inputs)
        return None if varied else Slide(axis)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a b without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])
