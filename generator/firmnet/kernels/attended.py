"""Over which loops does attention walk? From head to head, and where queries, keys and values lie."""

from dataclasses import dataclass

from ..ir import Call, Shape
from ..ops.attention import sizes
from .loops import strides
from .products import Factor

HeadLoop = tuple[int, int, int, int, int, int]
"""Its size, and the distance from one round to the next in q, k, v, the bias and y."""


@dataclass(frozen=True)
class Heads:
    """`outer` loops around `queries` by `keys`, of `depth` values each, and values of `width`.

    Lines of q, k and v are queries, keys and values; those of y results. Lines of the bias are queries, its
    entries keys.
    """

    outer: tuple[HeadLoop, ...]
    queries: int
    keys: int
    depth: int
    width: int
    q: Factor
    k: Factor
    v: Factor
    bias: Factor
    y: Factor


def heads(call: Call) -> Heads:
    attrs, (q, k, v, *bias), y = call.attrs, call.inputs, call.output
    rank = len(q.shape)
    back: Shape = tuple(attrs.y_order.index(i) for i in range(rank))
    orders = (attrs.q_order, attrs.k_order, attrs.v_order, tuple(range(rank)), back)
    shapes = (q.shape, k.shape, v.shape, bias[0].shape if bias else (1,) * rank, y.shape)
    steps = [_steps(shape, order) for shape, order in zip(shapes, orders, strict=True)]
    made = [y.shape[axis] for axis in back]
    outer = tuple(
        (made[i], steps[0][i], steps[1][i], steps[2][i], steps[3][i], steps[4][i])
        for i in range(rank - 2)
        if made[i] > 1
    )
    queries, keys, depth = sizes(call)
    q_at, k_at, v_at, bias_at, y_at = (Factor(*of[-2:]) for of in steps)
    return Heads(
        outer, queries, keys, depth, made[-1], q_at, Factor(k_at.entry, k_at.line), v_at, bias_at, y_at
    )


def _steps(shape: Shape, order: Shape) -> list[int]:
    """Per axis in the order, how far its next entry is; 0 where there is only one."""
    step = strides(shape)
    return [step[axis] if shape[axis] > 1 else 0 for axis in order]
