"""How does a PyTorch model become a float graph? Through torch.export, at the level of whole layers."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.fx import Node as FxNode
from torch.nn.parameter import is_lazy

from ...errors import UserError, first_line
from ...ir import Array, Graph, Tensor, check
from ...ops.rescale import RescaleAttrs
from ..common.asked_states import read_states
from ..common.builder import Builder, port_name
from ..common.imported import Imported
from ..common.refusals import Refusals
from . import source as sources
from .compare import compare, unchanged
from .containers import tell_torch
from .examples import caller, dtype_name, shapes
from .looked_up import looked_up_once
from .ports import input_nodes, judge_numbers, output_nodes
from .sizes import settle_sizes
from .source import Source, quiet
from .spellings import left_whole, spellings
from .states import (
    STATELESS,
    STATISTICS,
    StatePairs,
    assigned_in_place,
    begins,
    mutations,
    remembered,
    replaced,
    state_hint,
    taken_over,
    telling,
)
from .walk import Import


def load(
    source: Any, name: str | None = None, example: Any = None, calibration: Any = None, state: Any = None
) -> Imported:
    """Import a module with its example input, a `.pt2` file or `file.py:function` (see source.py).

    The import is compared with the model on some of the `calibration` samples (N, …), by default those of
    the source. A module is left as it was, flags and buffers included. `state` pairs inputs with outputs that
    they take over (see states.py). Raises UserError for every model that firmnet cannot express, with all
    that stands against it.
    """
    found = sources.find(source, name, example, read_states(state))
    sample = tuple(map(_as_samples, found.example.tensors)) if found.example else None
    if isinstance(found.model, ExportedProgram):
        return _imported(found.model, found, found.model.module(), sample, calibration)
    module = unwrapped(found.model)
    _require_values(module, found.name)
    with unchanged(module):
        return _imported(export(module, found), found, module, sample, calibration)


def _as_samples(x: torch.Tensor) -> Array:
    """An example as samples along axis 0: one of which axis 0 is another thing is one sample."""
    array: Array = x.cpu().numpy()
    return array if x.shape[0] == 1 else array[np.newaxis]


def _imported(
    program: ExportedProgram,
    found: Source,
    module: torch.nn.Module,
    sample: tuple[Array, ...] | None,
    calibration: Any,
) -> Imported:
    pure = decompose(program, found.name)
    kept = remembered(pure, found.state, found.example, found.name)
    if sample is not None:
        sample = tuple(x for i, x in enumerate(sample) if i not in kept.pairs)
    known = next((data for data in (calibration, found.calibration, sample) if data is not None), None)
    graph = to_graph(pure, found.name, kept)
    compare(graph, module, caller(program.call_spec.in_spec), known, kept)
    notes = tuple(filter(None, [state_hint(pure, kept.pairs), *begins(kept, graph)]))
    return Imported(graph, sample, found.calibration, found.test, found.labels, notes)


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
    with (
        suppress(Exception),
        unchanged(module),
        quiet(),
        torch.no_grad(),
    ):  # what fails, fails in the export too
        tried = source.example.copied()
        tell_torch(module(*tried.args, **tried.kwargs))
    try:
        with quiet(), looked_up_once(), torch.no_grad(), assigned_in_place(module):
            return torch.export.export(module, source.example.args, dict(source.example.kwargs))
    except UserError:
        raise
    except Exception as error:
        if whole := [x.dtype for x in source.example.tensors if not x.dtype.is_floating_point]:
            raise UserError(
                f"model {source.name!r}: the example input is {dtype_name(whole[0])}: firmnet takes float32 "
                "inputs, so convert it with .float()"
            ) from error
        likely = [each for each in source.inputs if telling(each) and not source.state]
        advice = f"; if {likely[0]!r} is a state, say so: --state {likely[0]}=OUTPUT" if likely else ""
        raise UserError(
            f"torch.export cannot follow model {source.name!r} on an input {shapes(source.example)}: "
            f"{type(error).__name__}: {first_line(error)}{advice}"
        ) from error


def decompose(program: ExportedProgram, name: str) -> ExportedProgram:
    """Replace in-place operators by pure ones, other spellings by what firmnet has; layers stay whole."""
    try:
        with quiet(), looked_up_once(), left_whole():
            pure: ExportedProgram = program.run_decompositions(dict(spellings()))
            return pure
    except Exception as error:
        raise UserError(
            f"torch.export cannot make model {name!r} free of in-place operators: {first_line(error)}"
        ) from error


def to_graph(program: ExportedProgram, name: str, kept: StatePairs = STATELESS) -> Graph:
    """Every node of the exported program becomes layers, or a line of one error; `kept` becomes state."""
    refusals = Refusals(name)
    constants = _constants(program, refusals)
    written = _written(program, constants, refusals)
    settle_sizes(program, {key: value for key, value in constants.items() if key not in written})
    (inputs, given_states), wanted = (
        input_nodes(program, refusals, kept.pairs),
        output_nodes(program, refusals, kept.pairs.values()),
    )
    walk = Import(Builder(name), refusals, constants)
    for node in inputs:
        walk.start(node)
    for node, begin in zip(given_states, kept.begins, strict=False):
        walk.remember(node, begin, node.name)
    buffers = [node for node in program.graph.nodes if node.name in written]
    for node in buffers:
        walk.remember(node, constants[node.name].to(torch.float64).numpy(), written[node.name][0])
    if inputs:
        walk.follow(program.graph)
    refusals.check()
    given = [walk.values[node] for node in inputs]
    states = [walk.values[node] for node in (*given_states, *buffers)]
    following = [*taken_over(program, kept), *(written[node.name][1] for node in buffers)]
    for state, node in zip(states, following, strict=True):
        walk.builder.update(state, replaced(walk.builder, state, walk.constant_or_tensor(node)))
    results = [(called, walk.values.get(node)) for called, node in wanted]
    graph = walk.builder.graph(given, _outputs(walk.builder, [*given, *states], results))
    check(graph)
    judge_numbers(inputs, graph)
    return graph


def _written(
    program: ExportedProgram, constants: dict[str, torch.Tensor], refusals: Refusals
) -> dict[str, tuple[str, FxNode]]:
    """Placeholders of buffers that forward changes: what each is called, and the node of what it becomes.

    One that is given what it has already is a constant. Statistics of batch norm are refused, and parameters.
    """
    signature = program.graph_signature
    nodes = {node.name: node for node in program.graph.nodes}
    held = {str(s.target): str(s.arg.name) for s in signature.input_specs if s.kind == InputKind.BUFFER}
    changes = [(str(s.target), nodes[str(s.arg.name)]) for s in mutations(program)]
    if statistics := [target for target, _ in changes if target.endswith(STATISTICS)]:
        refusals.because(
            f"changes its buffer{'s' * (len(statistics) > 1)} {', '.join(map(repr, statistics))} while it "
            "runs: export it after model.eval(), and change no statistics in forward"
        )
    if parameters := [s.target for s in signature.output_specs if s.kind == OutputKind.PARAMETER_MUTATION]:
        refusals.because(
            f"changes its parameter{'s' * (len(parameters) > 1)} {', '.join(map(repr, parameters))} while it "
            "runs: make what it is to remember a buffer (register_buffer)"
        )
    return {held[target]: (target, node) for target, node in changes if node.name != held[target]}


def _outputs(b: Builder, given: Sequence[Tensor], results: Sequence[tuple[str, Any]]) -> dict[str, Tensor]:
    """What the model returns by name: that of its place, or of the layer.

    An input, and what a state was before, are handed on as copies.
    """
    if not b.states and not any(isinstance(result, Tensor) and result not in given for _, result in results):
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
        masks = spec.kind is not InputKind.PARAMETER  # what keeps a softmax away from some values
        known = torch.isfinite(tensor) | (tensor == -torch.inf) if masks else torch.isfinite(tensor)
        if tensor.is_floating_point() and not bool(known.all()):
            refusals.because(
                f"holds {target!r}, which contains NaN or infinity: give it finite numbers (train it again, "
                "or load a good checkpoint)"
            )
            tensor = torch.nan_to_num(tensor)  # said once, not again by every layer that reads it
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
