"""Does a device compute, bit for bit, what the oracle says? If not, which layer is the first to go wrong?"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from .artifact import Artifact
from .calls import Calls, Prediction, compared, expected_info, prediction, real_samples, wrong_info
from .coverage import Reached
from .devices.device import Device, HasCalls, HasFlash, Remembering, RunResult, stored
from .errors import UserError, VerificationError
from .interpret import Stepper
from .ir import Array, Node, unwrapped, wrapped
from .measured import measure
from .ops import OPS
from .plan import STACK_BYTES
from .provenance import check_unedited
from .targets import isa
from .verdict import REPEATS, Mismatch, Verdict, WrongLayer, WrongState

SUSPECTS = 8
"""So many wrong inputs are run again with layer checksums; the earliest wrong layer of all is named."""
ORACLE = ("graph.json", "constants.npz")
"""The files that the oracle computes from."""


@dataclass(frozen=True)
class Expected:
    """The oracle's outputs, side by side (N, values), and, if asked for, CRC-32s of what layers write and
    then of what states hold (N, layers + states).
    """

    outputs: Array
    checksums: Array


@dataclass(frozen=True)
class Questions:
    """The float samples that the device is called with, and what must come of them."""

    samples: Any
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True)
class Golden:
    """An artifact's samples and the outputs that are right for them, as a device takes and gives them.

    Arrays (N, *sample shape) in the model's own order, quantized; of several inputs or outputs a tuple.
    """

    inputs: Any
    outputs: Any


def verify(
    artifact: Artifact,
    device: Device,
    inputs: Any,
    *,
    layers: bool = False,
    progress: Callable[[int], None] | None = None,
    clipped: float | None = None,
    own_firmware: bool = False,
    from_step: int = 0,
) -> Verdict:
    """Compare every element of every output for every input (N, *sample shape), in the model's own order.

    Inputs are quantized; of several there is an array for each. A model with states is reset, and they are
    its steps.

    With `layers` the CRC-32 of every layer's output is compared as well. A few float samples made from the
    inputs go all the way that a user's call goes. `clipped`, where the inputs were floats, is the share of
    their values that int8 does not hold. `own_firmware`: the generated files are in a firmware that somebody
    else built, so there is nothing to compare its flash with. `from_step`: so many steps are computed by the
    oracle alone, and the device begins with what the model remembers then. Raises UserError when the inputs
    do not fit the model, VerificationError when the board runs another firmware or stops answering.
    """
    check_inputs(artifact, inputs)
    begin = _begin(artifact, device, inputs, from_step)
    inputs = at(inputs, slice(from_step, None))
    check_oracle(artifact)
    check_fingerprint(artifact, device)
    if layers:
        check_layers(artifact)
        layers = bool(artifact.manifest.layers)  # what only gives its input another shape has none to check
    reached = Reached(artifact.graph)
    host = ThreadPoolExecutor(1)  # the oracle computes while the board does
    try:
        asked = host.submit(_asked, artifact, inputs) if isinstance(device, HasCalls) else None
        runs, count = begin.stepper(), count_of(artifact, inputs)
        soon = [host.submit(oracle, artifact, at(inputs, [i]), layers, reached, runs) for i in range(count)]
        image_bytes = None
        if isinstance(device, HasFlash) and not own_firmware:
            image_bytes = measure(artifact, device)
        begin.device()
        result = device.run(inputs, layers=layers, progress=progress)
        expected = _joined([future.result() for future in soon])
        wanted = asked and asked.result()
    finally:
        host.shutdown(cancel_futures=True)
    got = _answered(artifact, device, result.outputs, count)
    wrong = got != expected.outputs
    suspects = np.flatnonzero(wrong.any(axis=1))
    bad_layers, odd_state = None, ""
    if layers:
        checksums = _like(expected.checksums, _checksums(result), f"layer checksums of {device.name}")
        bad_layers = (checksums != expected.checksums).any(axis=1)
        suspects = np.flatnonzero(wrong.any(axis=1) | bad_layers)
    if not len(suspects) and (odd_state := _odd_state(artifact, device, runs)):
        suspects = np.array([count - 1])
    tried = np.arange(suspects[0] + 1) if artifact.graph.states and len(suspects) else suspects[:SUSPECTS]
    wrong_layer, wrong_state = _first_wrong(artifact, device, inputs, tried, begin)
    if odd_state and wrong_layer is None and wrong_state is None:
        wrong_state = WrongState(odd_state, count - 1)
    unexplained = len(tried) > 0 and wrong_layer is None and wrong_state is None
    steady = _stays_the_same(device, inputs, tried, result, layers, begin) if unexplained else None
    return Verdict(
        device=device.name,
        total=count,
        exact=int((~wrong.any(axis=1)).sum()),
        differing_elements=int(wrong.sum()),
        example=_example(artifact, got, expected.outputs),
        layer=wrong_layer,
        inputs_with_wrong_layers=None if bad_layers is None else int(bad_layers.sum()),
        outputs=result.outputs,
        steady=steady,
        image_bytes=image_bytes,
        own_firmware=own_firmware,
        calls=_calls(artifact, device, wanted)
        if isinstance(device, HasCalls) and wanted and not len(tried)
        else None,
        coverage=reached.coverage(clipped),
        remembers=bool(artifact.graph.states),
        state=wrong_state,
        from_step=from_step,
    )


@dataclass(frozen=True)
class _Begin:
    """With what the first of the inputs begins: as after a reset, or in the middle of a sequence."""

    device: Callable[[], None]
    stepper: Callable[[], Stepper]


def _begin(artifact: Artifact, device: Device, inputs: Any, from_step: int) -> _Begin:
    """UserError for a step that there is not, or a device whose state cannot be set."""
    graph = artifact.graph
    if not from_step:
        return _Begin(device.reset, lambda: Stepper(graph))
    count = count_of(artifact, inputs)
    if not graph.states:
        raise UserError(
            f"model {artifact.manifest.name!r} remembers nothing: leave out the step to begin with"
        )
    if not 0 < from_step < count:
        raise UserError(f"there is no step {from_step}: the inputs are steps 0 to {count - 1}")
    if not isinstance(device, Remembering):
        raise UserError(f"the state of {device.name} cannot be set: begin with step 0")
    before = Stepper(graph)
    for sample in zip(*stored(artifact.manifest.inputs, at(inputs, slice(0, from_step))), strict=True):
        before(*sample)
    held = before.state
    named = {state.name: held[state.tensor] for state in graph.states}
    return _Begin(lambda: device.resume(named, from_step), lambda: Stepper(graph, state=held))


def at(inputs: Any, which: Any) -> Any:
    """Some of the inputs, by their numbers."""
    return tuple(x[which] for x in inputs) if isinstance(inputs, tuple | list) else inputs[which]


def count_of(artifact: Artifact, inputs: Any) -> int:
    return len(wrapped(inputs, len(artifact.manifest.inputs))[0])


def _asked(artifact: Artifact, inputs: Any) -> Questions:
    samples = real_samples(artifact, inputs)
    each = zip(*wrapped(samples, len(artifact.manifest.inputs)), strict=True)
    return Questions(samples, tuple(prediction(artifact, *sample) for sample in each))


def _calls(artifact: Artifact, device: HasCalls, asked: Questions) -> Calls:
    """What the device says of itself, and what comes of real numbers, against what must."""
    made = compared(asked.predictions, said) if (said := device.predict(asked.samples)) else Calls(0, "")
    told, right = device.info(), expected_info(artifact)
    if isinstance(device, HasFlash):
        return made if made.wrong else replace(made, wrong=wrong_info(right, told))
    right = {key: value for key, value in right.items() if key in told}
    return made if made.wrong else replace(made, wrong=wrong_info(right, told))


def check_inputs(artifact: Artifact, inputs: Any) -> None:
    """UserError unless inputs are quantized (N, *sample shape) with N ≥ 1."""
    if not len(stored(artifact.manifest.inputs, inputs)[0]):
        raise UserError("there is no input to verify with: give at least one sample")


def check_oracle(artifact: Artifact) -> None:
    """UserError unless what the oracle computes is what the firmware was generated from."""
    _ = artifact.graph  # what is damaged is called that
    for name in ORACLE:
        if artifact.is_edited(name):
            raise UserError(
                f"{artifact.path / name} was changed since it was generated, so it proves nothing about the "
                "firmware: generate it again"
            )
    told, reserved = artifact.manifest.stack_bytes, STACK_BYTES[isa(artifact.board.chip.core)]
    if told != reserved:
        raise UserError(
            f"the manifest.json in {artifact.path} says that run() takes {told:,} bytes of stack, where "
            f"{reserved:,} are reserved: generate it again"
        )


def check_fingerprint(artifact: Artifact, device: Device) -> None:
    """VerificationError unless the device runs exactly this artifact's firmware."""
    wanted, found = artifact.manifest.fingerprint, device.fingerprint().hex()
    check_unedited(artifact, found, device.name)
    if found != wanted:
        raise VerificationError(
            f"{device.name} runs another firmware: its fingerprint is {found[:12]}…, that of "
            f"{artifact.manifest.name!r} in {artifact.path} is {wanted[:12]}…; "
            f"flash it with `firmnet flash {artifact.path}`"
        )


