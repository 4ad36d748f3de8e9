"""Does a layer with several outputs go through every stage? No op has them yet: some are registered here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import ChoiceLoader, DictLoader

from firmnet import artifact as artifacts
from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.codegen import templates
from firmnet.codegen.firmware import firmware
from firmnet.frontends.common.builder import Builder
from firmnet.frontends.common.movement import to_nchw, to_nhwc
from firmnet.interpret import int_values, quantized_inputs, run_float
from firmnet.ir import Array, Call, Dtype, Graph, QParams, Shape, check
from firmnet.kernels.spec import KERNELS, Kernel
from firmnet.ops import OPS, Op
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.spec import Constants
from firmnet.passes import optimize
from firmnet.plan import least
from firmnet.profile import profile
from firmnet.quantize import quantize
from firmnet.quantize.apply import apply
from firmnet.quantize.groups import rescaled
from firmnet.quantize.observe import calibrate
from firmnet.quantize.quality import measure
from firmnet.quantize.runs import float_runs
from firmnet.targets import Isa, load_board
from firmnet.verify import verify

SAMPLES = 12
SHAPE = (1, 8, 6, 4)  # of one sample, channels first


@dataclass(frozen=True)
class CutAttrs:
    axis: int
    at: int


class Cut(Op):
    """The part before a place along an axis, and the part behind it."""

    name = "cut"
    attrs = CutAttrs
    keeps_qparams = True

    def shape(self, attrs: CutAttrs, *inputs: Shape) -> Shape:
        return self.shapes(attrs, *inputs)[0]

    def shapes(self, attrs: CutAttrs, *inputs: Shape) -> tuple[Shape, ...]:
        before, behind = [*inputs[0]], [*inputs[0]]
        before[attrs.axis], behind[attrs.axis] = attrs.at, inputs[0][attrs.axis] - attrs.at
        return tuple(before), tuple(behind)

    def remap(self, attrs: CutAttrs, order: Shape) -> CutAttrs:
        return CutAttrs(order[attrs.axis], attrs.at)

    def run_float(self, call: Call, *inputs: Array) -> Any:
        return tuple(np.split(inputs[0], [call.attrs.at], call.attrs.axis))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Any:
        return self.run_float(call, *inputs)


@dataclass(frozen=True)
class PeakAttrs:
    pass


class Peak(Op):
    """The values, flat, and the largest of them as an array without axes: outputs of another rank."""

    name = "peak"
    attrs = PeakAttrs
    keeps_qparams = True

    def shape(self, attrs: PeakAttrs, *inputs: Shape) -> Shape:
        return (1, prod(inputs[0]))

    def shapes(self, attrs: PeakAttrs, *inputs: Shape) -> tuple[Shape, ...]:
        return self.shape(attrs, *inputs), (1, 1, 1)

    def run_float(self, call: Call, *inputs: Array) -> Any:
        return inputs[0].reshape(1, -1), inputs[0].max().reshape(1, 1, 1)

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Any:
        return self.run_float(call, *inputs)


@dataclass(frozen=True)
class TwiceAttrs:
    finest: float


class Twice(Op):
    """The values, and a thousandth of them, which has no integer form with a scale below the finest."""

    name = "twice"
    attrs = TwiceAttrs

    def shape(self, attrs: TwiceAttrs, *inputs: Shape) -> Shape:
        return inputs[0]

    def shapes(self, attrs: TwiceAttrs, *inputs: Shape) -> tuple[Shape, ...]:
        return inputs[0], inputs[0]

    def run_float(self, call: Call, *inputs: Array) -> Any:
        return inputs[0], inputs[0] / 1000

    def prepare(self, call: Call) -> Constants:
        if call.outputs[1].scale < call.attrs.finest:
            raise ValueError("the second output's scale is too fine")
        return {}


@dataclass(frozen=True)
class Parts:
    """`runs` times so many values for the one output and for the other."""

    runs: int
    before: int
    behind: int


class CutInC(Kernel):
    op = "cut"

    def cycles(self, call: Call) -> float:
        return 100

    def layout(self, call: Call, k: Constants) -> Parts:
        axis = call.attrs.axis
        first, second = (prod(tensor.shape[axis:]) for tensor in call.outputs)
        return Parts(prod(call.outputs[0].shape[:axis]), first, second)


class PeakInC(Kernel):
    op = "peak"

    def cycles(self, call: Call) -> float:
        return 100

    def layout(self, call: Call, k: Constants) -> int:
        return call.inputs[0].size


CUT = """FN_KERNEL void {{ fn }}(const int8_t *x, int8_t *before, int8_t *behind)
{
    for (int32_t i = 0; i < {{ layout.runs }}; i++) {
        memcpy(before + i * {{ layout.before }}, x, {{ layout.before }});
        memcpy(behind + i * {{ layout.behind }}, x + {{ layout.before }}, {{ layout.behind }});
        x += {{ layout.before + layout.behind }};
    }
}
"""
PEAK = """FN_KERNEL void {{ fn }}(const int8_t *x, int8_t *flat, int8_t *peak)
{
    *peak = -128;
    for (int32_t i = 0; i < {{ layout }}; i++) {
        flat[i] = x[i];
        *peak = x[i] > *peak ? x[i] : *peak;
    }
}
"""
C = {"kernels/portable/cut.c.j2": CUT, "kernels/portable/peak.c.j2": PEAK}


@contextmanager
def known(c: dict[str, str]) -> Iterator[None]:
    """The ops, with this C, as if they were files of the product."""
    environment = templates._environment()
    assert environment.loader is not None
    with pytest.MonkeyPatch.context() as patch:
        for op in (Cut(), Peak(), Twice()):
            patch.setitem(OPS, op.name, op)
        for kernel in (CutInC(), PeakInC()):
            patch.setitem(KERNELS, kernel.op, [kernel])
        patch.setattr(environment, "loader", ChoiceLoader([DictLoader(c), environment.loader]))
        yield


@pytest.fixture(autouse=True, scope="module")
def ops() -> Iterator[None]:
    with known(C):
        yield


def network() -> Graph:
    """Channels first, as PyTorch has it: a convolution, cut twice; one part of the second is read by none."""
    rng, b = np.random.default_rng(0), Builder("parts")
    x = b.input("x", SHAPE)
    w, c = b.constant("w", rng.normal(size=(7, 3, 3, 8))), b.constant("c", rng.normal(size=7))
    conv = to_nchw(b, b.add("conv2d", Conv2dAttrs(padding=(1, 1, 1, 1)), to_nhwc(b, x), w, c, name="conv"))
    few, many = b.add_all("cut", CutAttrs(1, 3), conv, name="channels")
    upper, _ = b.add_all("cut", CutAttrs(2, 2), many, name="rows")
    turned = b.add("concat", ConcatAttrs(1), many, few, name="turned")
    flat, peak = b.add_all("peak", PeakAttrs(), upper, name="most")
    return b.graph(x, {"turned": turned, "few": few, "flat": flat, "peak": peak})


def samples() -> Array:
    return np.random.default_rng(1).normal(size=(SAMPLES, *SHAPE[1:]))


@pytest.fixture(scope="module")
def graph(ops: None) -> Graph:
    return quantize(optimize(network()), samples()).graph


def saved(graph: Graph, path: Path) -> Artifact:
    made = firmware(graph, load_board("netduinoplus2"))
    (edge,) = made.manifest.inputs
    stored = np.stack([quantized_inputs(graph, x)[0].ravel() for x in samples()])
    artifacts.save(path, made.manifest, graph, edge.samples(stored), made.files)
    return Artifact.open(path)


@pytest.fixture(scope="module")
def artifact(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return saved(graph, tmp_path_factory.mktemp("parts") / "parts")


def test_passes_keep_what_it_computes() -> None:
    before, after = network(), optimize(network())
    check(after)
    for x in samples():
        for right, found in zip(run_float(before, x), run_float(after, x), strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9)
    assert [node.op for node in after.nodes].count("transpose") == 1, "only the flat values need an order"


def test_its_outputs_share_a_scale_and_are_checked(graph: Graph) -> None:
    (node,) = (node for node in graph.nodes if node.name == "channels")
    call = graph.call(node)
    assert [tensor.shape for tensor in call.outputs] == [(1, 6, 4, 3), (1, 6, 4, 4)]
    assert {tensor.q for tensor in (*call.inputs, *call.outputs)} == {call.inputs[0].q}
    assert call.outputs[0].dtype is Dtype.INT8
    (x,) = quantized_inputs(graph, samples()[0])
    values = int_values(graph, x)
    np.testing.assert_array_equal(
        np.concatenate([values[name] for name in node.outputs], -1), values[node.inputs[0]]
    )


def test_a_part_whose_other_part_is_read_elsewhere_keeps_its_scale() -> None:
    """A concat dictates the scale of what only it reads, and a cut's parts have one scale."""
    for elsewhere in (False, True):
        b = Builder("parts")
        x = b.input("x", (1, 6))
        ways = [b.add("clamp", ClampAttrs(0.0, high), x, name=f"to_{high}") for high in (1.0, 9.0)]
        left, right = b.add_all("cut", CutAttrs(1, 2), ways[0])
        joined = b.add("concat", ConcatAttrs(1), *([left] if elsewhere else [right, left]), ways[1])
        outputs = {"joined": joined} | ({"fine": b.add("clamp", ClampAttrs(0.5), right)} if elsewhere else {})
        tied = rescaled(b.graph(x, outputs))
        assert [node.op for node in tied.nodes].count("rescale") == elsewhere
        check(tied)


