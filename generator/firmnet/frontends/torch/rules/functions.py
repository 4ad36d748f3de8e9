"""How do PyTorch's functions of one value read? Each is a line that names one of ops/functions.py."""

from collections.abc import Mapping
from inspect import Parameter, Signature
from itertools import pairwise
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.clamp import ClampAttrs
from ....ops.compare import CompareAttrs
from ....ops.functions import FUNCTIONS, single
from ....ops.prelu import PReluAttrs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import reshaped
from ...common.repeats import broadcast_shape, expanded
from .arithmetic import (
    from_aten_add,
    from_aten_div,
    from_aten_maximum,
    from_aten_minimum,
    from_aten_mul,
    from_aten_sub,
)
from .choices import from_aten_where
from .joining import from_aten_cat
from .selection import from_aten_slice

MOST_EXPONENTS = 64
"""That a power may have along an axis: each has a table."""


def function(name: str, *options: float) -> Rule:
    """The rule of an operator that is this function with these options; further ones it takes itself."""

    def rule(b: Builder, x: Tensor, *given: float, **named: float) -> Tensor:
        taken = dict(zip(own, given, strict=False)) | named
        chosen = [taken.get(key, parameter.default) for key, parameter in own.items()]
        return b.add("table", single(name, *options, *map(float, chosen)), x)

    own = dict(list(FUNCTIONS[name].options.items())[len(options) :])
    kind = Parameter.POSITIONAL_OR_KEYWORD
    first = [Parameter("b", kind, annotation=Builder), Parameter("x", kind, annotation=Tensor)]
    rule.__signature__ = Signature([*first, *(p.replace(annotation=float) for p in own.values())])  # type: ignore[attr-defined]
    rule.__annotations__ = {"b": Builder, "x": Tensor, **dict.fromkeys(own, float)}
    return rule


def from_aten_atan2(b: Builder, x: Value, other: Value) -> Tensor:
    """The angle of (other, x); behind the back it is a half turn more."""
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        return _angle(b, x, other)
    constant = np.asarray(other if isinstance(x, Tensor) else x)
    if not constant.all():
        raise Unsupported("an angle with a constant that is zero: leave those out")
    if isinstance(other, Tensor):  # atan2(c, y) = ±π/2 − atan(y / c)
        angle = b.add("table", single("atan"), affine(b, other, 1 / constant, 0.0))
        return affine(b, angle, -1.0, np.sign(constant) * np.pi / 2)
    assert isinstance(x, Tensor)
    angle = b.add("table", single("atan"), affine(b, x, 1 / constant, 0.0))
    behind = np.where(constant < 0, np.pi, 0.0)
    if not behind.any():
        return angle
    upper = affine(b, b.add("compare", CompareAttrs("ge", 0.0), x), 2 * behind, -behind)
    return from_aten_add(b, angle, upper)


def _angle(b: Builder, y: Tensor, x: Tensor) -> Tensor:
    """Of two activations: that of the lesser magnitude over the greater, turned to where the point lies."""
    up, across = (b.add("table", single("abs"), each) for each in (y, x))
    greater = from_aten_maximum(b, from_aten_maximum(b, up, across), LEAST_GREATER)
    slope = from_aten_div(b, from_aten_minimum(b, up, across), greater)
    angle = b.add("table", single("atan"), slope)
    steep = b.add("compare", CompareAttrs("gt", 0.0), from_aten_sub(b, up, across))
    angle = from_aten_where(b, steep, affine(b, angle, -1.0, np.pi / 2), angle)
    behind = b.add("compare", CompareAttrs("lt", 0.0), x)
    angle = from_aten_where(b, behind, affine(b, angle, -1.0, np.pi), angle)
    below = b.add("compare", CompareAttrs("lt", 0.0), y)
    return from_aten_mul(b, angle, affine(b, below, -2.0, 1.0))


