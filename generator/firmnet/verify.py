"""Does a device compute, bit for bit, what the oracle says? If not, which layer is the first to go wrong?"""

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from .artifact import Artifact
from .calls import Calls, Prediction, compared, expected_info, prediction, real_samples, wrong_info
from .coverage import Coverage, Reached
from .devices.device import Device, HasCalls, HasFlash, RunResult, stored
from .errors import UserError, VerificationError
from .interpret import int_values
from .ir import Array
from .measured import measure
from .ops import OPS
from .provenance import check_unedited

REPEATS = 3
"""So often a wrong input is run again before anything is said of whether the answer stays the same."""
SUSPECTS = 8
"""So many wrong inputs are run again with layer checksums; the earliest wrong layer of all is named."""


ORACLE = ("graph.json", "constants.npz")
"""The files that the oracle computes from."""


@dataclass(frozen=True)
class Mismatch:
    """One value that differs: which input of those given, which element of the flat output.

    Of the model's output the element counts in the model's own order, of a layer's as the layer is stored.
    """

    input: int
    element: int
    expected: int
    got: int


@dataclass(frozen=True)
class WrongLayer:
    """The first layer, in execution order, to differ: in `differing` of `size` values for `example.input`."""

    index: int
    name: str
    op: str
    differing: int
    size: int
    example: Mismatch | None


@dataclass(frozen=True)
class Verdict:
    """What a comparison found. An output counts as exact when every element equals the oracle's.

    `outputs` is what the device answered, int8 (N, *sample shape). `inputs_with_wrong_layers` is None unless
    every layer of every input was checked. A layer may differ while no final output does; with all layers
    checked that is a failure too. `steady`: where no layer was wrong when wrong inputs were run again,
    whether the answers to REPEATS more runs were those of the first. `image_bytes` of the device's memory
    are as they were built; None where it runs no firmware. `calls`: what users call, with real numbers; None
    where the device cannot be called so, or is wrong already. `coverage`: what the inputs reach, by the
    oracle's values.
    """

    device: str
    total: int
    exact: int
    differing_elements: int
    example: Mismatch | None
    layer: WrongLayer | None
    inputs_with_wrong_layers: int | None
    outputs: Array = field(repr=False, compare=False)
    steady: bool | None = None
    image_bytes: int | None = None
    calls: Calls | None = None
    coverage: Coverage | None = None

    @property
    def ok(self) -> bool:
        return self._exact and not (self.calls and self.calls.wrong)

    @property
    def _exact(self) -> bool:
        return self.exact == self.total and not self.inputs_with_wrong_layers

    @property
    def warning(self) -> str:
        """Why little is proven though all was right, in one line; "" when the inputs reach every layer."""
        weak = self.coverage.weakness if self.coverage else ""
        return f"these inputs prove little: {weak}" if weak else ""

    def sentence(self) -> str:
        """For people, in one line."""
        head = f"{self.exact} of {self.total} outputs bit-exact on {self.device}"
        if self._exact:
            layers = ", every layer too" if self.inputs_with_wrong_layers is not None else ""
            image = f", {self.image_bytes:,} bytes of its flash as built" if self.image_bytes else ""
            if self.calls and self.calls.wrong:
                return f"not verified: {head}{layers}{image}; but {self.calls.wrong}"
            calls = f", {self.calls.sentence()}" if self.calls else ""
            return f"verified: {head}{layers}{image}{calls}" + (
                f"; but {self.warning}" if self.warning else ""
            )
        if self.layer is None and self.steady:
            where = f"; every layer is right, yet in {REPEATS} more runs the same wrong outputs came"
        elif self.layer is None:
            where = "; run again, it answered otherwise: it does not compute the same twice"
        else:
            where = (
                f"; the first wrong layer is {self.layer.name!r} ({self.layer.op}, layer {self.layer.index})"
            )
            where += f", {self.layer.differing} of its {self.layer.size} values differ"
        shown = self.example or (self.layer and self.layer.example)
        if shown:
            where += (
                f" (input {shown.input}, element {shown.element}: expected {shown.expected}, got {shown.got})"
            )
        return f"not verified: {head}{where}"

    def to_json(self) -> dict[str, Any]:
        told = {name: value for name, value in asdict(self).items() if name != "outputs"}
        return {"ok": self.ok, "warning": self.warning, **told}


