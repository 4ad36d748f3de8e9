"""How does a PyTorch model become a float graph? Through torch.export, at the level of whole layers."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.nn.parameter import is_lazy

from ...errors import UserError, first_line
from ...ir import Graph, Tensor, check
from ...ops.rescale import RescaleAttrs
from ..common.builder import Builder, port_name
from ..common.imported import Imported
from ..common.refusals import Refusals
from . import source as sources
from .compare import compare, unchanged
from .containers import tell_torch
from .examples import caller, dtype_name, shapes
from .ports import input_nodes, judge_numbers, output_nodes
from .sizes import settle_sizes
from .source import Source, quiet
from .spellings import left_whole, spellings
from .walk import Import


def load(source: Any, name: str | None = None, example: Any = None, calibration: Any = None) -> Imported:
    """Import a module with its example input, a `.pt2` file or `file.py:function` (see source.py).

    The import is compared with the model on some of the `calibration` samples (N, …), by default those of
    the source. A module is left as it was, flags and buffers included. Raises UserError for every model that
    is not one float32 tensor in, one float32 tensor out, with all that stands against it.
    """
    found = sources.find(source, name, example)
    sample = tuple(x.cpu().numpy() for x in found.example.tensors) if found.example else None
    known = next((data for data in (calibration, found.calibration, sample) if data is not None), None)
    if isinstance(found.model, ExportedProgram):
        graph = to_graph(decompose(found.model, found.name), found.name)
        compare(graph, found.model.module(), caller(found.model.call_spec.in_spec), known)
    else:
        module = unwrapped(found.model)
        _require_values(module, found.name)
        with unchanged(module):
            program = export(module, found)
            graph = to_graph(decompose(program, found.name), found.name)
            compare(graph, module, caller(program.call_spec.in_spec), known)
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
    _require_float32(module, source.name)
    assert source.example is not None  # find() refuses a module without one
    with suppress(Exception), quiet(), torch.no_grad():  # what fails here fails in the export too
        tried = source.example.copied()
        tell_torch(module(*tried.args, **tried.kwargs))
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, source.example.args, dict(source.example.kwargs))
    except Exception as error:
        if whole := [x.dtype for x in source.example.tensors if not x.dtype.is_floating_point]:
            raise UserError(
                f"model {source.name!r}: the example input is {dtype_name(whole[0])}: firmnet takes float32 "
                "inputs, so convert it with .float()"
            ) from error
        raise UserError(
            f"torch.export cannot follow model {source.name!r} on an input {shapes(source.example)}: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def decompose(program: ExportedProgram, name: str) -> ExportedProgram:
    """Replace in-place operators by pure ones, other spellings by what firmnet has; layers stay whole."""
    try:
        with quiet(), left_whole():
            pure: ExportedProgram = program.run_decompositions(dict(spellings()))
            return pure
    except Exception as error:
        raise UserError(
            f"torch.export cannot make model {name!r} free of in-place operators: {first_line(error)}"
        ) from error


def to_graph(program: ExportedProgram, name: str) -> Graph:
    """Every node of the exported program becomes layers, or a line of one error."""
    refusals = Refusals(name)
    constants = _constants(program, refusals)
    settle_sizes(program, constants)
    inputs, wanted = input_nodes(program, refusals), output_nodes(program, refusals)
    walk = Import(Builder(name), refusals, constants)
    for node in inputs:
        walk.start(node)
    if inputs:
        walk.follow(program.graph)
    refusals.check()
    given = [walk.values[node] for node in inputs]
    results = [(called, walk.values.get(node)) for called, node in wanted]
    graph = walk.builder.graph(given, _outputs(walk.builder, given, results))
    check(graph)
    judge_numbers(inputs, graph)
    return graph


def _outputs(b: Builder, given: Sequence[Tensor], results: Sequence[tuple[str, Any]]) -> dict[str, Tensor]:
    """What the model returns by name: that of its place, or of the layer; an input is handed on as a copy."""
    if not any(isinstance(result, Tensor) and result not in given for _, result in results):
        raise UserError(f"model {b.name!r} computes nothing from its input: there is nothing to deploy")
    found: dict[str, Tensor] = {}
    for i, (called, result) in enumerate(results):
        if not isinstance(result, Tensor):
            place = f"its {called!r}" if called else f"value {i} of what it returns"
            raise UserError(
                f"model {b.name!r} returns a constant, {place}: leave it out, for it is known without running"
            )
        if result in given:
            b.layer, b.source = f"{result.name}_out", f"output {called or i}"
            result = b.add("rescale", RescaleAttrs(), result)
        found[port_name(called or result.name, found)] = result
    return found


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


def _require_values(module: torch.nn.Module, name: str) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(f"model {name!r} is TorchScript: give the torch.nn.Module that it was made from")
    for key, layer in module.named_modules():
        if isinstance(layer, torch.nn.CrossMapLRN2d):
            raise UserError(
                f"model {name!r}: torch.export cannot follow {key or 'it'!r}, a CrossMapLRN2d: use "
                "nn.LocalResponseNorm with the same size, alpha, beta and k"
            )
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
