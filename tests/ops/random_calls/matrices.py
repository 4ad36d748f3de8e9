"""How does chance call products of matrices?"""

from typing import Any

from .drawing import At, Constant, Draw, Family, Known


def linear(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    rows = d.randint(1, 9)
    if d.maybe(0.1):
        return x, d.constant(shape[-1])
    return x, d.constant(rows, shape[-1]), d.choice([None, d.constant(rows), d.constant(rows)])


def matmul(d: Draw) -> tuple[Any, ...]:
    """Two activations, or one and a constant on either side."""
    x, shape = d.ranked(1, 2, 3, 4)
    if d.maybe(0.5):
        return x, _fitting(d, lambda known: _multiply(shape, known.shape))
    if d.maybe(0.5):
        return x, d.constant(*d.choice([(shape[-1],), (shape[-1], d.randint(1, 7))]))
    inner = shape[-2] if len(shape) > 1 else shape[0]
    return d.constant(*d.choice([(inner,), (d.randint(1, 7), inner)])), x


def mm(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(2)
    return x, _matrix(d, shape[-1])


def mv(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(2)
    return x, d.constant(shape[-1])


def dot(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1)
    return x, d.choice([d.constant(*shape), _fitting(d, lambda known: known.shape == shape)])


def bmm(d: Draw) -> tuple[Any, ...]:
    x, (count, _, inner) = d.ranked(3)
    if count == 1 and d.maybe(0.4):
        return x, d.constant(1, inner, d.randint(1, 7))
    return x, _fitting(d, lambda known: len(known.shape) == 3 and known.shape[:2] == (count, inner))


def addmm(d: Draw) -> tuple[Any, ...]:
    x, weight = mm(d)
    return _sum(d), x, weight, _factors(d)


def baddbmm(d: Draw) -> tuple[Any, ...]:
    x, other = bmm(d)
    return _sum(d), x, other, _factors(d)


def _sum(d: Draw) -> Constant | At:
    return d.choice([d.constant(1), d.constant(1, 1), d.activation()[0]])


def _factors(d: Draw) -> dict[str, float]:
    return {name: d.number() for name in ("alpha", "beta") if d.maybe(0.3)}


def _matrix(d: Draw, inner: int) -> Constant | At:
    if d.maybe(0.5):
        return d.constant(inner, d.randint(1, 7))
    return _fitting(d, lambda known: len(known.shape) == 2 and known.shape[0] == inner)


def _fitting(d: Draw, wanted: Any) -> At:
    def fits(known: Known) -> bool:
        return bool(wanted(known))

    return d.activation(fits)[0]


def _multiply(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    inner = b[-2] if len(b) > 1 else b[-1] if b else 0
    return a[-1] == inner


FAMILY = Family(
    {
        "linear.default": linear,
        "matmul.default": matmul,
        "mm.default": mm,
        "mv.default": mv,
        "dot.default": dot,
        "vdot.default": dot,
        "bmm.default": bmm,
        "addmm.default": addmm,
        "baddbmm.default": baddbmm,
    },
    weight=8,
)
