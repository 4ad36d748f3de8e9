"""On which devices does the op matrix run? All rows in one library or one image per device."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from matrix_rows import MACHINES, ROWS, WARNINGS, Outputs

from firmnet.codegen.model import model_sources
from firmnet.devices import core, host
from firmnet.devices.runner import Request, from_graph


def on_host() -> Outputs:
    library = host.HostLibrary(
        {row.graph.name: model_sources(row.graph, dsp=False) for row in ROWS}, cflags=WARNINGS
    )
    return {
        row.id: np.stack([library.run(row.graph.name, *row.split(x)) for x in row.inputs]) for row in ROWS
    }


def on_core(machine: str) -> Outputs:
    dsp = machine != MACHINES["core_m3"]
    image = core.image([from_graph(row.graph, dsp=dsp) for row in ROWS], machine, cflags=WARNINGS)
    answers = image.ask([Request(row.graph.name, row.inputs) for row in ROWS])
    return {row.id: answer.outputs for row, answer in zip(ROWS, answers, strict=True)}


@pytest.fixture(scope="session")
def matrix() -> Callable[[str], Outputs]:
    """Device → row id → outputs int8 (N, bytes), each device run once."""
    return cache(lambda device: on_host() if device == "host" else on_core(MACHINES[device]))
