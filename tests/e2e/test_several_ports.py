"""Does a model with several inputs and outputs, of several types, and with states, work on every device?"""

import subprocess
import sys
import zlib
from ast import literal_eval
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sequence_faults import (
    check_damaged_state,
    check_doubled_frame,
    check_faulty_sequence,
    check_interrupted_sequence,
)
from shared_port import shared
from upstream_port import RAMFS, upstream_board

from firmnet import artifact as artifacts
from firmnet import build as builder
from firmnet import devices
from firmnet.api import push
from firmnet.artifact import Artifact
from firmnet.build import StockFiles
from firmnet.codegen.firmware import firmware
from firmnet.codegen.model import library
from firmnet.devices import open_stock, qemu
from firmnet.devices.device import Remembering, RunResult
from firmnet.devices.frames import Message, step_payload
from firmnet.devices.link import Link
from firmnet.devices.serial import SerialDevice, open_port
from firmnet.errors import GraphError, UserError, VerificationError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import Stepper, in_model_order, quantized_inputs
from firmnet.ir import Array, Dtype, Graph, Port, QParams, State, check
from firmnet.ops import OPS, check_states, check_types
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.ops.transpose import TransposeAttrs
from firmnet.passes import optimize
from firmnet.profile import lines, profile
from firmnet.quantize import quantize
from firmnet.targets import Isa, load_board
from firmnet.verify import verify

STEPS = 24
PRECISION = {
    "wide": Dtype.INT16,
    "total": Dtype.INT16,
    "count": Dtype.INT32,
    "mode": Dtype.UINT8,
}


def memory() -> Graph:
    """Float: a running sum of one input, and the other added to what it was in the step before."""
    rng, b = np.random.default_rng(0), Builder("ported")
    rescale = OPS["rescale"].attrs()
    audio, mode = b.input("audio", (1, 6, 8)), b.input("mode", (1, 2, 3, 2, 4))
    carry = b.state("carry", rng.normal(size=(1, 6, 8)))
    last = b.state("last", np.zeros((1, 2, 3, 2, 4)))
    total = b.add(
        "add", OPS["add"].attrs(), b.add("rescale", rescale, audio, name="wide"), carry, name="total"
    )
    b.update(carry, total)
    count = b.add("rescale", rescale, total, name="count")
    narrow = b.add("rescale", rescale, count, name="narrow")
    weight, bias = b.constant("w", rng.normal(size=(5, 8))), b.constant("c", rng.normal(size=5))
    scores = b.add("linear", LinearAttrs(), narrow, weight, bias, name="scores")
    now, then = (b.add("rescale", rescale, x, name=name) for x, name in ((mode, "now"), (last, "then")))
    both = b.add("add", OPS["add"].attrs(), now, then, name="both")
    moved = b.add("transpose", TransposeAttrs((0, 4, 2, 1, 3)), both, name="moved")
    kept = b.add("transpose", TransposeAttrs((0, 2, 1)), total, name="kept")
    b.update(last, mode)
    return b.graph((audio, mode), {"scores": scores, "moved": moved, "kept": kept})