def test_any_output_may_need_a_coarser_scale() -> None:
    b = Builder("parts")
    x = b.input("x", (1, 4))
    whole, part = b.add_all("twice", TwiceAttrs(2**-8), x)
    float_graph = b.graph(x, {"whole": whole, "part": part})
    seen = calibrate(float_graph, np.random.default_rng(0).normal(size=(20, 4)))
    made = apply(float_graph, seen)
    assert 2**-8 <= made.tensors[part.name].scale < 2**-7
    assert made.tensors[whole.name].q == made.tensors[x.name].q


def test_what_is_clipped_in_any_output_counts() -> None:
    b = Builder("parts")
    x = b.input("x", (1, 4))
    left, right = b.add_all("cut", CutAttrs(1, 2), x)
    float_graph = b.graph(x, {"left": left, "right": right})
    given = np.random.default_rng(0).uniform(-1, 1, size=(50, 4)) * [0.1, 0.1, 1, 1]
    made = quantize(float_graph, given).graph
    floats, seen = float_runs(float_graph, given), calibrate(float_graph, given)
    (before,) = measure(floats, floats.integers(made), seen)
    quarter = QParams((made.tensors[x.name].scale / 4,))
    narrow = replace(made, tensors={name: replace(t, qparams=quarter) for name, t in made.tensors.items()})
    (after,) = measure(floats, floats.integers(narrow), seen)
    assert before.clipped_fraction == 0
    assert 0.5 < after.clipped_fraction < 0.9
    assert after.low < after.seen_low, "of the first output nothing is clipped"


