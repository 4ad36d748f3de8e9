"""What must a call come to, from real numbers to a label? By the oracle; and what a device makes of it."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .artifact import Artifact, Edge
from .interpret import int_values
from .ir import Array, QParams
from .qmath import dequantize_output, quantize_input

FLOAT_SAMPLES = 3
"""Float samples that every verification sends."""
EDGES = 5
"""Places within an int8 level that float samples take in turn."""
RANGES_BEYOND = 3.0
"""So many ranges beyond the input's own lie the values of its outermost levels."""
CLOSE = 1e-5
"""How near a scale that a board prints must be: it prints seven digits."""


@dataclass(frozen=True)
class Prediction:
    """What came of one float sample.

    CRC-32s of the quantized input as it is stored and of the output as float32 in the model's own order;
    index, score and label of the best output. `form` is how the sample went in: "float32", or "int8" (rounded
    by the host) where a board has no room for floats.
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
            return "predict() was not checked: its input finds no room in the board's memory"
        if self.wrong:
            return self.wrong
        return f"predict() right for {self.samples} {self.form} sample{'s' * (self.samples > 1)}"


def real_samples(artifact: Artifact, inputs: Array) -> Array:
    """A few float32 samples (n, *sample shape), spread over int8 inputs, that try every edge of rounding.

    Each level of a sample stands at another place of what rounds to it: its middle, both its bounds, or just
    beside them; the outermost levels lie far outside the range too.
    """
    q = artifact.graph.tensors[artifact.graph.input].q
    chosen = inputs[np.unique(np.linspace(0, len(inputs) - 1, min(FLOAT_SAMPLES, len(inputs))).astype(int))]
    tables = np.stack([_real_levels(q, start) for start in range(len(chosen))])
    return np.stack([levels[x.astype(np.int64) + 128] for levels, x in zip(tables, chosen, strict=True)])


def _real_levels(q: QParams, start: int) -> Array:
    """float32 (256,): a real value for every int8 level, the kinds of value taken in turn from `start`."""
    levels = np.arange(-128, 128, dtype=np.float64)
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
    values: Array = kinds[(np.arange(256) + start) % EDGES, np.arange(256)]
    if start % 2:
        values[[0, -1]] += np.float32(RANGES_BEYOND * 256 * scale) * np.array([-1, 1], np.float32)
    most = np.finfo(np.float32).max
    return np.clip(values, -most, most)


def prediction(artifact: Artifact, sample: Array) -> Prediction:
    """What predict() must come to for one float32 sample, in the model's own order."""
    graph, manifest = artifact.graph, artifact.manifest
    (stored,) = manifest.input.stored(quantize_input(sample, graph.tensors[graph.input].q)[np.newaxis])
    y = int_values(graph, stored)[graph.output].reshape(1, -1)
    return answer(stored, real_output(graph.tensors[graph.output].q, manifest.output, y), manifest.labels)


def real_output(q: QParams, edge: Edge, stored: Array) -> Array:
    """An int8 output (1, values) as stored → float32, flat, in the model's own order."""
    return dequantize_output(edge.samples(stored), q).ravel()


def answer(
    stored: Array, real: Array, labels: Sequence[str], best: tuple[int, np.float32] | None = None
) -> Prediction:
    """The prediction of int8 input and float32 output; `best` where a device has found that itself."""
    index, score = best or (int(real.argmax()), real.max())
    label = labels[index] if index < len(labels) else index
    return Prediction(zlib.crc32(stored.tobytes()), zlib.crc32(real.tobytes()), index, float(score), label)


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
    manifest, graph = artifact.manifest, artifact.graph
    edges = {"input": (manifest.input, graph.input), "output": (manifest.output, graph.output)}
    return {
        "name": manifest.name,
        "board": artifact.board.name,
        "firmnet": manifest.firmnet,
        "fingerprint": manifest.fingerprint,
        "labels": manifest.labels,
        "arena_bytes": manifest.arena_bytes,
        **{
            key: {
                "name": name,
                "shape": edge.model_shape,
                "scale": edge.scale,
                "zero_point": edge.zero_point,
                "bytes": graph.tensors[name].size,
                "stored": {"shape": edge.shape, "order": edge.order or tuple(range(len(edge.shape)))},
            }
            for key, (edge, name) in edges.items()
        },
    }


def wrong_info(right: Mapping[str, Any], said: Mapping[str, Any], path: str = "") -> str:
    """The first thing in which an info() differs from what it must say; "" when there is none."""
    for key, value in right.items():
        found, where = said.get(key), f"{path}{key}"
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