def samples() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return (
        rng.normal(size=(STEPS, 6, 8)).astype(np.float32),
        rng.uniform(0, 2, size=(STEPS, 2, 3, 2, 4)).astype(np.float32),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    graph = quantize(optimize(memory()), samples(), precision=PRECISION).graph
    assert [graph.tensors[port.tensor].dtype for port in graph.outputs] == [
        Dtype.INT8,
        Dtype.INT8,
        Dtype.INT16,
    ]
    assert {graph.tensors[state.tensor].dtype for state in graph.states} == {Dtype.INT16, Dtype.UINT8}
    parts = firmware(graph, load_board("netduinoplus2"))
    each = [quantized_inputs(graph, *sample) for sample in zip(*samples(), strict=True)]
    ordered = [
        edge.samples(np.stack([one.ravel() for one in arrays]))
        for edge, arrays in zip(parts.manifest.inputs, zip(*each, strict=True), strict=True)
    ]
    path = tmp_path_factory.mktemp("ports") / "ported"
    artifact = artifacts.save(path, parts.manifest, graph, tuple(ordered), parts.files)
    builder.build(artifact, emulate=True)
    return Artifact.open(artifact.path)


@pytest.fixture(scope="module")
def board(made: Artifact) -> Iterator[SerialDevice]:
    with devices.open("qemu", made) as device:
        assert isinstance(device, SerialDevice)
        yield device


@pytest.mark.parametrize("name", ["host", "core"])
def test_every_step_is_bit_exact(made: Artifact, name: str) -> None:
    with devices.open(name, made) as device:
        check_device(made, device)
        check_state(made, device)


def test_the_firmware_is_bit_exact_and_predicts(made: Artifact, board: SerialDevice) -> None:
    check_device(made, board)
    check_state(made, board)


class Forgetful(Remembering):
    """A device that has another value in a state after a step; `honest` if its checksum is of that value."""

    def __init__(self, device: Any, step: int, honest: bool) -> None:
        self.device, self.step, self.honest, self.done = device, step, honest, 0
        self._manifest = device._manifest

    def _snapshot(self) -> bytes:
        held: bytes = self.device._snapshot()
        return held

    def _restore(self, data: bytes, step: int) -> None:
        self.device._restore(data, step)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.device, name)

    def reset(self) -> None:
        self.done = 0
        self.device.reset()

    def run(self, inputs: Any, *, layers: bool = False, progress: Any = None) -> RunResult:
        made = []
        for i in range(len(inputs[0])):
            result = self.device.run(tuple(x[i : i + 1] for x in inputs), layers=layers)
            if self.done == self.step:
                state = {name: x.copy() for name, x in self.device.state.items()}
                state["last"].flat[5] ^= 0x40
                self.device.state = state
                if layers and self.honest:
                    crcs = [zlib.crc32(x.tobytes()) for x in state.values()]
                    result = replace(result, states=np.array([crcs], np.uint32))
            self.done += 1
            made.append(result)
        parts = [[r.outputs for r in made], [r.layers for r in made], [r.states for r in made]]
        outputs = tuple(np.concatenate(each) for each in zip(*parts[0], strict=True))
        joined = [np.concatenate(each) if layers else None for each in parts[1:]]
        return RunResult(outputs, layers=joined[0], states=joined[1])


@pytest.mark.parametrize(
    ("layers", "step", "honest"), [(True, 4, True), (False, STEPS - 1, True), (True, STEPS - 1, False)]
)
def test_a_state_that_is_wrong_is_named_as_such(
    made: Artifact, layers: bool, step: int, honest: bool
) -> None:
    """And not the first layer that reads it, in the step after it."""
    with devices.open("host", made) as device:
        verdict = verify(
            made,
            Forgetful(device, step, honest),  # type: ignore[arg-type]
            made.samples,
            layers=layers,
        )
    assert not verdict.ok
    assert f"every layer is right, but the state 'last' is wrong after step {step}" in verdict.sentence()


def test_plain_python_is_bit_exact_where_machine_code_cannot_be(made: Artifact) -> None:
    """Pushed to MicroPython's own port on a core that is not the artifact's."""
    with upstream_board() as at, shared(at) as url:
        with open_port(url, 115_200) as port:
            Link(port, url, 15.0).execute(RAMFS)
        with pytest.raises(UserError, match="runs machine code for armv6m, this is for armv7emsp"):
            push(made, url)
        told: list[StockFiles] = []
        verdict = push(made, url, layers=True, arch="python", chosen=told.append)
        assert verdict.ok, verdict.sentence()
        assert told[0].run_cycles > 0
        with open_stock(made, url) as device:
            check_device(made, device)
            check_state(made, device)


def check_state(made: Artifact, device: devices.Device) -> None:
    """What the device remembers is read and set, so that a sequence can begin in its middle."""
    assert isinstance(device, Remembering)
    runs = Stepper(made.graph)
    device.reset()
    for held in (device.state, {state.name: runs.state[state.tensor] for state in made.graph.states}):
        assert {name: x.dtype for name, x in held.items()} == {"carry": np.int16, "last": np.uint8}
    each = list(
        zip(
            *(edge.stored(x) for edge, x in zip(made.manifest.inputs, made.samples, strict=True)), strict=True
        )
    )
    for sample in each[:7]:
        runs(*sample)
    right = {state.name: runs.state[state.tensor] for state in made.graph.states}
    device.run(tuple(x[:7] for x in made.samples))
    for name, x in device.state.items():
        np.testing.assert_array_equal(x, right[name])
    whole = device.run(tuple(x[7:10] for x in made.samples), layers=True)
    device.reset()
    device.state = right
    again = device.run(tuple(x[7:10] for x in made.samples), layers=True)
    for a, b in zip((*whole.outputs, whole.states), (*again.outputs, again.states), strict=True):
        np.testing.assert_array_equal(a, b)
    verdict = verify(made, device, made.samples, layers=True, from_step=15)
    assert verdict.ok, verdict.sentence()
    assert "9 of 9 outputs from step 15 on bit-exact" in verdict.sentence()
    for odd, told in (
        (
            {"carry": right["carry"]},
            "the values of the state 'last' are missing: the model has the states carry, last",
        ),
        ({**right, "more": right["last"]}, "there is no state 'more': the model has the states carry, last"),
        (
            {**right, "carry": right["carry"][:, :2]},
            r"'carry' is int16 \(1, .*take what a device's `state` gave",
        ),
        ({**right, "last": right["last"].astype(np.int8)}, "'last' is uint8 .*, not int8"),
    ):
        with pytest.raises(UserError, match=told):
            device.state = odd
    for step in (-1, STEPS, STEPS + 1):
        with pytest.raises(UserError, match=f"there is no step {step}: the inputs are steps 0 to 23"):
            verify(made, device, made.samples, from_step=step)