def check_layers(artifact: Artifact) -> None:
    """UserError unless the manifest lists every node that computes as a layer; a view computes nothing."""
    listed = [layer.name for layer in artifact.manifest.layers]
    computed = [node.name for node in artifact.graph.nodes if not OPS[node.op].view]
    if sorted(listed) != sorted(computed):
        odd = ", ".join(sorted(set(listed) ^ set(computed))[:5]) or "one of them is listed twice"
        raise UserError(
            f"{artifact.path} does not list every layer of its graph ({odd}), so they cannot all be checked: "
            "generate it again"
        )


def oracle(
    artifact: Artifact, inputs: Any, layers: bool, reached: Reached | None = None, runs: Stepper | None = None
) -> Expected:
    """What the device should answer, the outputs in the model's own order; `reached` sees every value.

    The inputs are the next steps of `runs`, or the first ones.
    """
    graph, runs = artifact.graph, runs or Stepper(artifact.graph)
    nodes = {node.name: node for node in graph.nodes}
    outputs, checksums = [], []
    for sample in zip(*stored(artifact.manifest.inputs, inputs), strict=True):
        values = runs(*sample)
        outputs.append([values[port.tensor].reshape(1, -1) for port in graph.outputs])
        if reached:
            reached.add(values)
        if layers:
            held = [zlib.crc32(values[state.next].tobytes()) for state in graph.states]
            crcs = [zlib.crc32(made(nodes[x.name], values)) for x in artifact.manifest.layers]
            checksums.append([*crcs, *held])
    each = [np.concatenate(rows) for rows in zip(*outputs, strict=True)]
    ordered = [edge.samples(rows) for edge, rows in zip(artifact.manifest.outputs, each, strict=True)]
    return Expected(_flat(artifact, unwrapped(ordered)), np.array(checksums, np.uint32))


