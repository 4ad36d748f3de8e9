"""How does a PyTorch model become a float graph? Through torch.export, at the level of whole layers."""

import inspect
from contextlib import suppress
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.nn.parameter import is_lazy

from ...errors import UserError, first_line
from ...ir import Graph, Tensor, check
from ..common.builder import Builder
from ..common.imported import Imported
from ..common.refusals import Refusals
from . import source as sources
from .compare import compare, unchanged
from .containers import tell_torch
from .ports import input_nodes, output_node
from .source import Source, dtype_name, quiet
from .spellings import spellings
from .walk import Import


def load(source: Any, name: str | None = None, example: Any = None, calibration: Any = None) -> Imported:
    """Import a module with its example input, a `.pt2` file or `file.py:function` (see source.py).

    The import is compared with the model on some of the `calibration` samples (N, …), by default those of
    the source. A module is left as it was, flags and buffers included. Raises UserError for every model that
    is not one float32 tensor in, one float32 tensor out, with all that stands against it.
    """
    found = sources.find(source, name, example)
    sample = None if found.example is None else found.example.cpu().numpy()
    given = sources.samples(calibration, "calibration data")
    known = next((data for data in (given, found.calibration, sample) if data is not None), None)
    if isinstance(found.model, ExportedProgram):
        graph = to_graph(decompose(found.model, found.name), found.name)
        compare(graph, found.model, known)
    else:
        module = unwrapped(found.model)
        _require_values(module, found.name)
        with unchanged(module):
            graph = to_graph(decompose(export(module, found), found.name), found.name)
            compare(graph, module, known)
    return Imported(graph, sample, found.calibration, found.test, found.labels)


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The module inside torch.compile or DataParallel, which compute what it computes."""
    while True:
        if isinstance(module, torch.nn.DataParallel):
            module = module.module
        elif isinstance(inner := getattr(module, "_orig_mod", None), torch.nn.Module):
            module = inner
        else:
            return module


def export(module: torch.nn.Module, source: Source) -> ExportedProgram:
    """Export a module that is in eval mode, on one sample."""
    _require_one_argument(module, source.name)
    _require_float32(module, source.name)
    assert source.example is not None  # find() refuses a module without one
    with suppress(Exception), quiet(), torch.no_grad():  # what fails here fails in the export too
        tell_torch(module(source.example.clone()))
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, (source.example,))
    except Exception as error:
        raise UserError(
            f"torch.export cannot follow model {source.name!r} on an input {tuple(source.example.shape)}: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def decompose(program: ExportedProgram, name: str) -> ExportedProgram:
    """Replace in-place operators by pure ones, other spellings by what firmnet has; layers stay whole."""
    try:
        with quiet():
            pure: ExportedProgram = program.run_decompositions(dict(spellings()))
            return pure
    except Exception as error:
        raise UserError(
            f"torch.export cannot make model {name!r} free of in-place operators: {first_line(error)}"
        ) from error


def to_graph(program: ExportedProgram, name: str) -> Graph:
    """Every node of the exported program becomes layers, or a line of one error."""
    refusals = Refusals(name)
    inputs, output = input_nodes(program, refusals), output_node(program, refusals)
    walk = Import(Builder(name), refusals, _constants(program, refusals))
    for node in inputs:
        walk.start(node)
    if inputs:
        walk.follow(program.graph)
    refusals.check()
    assert output is not None
    start, result = walk.values[inputs[0]], walk.values.get(output)
    if not isinstance(result, Tensor) or result is start:
        raise UserError(f"model {name!r} computes nothing from its input: there is nothing to deploy")
    graph = walk.builder.graph(start, result)
    check(graph)
    return graph


def _constants(program: ExportedProgram, refusals: Refusals) -> dict[str, torch.Tensor]:
    """Parameters, buffers and constant tensors by the placeholder that stands for them, all finite."""
    found: dict[str, torch.Tensor] = {}
    for spec in program.graph_signature.input_specs:
        if not isinstance(spec.arg, TensorArgument) or spec.kind == InputKind.USER_INPUT:
            continue
        target = str(spec.target)
        values = program.state_dict if target in program.state_dict else program.constants
        tensor = values[target].detach().cpu()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            refusals.because(
                f"holds {target!r}, which contains NaN or infinity: train it again or load a good checkpoint"
            )
        found[spec.arg.name] = tensor
    return found


def _require_one_argument(module: torch.nn.Module, name: str) -> None:
    parameters = inspect.signature(module.forward).parameters.values()
    needed = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1:
        raise UserError(
            f"model {name!r} takes {len(needed)} inputs ({', '.join(needed)}): "
            "firmnet deploys models with one; join them into one tensor"
        )


def _require_values(module: torch.nn.Module, name: str) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(f"model {name!r} is TorchScript: give the torch.nn.Module that it was made from")
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise UserError(
                f"model {name!r}: its {key!r} has no size yet: run the model once on an example and train it"
            )
        if tensor.is_meta:
            raise UserError(f"model {name!r}: its {key!r} is on the device 'meta', without values: load them")


def _require_float32(module: torch.nn.Module, name: str) -> None:
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise UserError(
                f"model {name!r}: its {key!r} is {dtype_name(tensor.dtype)}: call model.float() first"
            )
