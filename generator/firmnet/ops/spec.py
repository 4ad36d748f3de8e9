"""What must an op say about itself?"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import GraphError
from ..ir import Array, Call, Dtype, Graph, QParams, Shape, Tensor, check

Constants = Mapping[str, Any]


@dataclass(frozen=True)
class Stripe:
    """Some rows of an op's output as a call of their own, and which rows of each activation that reads."""

    call: Call
    rows: tuple[range, ...]


@dataclass(frozen=True)
class Slide:
    """How an op works along one axis: place p of the output's `axis` reads `reach` places of every activation
    from p · step + first on. Those outside an activation are padding.
    """

    axis: int
    step: int = 1
    first: int = 0
    reach: int = 1


class Op(ABC):
    """One operator: its options, shapes, float and integer meaning. How a core computes it: see kernels/.

    Activation arrays have the tensor's shape, with any number of axes of any size: inside a network the first
    is not always a batch of 1. Images are channels-last, (1, height, width, channels).
    `run_int` is the law: every kernel must equal it bit for bit.
    """

    name: ClassVar[str]
    attrs: ClassVar[type]
    weighted: ClassVar[bool] = False
    """Inputs are (x, weight, bias): weight is quantized per entry of axis 0, bias to int32."""
    learned: ClassVar[bool] = False
    """Its constants are weights too, but others than those."""
    view: ClassVar[bool] = False
    """The output is the input's bytes under another shape: no kernel, no memory."""
    renews: ClassVar[Mapping[int, int]] = {}
    """Outputs, by number, that have the shape of an activation, and may lie in its very memory: a state that
    becomes what it is in the next run needs no other.
    """
    float_only: ClassVar[bool] = False
    """Exists between frontend and passes only; must be gone before quantization."""
    keeps_qparams: ClassVar[bool] = False
    """Output and every input share scale and zero point (data movement, max)."""
    carries: ClassVar[bool] = False
    """Its constants are values that it hands on as it does those of its activations: they have the scale of
    its output, and lie in the order in which it is stored.
    """
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8,)
    """What activations may hold; see `refuses`."""
    mixes: ClassVar[bool] = False
    """Each activation of a call may have another one of these types: the op goes from one to the other."""
    reads_wide: ClassVar[bool] = False
    """An input of the model that is its first activation is int16 where nobody says anything else."""
    stacks: ClassVar[bool] = False
    """Where axis 0 of its activations and outputs has one place, it may have more: so many runs in one call,
    each as it is alone.
    """
    clamps: ClassVar[bool] = False
    """attrs has `lo` and `hi` (float | None): a following relu or hardtanh can be absorbed."""

    @abstractmethod
    def shape(self, attrs: Any, *inputs: Shape) -> Shape:
        """Output shape; raises ValueError when the inputs do not fit."""

    def shapes(self, attrs: Any, *inputs: Shape) -> tuple[Shape, ...]:
        """Of every output; an op with several defines this, and `shape` is that of its first."""
        return (self.shape(attrs, *inputs),)

    @abstractmethod
    def run_float(self, call: Call, *inputs: Array) -> Array:
        """The op on float64 arrays (constants included, dequantized); a tuple of several outputs."""

    def output_qparams(self, attrs: Any, dtype: Dtype = Dtype.INT8) -> QParams | None:
        """Fixed output scale and zero point of this type (softmax), or None: chosen from observed ranges."""
        return None

    def quantized_constants(self, call: Call) -> tuple[Tensor, ...] | None:
        """Its real constants as integers, where its activations have parameters; None: as int32, all of them
        of one scale so fine that nothing is lost.
        """
        return None

    def held(self, call: Call, *inputs: Array) -> Mapping[int, Array]:
        """Real values that outputs, by number, must be able to hold beside those that they have at last."""
        return {}

    def numbers(self, attrs: Any) -> int | None:
        """How many whole numbers, from 0 on, its first activation may hold (embedding); None: real values."""
        return None

    def fitted_qparams(self, q: QParams, highest: float) -> QParams:
        """The fixed scale and zero point, finer where calibration showed no magnitude above `highest`."""
        return q

    def remap(self, attrs: Any, order: Shape) -> Any | None:
        """Options with which the op runs before instead of after a transpose of its activations.

        With T(u) = u.transpose(order): op(T(u), …; attrs) = T(op(u, …; remap(attrs, order))).
        None: the op cannot trade places with this transpose.
        """
        return None

    def reread(self, attrs: Any, orders: tuple[Shape, ...]) -> Any | None:
        """Options with which the op reads each activation as it would read it transposed.

        op(u0.transpose(orders[0]), u1.transpose(orders[1]), …; attrs) = op(u0, u1, …; reread(attrs, orders)).
        None: it reads activations in one order only.
        """
        return None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """The call that computes `rows` of the output's axis 1; None when that needs the inputs whole, and
        where activations are not images (1, height, width, channels).

        On those rows of its activations (names, scales and constants stay, shapes have fewer rows) it gives
        those rows of the output bit for bit. Of each activation it reads at least one row, and the later the
        rows of the output, the later (or the same) are the first and the last that it reads.
        """
        return None

    def slide(self, call: Call, axis: int) -> Slide | None:
        """How it works along this axis of its activations, where that is the same at every place of them.

        None: what a place of the output is depends on where it is, or on all of the axis.
        """
        return None

    def slid(self, call: Call, axis: int, places: int) -> Any:
        """Options with which it computes so many places of the output from the places that they read, no more
        and none of them padding: the same values, bit for bit.
        """
        return call.attrs

    def exchanged(self, call: Call) -> Call | None:
        """The same layer with height and width exchanged; None where its activations would be other bytes."""
        return None

    def refuses(self, call: Call) -> str:
        """Why the op cannot compute with the types of this call's activations, and the fix; "": it can."""
        inputs = [t for t in call.inputs if t.data is None]
        known = " or ".join(self.dtypes)
        for tensor in inputs:
            if tensor.dtype not in self.dtypes:
                return (
                    f"reads {tensor.name!r}, which is {tensor.dtype}, and computes with {known}: put a "
                    f"rescale to {self.dtypes[0]} before it"
                )
        for tensor in call.outputs if self.mixes else ():
            if tensor.dtype not in self.dtypes:
                return (
                    f"writes {tensor.name!r}, which is {tensor.dtype}, and computes with {known}: put a "
                    "rescale behind it"
                )
        for tensor in () if self.mixes else (*inputs[1:], *call.outputs):
            if tensor.dtype is not inputs[0].dtype:
                return (
                    f"has {inputs[0].name!r} of {inputs[0].dtype} and {tensor.name!r} of {tensor.dtype}, and "
                    "computes with one type: put a rescale "
                    f"{'behind' if tensor in call.outputs else 'before'} it"
                )
        return ""

    def require_shared_qparams(self, call: Call) -> None:
        """Raise ValueError unless inputs and output have one scale and zero point (`keeps_qparams`)."""
        shared = [t for t in call.inputs if self.carries or t.data is None]
        different = [t.name for t in shared if any(t.q != y.q for y in call.outputs)]
        if different:
            raise ValueError(
                f"{self.name} {call.outputs[0].name!r}: {different} have another scale, rescale first"
            )

    def prepare(self, call: Call) -> Constants:
        """Every integer constant of run_int, computed once: kernels and their templates use the same."""
        raise NotImplementedError(f"op {self.name!r} has no integer form")

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        """The definition of the op on the device: activations in, activation out, integers only.

        An op with several outputs returns a tuple of them, each of its tensor's shape and type.
        """
        raise NotImplementedError(f"op {self.name!r} has no integer form")

    def macs(self, call: Call) -> int:
        """Multiply-accumulates per inference."""
        return 0


