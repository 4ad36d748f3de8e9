"""embedding: a row of a table for each whole number; those beyond it get its first or its last row."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, register


@dataclass(frozen=True)
class EmbeddingAttrs:
    """`rows` of the table, which has one for each number from 0 on."""

    rows: int


class Embedding(Op):
    """x (…), table (rows, n) → (…, n)."""

    name = "embedding"
    attrs = EmbeddingAttrs
    carries = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: EmbeddingAttrs, *inputs: Shape) -> Shape:
        x, table = inputs
        if len(table) != 2 or table[0] != attrs.rows:
            raise ValueError(f"embedding of {attrs.rows} rows does not fit a table of shape {table}")
        return (*x, table[1])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, table = inputs
        return table[_rows(np.floor(x + 0.5), call)]

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis)

    def numbers(self, attrs: EmbeddingAttrs) -> int:
        return attrs.rows

    def refuses(self, call: Call) -> str:
        """It reads any type that counts in steps of 1, and writes any."""
        x = call.inputs[0]
        whole = x.q.scale == (1.0,) and x.zero_point == 0
        return (
            ""
            if whole
            else f"reads {x.name!r}, whose scale is not 1: only whole numbers name rows of a table"
        )

    def prepare(self, call: Call) -> Constants:
        if call.inputs[1].q != call.output.q:
            raise ValueError(f"embedding {call.output.name!r}: its table has another scale")
        return {"table": call.inputs[1].values}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        rows: Array = k["table"][_rows(inputs[0], call)]
        return rows


def _rows(x: Array, call: Call) -> Array:
    return np.clip(x, 0, call.attrs.rows - 1).astype(np.int64)


register(Embedding())
