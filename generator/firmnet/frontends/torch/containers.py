"""In what may a model wrap its output? torch.export knows tuples, lists and dicts, and is told of others."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree


def tell_torch(returned: Any) -> None:
    """Let torch.export take apart dataclasses and mappings of a class of their own, and what is in them."""
    kind = type(returned)
    if isinstance(returned, Mapping):
        if kind not in pytree.SUPPORTED_NODES:
            _register(kind, dict)
        values: Iterable[Any] = returned.values()
    elif dataclasses.is_dataclass(returned):
        if kind not in pytree.SUPPORTED_NODES:
            _register(kind, _fields)
        values = _fields(returned).values()
    elif isinstance(returned, list | tuple):
        values = returned
    else:
        return
    for value in values:
        tell_torch(value)


def tensors_of(returned: Any) -> list[torch.Tensor]:
    """The tensors in what a model returned."""
    return [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, torch.Tensor)]


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _register(kind: type, as_dict: Any) -> None:
    pytree.register_pytree_node(
        kind,
        lambda value: (list(as_dict(value).values()), list(as_dict(value))),
        lambda values, names: kind(**dict(zip(names, values, strict=True))),
        serialized_type_name=f"{kind.__module__}.{kind.__qualname__}",
    )
