"""What must a call come to, from real numbers to a label? By the oracle; and what a device makes of it."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .artifact import Artifact
from .interpret import Stepper
from .ir import Array, QParams, unwrapped, wrapped
from .manifest import Edge
from .qmath import dequantize_output, pixel_divisor, quantize_input

FLOAT_SAMPLES = 3
"""Float samples that every verification sends."""
EDGES = 5
"""Places within a level that float samples take in turn."""
TIMES = 2
"""So often a model with states is given a sample: that it remembers shows in the second answer."""
RANGES_BEYOND = 3.0
"""So many ranges beyond the input's own lie the values of its outermost levels."""
CLOSE = 1e-5
"""How near a scale that a board prints must be: it prints seven digits."""


@dataclass(frozen=True)
class Prediction:
    """What came of one float sample.

    CRC-32s of the quantized inputs as they are stored and of the outputs as float32 in the model's own order;
    index, score and label of the largest value of the (first) output. `form` is how the sample went in:
    "float32", or "int8" (rounded by the host) where a board has no room for floats.
    """

    input_crc: int
    output_crc: int
    index: int
    score: float
    label: str | int
    form: str = "float32"


@dataclass(frozen=True)
class Calls:
    """How many float samples were predicted, in which form, and the first thing that was wrong, if any."""

    samples: int
    form: str
    wrong: str = ""

    def sentence(self) -> str:
        """For people, to follow others in one line."""
        if not self.samples:
            return "predict() was not checked: its input or its results find no room in the board's memory"
        if self.wrong:
            return self.wrong
        return f"predict() right for {self.samples} {self.form} sample{'s' * (self.samples > 1)}"


def real_samples(artifact: Artifact, inputs: Any) -> Any:
    """A few float32 samples (n, *sample shape), spread over quantized ones, that try every edge of rounding.

    Each level of a sample stands at another place of what rounds to it: its middle, both its bounds, or just
    beside them; the outermost levels lie far outside the range too.
    """
    edges = artifact.manifest.inputs
    found = []
    for edge, given in zip(edges, wrapped(inputs, len(edges)), strict=True):
        chosen = given[np.unique(np.linspace(0, len(given) - 1, min(FLOAT_SAMPLES, len(given))).astype(int))]
        found.append(np.stack([_real_levels(edge.q, x, start) for start, x in enumerate(chosen)]))
    return unwrapped(found)


def _real_levels(q: QParams, x: Array, start: int) -> Array:
    """float32: a real value for every integer, the kinds of value taken in turn by level, from `start` on."""
    levels = x.astype(np.float64)
    scale, zero_point = q.scale[0], q.zero_point
    bounds = (scale * (levels - 0.5 - zero_point)).astype(np.float32)
    kinds = np.stack(
        [
            (scale * (levels - zero_point)).astype(np.float32),
            bounds,
            np.nextafter(bounds, np.float32(-np.inf)),
            np.nextafter(bounds, np.float32(np.inf)),
            (scale * (levels + 0.49 - zero_point)).astype(np.float32),
        ]
    )
    which = (x.astype(np.int64) - q.dtype.low + start) % EDGES
    values: Array = np.take_along_axis(kinds, which[np.newaxis], axis=0)[0]
    if start % 2:
        far = np.float32(RANGES_BEYOND * 2.0**q.dtype.bits * scale)
        ends = (x == q.dtype.high).astype(np.float32) - (x == q.dtype.low).astype(np.float32)
        values = values + far * ends
    most = np.finfo(np.float32).max
    return np.clip(values, -most, most)


def prediction(artifact: Artifact, *sample: Array) -> Prediction:
    """What predict() must come to for one float32 sample of every input, in the model's own order."""
    graph, manifest = artifact.graph, artifact.manifest
    stored = [
        edge.stored(quantize_input(x, edge.q)[np.newaxis])[0]
        for edge, x in zip(manifest.inputs, sample, strict=True)
    ]
    runs = Stepper(graph)
    for _ in range(TIMES if graph.states else 1):
        values = runs(*stored)
    outputs = [
        edge.samples(values[port.tensor].reshape(1, -1)).ravel()
        for edge, port in zip(manifest.outputs, graph.outputs, strict=True)
    ]
    real = [dequantize_output(y, edge.q) for y, edge in zip(outputs, manifest.outputs, strict=True)]
    index = int(outputs[0].argmax())  # of the integers: int32 values that differ may be one float32
    return answer(stored, real, manifest.labels, (index, real[0][index]))


