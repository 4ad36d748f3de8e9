"""Which graph do all stages speak? Frozen dataclasses, with no behaviour beyond lookup."""

from .check import check
from .dtype import Dtype
from .graph import (
    Array,
    Call,
    Graph,
    Node,
    Port,
    QParams,
    Shape,
    State,
    Stream,
    Tensor,
    key_of,
    shape_text,
    unwrapped,
    wrapped,
)

__all__ = [
    "Array",
    "Call",
    "Dtype",
    "Graph",
    "Node",
    "Port",
    "QParams",
    "Shape",
    "State",
    "Stream",
    "Tensor",
    "check",
    "key_of",
    "shape_text",
    "unwrapped",
    "wrapped",
]
