"""Does the imported graph compute what the module computes? Tried on real samples, noise and zeros.

torch.export itself may change a model: it does not see that eval-mode dropout hands on its very input, which
a layer in place behind it then overwrites; it keeps one branch of Python code, and one of random values.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.func import functional_call

from ...errors import UserError, first_line
from ...interpret import run_float
from ...ir import Array, Graph, Shape
from .containers import tensors_of
from .source import quiet

SAME, SAME_FLOAT32 = 1e-4, 1e-3
"""How far graph and module may differ, relative to the largest value of the output element in question.

SAME_FLOAT32 goes for modules that run in nothing but float32.
"""
SMALL = 1e-2
"""An element's own size counts as at least this share of the largest: what is smaller may cancel out."""
COMPARED = 4

Compute = Callable[[Array], Array]
"""One input (1, …) → what the model returns for it, float64."""


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


def compare(graph: Graph, model: torch.nn.Module | ExportedProgram, calibration: Array | None) -> None:
    """Raise UserError when the graph computes something else than the model on any of the inputs tried.

    Float64 takes long in torch, so it decides only where float32 leaves a doubt.
    """
    module = model.module() if isinstance(model, ExportedProgram) else model
    inputs = list(tried(graph.tensors[graph.input].shape, calibration))
    with np.errstate(all="ignore"):
        computed = np.array([run_float(graph, x) for x in inputs])
    answers = _float32(module, inputs, graph)
    complaint = _difference(graph.name, computed, answers, SAME)
    if complaint:
        try:
            exact = _answers(partial(_run, module, torch.float64), inputs, graph)
        except Exception:
            complaint = _difference(graph.name, computed, answers, SAME_FLOAT32)
        else:
            complaint = _difference(graph.name, computed, exact, SAME)
    if complaint:
        raise UserError(complaint)


def _float32(module: torch.nn.Module, inputs: list[Array], graph: Graph) -> Array:
    """What the module answers in float32, on a copy of its tensors where that goes; the same every time."""
    run = partial(_run, module, torch.float32)
    try:
        run(inputs[0])
    except Exception:
        run = partial(_run, module, None)
    try:
        answers = _answers(run, inputs, graph)
        again = _answers(run, inputs[:1], graph)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"model {graph.name!r} fails on an input {inputs[0].shape}: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    if not np.isfinite(answers).any():
        raise UserError(
            f"model {graph.name!r} gives NaN or infinity for every input that was tried: "
            "train it again or load a good checkpoint"
        )
    if _difference(graph.name, again, answers[:1], SAME_FLOAT32):
        raise UserError(
            f"model {graph.name!r} gives two answers for one input: it draws random numbers or remembers "
            "earlier inputs, so there is nothing to verify a board against; take that out of forward"
        )
    return answers


def _run(module: torch.nn.Module, dtype: torch.dtype | None, x: Array) -> Array:
    """The only tensor in what the module returns; None runs it as it is, not on a copy of its tensors."""
    given = torch.from_numpy(x.copy())
    with quiet(), torch.no_grad():
        if dtype is None:
            returned = module(given)
        else:
            own = [*module.named_parameters(), *module.named_buffers()]
            copies = {k: t.detach().clone().to(dtype if t.is_floating_point() else t.dtype) for k, t in own}
            returned = functional_call(module, copies, (given.to(dtype),))
    (tensor,) = tensors_of(returned)
    values: Array = tensor.detach().cpu().to(torch.float64).numpy()
    return values


def _answers(run: Compute, inputs: list[Array], graph: Graph) -> Array:
    """What the model returns for each input, once its shape is what the graph says."""
    shape, answers = graph.tensors[graph.output].shape, [run(x) for x in inputs]
    for values in answers:
        if values.shape != shape:
            raise UserError(
                f"model {graph.name!r} returns the shape {values.shape}, but {shape} once exported: "
                "return one shape for every input"
            )
    return np.array(answers)


def _difference(name: str, computed: Array, answers: Array, same: float) -> str:
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
        f"torch.export changes what model {name!r} computes: output {tuple(map(int, worst[1:]))} is "
        f"{computed[worst]:.4g} instead of {answers[worst]:.4g} for one input; "
        "do not use inplace=True on the output of a dropout, and no Python code in forward that depends on "
        "values"
    )


def tried(shape: Shape, calibration: Array | None) -> Iterator[Array]:
    """float32 inputs of the model's shape: samples spread over the calibration data, noise, zeros."""
    samples = _samples(shape, calibration)
    spread = np.linspace(0, len(samples) - 1, min(COMPARED, len(samples))).astype(int)
    yield from samples[spread]
    rng = np.random.default_rng(0)
    lo, hi = (samples.min(), samples.max()) if np.any(samples) else (-1.0, 1.0)
    yield rng.uniform(lo, hi, shape).astype(np.float32)
    yield rng.normal(scale=max(abs(lo), abs(hi)), size=shape).astype(np.float32)
    yield np.zeros(shape, np.float32)


def _samples(shape: Shape, calibration: Array | None) -> Array:
    """The finite float samples (N, *shape) there are; data of another kind or shape is judged elsewhere."""
    nothing = np.empty((0, *shape), np.float32)
    if calibration is None or calibration.dtype.kind != "f" or not calibration.ndim:
        return nothing
    if calibration.shape[1:] not in (shape, shape[1:]):
        return nothing
    with np.errstate(over="ignore"):
        samples = calibration.reshape(len(calibration), *shape).astype(np.float32)
    return samples[np.isfinite(samples).all(axis=tuple(range(1, samples.ndim)))]