def answer(
    stored: Sequence[Array],
    real: Sequence[Array],
    labels: Sequence[str],
    best: tuple[int, np.float32],
) -> Prediction:
    """The prediction of quantized inputs and float32 outputs; `best`: index and score of the largest."""
    index, score = best
    label = labels[index] if index < len(labels) else index
    input_crc, output_crc = (zlib.crc32(b"".join(x.tobytes() for x in arrays)) for arrays in (stored, real))
    return Prediction(input_crc, output_crc, index, float(score), label)


def compared(expected: Sequence[Prediction], got: Sequence[Prediction]) -> Calls:
    """Every field of every prediction; with another count there is something wrong too."""
    wrong = "" if len(expected) == len(got) else f"it made {len(got)} predictions of {len(expected)}"
    for i, (right, said) in enumerate(zip(expected, got, strict=False)):
        wrong = wrong or _difference(right, said, i)
    return Calls(len(got), got[0].form if got else "", wrong)


def _difference(right: Prediction, said: Prediction, i: int) -> str:
    shown = f"{said.form} sample {i}"
    if said.input_crc != right.input_crc:
        return f"the input is not quantized as by the oracle for {shown}"
    if said.output_crc != right.output_crc:
        return f"the output's real values are not the oracle's for {shown}"
    if (said.label, said.score) != (right.label, right.score):
        return (
            f"predict() answers {said.label!r} ({said.score:.7g}) for {shown}, "
            f"the oracle {right.label!r} ({right.score:.7g})"
        )
    if said.index != right.index:
        return f"best() answers {said.index} for {shown}, the oracle {right.index}"
    return ""


def expected_info(artifact: Artifact) -> dict[str, Any]:
    """What info() must say of the firmware; what depends on the moment (free heap) is left out."""
    manifest = artifact.manifest
    whole = {
        "name": manifest.name,
        "board": artifact.board.name,
        "firmnet": manifest.firmnet,
        "fingerprint": manifest.fingerprint,
        "labels": manifest.labels,
        "arena_bytes": manifest.arena_bytes,
    }
    if manifest.runtime == "c":  # hello tells its inputs, outputs and states, but not their scales
        return whole
    stream = {"stream": asdict(manifest.stream)} if manifest.stream else {}
    return (
        whole
        | stream
        | {
            "states": tuple(state.name for state in manifest.states),
            "inputs": tuple(_told(edge) | {"pixels": pixel_divisor(edge.q)} for edge in manifest.inputs),
            "outputs": tuple(map(_told, manifest.outputs)),
        }
    )


def _told(edge: Edge) -> dict[str, Any]:
    return {
        "name": edge.name,
        "shape": edge.model_shape,
        "dtype": edge.dtype.value,
        "scale": edge.scale,
        "zero_point": edge.zero_point,
        "bytes": edge.byte_count,
        "stored": {"shape": edge.shape, "order": edge.order or tuple(range(len(edge.shape)))},
    }


def wrong_info(right: Mapping[str, Any], said: Mapping[str, Any], path: str = "") -> str:
    """The first thing in which an info() differs from what it must say; "" when there is none."""
    for key, value in right.items():
        found, where = said.get(key), f"{path}{key}"
        if isinstance(value, tuple) and any(isinstance(each, Mapping) for each in value):
            value = dict(enumerate(value))
            found = dict(enumerate(found)) if isinstance(found, tuple | list) else found
        if isinstance(value, Mapping):
            told = wrong_info(value, found if isinstance(found, Mapping) else {}, f"{where} ")
            if told:
                return told
        elif found != value and not _close(value, found):
            return f"info() says {where} {str(found)[:60]!r}, where {str(value)[:60]!r} is right"
    return ""


def _close(right: Any, said: Any) -> bool:
    if not isinstance(right, float) or not isinstance(said, float):
        return False
    return abs(said - right) <= CLOSE * abs(right)
