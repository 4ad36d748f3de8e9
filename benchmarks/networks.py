"""Which of the small networks that people train does firmnet take, and what becomes of them?

    python benchmarks/networks.py [-k PATTERN] [--jobs N] [--json]

Every network that is taken runs on the host and on an emulated Cortex-M4, layer by layer, bit for bit
as the oracle says; cycles are modelled, RAM and flash are of one ELF. SNR is that of the worst output beside
the float network, on the calibration samples. Accuracy stands where a data set ships in a package (one is in
seglearn); the others have the weights that they were drawn with, and noise as samples.
"""

import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import numpy as np
import torch
from small_networks import KINDS, NETWORKS, SmallNetwork
from small_networks.data import Split, settled, split, train
from trials import all_tried, asked_for, wrong_verdicts

import firmnet
from firmnet.api import Deployment
from firmnet.errors import QualityWarning, UserError
from firmnet.profile import profile
from firmnet.quantize import Accuracy, check_test, measure_accuracy
from firmnet.screen import Screen

BOARD = "nucleo_f446re"
SAMPLES = 64


@dataclass(frozen=True)
class Tried:
    """`refused`: why it is not taken, "" otherwise; `wrong`: the verdict that was not right."""

    name: str
    kind: str
    refused: str = ""
    wrong: str = ""
    layers: int = 0
    snr_db: float = 0.0
    float_accuracy: float | None = None
    int8_accuracy: float | None = None
    ram_bytes: int = 0
    flash_bytes: int = 0
    macs: int = 0
    cycles: int = 0


def attempt(network: SmallNetwork) -> Tried:
    """Everything about one network; a fault of firmnet is told, and ends no other."""
    try:
        return _attempt(network)
    except Exception as error:
        return Tried(network.name, network.kind, wrong=f"{type(error).__name__}: {error}")


def _attempt(network: SmallNetwork) -> Tried:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", QualityWarning)
    module = settled(network)
    data = split(network.data, network.shapes[0]) if network.data else None
    if data:
        train(module, data)
    samples = calibration(network, data)
    try:
        deployment = firmnet.compile(
            module, samples if len(samples) > 1 else samples[0], board=BOARD, name=network.name
        )
    except UserError as error:
        return Tried(network.name, network.kind, refused=str(error))
    with tempfile.TemporaryDirectory(prefix="firmnet-") as scratch:
        deployment.save(Path(scratch) / network.name)
        return _measured(network, deployment, data)


def calibration(network: SmallNetwork, data: Split | None) -> tuple[Any, ...]:
    if data:
        return (data.x[:SAMPLES],)
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(SAMPLES, *shape)).astype(np.float32) for shape in network.shapes)


def _measured(network: SmallNetwork, deployment: Deployment, data: Split | None) -> Tried:
    wrong = wrong_verdicts(deployment)
    assert deployment.artifact is not None
    cost, accuracy = profile(deployment.artifact), accuracy_of(deployment, data)
    return Tried(
        network.name,
        network.kind,
        wrong=wrong,
        layers=len(deployment.graph.nodes),
        snr_db=round(worst_snr(deployment), 1),
        float_accuracy=accuracy and round(accuracy.float_accuracy, 4),
        int8_accuracy=accuracy and round(accuracy.int8_accuracy, 4),
        ram_bytes=cost.ram_bytes,
        flash_bytes=cost.flash_bytes,
        macs=cost.macs,
        cycles=cost.cycles or 0,
    )


def accuracy_of(deployment: Deployment, data: Split | None) -> Accuracy | None:
    if not data:
        return None
    test = check_test((data.held_out, data.of_held_out), deployment.float_graph)
    return measure_accuracy(deployment.float_graph, deployment.graph, test)


def worst_snr(deployment: Deployment) -> float:
    """Of the outputs; views have no row of their own, so theirs is that of the layer before."""
    rows = {row.name: row.snr_db for row in deployment.quality}
    graph, found = deployment.graph, []
    for port in graph.outputs:
        node = graph.producer(port.tensor)
        while node is not None and node.name not in rows:
            node = graph.producer(node.inputs[0])
        found.append(rows[node.name] if node else np.inf)
    return float(min(found))


def show(tried: Sequence[Tried], screen: Screen) -> None:
    heads = ("network", "kind", "layers", "SNR dB", "float", "int8", "RAM B", "flash B", "MACs", "cycles")
    screen.table(heads, [_row(each) for each in tried if not each.refused])
    taken = Counter(each.kind for each in tried if not each.refused)
    of_all = Counter(each.kind for each in tried)
    screen.line(", ".join(f"{kind} {taken[kind]} of {of_all[kind]}" for kind in KINDS if of_all[kind]))
    exact = sum(not each.refused and not each.wrong for each in tried)
    screen.line(
        f"{taken.total()} of {len(tried)} networks are taken; {exact} of these are bit-exact in every layer "
        "on host and emulated core",
        "bold",
    )
    screen.result({"networks": [asdict(each) for each in tried]})


def _row(each: Tried) -> tuple[str, ...]:
    accuracies = [
        "" if share is None else f"{share:.2%}" for share in (each.float_accuracy, each.int8_accuracy)
    ]
    sizes = [f"{n:,}" for n in (each.ram_bytes, each.flash_bytes, each.macs, each.cycles)]
    return each.name, each.kind, str(each.layers), f"{each.snr_db:.1f}", *accuracies, *sizes


def main(arguments: Sequence[str] | None = None) -> int:
    options = asked_for(__doc__, "name or kind", arguments)
    screen = Screen(json=options.json)
    chosen = [n for n in NETWORKS.values() if re.search(options.k, f"{n.kind} {n.name}")]
    tried = all_tried(attempt, chosen, options.jobs, screen)
    show(tried, screen)
    return int(any(each.wrong for each in tried))


if __name__ == "__main__":
    sys.exit(main())
