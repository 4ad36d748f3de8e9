"""Which sizes depend on no data, although torch.export leaves them open? Those that constant masks make.

x[:, mask] has as many values as the mask has places, and torch.export does not look into a buffer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.fx import Node as FxNode
from torch.utils import _pytree

from .source import quiet

LARGEST_MASK = 2**23
"""Elements of a mask, or of what it is computed from: as many as the largest value between layers has."""


def settle_sizes(program: ExportedProgram, constants: Mapping[str, torch.Tensor]) -> None:
    """Write into the program's nodes what their values are like, where that is known after all."""
    settling = _Settling(constants)
    for node in program.graph.nodes:
        if node.op == "call_function" and _is_open(node.meta.get("val")):
            with suppress(Exception), quiet(), torch.no_grad():  # what stays open is refused where it is read
                node.meta["val"] = settling.like(node)


@dataclass(frozen=True)
class _Settling:
    """Nodes are computed again, from values that have sizes but no numbers; masks in earnest."""

    constants: Mapping[str, torch.Tensor]

    def like(self, node: FxNode) -> Any:
        args, kwargs = _replaced(node, lambda each: each.meta["val"])
        target: Any = node.target
        likes = [each for each in _pytree.tree_leaves((args, kwargs)) if isinstance(each, FakeTensor)]
        if not likes:  # arithmetic of sizes
            return target(*args, **kwargs)
        mode = likes[0].fake_mode
        with suppress(KeyError):
            return mode.from_tensor(self.constant(node), static_shapes=True)
        if str(target) == "aten.index.Tensor":
            indices: Iterable[Any] = node.args[1]  # type: ignore[assignment]
            args = args[0], [at for index in indices for at in self.places(index, mode)]
        elif str(target) == "aten.masked_select.default":
            together: torch.Size = torch.broadcast_shapes(*[x.shape for x in args])  # type: ignore[no-untyped-call]
            count = self.count(node.args[1], together)
            return mode.from_tensor(torch.empty(count, dtype=args[0].dtype), static_shapes=True)
        with mode:
            return target(*args, **kwargs)

    def places(self, index: FxNode | None, mode: Any) -> Iterator[Any]:
        """For each axis along which an index goes, something that chooses as many values."""
        if index is None or index.meta["val"].dtype is not torch.bool:
            yield index and index.meta["val"]
        else:
            held = torch.zeros(self.count(index, index.meta["val"].shape), dtype=torch.int64)
            yield from [mode.from_tensor(held, static_shapes=True)] * index.meta["val"].ndim

    def count(self, mask: Any, shape: torch.Size) -> int:
        """How often a constant mask holds in values of this shape."""
        truths = self.constant(mask)
        return int(truths.sum()) * (shape.numel() // truths.numel())

    def constant(self, node: FxNode) -> torch.Tensor:
        """What a node computes from constants alone; KeyError where it reads an activation."""
        if node.op == "placeholder":
            return self.constants[node.name]
        args, kwargs = _replaced(node, self.constant)
        if not _is_open(value := node.meta["val"]) and value.numel() > LARGEST_MASK:
            raise ValueError(f"{node.name} is too large for a mask")
        target: Any = node.target
        made: torch.Tensor = target(*args, **kwargs)
        return made


def _replaced(node: FxNode, by: Callable[[FxNode], Any]) -> Any:
    """Arguments of a node, other nodes replaced."""
    return _pytree.tree_map_only(FxNode, by, (node.args, node.kwargs))


def _is_open(value: Any) -> bool:
    """Has it a size that torch.export does not know?"""
    parts = value if isinstance(value, list | tuple) else [value]
    return any(
        isinstance(part, torch.SymInt | torch.SymBool)
        or (isinstance(part, torch.Tensor) and not all(isinstance(size, int) for size in part.shape))
        for part in parts
    )
