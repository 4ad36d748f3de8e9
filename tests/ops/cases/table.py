"""Which rows of the matrix prove table? Every function, with an input for which it is a number oftenest."""

from collections.abc import Iterator

import numpy as np
from casework import Case, activation, of

from firmnet.ir import Array, Call, Dtype, QParams, Shape
from firmnet.ops.functions import FUNCTIONS, CurveStep, TableAttrs, composed, single
from firmnet.ops.tables import LEVELS
from firmnet.quantize.scales import affine

OPTIONS = {
    "pow": (1.7,),
    "power_of": (2.5,),
    "threshold": (0.5, -1.5),
    "clamp": (-1.0, 2.0),
    "remainder": (0.9,),
}
OPTIONS |= dict.fromkeys(("eq", "ge", "gt", "le", "lt", "ne"), (1.0,))
"""Of functions whose options have no defaults, or whose defaults change nothing."""
INPUTS = (QParams((0.05,), 3), QParams((0.05,), -128), QParams((1 / 130,), 0))
SHAPES: list[Shape] = [(1, 5, 7), (13,), (2, 3), (1, 3, 5, 2), (2, 1, 3, 1, 5), (1, 37)]


def cases() -> Iterator[Case]:
    for i, name in enumerate(FUNCTIONS):
        if FUNCTIONS[name].values == 1:
            attrs = single(name, *OPTIONS.get(name, ()))
            yield _case(name, attrs, SHAPES[i % len(SHAPES)])
    sigmoid, silu = single("sigmoid"), TableAttrs((CurveStep("sigmoid"), CurveStep("mul", (), (0, 1))))
    yield _case("one_value", silu, (1, 1))
    yield _case("leading_3x1", sigmoid, (3, 1))
    yield _case("x_sigmoid_x", silu, (1, 33, 17, 3))
    softsign = TableAttrs(
        (CurveStep("abs"), CurveStep("affine", (1.0, 1.0), (1,)), CurveStep("div", (), (0, 2)))
    )
    yield _case("softsign_by_hand", softsign, (1, 19))
    for name, scale in (
        ("sigmoid", 8 / 32768),
        ("tanh", 5 / 32768),
        ("gelu", 1e-4),
        ("exp", 3e-4),
        ("sin", 1e-4),
    ):
        shape = SHAPES[len(name) % len(SHAPES)]
        values = composed(single(name).steps, np.array([-1, 1]) * scale * 32768)
        result = scale if name == "gelu" else max(1 / 32768, np.abs(values).max() / 32768)
        x, y = of(Dtype.INT16, "x", shape, scale), of(Dtype.INT16, "y", shape, result)
        yield Case(f"{name}_int16", Call(single(name), (x,), (y,)))


def _case(label: str, attrs: TableAttrs, shape: Shape) -> Case:
    """With the first input for which the function is a number oftenest; the result is cut a little."""
    q = min(INPUTS, key=lambda q: np.isnan(composed(attrs.steps, q.to_real(LEVELS))).sum())
    x = activation("x", shape, q.scale[0], q.zero_point)
    y = FUNCTIONS[attrs.steps[-1].function].output or _reached(composed(attrs.steps, q.to_real(LEVELS)))
    return Case(label, Call(attrs, (x,), (activation("y", shape, y.scale[0], y.zero_point),)))


def _reached(values: Array) -> QParams:
    finite = values[np.isfinite(values)]
    return affine(0.9 * finite.min(), 0.9 * finite.max())
