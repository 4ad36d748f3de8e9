"""What does a model remember? Buffers that its forward writes, and inputs that take over what it returned.

Users pair an input with a value that forward returns: by the names of arguments and of keys, or by their
numbers, "1.0" being the first of what is in number 1. A whole tuple is paired part by part.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind, OutputSpec
from torch.fx import Node as FxNode
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ...errors import UserError
from ...ir import Array, Graph, Tensor
from ...ops.pick import FILL, runs
from ...ops.reshape import ReshapeAttrs
from ..common.asked_states import AskedStates
from ..common.builder import Builder
from ..common.places import picked
from .containers import paths, place_names
from .examples import Arguments, TensorPlace, inputs_meant, meant
from .rules.joining import from_aten_cat

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers that batch norm changes in training mode, and only then."""
TELLTALES = ("h", "c", "hx", "cx", "h0", "c0", "hc", "hidden", "cell", "carry", "cache", "memory", "mem")
"""Names of arguments that are likely states."""


@dataclass(frozen=True)
class StatePairs:
    """What of an exported program is state: which of its inputs takes over which of the values it returns.

    Inputs and results are counted flat. `begins`: what each of these inputs is at first, in the same order.
    `buffers`: those that the program writes.
    """

    pairs: Mapping[int, int] = field(default_factory=dict)
    begins: tuple[Array, ...] = ()
    buffers: frozenset[str] = frozenset()


STATELESS = StatePairs()


@contextmanager
def assigned_in_place(module: torch.nn.Module) -> Iterator[None]:
    """What forward assigns to a buffer (self.h = …) is copied into it at forward's end, and so is seen.

    torch.export sees assignments to the outermost module alone, and stumbles over those of inputs and of
    other buffers; so it is told of none.
    """
    forward, own = module.forward, module.__dict__.get("forward")

    @wraps(forward)
    def copied(*args: Any, **kwargs: Any) -> Any:
        buffers = [
            (f"{name}.{key}".lstrip("."), part, key, buffer)
            for name, part in module.named_modules()
            for key, buffer in part._buffers.items()
        ]
        with _unheard(), _DataInPlace():
            returned = forward(*args, **kwargs)
        assigned = [
            (called, part, key, buffer, now)
            for called, part, key, buffer in buffers
            if isinstance(now := part._buffers.get(key), torch.Tensor) and now is not buffer
        ]
        for called, _, _, buffer, now in assigned:
            _check_unchanged(called, buffer, now)
        old = [buffer for _, _, _, buffer, _ in assigned]
        returned = pytree.tree_map(lambda leaf: _apart(leaf, old), returned)
        fresh = [_apart(now, old) for *_, now in assigned]
        for (_, part, key, buffer, _), value in zip(assigned, fresh, strict=True):
            buffer.copy_(value)
            part._buffers[key] = buffer
        return returned

    module.forward = copied
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


class _DataInPlace(TorchFunctionMode):
    """What forward makes of a parameter's `data`, such as a limit to its norm, torch.export is shown as a
    write into the parameter: it would take `data` for a tensor of its own.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func == torch.Tensor.data.__get__:  # type: ignore[attr-defined]
            return args[0].detach()
        if func == torch.Tensor.data.__set__ and args[0].shape == args[1].shape:  # type: ignore[attr-defined]
            with torch.no_grad():
                args[0].copy_(args[1])
            return None
        return func(*args, **(kwargs or {}))


@contextmanager
def _unheard() -> Iterator[None]:
    """Nobody who listens to the buffers of modules is told of one that is assigned."""
    listeners = torch.nn.modules.module._global_buffer_registration_hooks
    kept = dict(listeners)
    listeners.clear()
    try:
        yield
    finally:
        listeners.update(kept)


def _check_unchanged(called: str, before: torch.Tensor | None, after: torch.Tensor) -> None:
    """UserError where a buffer has another shape or type after forward."""
    if before is None or (after.shape, after.dtype) != (before.shape, before.dtype):
        first = "nothing" if before is None else _told(before)
        raise UserError(
            f"the buffer {called!r} holds {first} at first, and {_told(after)} after a run: a state has one "
            "shape and type, so register it as what it is after every run"
        )


def _apart(leaf: Any, buffers: Sequence[torch.Tensor]) -> Any:
    """A value, copied where it is one of these buffers or a view of one: they are about to be written."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    whole = leaf._base if leaf._is_view() else leaf
    return leaf.clone() if any(whole is buffer or leaf is buffer for buffer in buffers) else leaf


