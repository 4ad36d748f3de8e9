"""Does the stream compute, bit for bit, what its network makes of whole windows? Shown on recordings."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import VerificationError
from ..interpret import Stepper, Values, int_values, quantized_inputs
from ..ir import Array, Graph
from ..ops import OPS
from .follow import Followed

MOST_RUNS = 4096
WORK = 2_000_000_000
"""Multiply-accumulates of the windows that are computed for comparison, about seconds."""
LEAST_COMPARED, MOST_COMPARED = 3, 64


def proven(window: Graph, stream: Graph, found: Followed, hops: Iterable[Array]) -> int:
    """How many windows of the recordings, given as hops in their order, were compared: every output of each.

    Where the recordings have no whole window they begin anew. Raises VerificationError that names the run,
    and the first layer that differs.
    """
    assert stream.stream
    quantized = [quantized_inputs(stream, hop)[0] for hop, _ in zip(hops, range(MOST_RUNS), strict=False)]
    if found.from_reset:
        return _proven_from_reset(window, stream, found, quantized)
    first = stream.stream.first_run
    while len(quantized) < first + LEAST_COMPARED:
        quantized += quantized
    chosen = _chosen(window, first, len(quantized))
    step = Stepper(stream)
    for run in range(1, chosen[-1] + 1):
        values = step(quantized[run - 1])
        if run in chosen:
            frames = np.concatenate(quantized[run - first : run], found.axis)
            late = np.take(
                frames, range(frames.shape[found.axis] - found.window, frames.shape[found.axis]), found.axis
            )
            _compare(window, found, values, int_values(window, late), stream, _Run(run))
    return len(chosen)


def _proven_from_reset(window: Graph, stream: Graph, found: Followed, quantized: list[Array]) -> int:
    """Sequences of a window each, every one from a reset: the outputs of all their runs."""
    runs = found.window // found.hop
    while len(quantized) < LEAST_COMPARED * runs:
        quantized += quantized
    count = min(len(quantized) // runs, _most_compared(window))
    for sequence in range(count):
        hops, step = quantized[sequence * runs : (sequence + 1) * runs], Stepper(stream)
        whole = int_values(window, np.concatenate(hops, found.axis))
        for run, hop in enumerate(hops, 1):
            _compare(window, found, step(hop), whole, stream, _Run(sequence * runs + run, runs - run))
    return count


def _most_compared(window: Graph) -> int:
    macs = sum(OPS[node.op].macs(window.call(node)) for node in window.nodes)
    return min(max(LEAST_COMPARED, WORK // max(macs, 1)), MOST_COMPARED)


def _chosen(window: Graph, first: int, runs: int) -> list[int]:
    """Which runs are compared: the first that can be, the last, and others between."""
    return [int(run) for run in np.unique(np.linspace(first, runs, _most_compared(window)).astype(int))]


@dataclass(frozen=True)
class _Run:
    """A run that is compared with a window: of the stream its number, and how many runs later the window
    ends.
    """

    number: int
    before_end: int = 0


def _compare(
    window: Graph, found: Followed, streamed: Values, whole: Values, stream: Graph, run: _Run
) -> None:
    """Raise VerificationError unless all outputs of a run equal those of the window.

    What there is one of per window is compared where that ends with the run.
    """

    def same(made: str, name: str) -> bool:
        timed = found.timed.get(name)
        if timed is None:
            return run.before_end > 0 or np.array_equal(streamed[made], whole[name])
        places = np.arange(*found.block(name)) - run.before_end * found.new(name)
        if places[0] < timed.first:
            return True
        return np.array_equal(streamed[made], np.take(whole[name], places, timed.axis))

    if all(same(s.tensor, w.tensor) for s, w in zip(stream.outputs, window.outputs, strict=True)):
        return
    known = [(node.name, name) for node in window.nodes for name in node.outputs if name in streamed]
    differs = next((layer for layer, name in known if not same(name, name)), window.nodes[-1].name)
    raise VerificationError(
        f"the stream of {window.name!r} is not its network: in run {run.number}, with frames up to "
        f"{run.number * found.hop - 1} of the calibration data, layer {differs!r} is the first that does not "
        "equal the window's"
    )
