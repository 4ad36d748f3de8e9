"""How does a PyTorch model become a float graph? Through torch.export, at the level of whole layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from traceback import walk_tb
from typing import Any

import numpy as np
import torch
from torch.distributions import Distribution
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.fx import Graph as FxGraph
from torch.fx import Node as FxNode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.parameter import is_lazy
from torch.nn.utils.rnn import PackedSequence

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
from .masks import masks_as_booleans
from .places import own_line
from .ports import input_nodes, judge_numbers, output_nodes
from .prepared import require_unconverted, told, without_observers
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

UNFOLLOWED = "fake tensor in the exported program constant's list"
"""What torch.export says of a tensor that it has lost."""


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
    with unchanged(module), without_observers(module) as observers:
        imported = _imported(export(module, found), found, module, sample, calibration)
    return replace(imported, notes=(*imported.notes, told(observers))) if observers else imported


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
    graph, known_before = to_graph(pure, found.name, kept)
    compare(graph, module, caller(program.call_spec.in_spec), known, kept, known_before)
    told = [state_hint(pure, kept.pairs), *begins(kept, graph), _left_out([*known_before.values()])]
    notes = tuple(filter(None, told))
    return Imported(graph, sample, found.calibration, found.test, found.labels, notes)


def _left_out(places: Sequence[str]) -> str:
    """What users should know of constants among what a model returns; "" where there are none."""
    if not places:
        return ""
    them = "a constant" if len(places) == 1 else "constants"
    return (
        f"it returns {them} beside its outputs, {', '.join(places)}: known without running, and left out of "
        "what the board returns"
    )


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
        with quiet(), looked_up_once(), unvalidated(), torch.no_grad(), assigned_in_place(module):
            return torch.export.export(module, source.example.args, dict(source.example.kwargs))
    except UserError:
        raise
    except GuardOnDataDependentSymNode as error:
        where = f" ({line})" if (line := own_line(error)) else ""
        if any(frame.f_code.co_name == "_detect_is_causal_mask" for frame, _ in walk_tb(error.__traceback__)):
            raise UserError(
                f"torch.export cannot follow model {source.name!r}: a decoder or encoder of torch looks into "
                f"its mask whether it is causal{where}; tell it: tgt_is_causal=True (nn.TransformerEncoder's "
                "is is_causal=True) where it is, False where it is not"
            ) from error
        raise UserError(
            f"torch.export cannot follow model {source.name!r}: what it does next depends on a value that it "
            f"computes{where}; the board runs the same layers for every input, so compute every way and "
            "choose with torch.where"
        ) from error
    except Exception as error:
        if whole := [x.dtype for x in source.example.tensors if not x.dtype.is_floating_point]:
            raise UserError(
                f"model {source.name!r}: the example input is {dtype_name(whole[0])}: firmnet takes float32 "
                "inputs, so convert it with .float()"
            ) from error
        if UNFOLLOWED in str(error):
            raise UserError(
                f"torch.export cannot follow model {source.name!r}: it loses sight of a tensor in forward, "
                "as it does where torch.autograd.grad is asked: write out what it computes, a derivative too"
            ) from error
        if _packed(error):
            line = own_line(error)
            raise UserError(
                f"model {source.name!r} packs its sequences{line and f' ({line})'}: the board runs on one "
                "sequence of a fixed length, so give the recurrent layer the padded tensor itself, without "
                "pack_padded_sequence and pad_packed_sequence"
            ) from error
        likely = [each for each in source.inputs if telling(each) and not source.state]
        advice = f"; if {likely[0]!r} is a state, say so: --state {likely[0]}=OUTPUT" if likely else ""
        raise UserError(
            f"torch.export cannot follow model {source.name!r} on an input {shapes(source.example)}: "
            f"{type(error).__name__}: {first_line(error)}{advice}"
        ) from error


def _packed(error: BaseException) -> bool:
    """Whether sequences were packed, or being packed, where an error came from."""
    return any(
        frame.f_code.co_name == "pack_padded_sequence"
        or any(isinstance(value, PackedSequence) for value in frame.f_locals.values())
        for frame, _ in walk_tb(error.__traceback__)
    )


@contextmanager
def unvalidated() -> Iterator[None]:
    """Meanwhile torch.distributions raise nothing for values they do not like: torch.export cannot follow
    what depends on values.
    """
    asked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(asked)


def decompose(program: ExportedProgram, name: str) -> ExportedProgram:
    """Replace in-place operators by pure ones, other spellings by what firmnet has; layers stay whole."""
    try:
        with quiet(), looked_up_once(), left_whole():
            masks_as_booleans(program)
            pure: ExportedProgram = program.run_decompositions(dict(spellings()))
            return pure
    except Exception as error:
        raise UserError(
            f"torch.export cannot make model {name!r} free of in-place operators: {first_line(error)}"
        ) from error


def to_graph(
    program: ExportedProgram, name: str, kept: StatePairs = STATELESS
) -> tuple[Graph, dict[int, str]]:
    """Every node of the exported program becomes layers, or a line of one error; `kept` becomes state.

    Also which of the values that it returns are constants, and so no outputs, and where each is.
    """
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
        walk.follow(program.graph.nodes)
    _require_settled(program, walk)
    refusals.check()
    given = [walk.values[node] for node in inputs]
    states = [walk.values[node] for node in (*given_states, *buffers)]
    following = [*taken_over(program, kept), *(written[node.name][1] for node in buffers)]
    for state, node in zip(states, following, strict=True):
        walk.builder.update(state, replaced(walk.builder, state, walk.constant_or_tensor(node)))
    results = [(i, called, walk.values.get(node) if node else None) for i, called, node in wanted]
    known = {
        i: f"its {called!r}" if called else f"value {i}"
        for i, called, result in results
        if not isinstance(result, Tensor)
    }
    running = [(called, result) for _, called, result in results if isinstance(result, Tensor)]
    graph = walk.builder.graph(given, _outputs(walk.builder, [*given, *states], running))
    check(graph)
    judge_numbers(inputs, graph)
    return graph, known


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
    return {held[target]: (target, node) for target, node in changes if node.name != held[target]}


def _require_settled(program: ExportedProgram, walk: Import) -> None:
    """What forward writes into parameters must be what it would write again, as a limit to their norm is."""
    nodes = {node.name: node for node in program.graph.nodes}
    specs = program.graph_signature.output_specs
    written = {s.target: nodes[str(s.arg.name)] for s in specs if s.kind == OutputKind.PARAMETER_MUTATION}
    held = {spec.target: str(spec.arg.name) for spec in program.graph_signature.input_specs}
    first = {target: walk.values.get(node) for target, node in written.items()}
    constants = {held[target]: value for target, value in first.items() if isinstance(value, torch.Tensor)}
    again = Import(Builder(walk.builder.name), Refusals(walk.builder.name), {**walk.constants, **constants})
    again.follow(_ancestors(program.graph, [written[target] for target in written]))
    changing = [
        target
        for target, node in written.items()
        if held[target] not in constants
        or not isinstance(second := again.values.get(node), torch.Tensor)
        or not torch.allclose(second, constants[held[target]], rtol=1e-5, atol=1e-7)
    ]
    if changing:
        walk.refusals.because(
            f"changes its parameter{'s' * (len(changing) > 1)} {', '.join(map(repr, changing))} while it "
            "runs: make what it is to remember a buffer (register_buffer)"
        )


def _ancestors(graph: FxGraph, wanted: Sequence[FxNode]) -> list[FxNode]:
    """Nodes and all that they are computed from, in their order."""
    found = set(wanted)
    for node in reversed(graph.nodes):
        if node in found:
            found.update(node.all_input_nodes)
    return [node for node in graph.nodes if node in found]


def _outputs(b: Builder, given: Sequence[Tensor], results: Sequence[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """What the model returns by name: that of its place, or of the layer.

    An input, and what a state was before, are handed on as copies.
    """
    if not results or (not b.states and all(result in given for _, result in results)):
        raise UserError(f"model {b.name!r} computes nothing from its input: there is nothing to deploy")
    found: dict[str, Tensor] = {}
    for i, (called, result) in enumerate(results):
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
        if tensor.layout is not torch.strided:
            tensor = tensor.to_dense()
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
    require_unconverted(module, name)
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
