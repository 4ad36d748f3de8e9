"""What does every frontend hand back?"""

from dataclasses import dataclass
from typing import Any

from ...ir import Array, Graph


@dataclass(frozen=True)
class Imported:
    """A float graph, and what its source knew besides: None or empty where it said nothing.

    `example` is one sample of each input in the model's own order (batch of 1); `calibration` holds samples
    along axis 0, of several inputs in a tuple or dict, and `test` such samples with their class numbers (N,).
    `notes`: what users should know of the import, a sentence each.
    """

    graph: Graph
    example: tuple[Array, ...] | None = None
    calibration: Any = None
    test: tuple[Any, Array] | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
