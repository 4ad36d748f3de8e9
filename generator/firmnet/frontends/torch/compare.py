"""Does the imported graph compute what the module computes? Tried on real samples, noise and zeros.

torch.export itself may change a model: it does not see that eval-mode dropout hands on its very input, which
a layer in place behind it then overwrites; it keeps one branch of Python code, and one of random values.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ...errors import UserError, first_line
from ...interpret import Stepper, float_values, in_model_order, model_shape
from ...ir import Array, Graph, Shape, key_of
from ...ops import least_rows
from .examples import Caller
from .source import quiet
from .states import STATELESS, StatePairs

SAME, SAME_FLOAT32 = 1e-4, 1e-3
"""How far graph and module may differ, relative to the largest value of the output element in question.

SAME_FLOAT32 goes for modules that run in nothing but float32.
"""
SMALL = 1e-2
"""An element's own size counts as at least this share of the largest: what is smaller may cancel out."""
COMPARED = 4
STEPS = 24
"""Of a model that remembers so many samples are compared, in a row."""

Arrays = tuple[Array, ...]
"""A sample (1, …) of each input; also what the model returns for it, an array for each output."""
Compute = Callable[[Arrays], Arrays]
"""A sample → what the model returns for it, float64."""


@contextmanager
def unchanged(module: torch.nn.Module) -> Iterator[None]:
    """The module in eval mode meanwhile; afterwards its flags, tensors and the seeds are as before."""
    training = {part: part.training for part in module.modules()}
    owned: list[dict[str, Any]] = [
        d for part in module.modules() for d in (part._parameters, part._buffers) if type(d) is dict
    ]
    kept = [dict(named) for named in owned]
    values = {t: t.detach().clone() for named in kept for t in named.values() if t is not None}
    module.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for part, flag in training.items():
            part.training = flag
        for now, before in zip(owned, kept, strict=True):
            now.clear()
            now.update(before)
        with torch.no_grad():
            for tensor, value in values.items():
                tensor.data.copy_(value)


def compare(
    graph: Graph,
    module: torch.nn.Module,
    call: Caller,
    calibration: Any,
    kept: StatePairs = STATELESS,
    left_out: Collection[int] = (),
) -> None:
    """Raise UserError when the graph computes something else than the model on any of the inputs tried.

    Of what the model returns the values whose numbers are `left_out` are no outputs. To a graph with states
    they are one sequence. Float64 takes long in torch, so it decides only where float32 leaves a doubt.
    """
    every = list(tried(graph, calibration))
    inputs = (not graph.states and [x for x in every if not _has_equals(graph, x)]) or every
    runs = Stepper(graph, float_values)
    with np.errstate(all="ignore"):
        computed = _columns([_handed_out(graph, runs(*x)) for x in inputs])
    begun = {key: buffer.detach().clone() for key, buffer in module.named_buffers()}
    model = _Model(graph.name, module, call, kept, bool(graph.states), begun, left_out)
    answers = _float32(model, inputs, graph)
    complaint = _differences(graph, computed, answers, SAME)
    if complaint:
        try:
            exact = _answers(model.runs(torch.float64), inputs, graph)
        except Exception:
            complaint = _differences(graph, computed, answers, SAME_FLOAT32)
        else:
            complaint = _differences(graph, computed, exact, SAME)
    if complaint:
        raise UserError(complaint)


def _handed_out(graph: Graph, values: Mapping[str, Array]) -> Arrays:
    return tuple(in_model_order(port, values[port.tensor]) for port in graph.outputs)


