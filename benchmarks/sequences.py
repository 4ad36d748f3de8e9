"""What becomes of networks that remember, attend, or hear a stream? Trained on real data, step by step.

    python benchmarks/sequences.py [-k PATTERN] [--jobs N] [--json]

The data are the watch's recordings in seglearn, split by person: three of ten are held out. Float scores are
those of PyTorch on whole windows, integer scores the oracle's after the last step. SNR is that of these
scores, and of what the last layer reads (a recurrent network's state), over held-out windows; "alike" is how
often both choose the same class. Every network runs on the host and on an emulated Cortex-M4, each layer of
each step compared bit by bit. Cycles are modelled, per run: a window, a step or a hop.
"""

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import numpy as np
import torch
from sequence_networks import CHANNELS, NETWORKS, SequenceNetwork
from small_networks.data import Array, Split, split, train
from torch import nn
from trials import all_tried, asked_for, wrong_verdicts

import firmnet
from firmnet.api import Deployment
from firmnet.errors import QualityWarning, UserError
from firmnet.interpret import Stepper, float_values, quantized_inputs
from firmnet.ir import Graph
from firmnet.profile import profile
from firmnet.screen import Screen

BOARD = "nucleo_f446re"
CALIBRATED, HELD_OUT, COMPARED = 64, 200, 50
"""Windows: to choose ranges with, to count classes on, to measure SNR with."""


@dataclass(frozen=True)
class Tried:
    """`refused`: why it is not taken, "" otherwise; `wrong`: the verdict that was not right."""

    name: str
    refused: str = ""
    wrong: str = ""
    runs_per_window: int = 1
    float_accuracy: float = 0.0
    integer_accuracy: float = 0.0
    alike: float = 0.0
    scores_snr_db: float = 0.0
    state_snr_db: float = 0.0
    ram_bytes: int = 0
    flash_bytes: int = 0
    cycles_per_run: int = 0


def attempt(name: str) -> Tried:
    """Everything about one network; a fault of firmnet is told, and ends no other."""
    try:
        return _attempt(NETWORKS[name])
    except UserError as error:
        return Tried(name, refused=str(error))
    except Exception as error:
        return Tried(name, wrong=f"{type(error).__name__}: {error}")