def check_device(made: Artifact, device: devices.Device) -> None:
    """Layer by layer and as a whole; a reset begins anew, and without one it goes on."""
    for layers in (False, True):
        verdict = verify(made, device, made.samples, layers=layers)
        assert verdict.ok, verdict.sentence()
        assert verdict.total == STEPS
    device.reset()
    first = device.run(tuple(x[:10] for x in made.samples)).outputs
    rest = device.run(tuple(x[10:] for x in made.samples)).outputs
    device.reset()
    again = device.run(made.samples).outputs
    for a, b, whole in zip(first, rest, again, strict=True):
        np.testing.assert_array_equal(np.concatenate([a, b]), whole)
    assert not np.array_equal(rest[0][0], again[0][0])


@pytest.mark.parametrize("name", ["host", "core"])
def test_two_devices_of_one_artifact_remember_apart(made: Artifact, name: str) -> None:
    first, rest = (tuple(x[some] for x in made.samples) for some in (slice(0, 5), slice(5, 9)))
    with devices.open(name, made) as one:
        one.run(first)
        with devices.open(name, made) as other:
            begun = other.run(first).outputs
            other.dump(tuple(x[0] for x in rest), 0)
            went_on = one.run(rest).outputs
        one.reset()
        again = one.run(made.samples).outputs
    for a, b, whole in zip(begun, went_on, again, strict=True):
        np.testing.assert_array_equal(np.concatenate([a, b]), whole[:9])


def test_profile_runs_the_first_step(made: Artifact) -> None:
    measured = profile(made)
    assert measured.cycles
    assert {layer.name for layer in measured.layers} == {layer.name for layer in made.manifest.layers}
    assert measured.state_bytes == 48 * 2 + 48
    assert "144 B of the arena are remembered" in "".join(lines(measured))


def test_a_repeated_step_is_not_run_twice(made: Artifact, board: SerialDevice) -> None:
    """Neither in the same conversation nor, after the answer was lost with it, in the next."""
    x = b"".join(np.ascontiguousarray(each[0]).tobytes() for each in stored(made))
    board.reset()
    before = board.counters().runs
    answer = board.link.request(Message.RUN, step_payload(0, x), 4096)
    assert board.link.request(Message.RUN, step_payload(0, x), 4096) == answer
    board.link.enter()
    assert board.link.request(Message.RUN, step_payload(0, x), 4096) == answer
    assert board.counters().runs == before + 1
    with pytest.raises(VerificationError, match="step 5 was asked for, but the model is at step 1: reset it"):
        board.link.request(Message.RUN, step_payload(5, x), 4096)
    board.reset()


@pytest.mark.parametrize(
    "fault", ["a request lost", "a request damaged", "an answer lost", "an answer damaged"]
)
def test_a_sequence_goes_on_over_a_bad_line(made: Artifact, fault: str) -> None:
    """Several steps are under way: what comes behind a lost one is not run before it."""
    with qemu.emulated(made) as emulator:
        check_faulty_sequence(made, made.samples, emulator.url, fault)


def test_a_frame_that_comes_twice_is_refused_and_an_interrupted_sequence_ends_with_the_step(
    made: Artifact,
) -> None:
    with qemu.emulated(made) as first, qemu.emulated(made) as second:
        check_interrupted_sequence(made, made.samples, first.url, second.url)
        check_doubled_frame(made, made.samples, second.url, "a request doubled")