OPS: dict[str, Op] = {}


def check_quantized(graph: Graph) -> None:
    """Raise GraphError, naming layer, tensor or state, for a graph of which no firmware can be made."""
    check(graph)
    check_types(graph)
    check_states(graph)


def check_types(graph: Graph) -> None:
    """Raise GraphError for a layer of a quantized graph whose op does not compute with its tensors' types."""
    for node in graph.nodes:
        why = OPS[node.op].refuses(graph.call(node))
        if why:
            raise GraphError(f"layer {node.name!r} ({node.op}) {why}")


def roots(graph: Graph) -> dict[str, str]:
    """Of every activation, the one in whose memory it is: a view of a tensor is the tensor's memory too."""
    found = {name: name for name in graph.given}
    for node in graph.nodes:
        viewed = graph.activations(node)[:1] if OPS[node.op].view else ()
        found |= {name: found[viewed[0]] if viewed else name for name in node.outputs}
    return found


def overwritten(graph: Graph) -> dict[str, str]:
    """Of every state that a run changes, its tensor and the memory that it takes its next value from."""
    found = roots(graph)
    following = {state.tensor: found[state.next] for state in graph.states}
    return {state: taken for state, taken in following.items() if taken != state}


def circle_of(following: Mapping[str, str], state: str) -> frozenset[str]:
    """The states that exchange their values in a circle with this one, by `overwritten`; empty: it is in
    none.
    """
    at, seen = state, set[str]()
    while at in following and at not in seen:
        seen.add(at)
        at = following[at]
    return frozenset(seen) if at == state else frozenset()


def check_states(graph: Graph) -> None:
    """Raise GraphError where the memory of a state has its next value while its old one is still wanted.

    That is so of states that exchange their values in a circle, and of an output that is what a state was
    before; in a row (a delay line) each may take over the next one's old value.
    """
    memory, following = roots(graph), overwritten(graph)
    for state in graph.states:
        if circle := circle_of(following, state.tensor):
            raise GraphError(
                f"the states {', '.join(s.name for s in graph.states if s.tensor in circle)} exchange their "
                "values: put a layer between (such as a rescale)"
            )
    for port in graph.outputs:
        if memory[port.tensor] in following:
            raise GraphError(
                f"the output {port.name!r} is what the state {memory[port.tensor]!r} was before the run, and "
                "that is overwritten by its end: put a layer between (such as a rescale)"
            )


def register(op: Op) -> Op:
    if op.name in OPS:
        raise ValueError(f"op {op.name!r} is already registered")
    OPS[op.name] = op
    return op
