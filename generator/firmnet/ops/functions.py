"""table: y = f(x) for any function of one value. Which functions are there? Each is a line of FUNCTIONS."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from .spec import register
from .tables import TableOp
from .weighted import clamped

MOST_STEPS = 200


@dataclass(frozen=True)
class Curve:
    """`run` takes `values` arrays of one shape, then options. `output`: its scale, where that is fixed."""

    run: Callable[..., Any]
    values: int = 1
    output: QParams | None = None

    @property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """By name, with their defaults."""
        if isinstance(self.run, np.ufunc):
            return {}
        return dict(list(inspect.signature(self.run).parameters.items())[self.values :])


@dataclass(frozen=True)
class CurveStep:
    """A function, its options in their order, and what it reads: 0 is the input x, i what step i makes."""

    function: str
    options: tuple[float | None, ...] = ()
    reads: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class TableAttrs:
    """One function is one step. What a network composes of several is computed as a whole by one table."""

    steps: tuple[CurveStep, ...]


def single(function: str, *options: float | None) -> TableAttrs:
    """One function, its last options by default as they are."""
    defaults = [parameter.default for parameter in FUNCTIONS[function].options.values()]
    return TableAttrs((CurveStep(function, (*options, *defaults[len(options) :])),))


class Table(TableOp):
    name = "table"
    attrs = TableAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)

    def shape(self, attrs: TableAttrs, *inputs: Shape) -> Shape:
        if not 0 < len(attrs.steps) <= MOST_STEPS:
            raise ValueError(f"a table is made of 1 to {MOST_STEPS} functions, not {len(attrs.steps)}")
        for position, step in enumerate(attrs.steps, 1):
            known = FUNCTIONS.get(step.function)
            if not known or (known.values, len(known.options)) != (len(step.reads), len(step.options)):
                raise ValueError(f"there is no function {step.function!r} with these options")
            if not all(0 <= read < position for read in step.reads):
                raise ValueError(f"{step.function!r} reads what is not there yet")
        return inputs[0]

    def output_qparams(self, attrs: TableAttrs, dtype: Dtype = Dtype.INT8) -> QParams | None:
        fixed = FUNCTIONS[attrs.steps[-1].function].output
        return fixed and (QParams((1 / 32768,), 0, dtype) if dtype is Dtype.INT16 else fixed)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        """NaN and infinity where the functions have them; quantized they are what ops/tables.py says."""
        return composed(call.attrs.steps, inputs[0])


def composed(steps: Sequence[CurveStep], x: Array) -> Array:
    """The last step's result."""
    values = [x]
    with np.errstate(all="ignore"):
        for step in steps:
            values.append(FUNCTIONS[step.function].run(*[values[i] for i in step.reads], *step.options))
    y: Array = values[-1]
    return y


def _softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """ln(1 + e^(beta·x)) / beta; x itself beyond the threshold, as PyTorch does it."""
    return np.where(x * beta > threshold, x, np.logaddexp(0.0, x * beta) / beta)


def _elu(x: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    return np.where(x > 0, scale * x, alpha * scale * np.expm1(np.minimum(x, 0.0) * input_scale))


def _logistic(x: Array) -> Any:
    return np.exp(-np.logaddexp(0.0, -x))


def _erf(x: Array) -> Array:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x), np.float64)


def _erfc(x: Array) -> Array:
    """Not 1 - erf: where that is 0, this is small."""
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(x), np.float64)


def _clamp(x: Array, lo: float | None = None, hi: float | None = None) -> Array:
    return clamped(x, lo, hi)


def _round(x: Array, decimals: float = 0) -> Any:
    """To even where two are as near."""
    step = 10.0**-decimals
    return np.rint(x / step) * step


UNIT = QParams((1 / 256,), -128)
"""0 … 1, without 1 itself."""
SIGNED_UNIT = QParams((1 / 128,), 0)
"""−1 … 1, without 1 itself. int16 has 1/32768 for both."""

FUNCTIONS: Mapping[str, Curve] = {
    "abs": Curve(np.abs),
    "acos": Curve(np.arccos),
    "acosh": Curve(np.arccosh),
    "affine": Curve(lambda x, scale=1.0, shift=0.0: x * scale + shift),
    "asin": Curve(np.arcsin),
    "asinh": Curve(np.arcsinh),
    "atan": Curve(np.arctan),
    "atanh": Curve(np.arctanh),
    "ceil": Curve(np.ceil),
    "clamp": Curve(_clamp),
    "cos": Curve(np.cos),
    "cosh": Curve(np.cosh),
    "elu": Curve(_elu),
    "eq": Curve(lambda x, other: 1.0 * (x == other)),
    "erf": Curve(_erf),
    "erfc": Curve(_erfc),
    "exp": Curve(np.exp),
    "exp2": Curve(np.exp2),
    "expm1": Curve(np.expm1),
    "floor": Curve(np.floor),
    "frac": Curve(lambda x: x - np.trunc(x)),
    "gelu": Curve(lambda x: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))),
    "gelu_tanh": Curve(lambda x: 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))),
    "ge": Curve(lambda x, other: 1.0 * (x >= other)),
    "gt": Curve(lambda x, other: 1.0 * (x > other)),
    "hardshrink": Curve(lambda x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0.0)),
    "hardsigmoid": Curve(lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0)),
    "hardswish": Curve(lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)),
    "le": Curve(lambda x, other: 1.0 * (x <= other)),
    "leaky_relu": Curve(lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x)),
    "log": Curve(np.log),
    "log10": Curve(np.log10),
    "log1p": Curve(np.log1p),
    "log2": Curve(np.log2),
    "logsigmoid": Curve(lambda x: -np.logaddexp(0.0, -x)),
    "lt": Curve(lambda x, other: 1.0 * (x < other)),
    "mish": Curve(lambda x: x * np.tanh(np.logaddexp(0.0, x))),
    "ne": Curve(lambda x, other: 1.0 * (x != other)),
    "pow": Curve(lambda x, exponent: np.power(x, exponent)),
    "power_of": Curve(lambda x, base: np.power(base, x)),
    "reciprocal": Curve(lambda x: 1.0 / x),
    "remainder": Curve(lambda x, divisor: np.mod(x, divisor)),
    "round": Curve(_round),
    "rsqrt": Curve(lambda x: 1.0 / np.sqrt(x)),
    "sigmoid": Curve(_logistic, output=UNIT),
    "sign": Curve(np.sign),
    "silu": Curve(lambda x: x * _logistic(x)),
    "sin": Curve(np.sin),
    "sinc": Curve(np.sinc),
    "sinh": Curve(np.sinh),
    "softplus": Curve(_softplus),
    "softsign": Curve(lambda x: x / (1.0 + np.abs(x))),
    "sqrt": Curve(np.sqrt),
    "square": Curve(lambda x: x * x),
    "tan": Curve(np.tan),
    "tanh": Curve(np.tanh, output=SIGNED_UNIT),
    "tanhshrink": Curve(lambda x: x - np.tanh(x)),
    "threshold": Curve(lambda x, threshold, value: np.where(x > threshold, x, value)),
    "trunc": Curve(np.trunc),
    "add": Curve(np.add, values=2),
    "div": Curve(np.divide, values=2),
    "maximum": Curve(np.maximum, values=2),
    "minimum": Curve(np.minimum, values=2),
    "mul": Curve(np.multiply, values=2),
    "sub": Curve(np.subtract, values=2),
}
"""Functions of two values are for tables in which both come from one."""

register(Table())
