"""In what may a model wrap its output? torch.export knows tuples, lists and dicts, and is told of others."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
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


def place_names(structure: pytree.TreeSpec) -> list[str]:
    """What the keys and fields say of each leaf's place: "boxes", "boxes_0"; "" where a number says all."""
    return [
        "_".join(map(str, path)) if any(isinstance(key, str) for key in path) else ""
        for path in paths(structure)
    ]


def paths(structure: pytree.TreeSpec) -> list[tuple[str | int, ...]]:
    """To each leaf of lists, tuples, mappings and classes of fields: numbers and keys from outside in."""
    numbered = pytree.tree_unflatten(list(range(structure.num_leaves)), structure)
    found = dict(_walked(numbered, ()))
    return [found.get(i, ()) for i in range(structure.num_leaves)]


def _walked(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Number and path of every leaf in what holds numbers."""
    if isinstance(value, Mapping):
        parts: Iterable[tuple[str | int, Any]] = ((str(key), each) for key, each in value.items())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = _fields(value).items()
    elif hasattr(value, "_fields"):
        parts = value._asdict().items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        yield value, path
        return
    for key, each in parts:
        yield from _walked(each, (*path, key))


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _register(kind: type, as_dict: Any) -> None:
    pytree.register_pytree_node(
        kind,
        lambda value: (list(as_dict(value).values()), list(as_dict(value))),
        lambda values, names: kind(**dict(zip(names, values, strict=True))),
        serialized_type_name=f"{kind.__module__}.{kind.__qualname__}",
    )
