"""How does a PyTorch model become a float graph? Through torch.export, at the level of whole layers."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, OutputKind, TensorArgument
from torch.fx import Node as FxNode

from ..errors import UserError, first_line
from ..interpret import run_float
from ..ir import Array, Graph, Shape, Tensor, check
from ..ops import OPS
from ..ops.builder import Builder, Unsupported
from . import torch_source
from .hints import hint, op_name
from .imported import Imported
from .torch_source import Source, dtype_name, quiet

SOURCES = {target: build for op in OPS.values() for target, build in op.sources.items()}
CHECKS = {"aten._assert_tensor_metadata.default"}
"""Operators that compute nothing."""
SAME = 1e-3
"""Float32 and float64 may differ by this much, relative to the largest output."""
LAYER_NAMES = {"native_batch_norm_legit_no_training": "batch_norm", "cat": "concat"}


def load(source: Any, name: str | None = None, example: Any = None) -> Imported:
    """Import a module with its example input, a `.pt2` file or `file.py:function` (see torch_source).

    The module's training flags are left as they were. Raises UserError for every model that is not one
    float32 tensor in, one float32 tensor out; all unsupported operators are named in one error.
    """
    found = torch_source.find(source, name, example)
    if isinstance(found.model, ExportedProgram):
        graph = to_graph(decompose(found.model, found.name), found.name)
        compare(graph, found.model.module())
    else:
        with evaluating(found.model):
            graph = to_graph(decompose(export(found.model, found), found.name), found.name)
            compare(graph, found.model)
    sample = None if found.example is None else found.example.cpu().numpy()
    return Imported(graph, sample, found.calibration, found.test, found.labels)


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """The module in eval mode meanwhile, every part of it as before afterwards."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, flag in training.items():
            part.training = flag


