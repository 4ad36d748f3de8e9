"""Do the arguments of an operator fit the function that imports it? Its annotations are the contract."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ...ir import Tensor
from .builder import Builder, Unsupported, Value

Rule = Callable[..., Value | list[Tensor]]
"""(builder, *arguments) → output, or a list of several. Activations arrive as Tensor, constants as arrays;
moving the values of an array gives an array."""


class Misfit(Exception):
    """A value that an annotation does not allow."""


def call(function: Callable[..., Any], b: Builder, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """function(b, *args, **keywords), once every argument is what its annotation says.

    Activations are Tensors, constants arrays, and a constant without axes passes for a number. Raises
    Unsupported naming the argument that is computed where a constant is wanted, or the other way round.
    """
    signature, wanted = _contract(function)
    try:
        bound = signature.bind(b, *args, **keywords)
    except TypeError as error:
        raise Unsupported(f"this way of calling it is not supported ({error})") from None
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if value is b or kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        try:
            bound.arguments[name] = fitted(value, wanted.get(name, Any))
        except Misfit:
            raise Unsupported(_complaint(name, value, wanted[name])) from None
    return function(*bound.args, **bound.kwargs)


def fitted(value: Any, annotation: Any) -> Any:
    """The value as the annotation wants it; raises Misfit where it cannot be that."""
    if annotation is Any:
        return value
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, parts)
    if origin is np.ndarray:
        return _expected(value, isinstance(value, np.ndarray))
    if origin is not None:  # Sequence[...]
        _expected(value, isinstance(value, list | tuple))
        return [fitted(item, parts[0]) for item in value]
    if annotation in (int, float):
        return _number(value, annotation)
    return _expected(value, isinstance(value, annotation))


def _one_of(value: Any, parts: Sequence[Any]) -> Any:
    """The first that takes the value; arrays come before numbers, so that no axis is lost."""
    for part in sorted(parts, key=lambda part: part in (int, float)):
        try:
            return fitted(value, part)
        except Misfit:
            continue
    raise Misfit


def _number(value: Any, kind: type) -> Any:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    allowed = int if kind is int else int | float
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    return _expected(value, isinstance(value, allowed))


def _expected(value: Any, fits: bool) -> Any:
    if not fits:
        raise Misfit
    return value


def _complaint(name: str, value: Any, annotation: Any) -> str:
    what = f"its {name.rstrip('_')!r}"
    if _holds(value, Tensor) and name == "bias":
        return f"{what} is computed by the network: leave it out there, and add it with + afterwards"
    if _holds(value, Tensor):
        return f"{what} is computed by the network: firmnet needs a constant there, a parameter or a buffer"
    if _holds(value, np.ndarray) and "Tensor" in str(annotation):
        return f"{what} is a constant: firmnet computes this operator of activations only"
    if _holds(value, np.ndarray):
        return f"{what} has a value per element: firmnet takes one number there"
    return f"{what} is {value!r}, which is not supported: write plain numbers"


def _holds(value: Any, kind: type) -> bool:
    return isinstance(value, kind) or (
        isinstance(value, list | tuple) and any(_holds(item, kind) for item in value)
    )


@cache
def _contract(function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    return inspect.signature(function), typing.get_type_hints(function)