def _told(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def mutations(program: ExportedProgram) -> list[OutputSpec]:
    """What forward makes of its buffers."""
    specs = program.graph_signature.output_specs
    return [spec for spec in specs if spec.kind == OutputKind.BUFFER_MUTATION]


def taken_over(program: ExportedProgram, kept: StatePairs) -> list[FxNode]:
    """The nodes of what the paired inputs take over, in the order of `kept.pairs`."""
    nodes = {node.name: node for node in program.graph.nodes}
    specs = program.graph_signature.output_specs
    results = [spec.arg for spec in specs if spec.kind == OutputKind.USER_OUTPUT]
    return [nodes[str(results[target].name)] for target in kept.pairs.values()]


def begins(kept: StatePairs, graph: Graph) -> list[str]:
    """For people: with what each state begins, where that is not plain zeros."""
    told = []
    for state in graph.states[: len(kept.pairs)]:
        values = graph.tensors[state.initial].values
        if np.any(values):
            told.append(
                f"the state {state.name!r} begins with what the example holds, {values.min():.3g} to "
                f"{values.max():.3g}: give an example of zeros if it is to begin with those"
            )
    return told


def result_places(structure: pytree.TreeSpec) -> list[TensorPlace]:
    """Of each value in what forward returns."""
    found = [tuple(map(str, path)) or ("0",) for path in paths(structure)]
    return [TensorPlace(path, name) for path, name in zip(found, place_names(structure), strict=True)]


def _input_places(names: Sequence[str], structure: pytree.TreeSpec) -> list[TensorPlace]:
    """Of each tensor of (args, kwargs), by the names that torch.export gives them."""
    args, kwargs = pytree.tree_unflatten(list(range(structure.num_leaves)), structure)
    _, in_a_row = pytree.tree_flatten([*args, *kwargs.values()])
    found = [tuple(map(str, path)) for path in paths(in_a_row)]
    return [TensorPlace(path, name) for path, name in zip(found, names, strict=True)]


def remembered(
    program: ExportedProgram, asked: AskedStates, example: Arguments | None, name: str
) -> StatePairs:
    """Which inputs and buffers of a program are states; UserError for pairs that are none."""
    signature = program.graph_signature
    specs = [spec.arg for spec in signature.input_specs if spec.kind == InputKind.USER_INPUT]
    results = [spec.arg for spec in signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    nodes = {node.name: node for node in program.graph.nodes}
    inputs = _input_places([str(arg.name) for arg in specs], program.call_spec.in_spec)
    outputs = result_places(program.call_spec.out_spec)
    pairs: dict[int, int] = {}
    for given, taken in asked:
        sources = inputs_meant(given, inputs, f"model {name!r}")
        targets = meant(
            taken, outputs, f"model {name!r} returns no {taken!r} for its state {given!r}", "result"
        )
        if len(sources) != len(targets):
            raise UserError(
                f"the state {given!r} of model {name!r} is {_count(sources)}, and {taken!r} of what it "
                f"returns {_count(targets)}: pair them one by one, e.g. {given}.0={taken}.0"
            )
        for source, target in zip(sources, targets, strict=True):
            if source in pairs:
                raise UserError(f"the state {given!r} of model {name!r} is named twice: pair it once")
            pairs[source] = target
    pairs = dict(sorted(pairs.items()))
    for source, target in pairs.items():
        _check_alike(inputs[source].name, nodes.get(str(specs[source].name)), results[target], nodes, name)
    tensors = example.tensors if example else ()
    begins = tuple(
        tensors[i].cpu().numpy() if tensors else np.zeros(_shape(nodes[str(specs[i].name)])) for i in pairs
    )
    buffers = frozenset(str(spec.target) for spec in mutations(program))
    return StatePairs(pairs, begins, buffers)


def _count(places: Sequence[int]) -> str:
    return "one tensor" if len(places) == 1 else f"{len(places)} tensors"


def _check_alike(
    called: str, given: FxNode | None, result: Any, nodes: Mapping[str, FxNode], name: str
) -> None:
    """UserError where a state and what replaces it are not of one shape and type."""
    following = None if isinstance(result, ConstantArgument) else nodes.get(str(result.name))
    before, after = (node.meta.get("val") if node else None for node in (given, following))
    if not isinstance(before, torch.Tensor) or not isinstance(after, torch.Tensor):
        raise UserError(f"the state {called!r} of model {name!r} is not a tensor that forward returns anew")
    if tuple(before.shape) != tuple(after.shape) or before.dtype != after.dtype:
        raise UserError(
            f"the state {called!r} of model {name!r} is {_told(before)}, and what it is to take over "
            f"{_told(after)}: pair it with a result of its own shape and type"
        )


def state_hint(program: ExportedProgram, pairs: Mapping[int, int]) -> str:
    """A sentence about inputs that are called as states are, and of whose shape something is returned, though
    nobody pairs them; "" where there are none.
    """
    signature = program.graph_signature
    nodes = {node.name: node for node in program.graph.nodes}
    specs = [spec.arg for spec in signature.input_specs if spec.kind == InputKind.USER_INPUT]
    results = [spec.arg for spec in signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    outputs = result_places(program.call_spec.out_spec)
    free = [j for j, arg in enumerate(results) if j not in pairs.values() and arg.name in nodes]
    found: list[tuple[str, str]] = []
    for i, arg in reversed([*enumerate(specs if len(specs) > 1 else [])]):
        given = nodes.get(str(arg.name))
        if i in pairs or given is None or not telling(given.name) or not _shape(given):
            continue
        alike = [j for j in free if _shape(nodes[str(results[j].name)]) == _shape(given)]
        if alike:
            taken = next((j for j in alike[::-1] if telling(outputs[j].name)), alike[-1])
            free.remove(taken)
            found.insert(0, (given.name, ".".join(outputs[taken].path)))
    if not found:
        return ""
    names = " and ".join(repr(given) for given, _ in found)
    options = " ".join(f"--state {given}={taken}" for given, taken in found)
    inputs = f"its input{'s' * (len(found) > 1)} {names}"
    return f"{inputs} may be what it remembers: with {options} the board keeps that from run to run"


def telling(name: str) -> bool:
    plain = name.lower()
    return "state" in plain or "hidden" in plain or any(word in TELLTALES for word in plain.split("_"))


def _shape(node: FxNode) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(int(size) for size in value.shape) if isinstance(value, torch.Tensor) else ()


def replaced(b: Builder, state: Tensor, following: Any) -> Tensor:
    """What a state holds in the next run as an activation, also where the model writes constants."""
    if isinstance(following, Tensor):
        return following
    array = np.broadcast_to(np.asarray(following, np.float64), state.shape)
    b.layer, b.source = f"{state.name}_next", f"buffer {state.name}"
    flat = state.shape or (1,)
    old = b.add("reshape", ReshapeAttrs(flat), state) if not state.shape else state
    if not np.ptp(array):
        new = picked(b, old, {0: runs(np.full(flat[0], FILL))}, float(array.flat[0]))
    else:
        both = from_aten_cat(b, [old, array.reshape(flat)], 0)
        new = picked(b, both, {0: runs(np.arange(flat[0], 2 * flat[0]))})
    return new if state.shape else b.add("reshape", ReshapeAttrs(()), new)