def golden(artifact: Artifact, inputs: Any = None) -> Golden:
    """Golden vectors of inputs (default: the artifact's samples), as `verify` takes them.

    UserError when what the oracle computes from was changed.
    """
    check_oracle(artifact)
    graph, samples = artifact.graph, artifact.samples if inputs is None else inputs
    runs = Stepper(graph)
    rows = [runs(*sample) for sample in zip(*stored(artifact.manifest.inputs, samples), strict=True)]
    each = (np.concatenate([row[port.tensor].reshape(1, -1) for row in rows]) for port in graph.outputs)
    edges = artifact.manifest.outputs
    return Golden(samples, unwrapped([e.samples(x) for e, x in zip(edges, each, strict=True)]))


def made(node: Node, values: Mapping[str, Array]) -> bytes:
    """All that a layer writes, one output behind the other."""
    return b"".join(values[name].tobytes() for name in node.outputs)


def _flat(artifact: Artifact, outputs: Any) -> Array:
    """Outputs (N, …) side by side, (N, values)."""
    arrays = wrapped(outputs, len(artifact.manifest.outputs))
    return np.concatenate([x.reshape(len(x), -1).astype(np.int64) for x in arrays], axis=1)


def _answered(artifact: Artifact, device: Device, outputs: Any, count: int) -> Array:
    """What a device has answered, side by side; VerificationError for outputs of another type or shape."""
    given = outputs if isinstance(outputs, tuple | list) else (outputs,)
    found = [f"{x.dtype} {x.shape}" for x in given]
    edges = artifact.manifest.outputs
    wanted = [f"{edge.dtype.numpy} {(count, *edge.sample_shape)}" for edge in edges]
    if found != wanted:
        raise VerificationError(
            f"the outputs of {device.name} are {', '.join(found)}, where {', '.join(wanted)} is right"
        )
    return _flat(artifact, outputs)


def _joined(parts: Sequence[Expected]) -> Expected:
    return Expected(np.concatenate([p.outputs for p in parts]), np.concatenate([p.checksums for p in parts]))