def test_a_state_is_set_whole_or_not_at_all(made: Artifact) -> None:
    with qemu.emulated(made) as emulator:
        check_damaged_state(made, made.samples, emulator.url, "a request damaged")
        check_damaged_state(made, made.samples, emulator.url, "an answer lost")


def stored(made: Artifact) -> list[Array]:
    return [edge.stored(x) for edge, x in zip(made.manifest.inputs, made.samples, strict=True)]


def test_the_prompt_has_all_ports_by_name(made: Artifact, board: SerialDevice) -> None:
    told = board.info()
    assert [port["name"] for port in told["inputs"]] == ["audio", "mode"]
    assert [port["dtype"] for port in told["inputs"]] == ["int8", "uint8"]
    assert [port["shape"] for port in told["outputs"]] == [(1, 6, 5), (1, 4, 3, 2, 2), (1, 8, 6)]
    assert told["states"] == ("carry", "last")
    said = board.repl(
        "import ported as m\nm.reset()\n"
        "p=m.predict([0.5]*48,[1.0]*48)\nq=m.predict([0.5]*48,[1.0]*48)\n"
        "print([len(v) for v in p],list(p[0])==list(q[0]),len(m.inputs),len(m.outputs),"
        "[list(v)[:3] for v in q])"
    )
    graph, runs = made.graph, Stepper(made.graph)
    given = [np.full((1, 6, 8), 0.5, np.float32), np.full((1, 2, 3, 2, 4), 1.0, np.float32)]
    for _ in range(2):
        values = runs(*quantized_inputs(graph, *given))
    assert said.startswith("[30, 48, 48] False 2 3 ")
    outputs = [(port, graph.tensors[port.tensor].q, values[port.tensor]) for port in graph.outputs]
    expected = [q.to_real(in_model_order(port, y)) for port, q, y in outputs]
    shown: Any = literal_eval(said[len("[30, 48, 48] False 2 3 ") :])
    for right, some in zip(expected, shown, strict=True):
        np.testing.assert_allclose(some, right.ravel()[:3], rtol=1e-5, atol=1e-6)


def test_at_the_prompt_a_state_is_read_and_set(made: Artifact, board: SerialDevice) -> None:
    """Before the first run too, which would begin anew otherwise."""
    said = board.repl(
        "import ported as m\nfrom array import array\nm.reset()\nx,y=[0.5]*48,[1.0]*48\nm.predict(x,y)\n"
        "saved={k:array(c,m.state[k]) for k,c in (('carry','h'),('last','B'))}\n"
        "p=[list(v) for v in m.predict(x,y)]\nm.reset()\nfor k in saved:\n m.state[k][:]=saved[k]\n"
        "print(sorted((k,len(v)) for k,v in m.state.items()),[list(v) for v in m.predict(x,y)]==p)"
    )
    assert said.strip() == "[('carry', 48), ('last', 48)] True"


PLUGGED = """
from firmnet.verify import verify

def test_board(firmnet_device, firmnet_artifact):
    assert len(firmnet_artifact.samples) == len(firmnet_artifact.manifest.inputs) == 2
    assert verify(firmnet_artifact, firmnet_device, firmnet_artifact.samples, layers=True).ok
"""


@pytest.mark.parametrize("port", ["host", None])
def test_the_pytest_plugin_hands_out_all_of_it(made: Artifact, tmp_path: Path, port: str | None) -> None:
    """In a folder of the user's own, with nothing but the options; without a port the test is skipped."""
    (tmp_path / "test_mine.py").write_text(PLUGGED)
    options = ["--firmnet-artifact", str(made.path), *(["--firmnet-port", port] if port else [])]
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert ("1 passed" if port else "no device to test on: give --firmnet-device") in done.stdout


def test_check_names_what_no_stage_can_carry() -> None:
    graph = quantize(memory(), samples(), precision=PRECISION).graph
    check(graph)
    carry, last = graph.states
    tensors = {**graph.tensors}
    tensors["total"] = replace(tensors["total"], qparams=QParams((0.1,), 3, Dtype.INT16))
    with pytest.raises(GraphError, match=r"'total' is int16 with the zero point 3: int16 is symmetric"):
        check(replace(graph, tensors=tensors))
    with pytest.raises(GraphError, match=r"the state 'last' is \(1, 2, 3, 2, 4\).*is replaced by 'scores'"):
        check(replace(graph, states=(carry, replace(last, next="scores"))))
    other = replace(graph.tensors["carry"], name="other")
    states = (State("x", "carry", "other", "carry_initial"), State("y", "other", "carry", "carry_initial"))
    circle = replace(graph, states=states, tensors=graph.tensors | {"other": other})
    with pytest.raises(GraphError, match=r"the states x, y exchange their values: put a layer between"):
        check_states(circle)
    with pytest.raises(GraphError, match=r"the input's name 'audio' is not a C identifier of its own"):
        check(replace(graph, inputs=(graph.inputs[0], Port("audio", "mode"))))
    narrow = replace(graph.tensors["narrow"], qparams=graph.tensors["count"].q)
    with pytest.raises(
        GraphError, match=r"layer 'scores' \(linear\) reads 'narrow', which is int32.*put a rescale"
    ):
        check_types(replace(graph, tensors=graph.tensors | {"narrow": narrow}))


