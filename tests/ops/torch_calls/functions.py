"""Which calls prove the rules of functions of one value, and which are refused?"""

import math

from .arguments import Call, Indices, Refused, Values, X, Y

PLAIN = (
    "abs absolute acos acosh arccos arccosh arcsin arctan asin asinh atan atanh atanh ceil celu cos cosh "
    "elu erf erfc exp exp2 expm1 fix floor frac gelu hardshrink hardsigmoid hardswish leaky_relu log "
    "log10 log1p log2 log_sigmoid mish reciprocal round rsqrt rrelu selu sgn sigmoid sign silu sin sinc "
    "sinh softplus special_erf special_expit special_expm1 sqrt square tan tanh trunc"
)
"""Operators that need no options."""

CALLS: list[Call] = [
    *((f"{name}.default", (2, 3, 5), (X,)) for name in PLAIN.split()),
    ("celu.default", (1, 9), (X, 0.7)),
    ("elu.default", (1, 9), (X, 1.5)),
    ("elu.default", (1, 9), (X, 1.5, 0.8, 1.2)),
    ("gelu.default", (1, 9), (X, {"approximate": "tanh"})),
    ("hardshrink.default", (1, 9), (X, 0.25)),
    ("leaky_relu.default", (1, 9), (X, 0.3)),
    ("leaky_relu.default", (1, 9), (X, -0.3)),
    ("pow.Scalar", (1, 9), (2.5, X)),
    *(("pow.Tensor_Scalar", (1, 9), (X, exponent)) for exponent in (1, 2, 3, 0.5, -0.5, -1, 1.7, 0)),
    ("pow.Tensor_Tensor", (1, 9), (X, Values(()))),
    *(("pow.Tensor_Tensor", (2, 5), (X, Values(shape))) for shape in ((1,), (5,), (2, 1), (1, 1, 1))),
    ("pow.Tensor_Tensor", (2, 1), (X, Values((5,)))),
    ("pow.Tensor_Tensor", (2, 5), (Y, Y)),
    ("pow.Tensor_Tensor", (2, 5), (Values((5,), positive=True), X)),
    ("atan2.default", (2, 5), (X, Values((5,)))),
    ("atan2.default", (2, 5), (X, Values((1,), positive=True))),
    ("atan2.default", (2, 5), (Values((5,)), X)),
    ("atan2.default", (2, 5), (X, Y)),
    ("atan2.default", (2, 5), (Y, X)),
    ("float_power.Tensor_Scalar", (1, 9), (X, 3.0)),
    ("remainder.Scalar", (1, 9), (X, 0.75)),
    ("prelu.default", (2, 3, 5), (X, Values((1,)))),
    ("prelu.default", (2, 3, 5), (X, Values((3,)))),
    ("rrelu.default", (1, 9), (X, 0.1, 0.2)),
    ("softplus.default", (1, 9), (X, 3.0, 0.5)),
    ("threshold.default", (1, 9), (X, 0.0, 0.0)),
    ("threshold.default", (1, 9), (X, 0.5, 0.5)),
    ("threshold.default", (1, 9), (X, 0.5, -1.5)),
    ("round.decimals", (1, 9), (X, {"decimals": 1})),
]

REFUSED: list[Refused] = [
    ("celu.default", (1, 9), (X, 0.0), "use F.relu"),
    ("elu.default", (1, 9), (X, Y), "'alpha' is computed by the network"),
    ("leaky_relu.default", (1, 9), (X, Values((9,))), "'negative_slope' has a value per element"),
    ("pow.Tensor_Scalar", (1, 9), (X, Y), "'exponent' is computed by the network"),
    ("pow.Tensor_Tensor", (2, 9), (X, Values((2, 9))), "firmnet takes one number there, or at most 64 along"),
    ("pow.Tensor_Tensor", (2, 9), (Values((9,)), X), "a constant that is not above zero"),
    ("atan2.default", (1, 2), (X, Indices((0, 1))), "a constant that is zero"),
    ("rrelu.default", (1, 9), (X, 0.1, 0.2, True), "training"),
    ("softplus.default", (1, 9), (X, 1.0, math.inf), "NaN or infinite"),
    ("tanh.default", (1, 9), (X, 1.0), "this way of calling it"),
    ("threshold.default", (1, 9), (X, math.inf, 0.0), "NaN or infinite"),
]
