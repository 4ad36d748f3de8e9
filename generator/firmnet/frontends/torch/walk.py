"""What does each node of an exported program become? Layers of a graph, a constant, or a refusal."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.fx import Node as FxNode

from ...errors import first_line
from ...ir import Array, Shape, Tensor
from ..common.arguments import call
from ..common.builder import Builder, Unsupported
from ..common.refusals import Refusals
from .hints import hint, op_name
from .places import layer_name, place
from .rules import RULES
from .source import quiet

CHECKS = {"aten._assert_tensor_metadata.default", "aten._assert_async.msg", "aten._assert_scalar.default"}
"""Operators that compute nothing."""
OF_SHAPE = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "fill"}
OF_SHAPE |= {"isnan", "isinf", "isfinite"}
"""Operators that read nothing of an activation but its shape, for every one is a number."""
UNWRITTEN = {"empty", "empty_like", "new_empty"}
"""Operators whose result holds anything until it is written: zeros, so that imports are alike."""
RANDOM = "it draws random numbers: take it out, or make it a constant buffer"
BESIDE = "the indices that it gives beside its values are read, and firmnet has the values alone"
UNPOOLING = "instead of unpooling use nn.Upsample or a transposed convolution, and train again"
VIEWS = {"alias", "clone", "contiguous", "dropout", "expand", "permute", "reshape", "squeeze", "transpose"}
VIEWS |= {"unsafe_view", "unsqueeze", "view"}
"""Operators whose values are those of their input."""
LEAVE_THEIR_TYPE = {"abs", "add", "mul", "neg", "pow", "rsub", "square", "sub"}
"""Operators whose result may lie beyond the type of what they read."""
LARGEST_CONSTANT = 2**26
"""Elements of a tensor that is computed at import."""
LARGEST_ACTIVATION = 2**23
"""Elements of a value between layers: as int8, more than any microcontroller's RAM."""


class Unknown:
    """Stands for a value behind a refusal that is no tensor of known shape: what reads it is not judged."""


UNKNOWN = Unknown()