def from_aten_celu(b: Builder, x: Tensor, alpha: float = 1.0) -> Tensor:
    if not alpha:
        raise Unsupported("celu with an alpha of zero: use F.relu")
    return b.add("table", single("elu", alpha, 1.0, 1.0 / alpha), x)


def from_aten_gelu(b: Builder, x: Tensor, approximate: str = "none") -> Tensor:
    return b.add("table", single("gelu" if approximate == "none" else "gelu_tanh"), x)


def from_aten_power(b: Builder, x: Value, exponent: Value) -> Tensor:
    """Of any two: constants are numbers, or have values along one axis."""
    if isinstance(exponent, Tensor):
        if isinstance(x, Tensor):  # the root is none below zero, as the power is
            root = from_aten_maximum(b, b.add("table", single("sqrt"), x), LEAST_ROOT)
            grown = from_aten_mul(b, affine(b, exponent, 2.0, 0.0), b.add("table", single("log"), root))
        elif (np.asarray(x) > 0).all():
            grown = affine(b, exponent, np.log(np.asarray(x)), 0.0)
        else:
            raise Unsupported("a constant that is not above zero to a power that is computed: leave it out")
        return b.add("table", single("exp"), grown)
    assert isinstance(x, Tensor)
    powers = np.asarray(exponent, np.float64)
    if np.unique(powers).size == 1:
        shape = broadcast_shape("pow", x.shape, powers.shape)
        return from_aten_pow(b, x if shape == x.shape else expanded(b, x, shape), float(powers.flat[0]))
    return _powers(b, x, powers)


def _powers(b: Builder, x: Tensor, powers: Array) -> Tensor:
    """A table for each stretch of one exponent, side by side."""
    axes = [i - powers.ndim for i, size in enumerate(powers.shape) if size > 1]
    if len(axes) > 1 or powers.size > MOST_EXPONENTS:
        raise Unsupported(
            f"its 'exponent' has shape {powers.shape}: firmnet takes one number there, or at most "
            f"{MOST_EXPONENTS} along one axis"
        )
    axis, shape = axes[0], broadcast_shape("pow", x.shape, powers.shape)
    if len(shape) > len(x.shape):
        x = reshaped(b, x, (1,) * (len(shape) - len(x.shape)) + x.shape)
    ends = [0, *(np.flatnonzero(np.diff(powers.ravel())) + 1), powers.size]
    parts = []
    for begin, end in pairwise(ends):
        piece = x if x.shape[axis] == 1 else from_aten_slice(b, x, axis, int(begin), int(end))
        size = (*shape[: len(shape) + axis], int(end - begin), *shape[len(shape) + axis + 1 :])
        made = from_aten_pow(b, piece, float(powers.flat[begin]))
        parts.append(made if made.shape == size else expanded(b, made, size))
    return from_aten_cat(b, parts, axis)


def from_aten_pow(b: Builder, x: Tensor, exponent: float) -> Tensor:
    if exponent == 1:
        return x
    known = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}.get(exponent)
    return b.add("table", single(known) if known else single("pow", float(exponent)), x)


def from_aten_power_of(b: Builder, base: float, x: Tensor) -> Tensor:
    return b.add("table", single("power_of", float(base)), x)


def from_aten_prelu(b: Builder, x: Tensor, weight: Array) -> Tensor:
    """One slope, or one for each channel, on axis 1."""
    slopes = tuple(float(slope) for slope in weight.ravel())
    if len(set(slopes)) == 1:
        return b.add("table", single("leaky_relu", slopes[0]), x)
    return b.add("prelu", PReluAttrs(1, slopes), x)


