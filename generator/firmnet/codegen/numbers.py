"""How are numbers written in C?"""

import numpy as np

from ..ir import Array

LINE = 110


def float_literal(value: np.float32) -> str:
    """One that reads back as exactly this float32."""
    text = repr(float(value))
    return f"{text}f" if any(c in text for c in ".en") else f"{text}.0f"


def integer_literal(value: int) -> str:
    if value == -(2**31):
        return "INT32_MIN"
    return f"{value}{'u' * (value > 2**31 - 1)}"


def initializer(array: Array) -> str:
    """Numbers of an array in rows of at most LINE columns."""
    rows, row, width = [], list[str](), 4
    for text in map(integer_literal, array.ravel().tolist()):
        if width + len(text) + 2 > LINE:
            rows.append(", ".join(row))
            row, width = [], 4
        row.append(text)
        width += len(text) + 2
    return ",\n    ".join([*rows, ", ".join(row)])
