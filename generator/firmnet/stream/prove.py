"""Does the stream compute, bit for bit, what its network makes of whole windows? Shown on recordings."""

from collections.abc import Iterable

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
            _compare(window, found, values, int_values(window, late), stream, run)
    return len(chosen)


def _chosen(window: Graph, first: int, runs: int) -> list[int]:
    """Which runs are compared: the first that can be, the last, and others between."""
    macs = sum(OPS[node.op].macs(window.call(node)) for node in window.nodes)
    count = min(max(LEAST_COMPARED, WORK // max(macs, 1)), MOST_COMPARED)
    return [int(run) for run in np.unique(np.linspace(first, runs, count).astype(int))]


def _compare(
    window: Graph, found: Followed, streamed: Values, whole: Values, stream: Graph, run: int
) -> None:
    """Raise VerificationError unless all outputs of a run equal those of the window that ends with it."""

    def right(name: str) -> Array:
        timed = found.timed.get(name)
        return whole[name] if timed is None else np.take(whole[name], range(*found.block(name)), timed.axis)

    ports = zip(stream.outputs, window.outputs, strict=True)
    if all(np.array_equal(streamed[s.tensor], right(w.tensor)) for s, w in ports):
        return
    differs = next(
        (
            node.name
            for node in window.nodes
            for name in node.outputs
            if name in streamed
            and (name not in found.timed or found.block(name)[0] >= found.timed[name].first)
            and not np.array_equal(streamed[name], right(name))
        ),
        window.nodes[-1].name,
    )
    frames = run * found.hop
    raise VerificationError(
        f"the stream of {window.name!r} is not its network: in run {run}, with frames up to {frames - 1} of "
        f"the calibration data, layer {differs!r} is the first that does not equal the window's"
    )