def _like(expected: Array, got: Array | None, what: str) -> Array:
    """`got` in the shape of `expected`, row by row; VerificationError when there is more, less or nothing."""
    if got is None or not got.size or got.size != expected.size or len(got) != len(expected):
        shape = None if got is None else got.shape
        raise VerificationError(f"the {what} have the shape {shape}, where {expected.shape} is right")
    return got.reshape(expected.shape)


def _example(artifact: Artifact, got: Array, expected: Array) -> Mismatch | None:
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return None
    i, element = map(int, wrong[0])
    values, start = (int(expected[i, element]), int(got[i, element])), 0
    for edge in artifact.manifest.outputs:
        size = prod(edge.shape)
        if element < start + size:
            name = edge.name if len(artifact.manifest.outputs) > 1 else ""
            return Mismatch(i, element - start, *values, name)
        start += size
    raise AssertionError("an element lies in one of the outputs")


def _odd_state(artifact: Artifact, device: Device, runs: Stepper) -> str:
    """The first state in which a device holds something else than the oracle after the last step; else ""."""
    if not artifact.graph.states or not isinstance(device, Remembering):
        return ""
    states, held = artifact.graph.states, device.state
    return next(
        (s.name for s in states if not np.array_equal(held.get(s.name, ()), runs.state[s.tensor])), ""
    )


def _checksums(result: RunResult) -> Array | None:
    """Of layers and states, side by side."""
    parts = [part for part in (result.layers, result.states) if part is not None]
    return np.concatenate(parts, axis=1) if parts else None


def _first_wrong(
    artifact: Artifact, device: Device, inputs: Any, tried: Array, begin: _Begin
) -> tuple[WrongLayer | None, WrongState | None]:
    """Run a few suspects again with checksums, find the earliest layer that differs and dump it; or, where
    all layers of the first wrong step are right, the state.
    """
    layers = artifact.manifest.layers
    if not len(tried) or not layers:
        return None, None
    expected = oracle(artifact, at(inputs, tried), layers=True, runs=begin.stepper()).checksums
    begin.device()
    got = _checksums(device.run(at(inputs, tried), layers=True))
    wrong = _like(expected, got, f"layer checksums of {device.name}") != expected
    if not wrong.any():
        return None, None
    if artifact.graph.states:  # a wrong step makes those after it wrong, from their first layer on
        first = int(np.flatnonzero(wrong.any(axis=1))[0])
        wrong = wrong & (np.arange(len(wrong)) == first)[:, np.newaxis]
    index = int(np.flatnonzero(wrong.any(axis=0))[0])
    i = int(tried[np.flatnonzero(wrong[:, index])[0]])
    if index >= len(layers):
        return None, WrongState(artifact.manifest.states[index - len(layers)].name, i)
    return _dumped(artifact, device, inputs, i, index, begin), None


def _stays_the_same(
    device: Device, inputs: Any, tried: Array, first: RunResult, layers: bool, begin: _Begin
) -> bool:
    """Whether a device gives the same answers to the same inputs every time."""
    for _ in range(REPEATS):
        begin.device()
        again = device.run(at(inputs, tried), layers=layers)
        pairs = list(zip(_arrays(again.outputs), _arrays(first.outputs), strict=True))
        if again.layers is not None and first.layers is not None:
            pairs.append((again.layers, first.layers))
        if not all(np.array_equal(now, then[tried]) for now, then in pairs):
            return False
    return True


def _arrays(outputs: Any) -> tuple[Array, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _dumped(artifact: Artifact, device: Device, inputs: Any, i: int, index: int, begin: _Begin) -> WrongLayer:
    """What a layer makes of input i, or in step i, which comes after those before it."""
    layer, runs = artifact.manifest.layers[index], begin.stepper()
    node = next(node for node in artifact.graph.nodes if node.name == layer.name)
    begin.device()
    before = range(i) if artifact.graph.states else range(0)
    if before:
        device.run(at(inputs, list(before)))
    for sample in zip(*stored(artifact.manifest.inputs, at(inputs, [*before, i])), strict=True):
        values = runs(*sample)
    expected = layer.values(made(node, values))
    got = _like(expected, device.dump(at(inputs, i), index), f"values of layer {layer.name!r}")
    wrong = np.flatnonzero(got != expected)
    example = Mismatch(i, int(wrong[0]), int(expected[wrong[0]]), int(got[wrong[0]])) if len(wrong) else None
    return WrongLayer(index, layer.name, layer.op, len(wrong), expected.size, example)