def remembered(kind: str) -> Graph:
    """Float: a running sum, and what it was in the step before; as itself, as a view, or computed."""
    b, ways = Builder("remembered"), {"view": ("reshape", ReshapeAttrs((1, 6)))}
    x, sums, before = (
        b.input("x", (1, 2, 3)),
        b.state("sums", np.zeros((1, 2, 3))),
        b.state("before", np.ones((1, 6) if kind == "circle" else (1, 2, 3))),
    )
    total = b.add("add", OPS["add"].attrs(), x, sums, name="total")
    op, attrs = ways.get(kind, ("rescale", OPS["rescale"].attrs()))
    old = sums if kind == "itself" else b.add(op, attrs, sums, name="then")
    b.update(sums, total)
    b.update(before, sums)
    if kind == "circle":
        b.update(sums, b.add("reshape", ReshapeAttrs((1, 2, 3)), before, name="front"))
        b.update(before, b.add("reshape", ReshapeAttrs((1, 6)), sums, name="back"))
        old = total
    return b.graph((x,), {"total": total, "old": old})


@pytest.mark.parametrize("kind", ["itself", "view", "circle"])
def test_the_old_value_of_a_state_is_copied_before_it_is_overwritten(kind: str, tmp_path: Path) -> None:
    """The memory of the state holds its next value at the end of the run, under any shape."""
    graph = quantize(optimize(remembered(kind)), samples()[0][:, :2, :3]).graph
    assert sum(node.op == "rescale" for node in graph.nodes) == 1
    check_on_host(graph, tmp_path)


def check_on_host(graph: Graph, path: Path, name: str = "host") -> None:
    parts = firmware(graph, load_board("netduinoplus2"))
    x = np.random.default_rng(2).integers(-128, 128, (9, 2, 3)).astype(np.int8)
    saved = artifacts.save(path / "remembered", parts.manifest, graph, x, parts.files)
    with devices.open(name, saved) as device:
        verdict = verify(saved, device, x, layers=True)
    assert verdict.ok, verdict.sentence()


def test_no_firmware_is_made_of_a_graph_by_hand_that_hands_out_an_overwritten_value() -> None:
    graph = quantize(optimize(remembered("computed")), samples()[0][:, :2, :3]).graph
    odd = replace(graph, outputs=(graph.outputs[0], replace(graph.outputs[1], tensor="sums")))
    for make in (lambda: firmware(odd, load_board("netduinoplus2")), lambda: library(odd, isa=Isa.DSP)):
        with pytest.raises(GraphError, match="the output 'old' is what the state 'sums' was before the run"):
            make()


@pytest.mark.parametrize("name", ["host", "core"])
def test_the_old_value_of_a_state_comes_out_of_a_layer(tmp_path: Path, name: str) -> None:
    check_on_host(quantize(optimize(remembered("computed")), samples()[0][:, :2, :3]).graph, tmp_path, name)


def pair() -> Graph:
    """Float: the sum of two inputs, and its double."""
    b, rescale = Builder("pair"), OPS["rescale"].attrs()
    left, right = b.input("left", (1, 2, 3)), b.input("right", (1, 2, 3))
    l16, r16 = (b.add("rescale", rescale, x, name=f"{x.name}_16") for x in (left, right))
    total = b.add("add", OPS["add"].attrs(), l16, r16, name="total")
    wide = b.add("rescale", rescale, total, name="wide")
    return b.graph((left, right), {"total": total, "wide": wide})