def from_aten_rrelu(
    b: Builder,
    x: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    if training:
        raise Unsupported(
            "it draws its slope at random in training mode: export the model after model.eval()"
        )
    return b.add("table", single("leaky_relu", (lower + upper) / 2), x)


def from_aten_threshold(b: Builder, x: Tensor, threshold: float, value: float) -> Tensor:
    """A clamp where that is the same: a layer before can take it up."""
    if threshold == value:
        return b.add("clamp", ClampAttrs(float(threshold)), x)
    return b.add("table", single("threshold", float(threshold), float(value)), x)


LEAST_ROOT = 1e-15
"""Of what is raised to a power that is computed: zero to the power of zero is one."""
LEAST_GREATER = 1e-6
"""By which a point at (0, 0) is divided, whose angle is then 0."""
SELU = 1.6732632423543772, 1.0507009873554805
"""Its alpha and its scale, by which activations keep mean 0 and variance 1."""

RULES: Mapping[str, Rule] = {
    "aten.abs.default": function("abs"),
    "aten.absolute.default": function("abs"),
    "aten.acos.default": function("acos"),
    "aten.acosh.default": function("acosh"),
    "aten.arccos.default": function("acos"),
    "aten.arccosh.default": function("acosh"),
    "aten.arcsin.default": function("asin"),
    "aten.arctan.default": function("atan"),
    "aten.asin.default": function("asin"),
    "aten.asinh.default": function("asinh"),
    "aten.atan.default": function("atan"),
    "aten.atan2.default": from_aten_atan2,
    "aten.atanh.default": function("atanh"),
    "aten.ceil.default": function("ceil"),
    "aten.celu.default": from_aten_celu,
    "aten.cos.default": function("cos"),
    "aten.cosh.default": function("cosh"),
    "aten.elu.default": function("elu"),
    "aten.erf.default": function("erf"),
    "aten.erfc.default": function("erfc"),
    "aten.exp.default": function("exp"),
    "aten.exp2.default": function("exp2"),
    "aten.expm1.default": function("expm1"),
    "aten.fix.default": function("trunc"),
    "aten.float_power.Tensor_Scalar": from_aten_pow,
    "aten.floor.default": function("floor"),
    "aten.frac.default": function("frac"),
    "aten.gelu.default": from_aten_gelu,
    "aten.hardshrink.default": function("hardshrink"),
    "aten.hardsigmoid.default": function("hardsigmoid"),
    "aten.hardswish.default": function("hardswish"),
    "aten.leaky_relu.default": function("leaky_relu"),
    "aten.log.default": function("log"),
    "aten.log10.default": function("log10"),
    "aten.log1p.default": function("log1p"),
    "aten.log2.default": function("log2"),
    "aten.log_sigmoid.default": function("logsigmoid"),
    "aten.mish.default": function("mish"),
    "aten.pow.Scalar": from_aten_power_of,
    "aten.pow.Tensor_Scalar": from_aten_pow,
    "aten.pow.Tensor_Tensor": from_aten_power,
    "aten.prelu.default": from_aten_prelu,
    "aten.reciprocal.default": function("reciprocal"),
    "aten.remainder.Scalar": function("remainder"),
    "aten.round.decimals": function("round"),
    "aten.round.default": function("round", 0.0),
    "aten.rrelu.default": from_aten_rrelu,
    "aten.rsqrt.default": function("rsqrt"),
    "aten.selu.default": function("elu", *SELU, 1.0),
    "aten.sgn.default": function("sign"),
    "aten.sigmoid.default": function("sigmoid"),
    "aten.sign.default": function("sign"),
    "aten.silu.default": function("silu"),
    "aten.sin.default": function("sin"),
    "aten.sinc.default": function("sinc"),
    "aten.sinh.default": function("sinh"),
    "aten.softplus.default": function("softplus"),
    "aten.special_erf.default": function("erf"),
    "aten.special_expm1.default": function("expm1"),
    "aten.special_expit.default": function("sigmoid"),
    "aten.sqrt.default": function("sqrt"),
    "aten.square.default": function("square"),
    "aten.tan.default": function("tan"),
    "aten.tanh.default": function("tanh"),
    "aten.threshold.default": from_aten_threshold,
    "aten.trunc.default": function("trunc"),
}