def _attempt(network: SequenceNetwork) -> Tried:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore", QualityWarning)
    module, data = network.module(), windows(network.readings)
    train(module, data)
    deployment = deployed(network, module, data.x[:: len(data.x) // CALIBRATED][:CALIBRATED])
    with tempfile.TemporaryDirectory(prefix="firmnet-") as scratch:
        deployment.save(Path(scratch) / network.name)
        return _measured(network, module, deployment, data)


def windows(readings: int) -> Split:
    """Samples (N, readings, 6) of known people, and up to HELD_OUT of others."""
    data = split("watch", (CHANNELS, readings))
    if data is None:
        raise UserError("the recordings are in the package seglearn: pip install seglearn")
    chosen = np.random.default_rng(0).permutation(len(data.held_out))[:HELD_OUT]
    x, held_out = (part.transpose(0, 2, 1).copy() for part in (data.x, data.held_out[chosen]))
    return Split(x, data.y, held_out, data.of_held_out[chosen])


def deployed(network: SequenceNetwork, module: nn.Module, samples: Array) -> Deployment:
    if not network.steps:
        return firmnet.compile(module, samples, board=BOARD, name=network.name, stream=network.stream)
    step = network.steps(module).eval()
    first = torch.zeros(1, CHANNELS)
    states = [torch.zeros(shape) for shape in network.states.values()]
    takes_over = {name: 1 + place for place, name in enumerate(network.states)}
    sequences = [*samples[: CALIBRATED // 4]]
    return firmnet.compile(
        step, sequences, board=BOARD, name=network.name, example=(first, *states), state=takes_over
    )


def _measured(network: SequenceNetwork, module: nn.Module, deployment: Deployment, data: Split) -> Tried:
    wrong = wrong_verdicts(deployment)
    assert deployment.artifact is not None
    cost, graph = profile(deployment.artifact), deployment.graph
    pieces = pieces_of(graph, network)
    with torch.no_grad():
        right = module(torch.from_numpy(data.held_out)).numpy()
    found = [last_of(graph, pieces(window)) for window in data.held_out]
    scores = np.array([scores for scores, _ in found])
    states = [state for _, state in found[:COMPARED]]
    meant = [
        float_state(deployment.float_graph, network, pieces, window) for window in data.held_out[:COMPARED]
    ]
    return Tried(
        network.name,
        wrong=wrong,
        runs_per_window=len(pieces(data.held_out[0])),
        float_accuracy=float((right.argmax(1) == data.of_held_out).mean()),
        integer_accuracy=float((scores.argmax(1) == data.of_held_out).mean()),
        alike=float((right.argmax(1) == scores.argmax(1)).mean()),
        scores_snr_db=snr_db(right, scores),
        state_snr_db=snr_db(np.array(meant), np.array(states)),
        ram_bytes=cost.ram_bytes,
        flash_bytes=cost.flash_bytes,
        cycles_per_run=cost.cycles or 0,
    )


def pieces_of(graph: Graph, network: SequenceNetwork):  # type: ignore[no-untyped-def]
    """How a window (readings, 6) is given: at once, in hops, or reading by reading."""
    size = 1 if network.steps else graph.stream.hop if graph.stream else network.readings

    def pieces(window: Array) -> Array:
        return window.reshape(-1, *((1, CHANNELS) if network.steps else (1, size, CHANNELS)))

    return pieces


def last_of(graph: Graph, pieces: Array) -> tuple[Array, Array]:
    """The scores after the last piece, and what their layer reads, as real numbers."""
    step = Stepper(graph)
    for piece in pieces:
        values = step(*quantized_inputs(graph, piece))
    scores, read = graph.outputs[0].tensor, read_by_scores(graph)
    return tuple(graph.tensors[name].q.to_real(values[name]).ravel() for name in (scores, read))  # type: ignore[return-value]


def float_state(graph: Graph, network: SequenceNetwork, pieces, window: Array) -> Array:  # type: ignore[no-untyped-def]
    """What the layer of the scores reads in the end, by the float graph: that of a stream takes windows."""
    step = Stepper(graph, float_values)
    for piece in pieces(window) if network.steps else [window[None]]:
        values = step(piece)
    return values[read_by_scores(graph)].ravel()


def read_by_scores(graph: Graph) -> str:
    node = graph.producer(graph.outputs[0].tensor)
    assert node is not None
    return node.inputs[0]


def snr_db(right: Array, found: Array) -> float:
    """10·log₁₀ of the signal's energy over that of what was added to it."""
    return float(10 * np.log10(np.square(right).sum() / max(np.square(found - right).sum(), 1e-30)))


def show(tried: Sequence[Tried], screen: Screen) -> None:
    heads = (
        "network",
        "runs",
        "float",
        "int",
        "alike",
        "scores dB",
        "state dB",
        "RAM B",
        "flash B",
        "cycles/run",
    )
    screen.table(heads, [_row(each) for each in tried if not each.refused and each.cycles_per_run])
    exact = sum(not each.refused and not each.wrong for each in tried)
    screen.line(
        f"{exact} of {len(tried)} networks are bit-exact in every layer of each step, on host and core",
        "bold",
    )
    screen.result({"networks": [asdict(each) for each in tried]})


def _row(each: Tried) -> tuple[str, ...]:
    shares = [f"{share:.1%}" for share in (each.float_accuracy, each.integer_accuracy, each.alike)]
    ratios = [f"{ratio:.1f}" for ratio in (each.scores_snr_db, each.state_snr_db)]
    sizes = [f"{n:,}" for n in (each.ram_bytes, each.flash_bytes, each.cycles_per_run)]
    return each.name, str(each.runs_per_window), *shares, *ratios, *sizes


def main(arguments: Sequence[str] | None = None) -> int:
    options = asked_for(__doc__, "name", arguments)
    screen = Screen(json=options.json)
    chosen = [name for name in NETWORKS if re.search(options.k, name)]
    tried = all_tried(attempt, chosen, options.jobs, screen)
    show(tried, screen)
    return int(any(each.wrong or each.refused for each in tried))


if __name__ == "__main__":
    sys.exit(main())
