"""How does chance call arithmetic?"""

from typing import Any

from .drawing import At, Call, Draw, Family, alone


def either(d: Draw) -> tuple[Any, ...]:
    """An activation and another, a constant, or a number; in either order."""
    x, shape = d.activation()
    if d.maybe(0.5):
        return x, d.other(shape)
    if d.maybe(0.2):
        return x, d.number()
    constant = d.over(shape)
    return (x, constant) if d.maybe(0.7) else (constant, x)


def scaled(d: Draw) -> tuple[Any, ...]:
    """The same, at times with a factor."""
    return *either(d), *([{"alpha": d.number()}] if d.maybe(0.3) else [])


def number(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], d.number()


def divided(d: Draw) -> tuple[Any, ...]:
    """By a constant, by a number, or by another that is positive."""
    x, shape = d.activation()
    if d.maybe(0.4):
        return x, d.other(shape, least=0.05)
    return x, d.number() if d.maybe(0.4) else d.over(shape, positive=True)


def quotient(d: Draw, call: Call) -> At:
    """By what is positive whatever it reads."""
    x, shape = d.activation()
    below = call("add.Scalar", call("sigmoid.default", d.other(shape)), 0.5)
    return call("div.Tensor", x, below)


def standardized(d: Draw, call: Call) -> At:
    """(x − mean) / std of an input, as models begin."""
    x, shape = d.activation()
    mean, std = d.number(), d.choice([0.25, 0.5, 3.0])
    if len(shape) > 1 and d.maybe(0.5):
        n = shape[1]
        ones = [1] * (len(shape) - 2)
        return call(
            "div.Tensor", call("sub.Tensor", x, d.constant(n, *ones)), d.constant(n, *ones, positive=True)
        )
    return call("div.Scalar", call("sub.Scalar", x, mean), std)


FAMILY = Family(
    {
        "add.Tensor": scaled,
        "add.Scalar": number,
        "sub.Tensor": scaled,
        "sub.Scalar": number,
        "subtract.Tensor": scaled,
        "rsub.Tensor": scaled,
        "rsub.Scalar": number,
        "mul.Tensor": either,
        "mul.Scalar": number,
        "multiply.Tensor": either,
        "div.Tensor": divided,
        "div.Scalar": number,
        "divide.Tensor": divided,
        "true_divide.Tensor": divided,
        **{f"{name}.default": either for name in ("maximum", "minimum", "fmax", "fmin")},
        "max.other": either,
        "min.other": either,
        "neg.default": alone,
        "negative.default": alone,
    },
    {"quotient": quotient, "standardized": standardized},
    weight=6,
)
