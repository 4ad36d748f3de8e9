"""How does a float graph become an integer one, from samples on? Ranges, types, scales; and what was lost."""

from dataclasses import dataclass, replace
from typing import Any

from ..ir import Array, Graph
from .apply import apply
from .lost import Lost, lost
from .observe import Method, Progress, calibrate
from .precision import Asked, read_precision
from .quality import LayerQuality, measure
from .samples import check_samples
from .search import Found16, search


@dataclass(frozen=True)
class Quantized:
    """The integer graph, ready for the planner and the code generator, how well each layer of it does, and
    what of the calibration samples no longer comes out.

    Where types were found out: `found`, and `narrow`, the same graph with int8 everywhere.
    """

    graph: Graph
    quality: tuple[LayerQuality, ...]
    lost: tuple[Lost, ...] = ()
    found: Found16 | None = None
    narrow: Graph | None = None


def quantize(
    graph: Graph,
    samples: Any,
    ranges: Method = "mse",
    progress: Progress | None = None,
    what: str = "calibration data",
    precision: Asked = None,
    test: tuple[Any, Array] | None = None,
) -> Quantized:
    """Calibrate on `samples` (N, …; the model's own order), choose types and scales, and measure the cost.

    Of a graph with several inputs `samples` has an array for each; see check_samples. `precision` is read by
    read_precision; where it aims at an accuracy, `test` has passed check_test. Tensor and layer names stay.
    Raises UserError for unusable samples, and ValueError for a graph that still holds float-only ops (passes
    must run first).
    """
    asked = read_precision(precision)
    checked = check_samples(samples, graph, what)
    observed = calibrate(graph, checked, ranges, progress, what)
    named, found = asked.named, None
    if asked.auto:
        named, found = search(graph, checked, observed, asked, test, progress)
    integer = apply(graph, observed, named, asked.default)
    events = lost(graph, integer, checked, observed)
    if events and ranges == "mse":
        covering = apply(graph, replace(observed, method="minmax"), named, asked.default)
        events = tuple(event.with_minmax(covering, checked) for event in events)
    narrow = apply(graph, observed, asked.named) if found else None
    return Quantized(integer, measure(graph, integer, checked, observed), events, found, narrow)