@dataclass(frozen=True)
class Expected:
    """The oracle's flat outputs (N, output bytes) and, if asked for, layer CRC-32s (N, layers)."""

    outputs: Array
    checksums: Array


@dataclass(frozen=True)
class Questions:
    """The float samples that the device is called with, and what must come of them."""

    samples: Array
    predictions: tuple[Prediction, ...]


def verify(
    artifact: Artifact,
    device: Device,
    inputs: Array,
    *,
    layers: bool = False,
    progress: Callable[[int], None] | None = None,
    clipped: float | None = None,
) -> Verdict:
    """Compare every output element for every input (N, *sample shape), int8 in the model's own order.

    With `layers` the CRC-32 of every layer's output is compared as well. A few float samples made from the
    inputs go all the way that a user's call goes. `clipped`, where the inputs were floats, is the share of
    their values that int8 does not hold. Raises UserError when the inputs do
    not fit the model, VerificationError when the board runs another firmware or stops answering.
    """
    check_inputs(artifact, inputs)
    check_oracle(artifact)
    check_fingerprint(artifact, device)
    if layers:
        check_layers(artifact)
        layers = bool(artifact.manifest.layers)  # what only gives its input another shape has none to check
    reached = Reached(artifact.graph)
    host = ThreadPoolExecutor(1)  # the oracle computes while the board does
    try:
        asked = host.submit(_asked, artifact, inputs) if isinstance(device, HasCalls) else None
        soon = [host.submit(oracle, artifact, inputs[i : i + 1], layers, reached) for i in range(len(inputs))]
        image_bytes = measure(artifact, device) if isinstance(device, HasFlash) else None
        result = device.run(inputs, layers=layers, progress=progress)
        expected = _joined([future.result() for future in soon])
        wanted = asked and asked.result()
    finally:
        host.shutdown(cancel_futures=True)
    got = _like(expected.outputs, result.outputs, f"outputs of {device.name}")
    wrong = got != expected.outputs
    suspects = np.flatnonzero(wrong.any(axis=1))
    bad_layers = None
    if layers:
        checksums = _like(expected.checksums, result.layers, f"layer checksums of {device.name}")
        bad_layers = (checksums != expected.checksums).any(axis=1)
        suspects = np.flatnonzero(wrong.any(axis=1) | bad_layers)
    tried = suspects[:SUSPECTS]
    wrong_layer = _first_wrong_layer(artifact, device, inputs, tried)
    unexplained = len(tried) > 0 and wrong_layer is None
    steady = _stays_the_same(device, inputs, tried, result, layers) if unexplained else None
    return Verdict(
        device=device.name,
        total=len(inputs),
        exact=int((~wrong.any(axis=1)).sum()),
        differing_elements=int(wrong.sum()),
        example=_example(got, expected.outputs),
        layer=wrong_layer,
        inputs_with_wrong_layers=None if bad_layers is None else int(bad_layers.sum()),
        outputs=result.outputs,
        steady=steady,
        image_bytes=image_bytes,
        calls=_calls(artifact, device, wanted)
        if isinstance(device, HasCalls) and wanted and not len(tried)
        else None,
        coverage=reached.coverage(clipped),
    )


def _asked(artifact: Artifact, inputs: Array) -> Questions:
    samples = real_samples(artifact, inputs)
    return Questions(samples, tuple(prediction(artifact, x) for x in samples))


def _calls(artifact: Artifact, device: HasCalls, asked: Questions) -> Calls:
    """What the device says of itself, and what comes of real numbers, against what must."""
    made = compared(asked.predictions, said) if (said := device.predict(asked.samples)) else Calls(0, "")
    told, right = device.info(), expected_info(artifact)
    if isinstance(device, HasFlash):
        return made if made.wrong else replace(made, wrong=wrong_info(right, told))
    return made if made.wrong else replace(made, wrong=wrong_info({k: right[k] for k in told}, told))


