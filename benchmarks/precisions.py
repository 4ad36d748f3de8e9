"""What does int16 gain, and what does it cost? Small networks with int8, with int16 in places, and all of it.

    python benchmarks/precisions.py [-k PATTERN] [--target-snr DB]

The networks are those of benchmarks/networks.py. SNR is that of the worst output beside the float network, on
the calibration samples; cycles are modelled; every network is verified layer by layer on an emulated core.
"""

import argparse
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import networks
import torch
from small_networks import NETWORKS, SmallNetwork
from small_networks.data import settled, split, train

import firmnet
from firmnet.errors import QualityWarning, UserError
from firmnet.profile import profile
from firmnet.screen import Screen

SOME = r"^(activity_cnn|ds_cnn|ecg_autoencoder|tanh_actor)$"
HEADS = ("network", "activations", "SNR dB", "accuracy", "RAM B", "flash B", "cycles")


def rows(network: SmallNetwork, target_snr_db: float) -> Iterator[tuple[str, ...]]:
    """One for each precision; raises AssertionError where a core does not compute what the oracle says."""
    module = settled(network)
    data = split(network.data, network.shapes[0]) if network.data else None
    if data:
        train(module, data)
    samples = networks.calibration(network, data)
    for precision in ("int8", "auto", "int16"):
        deployment = firmnet.compile(
            module,
            samples if len(samples) > 1 else samples[0],
            board=networks.BOARD,
            name=network.name,
            precision=precision,
            target_snr_db=target_snr_db if precision == "auto" else None,
        )
        with tempfile.TemporaryDirectory(prefix="firmnet-") as scratch:
            artifact = deployment.save(Path(scratch) / network.name)
            verdict = deployment.verify(device="core", layers=True)
            assert verdict.ok, verdict.sentence()
            cost, accuracy = profile(artifact), networks.accuracy_of(deployment, data)
        found = deployment.found
        yield (
            network.name,
            f"{len(found.widened)} of {found.candidates} int16" if found else precision,
            f"{networks.worst_snr(deployment):.1f}",
            f"{accuracy.int8_accuracy:.2%} (float {accuracy.float_accuracy:.2%})" if accuracy else "-",
            f"{cost.ram_bytes:,}",
            f"{cost.flash_bytes:,}",
            f"{cost.cycles or 0:,}",
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default=SOME, metavar="PATTERN", help="only networks whose names match")
    parser.add_argument("--target-snr", type=float, default=40.0, metavar="DB", help="of auto; default: 40")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", QualityWarning)
    screen, found = Screen(), []
    for network in NETWORKS.values():
        if re.search(options.k, network.name):
            try:
                found += rows(network, options.target_snr)
            except UserError as error:
                screen.line(f"{network.name}: {error}")
    screen.table(HEADS, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
