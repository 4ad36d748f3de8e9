"""With what is a model called? A sample of each of its inputs, as its forward takes them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from ...errors import UserError, first_line
from .containers import paths
from .time_first import time_first

NOTHING_GIVEN = "takes nothing but states: it needs an input that is given for every run"


@dataclass(frozen=True)
class TensorPlace:
    """Where one tensor is among the arguments of forward, or in what it returns.

    `path` are numbers and keys from the outside in; `name` is what it is called, "" where a number says all.
    """

    path: tuple[str, ...]
    name: str = ""

    def meant_by(self, key: str) -> bool:
        """Whether users who say `key` mean this, or something that it is in."""
        words = tuple(key.split("."))
        if self.path[: len(words)] == words:
            return True
        plain, said = _plain(self.name), _plain("_".join(words))
        tails = ["_" + "_".join(self.path[i:]).lower() for i in range(1, len(self.path))]
        return bool(plain) and said in (plain, *(plain.removesuffix(tail) for tail in tails))


def _plain(name: str) -> str:
    """As torch.export writes names of arguments."""
    return name.strip("_").lower()


@dataclass(frozen=True)
class Arguments:
    """What forward is called with: tensors with a batch of 1, or lists, tuples and dicts of them."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        return (*pytree.tree_leaves((self.args, dict(self.kwargs))),)

    def copied(self) -> "Arguments":
        """For a forward that may write into what it is given."""
        args, kwargs = pytree.tree_map(torch.clone, (self.args, dict(self.kwargs)))
        return Arguments(args, kwargs)


def example_of(
    given: Any, module: torch.nn.Module, source: str, states: Sequence[str] = ()
) -> tuple[Arguments, int]:
    """From what the user gave for a module: a tensor, a tuple or list of several, or a dict by their names.

    Of samples with more than one along axis 0 the first is taken; inputs that are `states` are taken whole,
    and so are those along which recurrent layers walk.
    Also how many tensors are no states. Raises UserError for what does not fit.
    """
    if given is None:
        raise UserError(
            f"{source} comes without an example input: give one sample, e.g. torch.zeros(1, 3, 32, 32)"
        )
    try:
        signature = inspect.signature(module.forward)
    except ValueError:  # TorchScript's, which is refused later on
        made = pytree.tree_map(lambda leaf: _one_sample(leaf, source), given)
        return Arguments((made,), {}), 1
    if isinstance(given, Mapping) and set(map(str, given)) <= {*signature.parameters}:
        bound = _bound(signature, source, (), given)
    else:
        several = isinstance(given, tuple | list) and (len(given) == 1 or _takes_several(signature))
        bound = _bound(signature, source, tuple(given) if several else (given,), {})
    places = argument_places(bound, signature)
    for key in states:
        inputs_meant(key, places, source)
    kept = [any(place.meant_by(key) for key in states) for place in places]
    if all(kept):
        raise UserError(f"{source} {NOTHING_GIVEN}")
    leaves, structure = pytree.tree_flatten((bound.args, dict(bound.kwargs)))
    walked = time_first(module, leaves, caller(structure))
    taken = [
        _tensor(leaf, source) if state else _one_sample(leaf, source, whole=i in walked)
        for i, (leaf, state) in enumerate(zip(leaves, kept, strict=True))
    ]
    args, kwargs = pytree.tree_unflatten(taken, structure)
    return Arguments(args, kwargs), kept.count(False)


def inputs_meant(key: str, places: Sequence[TensorPlace], whose: str) -> list[int]:
    """The inputs that users mean who say `key`; UserError where there is none."""
    return meant(key, places, f"{whose} has no input {key!r} to be a state", "input")


def meant(key: str, places: Sequence[TensorPlace], complaint: str, what: str) -> list[int]:
    """Which of the places users mean who say `key`; UserError, with a complaint, where there is none."""
    found = [i for i, place in enumerate(places) if place.meant_by(key)]
    if not found:
        known = ", ".join(place.name or ".".join(place.path) for place in places)
        raise UserError(f"{complaint}: name one of {known}, or give the number of the {what}")
    return found


def _takes_several(signature: inspect.Signature) -> bool:
    """Whether forward takes more than one argument, or any number."""
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Parameter.VAR_POSITIONAL in kinds or sum(kind in positional for kind in kinds) > 1


def argument_places(given: Arguments, signature: inspect.Signature) -> list[TensorPlace]:
    """Of each tensor, by the names that forward gives its arguments."""
    names = [*signature.parameters]
    found = []
    _, structure = pytree.tree_flatten([*given.args, *given.kwargs.values()])
    for path in paths(structure):
        at = int(path[0])
        keyword = [*given.kwargs][at - len(given.args)] if at >= len(given.args) else ""
        name = keyword or names[min(at, len(names) - 1)]
        words = tuple(map(str, path))
        found.append(TensorPlace(words, "_".join((name, *words[1:]))))
    return found


def _bound(
    signature: inspect.Signature, source: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Arguments:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        names = ", ".join(
            name
            for name, parameter in signature.parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        )
        raise UserError(
            f"{source}: the example does not fit forward ({first_line(error)}): give a tensor for each of "
            f"its inputs, e.g. as a tuple ({names})"
        ) from None
    return Arguments(bound.args, bound.kwargs)


def _one_sample(leaf: Any, source: str, whole: bool = False) -> torch.Tensor:
    """The first sample of what was given with a batch of 1: float32, or whole numbers as they are.

    `whole`: axis 0 is one of steps, and samples lie along the next, if there are several.
    Shape (1,) is a batch of one number; a longer line is taken for a sample without a batch, and refused.
    """
    tensor = _tensor(leaf, source)
    if tensor.dtype.is_complex or tensor.dtype is torch.bool:
        raise UserError(
            f"{source}: the example input is {dtype_name(tensor.dtype)}: "
            "firmnet takes float32 inputs, so convert it with .float()"
        )
    if 0 in tensor.shape or (tensor.ndim < 2 and tensor.shape != (1,)):
        raise UserError(
            f"{source}: the example input has shape {tuple(tensor.shape)}: "
            "give a batch of one, e.g. x.unsqueeze(0)"
        )
    if whole:
        return tensor[:, :1] if tensor.ndim > 2 else tensor
    return tensor[:1]


def _tensor(leaf: Any, source: str) -> torch.Tensor:
    if not isinstance(leaf, torch.Tensor | np.ndarray):
        raise UserError(f"{source}: the example input is a {type(leaf).__name__}: give one float32 tensor")
    tensor = torch.as_tensor(leaf).detach()
    return tensor.float() if tensor.dtype.is_floating_point else tensor


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def shapes(example: Arguments) -> str:
    """For people: "(1, 3)", of several "(1, 3), (1, 2)"."""
    return ", ".join(str(tuple(tensor.shape)) for tensor in example.tensors)


Caller = Callable[[torch.nn.Module, Sequence[torch.Tensor]], Any]


def caller(structure: pytree.TreeSpec) -> Caller:
    """Calls a module with tensors in the places that they have in (args, kwargs) of this structure."""

    def call(module: torch.nn.Module, tensors: Sequence[torch.Tensor]) -> Any:
        args, kwargs = pytree.tree_unflatten(list(tensors), structure)
        return module(*args, **kwargs)

    return call
