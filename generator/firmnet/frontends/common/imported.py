"""What does every frontend hand back?"""

from dataclasses import dataclass

from ...ir import Array, Graph


@dataclass(frozen=True)
class Imported:
    """A float graph, and what its source knew besides: None or empty where it said nothing.

    `example` is one sample in the model's own order (batch of 1); `calibration` holds samples along axis 0
    and `test` such samples with their class numbers (N,).
    """

    graph: Graph
    example: Array | None = None
    calibration: Array | None = None
    test: tuple[Array, Array] | None = None
    labels: tuple[str, ...] = ()
