"""How is a rule called as a frontend calls it, and PyTorch's operator with the same arguments?"""

from typing import Any

import numpy as np
import torch
from torch_calls import Indices, Values, X, Y

from firmnet.frontends.common.arguments import call
from firmnet.frontends.common.builder import Builder
from firmnet.frontends.torch.rules import RULES
from firmnet.ir import Shape, Tensor


def imported(name: str, shape: Shape, *arguments: Any) -> tuple[Builder, Tensor, Any]:
    """(builder, input, output or a list of them) after calling the rule the way a frontend does."""
    builder = Builder("net")
    x = builder.input("x", shape)
    known = {X: x, Y: RULES["aten.relu.default"](builder, x) if Y in str(arguments) else x}
    builder.layer = "layer"
    positional, named = split(arguments)
    resolved_arguments = [resolved(a, known, np.ndarray) for a in positional]
    return builder, x, call(RULES[f"aten.{name}"], builder, resolved_arguments, named)


def split(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional arguments, and those that are named: a mapping at the end."""
    last = arguments[-1]
    return (arguments[:-1], last) if isinstance(last, dict) else (arguments, {})


def resolved(argument: Any, known: dict[str, Any], kind: type) -> Any:
    if isinstance(argument, Indices):
        return argument.array.astype(np.float64) if kind is np.ndarray else torch.from_numpy(argument.array)
    if isinstance(argument, Values):
        return argument.array if kind is np.ndarray else torch.from_numpy(argument.array)
    if isinstance(argument, list):  # frontends leave the masks there are among indices what they are
        masks = [isinstance(a, Indices) and a.array.dtype == bool and kind is np.ndarray for a in argument]
        return [
            a.array if mask else resolved(a, known, kind) for a, mask in zip(argument, masks, strict=True)
        ]
    return known.get(argument, argument) if isinstance(argument, str) else argument