@dataclass
class Import:
    """The import half-way: what each node of the exported program has become.

    A value is a Tensor (activation), a torch.Tensor (constant), a plain value, UNKNOWN, or a list of these.
    """

    builder: Builder
    refusals: Refusals
    constants: dict[str, torch.Tensor]
    values: dict[FxNode, Any] = field(default_factory=dict)

    def start(self, node: FxNode) -> None:
        """An input of the model."""
        self.values[node] = self.builder.input(node.name, _shape(node.meta["val"]))

    def remember(self, node: FxNode, begin: Array, name: str) -> None:
        """An input or buffer that is state, and what it holds at first."""
        self.values[node] = self.builder.state(name, begin.astype(np.float64))

    def constant_or_tensor(self, node: FxNode) -> Any:
        """What a node has become: an activation, or a constant as float64."""
        return _to_numpy(self.values[node])

    def follow(self, nodes: Iterable[FxNode]) -> None:
        for node in nodes:
            if node.op == "placeholder":
                self.values.setdefault(node, self.constants.get(node.name, UNKNOWN))
            elif node.op == "call_function":
                self.call(node)
            elif node.op != "output":
                self.values[node] = None  # the body of a branch or a loop, whose operator is refused

    def call(self, node: FxNode) -> None:
        target: Any = node.target
        args = self.resolve(node.args)
        kwargs = {key: self.resolve(value) for key, value in node.kwargs.items()}
        everything = [*args, *kwargs.values()]
        if str(target) in CHECKS:
            return
        if isinstance(node.meta.get("val"), int):  # a size, or what is computed of sizes
            self.values[node] = node.meta["val"]
            return
        if target.__name__ == "getitem" and isinstance(args[0], list):
            self.values[node] = args[0][args[1]]
        elif _holds(everything, Unknown):
            self.values[node] = UNKNOWN
        elif isinstance(target, torch._ops.HigherOrderOperator):
            self.refuse(node, hint(str(target)))
        elif op_name(str(target)) not in UNWRITTEN and not _holds(everything, Tensor):
            self.compute(node, args, kwargs)
        elif op_name(str(target)) in OF_SHAPE:
            self.compute(node, [torch.zeros(args[0].shape), *args[1:]], kwargs)
        elif op_name(str(target)) in UNWRITTEN:
            self.values[node] = torch.zeros(_shape(node.meta["val"]), dtype=node.meta["val"].dtype)
        elif narrow := _begins_anew(node):
            self.refuse(node, narrow)
        elif op_name(str(target)) in ("to", "to_copy") and _stays(node):
            self.values[node] = args[0]
        elif str(target) in RULES:
            self.build(node, args, kwargs)
        else:
            self.refuse(node, hint(str(target), otherwise=RANDOM if _is_random(target) else ""))

    def compute(self, node: FxNode, args: Any, kwargs: dict[str, Any]) -> None:
        """What depends on constants alone is a constant."""
        target: Any = node.target
        if _is_random(target):
            self.refuse(node, RANDOM)
            return
        if any(_size(value) > LARGEST_CONSTANT for value in _as_list(node.meta.get("val"))):
            self.refuse(node, "the constant it makes is too large for a microcontroller")
            return
        if "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        try:
            with quiet(), torch.no_grad():
                self.values[node] = target(*args, **kwargs)
        except Exception as error:
            self.refuse(node, f"it cannot be computed at import ({first_line(error)})")

    def build(self, node: FxNode, args: Any, kwargs: dict[str, Any]) -> None:
        self.builder.layer, self.builder.source = layer_name(node), f"{place(node)}: {node.target}"
        self.builder.readers = frozenset(_readers(node))
        results = [result for result in _as_list(node.meta["val"]) if isinstance(result, torch.Tensor)]
        if not all(isinstance(size, int) for result in results for size in result.shape):
            self.refuse(node, hint(str(node.target), "its result has a size that depends on the data"))
            return
        expected = [_shape(result) for result in results]
        try:
            if 0 in expected[0]:
                raise Unsupported(f"its result is empty, shape {expected[0]}")
            if math.prod(expected[0]) > LARGEST_ACTIVATION:
                raise Unsupported(f"its result has shape {expected[0]}, which no microcontroller holds")
            built = call(RULES[str(node.target)], self.builder, _to_numpy(args), _to_numpy(kwargs))
        except Unsupported as reason:
            self.refuse(node, hint(str(node.target), str(reason)))
            return
        except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
            self.refuse(node, f"this form of it is not supported ({first_line(error)})")
            return
        several, made = isinstance(node.meta["val"], list | tuple), _as_list(built)
        made = [_to_torch(value, result) for value, result in zip(made, results, strict=False)]
        for result, shape in zip(made, expected, strict=False):
            if result.shape != shape:
                self.refuse(node, f"firmnet would make {result.shape} of it, and not {shape}")
                return
        if several and _reads_beyond(node, len(made)):
            pooling = "pool" in op_name(str(node.target))
            self.refuse(node, f"{BESIDE}: {UNPOOLING}" if pooling else hint(str(node.target), BESIDE))
            return
        unknown = [UNKNOWN] * (len(_as_list(node.meta["val"])) - len(made))
        self.values[node] = [*made, *unknown] if several else made[0]

    def refuse(self, node: FxNode, advice: str) -> None:
        """Note the node, and let what follows it be looked at too."""
        sources = [i for i in node.all_input_nodes if _holds(self.values.get(i), Tensor)]
        shapes = ", ".join(str(_shape(v)) for i in sources for v in _as_list(i.meta["val"])[:1])
        self.refusals.operator(str(node.target), advice, place(node), shapes)
        results = node.meta.get("val")
        stand_ins = [self._stand_in(node, result) for result in _as_list(results)]
        self.values[node] = stand_ins if isinstance(results, list | tuple) else stand_ins[0]

    def _stand_in(self, node: FxNode, result: Any) -> Any:
        known = isinstance(result, torch.Tensor) and all(isinstance(size, int) for size in result.shape)
        return self.builder.input(node.name, _shape(result)) if known else UNKNOWN

    def resolve(self, value: Any) -> Any:
        """An argument of a node, nodes replaced by what they have become."""
        if isinstance(value, FxNode):
            return self.values.get(value, UNKNOWN)
        if isinstance(value, list | tuple):
            return [self.resolve(item) for item in value]
        return value