def check_inputs(artifact: Artifact, inputs: Array) -> None:
    """UserError unless inputs is int8 (N, *sample shape) with N ≥ 1."""
    if not len(stored(artifact.manifest.input, inputs)):
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
    computed = [node.output for node in artifact.graph.nodes if not OPS[node.op].view]
    if sorted(listed) != sorted(computed):
        odd = ", ".join(sorted(set(listed) ^ set(computed))[:5]) or "one of them is listed twice"
        raise UserError(
            f"{artifact.path} does not list every layer of its graph ({odd}), so they cannot all be checked: "
            "generate it again"
        )


def oracle(artifact: Artifact, inputs: Array, layers: bool, reached: Reached | None = None) -> Expected:
    """What the device should answer, the outputs in the model's own order; `reached` sees every value."""
    graph, names = artifact.graph, [layer.name for layer in artifact.manifest.layers]
    outputs, checksums = [], []
    for x in stored(artifact.manifest.input, inputs):
        values = int_values(graph, x)
        outputs.append(values[graph.output].ravel())
        if reached:
            reached.add(values)
        if layers:
            checksums.append([zlib.crc32(values[name].tobytes()) for name in names])
    ordered = artifact.manifest.output.samples(np.array(outputs)).reshape(len(inputs), -1)
    return Expected(ordered, np.array(checksums, np.uint32))


def _joined(parts: Sequence[Expected]) -> Expected:
    return Expected(np.concatenate([p.outputs for p in parts]), np.concatenate([p.checksums for p in parts]))


def _like(expected: Array, got: Array | None, what: str) -> Array:
    """`got` in the shape of `expected`, row by row; VerificationError when there is more, less or nothing."""
    if got is None or not got.size or got.size != expected.size or len(got) != len(expected):
        shape = None if got is None else got.shape
        raise VerificationError(f"the {what} have the shape {shape}, where {expected.shape} is right")
    return got.reshape(expected.shape)


def _example(got: Array, expected: Array) -> Mismatch | None:
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return None
    i, element = map(int, wrong[0])
    return Mismatch(i, element, int(expected[i, element]), int(got[i, element]))


def _first_wrong_layer(artifact: Artifact, device: Device, inputs: Array, tried: Array) -> WrongLayer | None:
    """Run a few suspects again with checksums, find the earliest layer that differs and dump it."""
    if not len(tried):
        return None
    expected = oracle(artifact, inputs[tried], layers=True).checksums
    got = device.run(inputs[tried], layers=True).layers
    wrong = _like(expected, got, f"layer checksums of {device.name}") != expected
    if not wrong.any():
        return None
    index = int(np.flatnonzero(wrong.any(axis=0))[0])
    i = int(tried[np.flatnonzero(wrong[:, index])[0]])
    return _dumped(artifact, device, inputs, i, index)


def _stays_the_same(device: Device, inputs: Array, tried: Array, first: RunResult, layers: bool) -> bool:
    """Whether a device gives the same answers to the same inputs every time."""
    for _ in range(REPEATS):
        again = device.run(inputs[tried], layers=layers)
        pairs = [(again.outputs, first.outputs)]
        if again.layers is not None and first.layers is not None:
            pairs.append((again.layers, first.layers))
        if not all(np.array_equal(now, then[tried]) for now, then in pairs):
            return False
    return True


def _dumped(artifact: Artifact, device: Device, inputs: Array, i: int, index: int) -> WrongLayer:
    layer = artifact.manifest.layers[index]
    (x,) = stored(artifact.manifest.input, inputs[i : i + 1])
    expected = int_values(artifact.graph, x)[layer.name].ravel()
    got = _like(expected, device.dump(inputs[i], index), f"values of layer {layer.name!r}")
    wrong = np.flatnonzero(got != expected)
    example = Mismatch(i, int(wrong[0]), int(expected[wrong[0]]), int(got[wrong[0]])) if len(wrong) else None
    return WrongLayer(index, layer.name, layer.op, len(wrong), expected.size, example)