def _float32(model: "_Model", inputs: list[Arrays], graph: Graph) -> list[Array]:
    """What the module answers in float32, on a copy of its tensors where that goes; the same every time."""
    dtype: torch.dtype | None = torch.float32
    try:
        model.runs(dtype)(inputs[0])
    except UserError:
        raise
    except Exception:
        dtype = None
    try:
        answers = _answers(model.runs(dtype), inputs, graph)
        again = _answers(model.runs(dtype), inputs[: 2 if graph.states else 1], graph)
    except UserError:
        raise
    except Exception as error:
        shapes = ", ".join(str(x.shape) for x in inputs[0])
        raise UserError(
            f"model {graph.name!r} fails on an input {shapes}: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not any(np.isfinite(each).any() for each in answers):
        raise UserError(
            f"model {graph.name!r} gives NaN or infinity for every input that was tried: "
            "train it again or load a good checkpoint"
        )
    if _differences(graph, again, [each[: len(again[0])] for each in answers], SAME_FLOAT32):
        raise UserError(
            f"model {graph.name!r} gives two answers for one input: it draws random numbers or remembers "
            "earlier inputs, so there is nothing to verify a board against; take that out of forward, and "
            "keep what is to be remembered in a buffer (register_buffer)"
        )
    return answers


@dataclass(frozen=True)
class _Model:
    """A module, how it is called, and which of its inputs are states. `remembers`: some, or its buffers."""

    name: str
    module: torch.nn.Module
    call: Caller
    kept: StatePairs
    remembers: bool
    begun: Mapping[str, torch.Tensor]
    left_out: Collection[int]

    def runs(self, dtype: torch.dtype | None) -> Compute:
        """What makes of one sample after the other what the module does, from the beginning.

        None runs the module as it is, not on a copy of its tensors.
        """
        if dtype is None and self.remembers:
            for key, begin in self.begun.items():
                owner, _, leaf = key.rpartition(".")
                self.module.get_submodule(owner)._buffers[leaf] = begin.clone()
        copies = None if dtype is None else self._copies(dtype)
        state = [torch.from_numpy(begin.copy()) for begin in self.kept.begins]

        def run(sample: Arrays) -> Arrays:
            nonlocal copies
            if dtype is not None and not self.remembers:
                copies = self._copies(dtype)
            given = self._with_states([torch.from_numpy(x.copy()) for x in sample], state)
            found = self._returned(given, dtype, copies)
            state[:] = [found[target].detach().clone() for target in self.kept.pairs.values()]
            numbered = [*enumerate(found)]
            left = [each for each in numbered if each[0] not in self.kept.pairs.values()] or numbered
            returned = [x for i, x in left if isinstance(x, torch.Tensor) and i not in self.left_out]
            return tuple(tensor.detach().cpu().to(torch.float64).numpy() for tensor in returned)

        return run

    def _copies(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        own = [*self.module.named_parameters(), *self.module.named_buffers()]
        return {k: t.detach().clone().to(dtype if t.is_floating_point() else t.dtype) for k, t in own}

    def _with_states(self, sample: list[torch.Tensor], state: list[torch.Tensor]) -> list[torch.Tensor]:
        """All that the module takes, in the order in which it does."""
        of_state, of_sample = dict(zip(self.kept.pairs, state, strict=True)), iter(sample)
        every = range(len(sample) + len(state))
        return [of_state[i].clone() if i in of_state else next(of_sample) for i in every]

    def _returned(
        self, given: list[torch.Tensor], dtype: torch.dtype | None, copies: dict[str, torch.Tensor] | None
    ) -> list[Any]:
        """All in what the module returns, tensors or not."""
        with quiet(), torch.no_grad():
            if dtype is None or copies is None:
                return pytree.tree_leaves(self.call(self.module, given))
            converted = [x.to(dtype) if x.is_floating_point() else x for x in given]
            with _Widened() if dtype is torch.float64 else nullcontext():
                called = _Called(self.module, self.call)
                found = pytree.tree_leaves(functional_call(called, _prefixed(copies), (converted,)))
            self._check_seen(copies, called.left)
            copies |= called.left  # one that was assigned anew is another tensor now
            return found

    def _check_seen(self, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> None:
        """UserError where the module has another value in a buffer that the program does not write."""
        for name in after.keys() - self.kept.buffers:
            if name not in before or not torch.equal(before[name], after[name]):
                raise UserError(
                    f"model {self.name!r} changes its buffer {name!r} where torch.export does not see it: "
                    f"write self.{name.rpartition('.')[2]}.copy_(…) in forward"
                )


class _Widened(TorchFunctionMode):
    """Float32 becomes float64: tensors that a module has as plain attributes, and those its forward makes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = pytree.tree_map(_widened, (args, kwargs or {}))
        return pytree.tree_map(_widened, func(*args, **kwargs))


def _widened(value: Any) -> Any:
    single = isinstance(value, torch.Tensor) and value.dtype is torch.float32
    return value.to(torch.float64) if single else value


class _Called(torch.nn.Module):
    """A module whose forward takes all its tensors in one list. `left`: what its buffers are after a call."""

    def __init__(self, module: torch.nn.Module, call: Caller) -> None:
        super().__init__()
        self.called, self._call = module, call
        self.left: dict[str, torch.Tensor] = {}

    def forward(self, tensors: list[torch.Tensor]) -> Any:
        returned = self._call(self.called, tensors)
        self.left = {name: buffer.detach().clone() for name, buffer in self.called.named_buffers()}
        return returned


def _prefixed(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"called.{name}": tensor for name, tensor in tensors.items()}


def _answers(run: Compute, inputs: list[Arrays], graph: Graph) -> list[Array]:
    """What the model returns for each input, (N, *shape) of each output, once the shapes are the graph's."""
    wanted = [model_shape(graph.tensors[port.tensor], port.order) for port in graph.outputs]
    answers = [run(x) for x in inputs]
    for values in answers:
        shapes = [each.shape for each in values]
        if shapes != wanted:
            found, exported = (", ".join(map(str, each)) for each in (shapes, wanted))
            raise UserError(
                f"model {graph.name!r} returns the shape {found}, but {exported} once exported: "
                "return one shape for every input"
            )
    return _columns(answers)


def _columns(answers: Sequence[Arrays]) -> list[Array]:
    return [np.array(each) for each in zip(*answers, strict=True)]


def _differences(graph: Graph, computed: Sequence[Array], answers: Sequence[Array], same: float) -> str:
    """A sentence about the first output that is too far off, or ""."""
    several = len(graph.outputs) > 1
    found = (
        _difference(graph.name, f"{port.name!r} " * several, y, answer, same)
        for port, y, answer in zip(graph.outputs, computed, answers, strict=True)
    )
    return next(filter(None, found), "")


def _difference(name: str, output: str, computed: Array, answers: Array, same: float) -> str:
    """A sentence about the element that is farthest off, or "" where none is farther off than it may be.

    NaN and infinity must be where the model has them, and nowhere else.
    """
    finite = np.isfinite(answers)
    sizes = np.max(np.abs(answers), axis=0, initial=0, where=finite)
    allowed = same * np.maximum(sizes, SMALL * sizes.max())
    with np.errstate(all="ignore"):
        excess = np.where(finite, np.abs(computed - answers) - allowed, 0.0)
    excess = np.where(finite == np.isfinite(computed), excess, np.inf)
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    if excess[worst] <= 0:
        return ""
    return (
        f"torch.export changes what model {name!r} computes: output {output}{tuple(map(int, worst[1:]))} is "
        f"{computed[worst]:.4g} instead of {answers[worst]:.4g} for one input; "
        "do not use inplace=True on the output of a dropout, no Python code in forward that depends on "
        "values, and no mask that leaves a row of attention nothing"
    )


def tried(graph: Graph, calibration: Any) -> Iterator[Arrays]:
    """Inputs of the model's shapes, float32: samples spread over the calibration data (the first in a row, if
    the graph remembers), noise, zeros.

    Where numbers name rows of a table they are int64, and rows that it has. Places of largest values are not
    asked of zeros nor of other samples that are all alike, nor places in order of samples with equals among
    them: PyTorch may name any. Where masks of attention are computed samples alone are tried: of what is made
    up they may leave nothing.
    """
    ops = {node.op for node in graph.nodes}
    places = "argmax" in ops
    shapes = [model_shape(graph.tensors[port.tensor], port.order) for port in graph.inputs]
    named = least_rows(graph)
    tables = [
        in_model_order(port, named[port.tensor]) if port.tensor in named else None for port in graph.inputs
    ]
    known = [_samples(shape, data) for shape, data in zip(shapes, _by_port(graph, calibration), strict=True)]
    if places:
        known = [x[np.ptp(x.reshape(len(x), prod(x.shape[1:])), axis=1) > 0] for x in known]
    count = min(map(len, known))
    chosen = range(min(count, STEPS)) if graph.states else _spread(count)
    made = [tuple(samples[i] for samples in known) for i in chosen]
    rng = np.random.default_rng(0)
    ends = [(x.min(), x.max()) if np.any(x) else (-1.0, 1.0) for x in known]
    each = list(zip(shapes, ends, strict=True))
    made.append(tuple(rng.uniform(lo, hi, shape) for shape, (lo, hi) in each))
    made.append(tuple(rng.normal(scale=max(abs(lo), abs(hi)), size=shape) for shape, (lo, hi) in each))
    if not places:
        made.append(tuple(np.zeros(shape) for shape in shapes))
    of_data = len(chosen)
    if of_data and {"compare", "softmax"} <= ops:
        del made[of_data:]
    for i, sample in enumerate(made):
        yield tuple(
            x.astype(np.float32)
            if rows is None
            else _rows(x if i < of_data else rng.integers(rows, size=x.shape), rows)
            for x, rows in zip(sample, tables, strict=True)
        )


def _has_equals(graph: Graph, sample: Arrays) -> bool:
    """Whether equal values are put in order of which places are asked for."""
    asked = [node for node in graph.nodes if node.op == "argsort" and _is_read(graph, node.output)]
    with np.errstate(all="ignore"):
        values = float_values(graph, *sample) if asked else {}
    for node in asked:
        x, attrs = values[node.inputs[0]], node.attrs
        in_order = np.sort(-x if attrs.descending else x, attrs.axis)
        decided = in_order.take(range(min(attrs.count + 1, x.shape[attrs.axis])), attrs.axis)
        if (np.diff(decided, axis=attrs.axis) == 0).any():
            return True
    return False


def _is_read(graph: Graph, tensor: str) -> bool:
    return tensor in graph.wanted or bool(graph.consumers(tensor))


def _spread(count: int) -> Array:
    return np.linspace(0, count - 1, min(COMPARED, count)).astype(int)


def _rows(x: Array, rows: Array) -> Array:
    """Numbers that name rows of a table."""
    return np.clip(x, 0, rows - 1).astype(np.int64)


def _by_port(graph: Graph, calibration: Any) -> list[Any]:
    """What there is for each input; None where that cannot be told: such data is judged elsewhere."""
    ports = graph.inputs
    if isinstance(calibration, Mapping):
        return [calibration.get(key_of(port, calibration)) for port in ports]
    if isinstance(calibration, tuple | list) and len(calibration) == len(ports):
        return list(calibration)
    return [calibration] if len(ports) == 1 else [None] * len(ports)


def _samples(shape: Shape, data: Any) -> Array:
    """The finite float samples (N, *shape) there are; data of another kind or shape is judged elsewhere."""
    nothing = np.empty((0, *shape), np.float32)
    if isinstance(data, list | tuple) and data and np.ndim(data[0]) > 1:
        data = data[0]  # the first of several sequences
    try:
        array = np.asarray(data.detach().cpu() if isinstance(data, torch.Tensor) else data)
    except (TypeError, ValueError):
        return nothing
    if array.ndim > 1 and array.shape[1:] not in (shape, shape[1:]) and array.shape[2:] in (shape, shape[1:]):
        array = array[0]
    if array.dtype.kind not in "fiu" or not array.ndim or array.shape[1:] not in (shape, shape[1:]):
        return nothing
    with np.errstate(over="ignore"):
        samples = array.reshape(len(array), *shape).astype(np.float32)
    return samples[np.isfinite(samples).all(axis=tuple(range(1, samples.ndim)))]
