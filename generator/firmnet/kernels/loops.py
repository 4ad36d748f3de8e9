"""Over which nested loops does a kernel walk a tensor?"""

from collections.abc import Iterable
from math import prod

from ..ir import Shape

Loops = tuple[tuple[int, int], ...]
"""The outermost first, as (size, step): values, and the distance in memory from one to the next."""


def strides(shape: Shape) -> tuple[int, ...]:
    """Per axis, values from one entry to the next."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def merged(loops: Iterable[tuple[int, int]]) -> Loops:
    """Without loops of size 1; neighbours that walk memory in one step become one."""
    found: list[tuple[int, int]] = []
    for size, step in loops:
        if size == 1:
            continue
        if found and found[-1][1] == size * step:
            found[-1] = (found[-1][0] * size, step)
        else:
            found.append((size, step))
    return tuple(found) or ((1, 1),)


Walk = tuple[int, int, int]
"""A loop over two tensors at once, as (size, step in the one, step in the other)."""


def walks(loops: Iterable[Walk]) -> tuple[Walk, ...]:
    """`merged` for two tensors: neighbours become one loop where both are walked in one step; at least one
    is left.
    """
    found: list[Walk] = []
    for size, a, b in loops:
        if size == 1:
            continue
        if found and found[-1][1:] == (size * a, size * b):
            found[-1] = (found[-1][0] * size, a, b)
        else:
            found.append((size, a, b))
    return tuple(found) or ((1, 1, 1),)
