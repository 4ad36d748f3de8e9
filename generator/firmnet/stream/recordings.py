"""Which windows, and which hops, are in the recordings that a user calibrates a stream with?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..interpret import model_shape
from ..ir import Array, Graph

MOST_WINDOWS = 512
"""That are cut out of all recordings together, evenly spread."""


@dataclass(frozen=True)
class Recordings:
    """`arrays` (N, *one recording), of windows or longer; `windows` (N, *one window) of them.

    `axis`: time, in the model's own order, where the recordings show it; `batch`: how many axes come before
    those of a recording there.
    """

    arrays: Array
    windows: Array
    axis: int | None
    batch: int

    def hops(self, axis: int, frames: int) -> Iterator[Array]:
        """One hop after the other, of all recordings behind each other in time, as the model takes them."""
        along = axis - self.batch
        rest = np.empty(0)
        for recording in self.arrays:
            signal = np.concatenate([rest, recording], along) if rest.size else recording
            count = signal.shape[along] // frames
            for i in range(count):
                yield np.take(signal, range(i * frames, (i + 1) * frames), along)[(None,) * self.batch]
            rest = np.take(signal, range(count * frames, signal.shape[along]), along)


def read_recordings(samples: Any, graph: Graph, axis: int | None) -> Recordings:
    """Of what calibrates the network of a window: windows, or recordings that are longer along the time.

    `axis`: what the user says is time. UserError where recordings are longer along another axis, or several;
    what else may be wrong with them is found by quantize.check_samples in their windows.
    """
    if len(graph.inputs) != 1 or graph.states:
        inputs, states = len(graph.inputs), len(graph.states)
        raise UserError(
            f"model {graph.name!r} has {inputs} input{'s' * (inputs != 1)} and {states} "
            f"state{'s' * (states != 1)}: a stream is made of a network with one input that remembers "
            "nothing itself; leave out `stream`"
        )
    shape = model_shape(graph.tensors[graph.input], graph.inputs[0].order)
    batch = int(shape[:1] == (1,))
    array = _array(next(iter(samples.values())) if isinstance(samples, Mapping) and samples else samples)
    if batch and array.ndim == len(shape) + 1 and array.shape[1] == 1:
        array = array[:, 0]
    window = shape[batch:]
    longer = [i for i, (n, m) in enumerate(zip(array.shape[1:], window, strict=False)) if n > m]
    if array.ndim != len(window) + 1 or not longer or not len(array):
        return Recordings(array, array, axis, batch)
    if len(longer) > 1 or axis not in (None, longer[0] + batch):
        raise UserError(
            f"calibration data has shape {array.shape}, and the model takes {shape}: give windows of that "
            "shape, or recordings that are longer along the time alone"
        )
    return Recordings(array, _windows(array, longer[0] + 1, window[longer[0]]), longer[0] + batch, batch)


def _array(samples: Any) -> Array:
    try:
        return np.asarray(samples)
    except ValueError:
        raise UserError(
            "calibration data is a list of recordings of different lengths: cut them to one, or give windows"
        ) from None


def _windows(arrays: Array, axis: int, frames: int) -> Array:
    """Windows of recordings (N, …), as many of each, evenly from the first to the last."""
    places = arrays.shape[axis] - frames + 1
    each = min(places, max(1, MOST_WINDOWS // len(arrays)))
    starts = np.unique(np.linspace(0, places - 1, each).astype(int))
    return np.concatenate([np.take(arrays, range(s, s + frames), axis) for s in starts])
