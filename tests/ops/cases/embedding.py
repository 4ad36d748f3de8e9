"""Which rows of the matrix prove embedding?"""

from collections.abc import Iterator

import numpy as np
from casework import Case, of

from firmnet.ir import Call, Dtype, QParams, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.embedding import EmbeddingAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Dtype, Dtype, Shape, Shape]] = [
        ("5_of_10_rows_of_7", Dtype.UINT8, Dtype.INT8, (1, 5), (10, 7)),
        ("every_byte", Dtype.UINT8, Dtype.INT8, (1, 9), (256, 3)),
        ("int8_beyond_both_ends", Dtype.INT8, Dtype.INT8, (1, 6), (40, 16)),
        ("int16_of_300_rows", Dtype.INT16, Dtype.INT8, (1, 4), (300, 5)),
        ("int32_of_20_rows", Dtype.INT32, Dtype.INT8, (1, 4), (20, 33)),
        ("leading_3x2", Dtype.UINT8, Dtype.INT8, (3, 2), (200, 4)),
        ("one_number", Dtype.UINT8, Dtype.INT8, (1,), (200, 20)),
        ("rows_of_int16", Dtype.UINT8, Dtype.INT16, (1, 5), (150, 3)),
    ]
    for label, kind, dtype, shape, size in rows:
        x = Tensor("x", shape, QParams((1.0,), 0, kind))
        attrs = EmbeddingAttrs(size[0])
        y = of(dtype, "y", OPS["embedding"].shape(attrs, shape, size))
        rng = np.random.default_rng(len(label))
        values = rng.integers(dtype.low, dtype.high + 1, size).astype(dtype.numpy)
        yield Case(label, Call(attrs, (x, Tensor("table", size, y.qparams, values)), (y,)))