def _readers(node: FxNode) -> set[str]:
    """Bare names of the operators that read a node, or views of it."""
    found: set[str] = set()
    for user in node.users:
        name = op_name(str(user.target))
        found |= _readers(user) if name in VIEWS else {name}
    return found


def _reads_beyond(node: FxNode, count: int) -> bool:
    """Whether another result of the node than its first ones is read."""
    taken = [user for user in node.users if getattr(user.target, "__name__", "") == "getitem" and user.users]
    return any(isinstance(user.args[1], int) and user.args[1] >= count for user in taken)


def _stays(node: Any) -> bool:
    """Whether a conversion changes no value: to whole numbers of any width, of such or of truths."""
    before, after = (n.meta["val"].dtype for n in (node.args[0], node))
    return _counts(after) and (_counts(before) or before is torch.bool)


def _begins_anew(node: Any) -> str:
    """Why a whole number that grows past the end of its type is another one in PyTorch; "" where none can.

    On a board it stops at an end. Types of 32 bits and more have none that a board's numbers reach.
    """
    result = node.meta.get("val")
    if not isinstance(result, torch.Tensor) or not _counts(result.dtype) or result.dtype.itemsize > 2:
        return ""
    name = op_name(str(node.target))
    if name not in LEAVE_THEIR_TYPE and not (name in ("to", "to_copy") and _shortens(node, result.dtype)):
        return ""
    last = torch.iinfo(result.dtype).max
    kind = str(result.dtype).removeprefix("torch.")
    return (
        f"what goes beyond {last:,} begins anew in {kind} in PyTorch, and stops on the board: keep it in "
        "torch.int32, and where it is to begin anew say so (n % 256)"
    )


def _shortens(node: Any, dtype: torch.dtype) -> bool:
    """Whether a conversion is from whole numbers to such of a type that does not hold them all."""
    before = node.args[0].meta["val"].dtype
    if not _counts(before):
        return False
    old, new = torch.iinfo(before), torch.iinfo(dtype)
    return old.min < new.min or old.max > new.max


def _counts(dtype: torch.dtype) -> bool:
    return not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool)


def _is_random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())


def _to_numpy(value: Any) -> Any:
    """Constants as float64 arrays, also inside lists and mappings; everything else as it is."""
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise Unsupported("it works on complex numbers: firmnet computes with real ones")
        array: Array = np.asarray(value.to(torch.float64).numpy())
        return array
    if isinstance(value, list | tuple):  # in a list of indices a mask is another thing than numbers
        return [item.numpy() if _is_mask(item) else _to_numpy(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_numpy(item) for key, item in value.items()}
    return value


def _to_torch(value: Any, result: torch.Tensor) -> Any:
    """A constant that a rule hands on, as PyTorch would have it; everything else as it is."""
    return torch.as_tensor(value, dtype=result.dtype) if isinstance(value, np.ndarray) else value


def _is_mask(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype is torch.bool


def _holds(value: Any, kind: type) -> bool:
    """Is it of this kind, or a list with something of it inside?"""
    return isinstance(value, kind) or (
        isinstance(value, list | tuple) and any(_holds(v, kind) for v in value)
    )


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _size(value: Any) -> int:
    return math.prod(_shape(value)) if isinstance(value, torch.Tensor) else 0


def _shape(tensor: Any) -> Shape:
    return tuple(int(size) for size in tensor.shape)