def export(module: torch.nn.Module, source: Source) -> ExportedProgram:
    """Export a module that is in eval mode, on one sample."""
    _require_one_argument(module, source.name)
    _require_float32(module, source.name)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, (source.example,))
    except Exception as error:
        raise UserError(
            f"torch.export cannot follow model {source.name!r} on an input {_shape(source.example)}: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def compare(graph: Graph, module: torch.nn.Module) -> None:
    """Raise UserError when the graph computes something else than the module on one random sample.

    torch.export itself may change a model: it does not see that eval-mode dropout hands on its very input,
    which a layer in place behind it then overwrites.
    """
    x = np.random.default_rng(0).normal(size=graph.tensors[graph.input].shape).astype(np.float32)
    with quiet(), torch.no_grad():
        expected = module(torch.from_numpy(x.copy())).cpu().numpy()
    error = np.max(np.abs(run_float(graph, x) - expected), initial=0)
    if error > SAME * max(1.0, float(np.max(np.abs(expected), initial=0))):
        raise UserError(
            f"torch.export changed what model {graph.name!r} computes (by {error:.2g} on a random input): "
            "do not use inplace=True on the output of a dropout"
        )


def decompose(program: ExportedProgram, name: str) -> ExportedProgram:
    """Replace in-place operators by pure ones; layers stay whole."""
    try:
        with quiet():
            pure: ExportedProgram = program.run_decompositions({})
            return pure
    except Exception as error:
        raise UserError(
            f"torch.export cannot make model {name!r} free of in-place operators: {first_line(error)}"
        ) from error


def to_graph(program: ExportedProgram, name: str) -> Graph:
    """Every node of the exported program becomes layers, or a line of one error."""
    walk = Walk(Builder(name), _constants(program), _input_node(program, name))
    for node in program.graph.nodes:
        if node.op == "placeholder":
            walk.placeholder(node)
        elif node.op == "call_function":
            walk.call(node)
        elif node.op != "output":
            walk.refuse(node, f"{node.op} nodes are not supported: export the model without control flow")
    output = _output_node(program, name)
    if walk.refused:
        lines = "\n".join(f"  {line}" for line in walk.refused)
        operators = "operator" if len(walk.refused) == 1 else "operators"
        raise UserError(f"model {name!r} has {len(walk.refused)} unsupported {operators}:\n{lines}")
    result, start = walk.values[output], walk.values[walk.input]
    if not isinstance(result, Tensor) or result is start:
        raise UserError(f"model {name!r} computes nothing from its input: there is nothing to deploy")
    graph = walk.builder.graph(start, result)
    check(graph)
    return graph


@dataclass
class Walk:
    """The import half-way: what each node of the exported program has become.

    A value is a Tensor (activation), a torch.Tensor (constant), a plain value, or a list of these.
    """

    builder: Builder
    constants: dict[str, torch.Tensor]
    input: FxNode
    values: dict[FxNode, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def placeholder(self, node: FxNode) -> None:
        if node is self.input:
            self.values[node] = self.builder.input(node.name, _shape(node.meta["val"]))
        else:
            self.values[node] = self.constants.get(node.name)

    def call(self, node: FxNode) -> None:
        target = str(node.target)
        if target in CHECKS:
            return
        args, kwargs = (
            self.resolve(node.args),
            {key: self.resolve(value) for key, value in node.kwargs.items()},
        )
        if not _any_activation([*args, *kwargs.values()]):
            with quiet(), torch.no_grad():
                self.values[node] = node.target(*args, **kwargs)  # type: ignore[operator]
        elif node.target.__name__ == "getitem" and isinstance(args[0], list | tuple):  # type: ignore[union-attr]
            self.values[node] = args[0][args[1]]
        elif node.target.__name__ == "getitem" and args[1] == 0:  # type: ignore[union-attr]
            self.values[node] = args[0]  # the result of an operator that returns statistics besides
        elif target in SOURCES:
            self.build(node, args, kwargs)
        else:
            self.refuse(node, hint(target))

    def build(self, node: FxNode, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.builder.layer, self.builder.source = (
            layer_name(node),
            f"{module_path(node) or '(top)'}: {node.target}",
        )
        try:
            self.values[node] = SOURCES[str(node.target)](self.builder, *_to_numpy(args), **_to_numpy(kwargs))
        except Unsupported as reason:
            self.refuse(node, str(reason))
            return
        expected = _shape(_first(node.meta["val"]))
        if self.values[node].shape != expected:
            raise RuntimeError(
                f"{node.target}: firmnet built {self.values[node].shape}, torch computes {expected}"
            )

    def refuse(self, node: FxNode, advice: str) -> None:
        """Note the node, and let what follows it be looked at too."""
        shapes = ", ".join(
            str(_shape(i.meta["val"])) for i in node.all_input_nodes if _is_activation(self.values.get(i))
        )
        self.refused.append(f"{module_path(node) or '(top)'}: {node.target} on {shapes}: {advice}")
        results = node.meta.get("val")
        stand_ins = [
            self.builder.input(node.name, _shape(r)) for r in _as_list(results) if isinstance(r, torch.Tensor)
        ]
        self.values[node] = stand_ins if isinstance(results, list | tuple) else next(iter(stand_ins), None)

    def resolve(self, value: Any) -> Any:
        """An argument of a node, nodes replaced by what they have become."""
        if isinstance(value, FxNode):
            return self.values[value]
        if isinstance(value, list | tuple):
            return type(value)(self.resolve(item) for item in value)
        return value


def module_path(node: FxNode) -> str:
    """Where in the model the node is: "features.0"."""
    return _innermost(node)[0]


def layer_name(node: FxNode) -> str:
    """A layer of torch.nn is called by its path, an operator in another forward by path and operator."""
    path, kind = _innermost(node)
    if path and kind.startswith("torch.nn.modules.") and ".container." not in kind:
        return path
    operator = op_name(str(node.target))
    return f"{path}_{LAYER_NAMES.get(operator, operator)}".strip("_")


def _innermost(node: FxNode) -> tuple[str, str]:
    """Path and type name of the innermost module that made the node."""
    entries = list(node.meta.get("nn_module_stack", {}).values())
    if not entries:
        return "", ""
    path, kind = entries[-1]
    return str(path), kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def _constants(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Parameters, buffers and constant tensors by the placeholder that stands for them, all finite."""
    found: dict[str, torch.Tensor] = {}
    for spec in program.graph_signature.input_specs:
        if not isinstance(spec.arg, TensorArgument) or spec.kind == InputKind.USER_INPUT:
            continue
        target = str(spec.target)
        values = program.state_dict if target in program.state_dict else program.constants
        tensor = values[target].detach().cpu()
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(
                f"the model's {target!r} contains NaN or infinity: train it again or load a good checkpoint"
            )
        found[spec.arg.name] = tensor
    return found


def _input_node(program: ExportedProgram, name: str) -> FxNode:
    """The placeholder of the only input; refuses every model that is not one float32 image or vector in."""
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
    if len(specs) != 1:
        named = ", ".join(_input_name(spec) for spec in specs)
        raise UserError(
            f"model {name!r} takes {len(specs)} inputs ({named}): firmnet deploys models with one; "
            "join them into one tensor"
        )
    what = f"input {_input_name(specs[0])!r} of model {name!r}"
    node = next(
        (n for n in program.graph.nodes if n.op == "placeholder" and n.name == specs[0].arg.name), None
    )
    if node is None or not isinstance(node.meta["val"], torch.Tensor):
        raise UserError(f"{what} is not a tensor: give one float32 tensor")
    value = node.meta["val"]
    if value.dtype != torch.float32:
        raise UserError(
            f"{what} is {dtype_name(value.dtype)}: firmnet takes float32, so export with a float32 example"
        )
    if not all(isinstance(size, int) for size in value.shape):
        raise UserError(
            f"{what} has a dynamic shape ({', '.join(map(str, value.shape))}): export without dynamic_shapes"
        )
    if value.ndim < 2 or value.shape[0] != 1:
        raise UserError(f"{what} has shape {tuple(value.shape)}: export with an example of batch 1")
    found: FxNode = node
    return found


def _output_node(program: ExportedProgram, name: str) -> FxNode:
    """The node whose value the model returns; refuses several outputs, other types, and kept state."""
    specs = program.graph_signature.output_specs
    changed = [str(spec.target) for spec in specs if spec.kind == OutputKind.BUFFER_MUTATION]
    if changed:
        raise UserError(
            f"model {name!r} changes its buffer {changed[0]!r} while it runs: export it after model.eval()"
        )
    results = [spec.arg for spec in specs if spec.kind == OutputKind.USER_OUTPUT]
    if len(results) != 1:
        raise UserError(
            f"model {name!r} returns {len(results)} values: firmnet deploys models with one output tensor; "
            "wrap it and return one"
        )
    node: FxNode | None = next((n for n in program.graph.nodes if n.name == results[0].name), None)
    value = None if node is None else node.meta["val"]
    if node is None or not isinstance(value, torch.Tensor):
        raise UserError(f"model {name!r} returns a value that is not a tensor: return one float32 tensor")
    if value.dtype != torch.float32:
        raise UserError(
            f"model {name!r} returns {dtype_name(value.dtype)}: return the float32 scores; "
            "predict() picks the class"
        )
    return node


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


def _require_float32(module: torch.nn.Module, name: str) -> None:
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise UserError(
                f"model {name!r}: its {key!r} is {dtype_name(tensor.dtype)}: call model.float() first"
            )


def _input_name(spec: InputSpec) -> str:
    return str(spec.arg.name)


def _to_numpy(value: Any) -> Any:
    """Constants as float64 arrays, also inside lists and mappings; everything else as it is."""
    if isinstance(value, torch.Tensor):
        array: Array = value.numpy().astype(np.float64)
        return array
    if isinstance(value, list | tuple):
        return type(value)(_to_numpy(item) for item in value)
    if isinstance(value, dict):
        return {key: _to_numpy(item) for key, item in value.items()}
    return value


def _is_activation(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and _any_activation(value))


def _any_activation(values: list[Any] | tuple[Any, ...]) -> bool:
    return any(_is_activation(value) for value in values)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) else value


def _shape(tensor: Any) -> Shape:
    return tuple(int(size) for size in tensor.shape)
