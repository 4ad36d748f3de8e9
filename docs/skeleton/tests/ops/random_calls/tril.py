"""How does chance call tril?"""

from typing import Any

from .drawing import Draw, Family


def tril(d: Draw) -> tuple[Any, ...]:
    x, _ = d.ranked(2, 3, 4)
    return x, d.randint(-2, 2)


FAMILY = Family({"tril.default": tril})