def test_the_smallest_plan_has_it(graph: Graph) -> None:
    smallest = least(graph, isa=Isa.DSP)
    cut = next(node for node in graph.nodes if node.name == "channels")
    places = [
        range(at := smallest.offsets[name], at + graph.tensors[name].byte_count)
        for name in (*graph.activations(cut), *cut.outputs)
    ]
    assert not any({*a} & {*b} for a, b in combinations(places, 2))


def test_the_artifact_has_all_outputs_of_a_layer(artifact: Artifact) -> None:
    entries = {entry.name: entry for entry in artifact.manifest.layers}
    assert [output.shape for output in entries["channels"].outputs] == [(1, 6, 4, 3), (1, 6, 4, 4)]
    assert entries["channels"].byte_count == 6 * 4 * 7


@pytest.mark.parametrize("name", ["host", "core"])
def test_every_layer_is_bit_exact(name: str, artifact: Artifact) -> None:
    with devices.open(name, artifact) as device:
        verdict = verify(artifact, device, artifact.samples, layers=True)
        assert verdict.ok, verdict.sentence()
        assert (verdict.total, verdict.inputs_with_wrong_layers) == (SAMPLES, 0)
        x = artifact.samples[5]
        values = int_values(artifact.graph, artifact.manifest.input.stored(x[np.newaxis])[0])
        for index, entry in enumerate(artifact.manifest.layers):
            (node,) = (node for node in artifact.graph.nodes if node.name == entry.name)
            right = np.concatenate([values[output].ravel() for output in node.outputs])
            np.testing.assert_array_equal(device.dump(x, index), right, entry.name)


def test_a_wrong_second_output_is_named(graph: Graph, tmp_path: Path) -> None:
    end = CUT.rindex("}")
    wrong = {**C, "kernels/portable/cut.c.j2": CUT[:end] + "    behind[1] ^= 1;\n" + CUT[end:]}
    with known(wrong):
        bad = saved(graph, tmp_path / "parts")
    with devices.open("host", bad) as device:
        verdict = verify(bad, device, bad.samples, layers=True)
    assert not verdict.ok
    assert verdict.layer is not None
    assert verdict.layer.name == "channels"
    assert verdict.layer.example is not None
    assert verdict.layer.example.element >= 6 * 4 * 3, "in the second output"


def test_profile_counts_it(artifact: Artifact) -> None:
    measured = profile(artifact)
    assert {layer.name for layer in measured.layers} == {entry.name for entry in artifact.manifest.layers}
    assert all(layer.cycles > 0 for layer in measured.layers)
