"""Is the cheapest kernel chosen, whatever its family, and a dearer one where it keeps a limit of RAM?"""

from itertools import pairwise

import pytest
from cases import cases_of

from firmnet.ir import Call, Dtype, Graph, Node, Port, QParams, Tensor
from firmnet.kernels import KERNELS, Kernel, choices
from firmnet.ops import OPS
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.softmax import SoftmaxAttrs
from firmnet.plan import STACK_BYTES, plan
from firmnet.targets import Isa

Q = QParams((0.1,), 0)
SIZE = 64


class Portable(Kernel):
    """Takes its price, and no memory."""

    op = "clamp"
    price = 300.0

    def cycles(self, call: Call) -> float:
        return self.price

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)


class Spread(Portable):
    """Needs the DSP extension, and scratch."""

    isa = Isa.DSP
    price = 100.0

    def scratch_bytes(self, call: Call) -> int:
        return 40


class Dear(Spread):
    name = "dear"
    price = 1000.0


class Picky(Spread):
    name = "picky"
    price = 1.0

    def accepts(self, call: Call) -> bool:
        return False


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """What clamp has: every test puts its own there."""
    found: list[Kernel] = []
    monkeypatch.setitem(KERNELS, "clamp", found)
    return found


def layers(count: int) -> Graph:
    """Clamps one behind the other."""
    names = ["x", *(f"y{i}" for i in range(count))]
    tensors = {name: Tensor(name, (1, SIZE), Q) for name in names}
    nodes = [Node(y, "clamp", ClampAttrs(0.0), (x,), (y,)) for x, y in pairwise(names)]
    return Graph("g", tuple(nodes), tensors, (Port("x", "x"),), (Port("y", names[-1]),))


def one_call() -> Call:
    graph = layers(1)
    return graph.call(graph.nodes[0])


def test_a_dear_kernel_loses_to_portable_c(kernels: list[Kernel]) -> None:
    kernels += [Dear(), Portable()]
    assert choices("clamp", one_call(), Isa.DSP)[0].label == "portable/clamp"


def test_the_cheapest_wins_wherever_it_stands(kernels: list[Kernel]) -> None:
    kernels += [Portable(), Dear(), Spread()]
    labels = [choice.label for choice in choices("clamp", one_call(), Isa.DSP)]
    assert labels == ["dsp/clamp", "portable/clamp", "dsp/clamp.dear"]


def test_a_core_runs_only_what_it_has_instructions_for(kernels: list[Kernel]) -> None:
    kernels += [Spread(), Portable()]
    assert [choice.label for choice in choices("clamp", one_call(), Isa.SCALAR)] == ["portable/clamp"]


def test_a_kernel_that_does_not_accept_a_call_has_no_say(kernels: list[Kernel]) -> None:
    kernels += [Picky(), Portable()]
    assert choices("clamp", one_call(), Isa.DSP)[0].label == "portable/clamp"


def test_a_limit_flips_the_choice(kernels: list[Kernel]) -> None:
    """Of three layers each needs 40 bytes too many by its fast kernel; in place they need 64."""
    kernels += [Spread(), Portable()]
    graph = layers(3)
    fast = plan(graph, isa=Isa.DSP, cascades=())
    assert [each.label for (each,) in fast.choices.values()] == ["dsp/clamp"] * 3
    assert (fast.cycles, fast.extra_cycles) == (300.0, 0)
    small = plan(graph, isa=Isa.DSP, ram_limit_bytes=SIZE + STACK_BYTES[Isa.DSP])
    assert [each.label for (each,) in small.choices.values()] == ["portable/clamp"] * 3
    assert (small.cycles, small.extra_cycles) == (900.0, 600)
    assert small.ram_bytes < fast.ram_bytes
    assert not any(step.buffers for step in small.steps)


def test_a_limit_with_room_leaves_the_fast_kernels(kernels: list[Kernel]) -> None:
    kernels += [Spread(), Portable()]
    roomy = plan(layers(3), isa=Isa.DSP, ram_limit_bytes=SIZE + 40 + STACK_BYTES[Isa.DSP])
    assert [each.label for (each,) in roomy.choices.values()] == ["dsp/clamp"] * 3


def test_assembly_takes_no_type_because_the_plain_c_that_it_derives_from_does() -> None:
    inherited = [
        kernel.label
        for kernels in KERNELS.values()
        for kernel in kernels
        if kernel.isa > Isa.SCALAR and "dtypes" not in vars(type(kernel)) and kernel.dtypes != (Dtype.INT8,)
    ]
    assert not inherited
    int16 = [case.call for case in cases_of("avg_pool2d") if case.call.inputs[0].dtype is Dtype.INT16]
    assert int16
    found = {choice.kernel.label for call in int16 for choice in choices("avg_pool2d", call, Isa.DSP)}
    assert found == {"portable/avg_pool2d", "dsp/avg_pool2d.wide"}


@pytest.mark.parametrize("bits", range(8, 16))
def test_a_softmax_whose_reciprocal_is_no_int32_is_plain_c(bits: int) -> None:
    """Where one value is far above all others, the sum is its exponential alone."""

    def accepted(n: int) -> bool:
        y = Tensor("y", (1, n), QParams((2.0**-bits,), -128))
        call = Call(SoftmaxAttrs(1), (Tensor("x", (1, n), Q),), (y,))
        least_sum = int(OPS["softmax"].prepare(call)["exponentials"][0])
        fits = (2**32 - 1) // least_sum << bits < 2**31
        found = choices("softmax", call, Isa.DSP)[0].label == "dsp/softmax"
        assert fits or not found
        return found

    assert accepted(2 ** (30 - bits))
    assert not accepted(2 ** (30 - bits) + 1)