@pytest.fixture(scope="module")
def wide_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SerialDevice]:
    """A firmware whose inputs are int32, verified."""
    given = tuple(x[:, :2, :3] for x in (samples()[0], samples()[0][::-1]))
    wide, narrow = ("left", "right", "wide"), ("left_16", "right_16", "total")
    precision = dict.fromkeys(wide, Dtype.INT32) | dict.fromkeys(narrow, Dtype.INT16)
    graph = quantize(optimize(pair()), given, precision=precision).graph
    parts = firmware(graph, load_board("netduinoplus2"))
    rng = np.random.default_rng(3)
    x = tuple(rng.integers(-(2**31), 2**31, (6, 2, 3)).astype(np.int32) for _ in range(2))
    artifact = artifacts.save(tmp_path_factory.mktemp("pair") / "pair", parts.manifest, graph, x, parts.files)
    builder.build(artifact, emulate=True)
    with devices.open("qemu", artifact) as device:
        assert isinstance(device, SerialDevice)
        verdict = verify(artifact, device, x, layers=True)
        assert verdict.ok, verdict.sentence()
        yield device


REFUSED = [
    ("m.predict(bytes(24), floats)", "bytes may be int32 or float32 here: give array('i') or array('f')"),
    ("m.predict(floats, memoryview(bytearray(24)))", "bytes may be int32 or float32 here"),
    (
        "m.predict(bytes(23), floats)",
        "expected 6 int32 values (24 bytes) or 6 float32 values (24 bytes), got 23",
    ),
    ("m.predict(floats)", "give 2 buffers: left, right"),
    ("m.predict(floats, floats, floats)", "give 2 buffers: left, right"),
    ("m.predict(array('h', [1] * 6), floats)", "expected int32 or float32 values, got type 'h'"),
    ("m.predict(floats, array('i', [1] * 7))", "expected 6 int32 values, got 7"),
    (
        "m.predict(m.inputs[1], m.inputs[0])",
        "the buffer for right lies in the memory of left, which is written first",
    ),
    ("m.predict(floats, m.inputs[0][:])", "the buffer for right lies in the memory of left"),
    ("m.predict(floats, [1e39] * 6)", "value 0 is infinite"),
    ("_firmnet.input(-1)", "input -1: the model has inputs 0 to 1"),
    ("_firmnet.output(99)", "output 99: the model has outputs 0 to 1"),
    ("_firmnet.best(2)", "output 2: the model has outputs 0 to 1"),
    ("_firmnet.load(floats, False, 2)", "input 2: the model has inputs 0 to 1"),
    ("_firmnet.quantize(floats, -1)", "input -1: the model has inputs 0 to 1"),
    ("_firmnet.dequantize(bytearray(23), 0)", "expected a buffer of 24 bytes, got 23"),
    ("_firmnet.dequantize(array('f', bytes(24)), -1)", "output -1: the model has outputs 0 to 1"),
    ("m.values(-1)", "output -1: the model has outputs 0 to 1"),
    ("_firmnet.dump(9, bytearray(24))", "layer 9: the model has layers 0 to 3"),
    ("_firmnet.run_crc(bytearray(15))", "expected a buffer of 16 bytes, got 15"),
]


@pytest.mark.parametrize(("statement", "told"), REFUSED, ids=[statement for statement, _ in REFUSED])
def test_what_would_be_read_as_something_else_is_refused(
    wide_board: SerialDevice, statement: str, told: str
) -> None:
    """And nothing is run."""
    code = (
        "import _firmnet, pair as m\nfrom array import array\nfloats=array('f',[0.5]*6)\nn=_firmnet.steps()\n"
        f"try:\n {statement}\n print('taken')\nexcept ValueError as e:\n print(e, _firmnet.steps()-n)"
    )
    said = wide_board.repl(code).strip()
    assert told in said
    assert said.endswith(" 0")


def test_an_output_given_back_as_an_input_is_taken_as_it_was_or_refused(wide_board: SerialDevice) -> None:
    """Its memory may be that of an input."""
    said = wide_board.repl(
        "import pair as m\nfrom array import array\nx=array('i',[5,-6,7,1<<29,-1<<29,9])\n"
        "def fed(copied):\n m.predict(x,x)\n y=m.outputs[1]\n"
        " return [list(v) for v in m.predict(x,array('i',y) if copied else y)]\n"
        "right=fed(True)\n"
        "try:\n print(fed(False)==right)\nexcept ValueError as e:\n print('lies in the memory' in str(e))\n"
        "for y in m.inputs:\n for i in range(6):y[i]=x[i]\n"
        "said=[list(v) for v in m.predict(*m.inputs)]\nprint(said==[list(v) for v in m.predict(x,x)])"
    )
    assert said.split() == ["True", "True"]
