"""Which type has every activation? Those asked for, and rescales where a layer does not go between two."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..errors import GraphError
from ..ir import Call, Dtype, Graph, Node, QParams, Tensor
from ..ops import OPS, counted, numbered
from .groups import Groups, groups, with_rescale

NamedTypes = Mapping[str, Dtype]
"""Types by the names of layers, inputs and states."""


@dataclass(frozen=True)
class Typed:
    """A float graph, its groups and the type of each; rescales inserted where layers need them."""

    graph: Graph
    tied: Groups
    dtypes: Mapping[str, Dtype]

    def of(self, tensor: str) -> Dtype:
        return self.dtypes[self.tied.of[tensor]]


def typed(graph: Graph, named: NamedTypes, default: Dtype = Dtype.INT8, in_step: bool = False) -> Typed:
    """The graph on which `rescaled` has run, with types: those of `named` and of what shares values with it,
    and the `default`.

    A layer that cannot read some type has it rescaled; one that cannot write the default writes int8. Inputs
    that nothing but recurrent layers read are int16 where nobody says anything else, and so are outputs that
    a linear layer makes of what these write. Raises GraphError for a name that is none, and for a type that
    the layer so named cannot write. `in_step`: the steps of a loop have the same types and groups.
    """
    asked = dict(by_tensor(graph, named))
    given = asked | _of_their_own(graph)
    settled = False  # each step by itself; then they are compared
    while True:
        tied = groups(graph, given if in_step and settled else None)
        usual = dict.fromkeys(tied.of.values(), default)
        usual |= {tied.of[name]: Dtype.INT16 for name in (*_sequences(graph), *_heads(graph))}
        found = Typed(graph, tied, usual | _by_group(tied, given, asked))
        changes = ((node, change) for node in graph.nodes if (change := _change(found, node)))
        node, change = next(changes, (None, None))
        if node is None or change is None:
            if settled or not in_step:
                return found
            settled = True
            continue
        for name in change.written_as_int8:
            refused = next((other for other in tied.members(tied.of[name]) if other in asked), None)
            if refused and asked[refused] is not Dtype.INT8:
                raise GraphError(
                    f"layer {node.name!r} ({node.op}) computes with int8 alone: leave {refused!r} out of "
                    f"what is to be {asked[refused]}"
                )
            given[name] = Dtype.INT8
        for name, dtype in change.rescaled.items():
            graph, new = with_rescale(graph, name, node.name)
            given[new] = dtype


def _sequences(graph: Graph) -> list[str]:
    """Inputs that only layers with states of int16 read, moved or not: what is rounded there stays there."""
    return [port.tensor for port in graph.inputs if _read_wide(graph, port.tensor)]


def _heads(graph: Graph) -> list[str]:
    """Outputs of the model that a linear layer makes of such states: they cost a byte more each."""
    makers = {port.tensor: _maker(graph, port.tensor) for port in graph.outputs}
    return [
        name
        for name, node in makers.items()
        if node and node.op == "linear" and _from_states(graph, node.inputs[0])
    ]


def _from_states(graph: Graph, name: str) -> bool:
    node = _maker(graph, name)
    return node is not None and OPS[node.op].reads_wide


def _maker(graph: Graph, name: str) -> Node | None:
    """The layer whose values these are, moved or not."""
    node = graph.producer(name)
    while node is not None and OPS[node.op].keeps_qparams and len(graph.activations(node)) == 1:
        node = graph.producer(node.inputs[0])
    if node is not None and OPS[node.op].keeps_qparams:
        return _maker(graph, node.inputs[0])
    return node


def _read_wide(graph: Graph, name: str) -> bool:
    readers = graph.consumers(name)
    return (
        bool(readers)
        and name not in graph.wanted
        and all(
            all(_read_wide(graph, output) for output in node.outputs)
            if OPS[node.op].keeps_qparams
            else OPS[node.op].reads_wide and node.inputs[0] == name
            for node in readers
        )
    )


def _of_their_own(graph: Graph) -> dict[str, Dtype]:
    """Types that ops have whatever is asked: of whole numbers, and of what is written in one only."""
    found = {name: counted(most).dtype for name, most in numbered(graph).items()}
    written: set[str] = set()
    for node in graph.nodes:
        q, other = (OPS[node.op].output_qparams(node.attrs, dtype) for dtype in (Dtype.INT8, Dtype.INT16))
        if q and other and q.dtype is other.dtype:
            found |= dict.fromkeys(node.outputs, q.dtype)
            written |= {*node.outputs}
        elif OPS[node.op].keeps_qparams and (moved := written.intersection(node.inputs)):
            found |= dict.fromkeys(node.outputs, found[moved.pop()])
            written |= {*node.outputs}
    return found


@dataclass(frozen=True)
class _Change:
    """What makes a layer possible: inputs rescaled to other types, outputs that become int8."""

    rescaled: Mapping[str, Dtype]
    written_as_int8: tuple[str, ...] = ()


def _change(found: Typed, node: Node) -> _Change | None:
    """The first that helps; None where nothing is needed. GraphError where nothing helps."""
    graph = found.graph
    inputs = {name: found.of(name) for name in graph.activations(node)}
    outputs = {name: found.of(name) for name in node.outputs}
    why = _refusal(graph, node, inputs | outputs)
    if not why:
        return None
    narrow = dict.fromkeys(node.outputs, Dtype.INT8)
    for read, written in _ways(inputs, outputs[node.outputs[0]], OPS[node.op].keeps_qparams):
        if not _refusal(graph, node, read | (narrow if written else outputs)):
            others = {name: dtype for name, dtype in read.items() if dtype is not inputs[name]}
            return _Change(others, node.outputs if written else ())
    raise GraphError(f"layer {node.name!r} ({node.op}) {why}")


def _ways(inputs: Mapping[str, Dtype], output: Dtype, tied: bool) -> Iterator[tuple[dict[str, Dtype], bool]]:
    """Types to read, and whether to write int8 instead; what changes least first."""
    if not tied:
        yield dict.fromkeys(inputs, output), False
        yield dict.fromkeys(inputs, Dtype.INT8), False
        yield dict(inputs), True
    yield dict.fromkeys(inputs, Dtype.INT8), True


def _refusal(graph: Graph, node: Node, dtypes: Mapping[str, Dtype]) -> str:
    """Why the op does not compute with these types; "": it does."""

    def of(name: str) -> Tensor:
        tensor = graph.tensors[name]
        return (
            tensor if tensor.data is not None else replace(tensor, qparams=QParams((1.0,), 0, dtypes[name]))
        )

    call = Call(node.attrs, tuple(map(of, node.inputs)), tuple(map(of, node.outputs)))
    return OPS[node.op].refuses(call)


def by_tensor(graph: Graph, named: NamedTypes) -> Iterator[tuple[str, Dtype]]:
    """What users name, as tensors."""
    known: dict[str, tuple[str, ...]] = {
        **{name: (name,) for name, tensor in graph.tensors.items() if tensor.data is None},
        **{port.name: (port.tensor,) for port in graph.inputs},
        **{state.name: (state.tensor,) for state in graph.states},
        **{node.name: node.outputs for node in graph.nodes},
    }
    for name, dtype in named.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            names = [*(port.name for port in graph.inputs), *(node.name for node in graph.nodes)]
            raise GraphError(
                f"there is no activation {name!r} to be {dtype}: name a layer, an input or a state, "
                + (f"such as {near[0]!r}" if near else f"one of {', '.join(dict.fromkeys(names))}")
            )
        yield from ((tensor, dtype) for tensor in known[name])


def _by_group(tied: Groups, given: NamedTypes, asked: NamedTypes) -> dict[str, Dtype]:
    """GraphError for two types in one group, of which users asked for one, or none."""
    found: dict[str, Dtype] = {}
    for name, dtype in given.items():
        if found.setdefault(tied.of[name], dtype) is not dtype:
            if asked.keys().isdisjoint(tied.members(tied.of[name])):
                raise GraphError(
                    f"{name!r} is computed of places or row numbers, which are returned, moved and looked "
                    "up, and not reckoned with: leave it to what comes after the network"
                )
            raise GraphError(
                f"{name!r} cannot be {dtype}: it shares its values with another that is to be "
                f"{found[tied.of[name]]}; give both the same type"
            )
    return found
