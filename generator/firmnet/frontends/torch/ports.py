"""What goes into an exported program, and what comes out? Float32 tensors, or reasons why not."""

from collections.abc import Container, Sequence

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind, TensorArgument
from torch.fx import Node as FxNode

from ...errors import UserError
from ...ir import Graph
from ...ops import numbered
from ..common.refusals import Refusals
from .containers import place_names
from .examples import NOTHING_GIVEN, dtype_name
from .time_first import steps_first

WHOLE = (torch.bool, torch.int64, torch.int32)
"""What places and comparisons are in PyTorch: on the board whole numbers, int32 or int8."""

NUMBERS = (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8)
"""What an input may be whose values name rows of a table."""


def input_nodes(
    program: ExportedProgram, refusals: Refusals, states: Container[int] = ()
) -> tuple[list[FxNode], list[FxNode]]:
    """The placeholders of tensors given by the user that can be walked from; notes what does not fit.

    Of these, those whose numbers are in `states`, which may have any first axis, apart.
    """
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
    names = [str(spec.arg.name) for spec in specs]
    if not names:
        refusals.because("takes no inputs: give it the tensor it works on")
    found = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in names]
    kept = [names.index(node.name) in states for node in found]
    if names and all(kept):
        refusals.because(NOTHING_GIVEN)
    fits = [_fits(node, refusals, state) for node, state in zip(found, kept, strict=True)]
    every = list(zip(found, kept, fits, strict=True))
    return [n for n, state, fit in every if fit and not state], [
        n for n, state, fit in every if fit and state
    ]


def _fits(node: FxNode, refusals: Refusals, state: bool) -> bool:
    """Can the program be walked from this input? Whatever does not fit is noted."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        refusals.because(f"takes an input {node.name!r} that is not a tensor: give one float32 tensor")
        return False
    if not all(isinstance(size, int) for size in value.shape):
        sizes = ", ".join(map(str, value.shape))
        refusals.because(
            f"takes an input {node.name!r} that has a dynamic shape ({sizes}): export without dynamic_shapes"
        )
        return False
    if value.dtype not in (torch.float32, *NUMBERS):
        refusals.because(
            f"takes an input {node.name!r} that is {dtype_name(value.dtype)}: firmnet takes float32, "
            "so export with a float32 example"
        )
    begins = state or value.shape[:1] == (1,) or steps_first(node)
    if 0 in value.shape or not begins:
        refusals.because(
            f"takes an input {node.name!r} that has shape {tuple(value.shape)}: "
            "export with an example of batch 1"
        )
    return True


def judge_numbers(nodes: Sequence[FxNode], graph: Graph) -> None:
    """Raise UserError for an input of whole numbers that does anything else than name rows of tables."""
    named = numbered(graph)
    for port, node in zip(graph.inputs, nodes, strict=True):
        dtype = node.meta["val"].dtype
        if dtype in NUMBERS and port.tensor not in named:
            raise UserError(
                f"model {graph.name!r} takes an input {port.name!r} that is {dtype_name(dtype)}: firmnet "
                "takes float32, but for numbers that an embedding looks up, so export with a float32 example"
            )


def output_nodes(
    program: ExportedProgram, refusals: Refusals, states: Container[int] = ()
) -> list[tuple[int, str, FxNode | None]]:
    """The nodes of what the model returns, however wrapped, each with its number and what its place is
    called: "" for the only one, and for those that have a number only.

    Of plain numbers beside tensors there are no nodes. Notes what does not fit. What is only handed on to the
    next run (the numbers in `states`) is left out, if anything else is returned.
    """
    specs = program.graph_signature.output_specs
    results = [spec.arg for spec in specs if spec.kind == OutputKind.USER_OUTPUT]
    told = zip(place_names(program.call_spec.out_spec), results, strict=True)
    every = [
        (i, name, arg)
        for i, (name, arg) in enumerate(told)
        if not (isinstance(arg, ConstantArgument) and arg.value is None)
    ]
    kept = [each for each in every if each[0] not in states] or every
    if not kept:
        refusals.because("returns no tensor: return what it computes, as float32")
    nodes = {node.name: node for node in program.graph.nodes}
    found: list[tuple[int, str, FxNode | None]] = []
    for i, name, arg in kept:
        if isinstance(arg, TensorArgument):
            found.append((i, name if len(kept) > 1 else "", nodes[arg.name]))
            _judge(nodes[arg.name].meta["val"], refusals)
        elif any(isinstance(other, TensorArgument) for _, _, other in kept):
            found.append((i, name, None))
        else:
            refusals.because("returns a value that is not a tensor: return float32 tensors alone")
    return found


def _judge(value: torch.Tensor, refusals: Refusals) -> None:
    """Note why a tensor cannot be handed out."""
    if value.dtype not in (torch.float32, *WHOLE):
        advice = "return the float32 scores; predict() picks the class"
        if value.dtype.is_floating_point:
            advice = "return float32, so leave out the conversion"
        refusals.because(f"returns {dtype_name(value.dtype)}: {advice}")
    elif not all(isinstance(size, int) for size in value.shape):
        refusals.because("returns a tensor whose size depends on the data: return one of a fixed shape")
    elif 0 in value.shape:
        refusals.because(f"returns an empty tensor, shape {tuple(value.shape)}: return values")
