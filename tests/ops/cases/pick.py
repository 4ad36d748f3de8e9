"""Which rows of the matrix prove pick?"""

from collections.abc import Iterator

import numpy as np
from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Shape
from firmnet.ops import OPS
from firmnet.ops.pick import FILL, PickAttrs, Places, Run, everything, runs


def cases() -> Iterator[Case]:
    rows = list(_rows())
    for label, shape, attrs in rows:
        x, y = activation("x", shape), activation("y", OPS["pick"].shape(attrs, shape))
        yield Case(label, Call(attrs, (x,), (y,)))
    for dtype in WIDE:
        for label, shape, attrs in rows[:3]:
            y = of(dtype, "y", OPS["pick"].shape(attrs, shape))
            yield Case(f"{label}_{dtype}", Call(attrs, (of(dtype, "x", shape),), (y,)))


def _rows() -> Iterator[tuple[str, Shape, PickAttrs]]:
    image = (1, 5, 7, 3)
    yield "reflected", image, _of(image, {1: _padded(5, 2, 1, "reflect"), 2: _padded(7, 1, 3, "reflect")})
    yield "constants_around", image, _of(image, {1: _around(5, 1, 2), 2: _around(7, 0, 2)}, 1.9)
    yield "every_axis", (2, 3, 2, 3, 5), _of((2, 3, 2, 3, 5), {a: _around(n, 1, 0) for a, n in _EACH}, -0.7)
    yield "wrapped", image, _of(image, {1: _padded(5, 1, 1, "wrap"), 2: _padded(7, 2, 0, "wrap")})
    yield "replicated_channels", image, _of(image, {3: _padded(3, 2, 2, "edge")})
    yield "cropped", image, _of(image, {1: (Run(1, 3),), 2: (Run(2, 4),)})
    yield "cropped_and_padded", image, _of(image, {1: (Run(1, 4), Run(FILL, 2)), 3: (Run(1, 1),)}, 30.0)
    yield "filled_at_the_end", (1, 9), _of((1, 9), {1: (Run(0, 7), Run(FILL, 2))}, 1.2)
    yield "backwards", image, _of(image, {2: (Run(6, 4, -2),), 3: (Run(2, 3, -1),)})
    for c in (1, 3, 4):
        yield f"enlarged_2x3_of_{c}", (1, 3, 5, c), _of((1, 3, 5, c), {1: _times(3, 2), 2: _times(5, 3)})
    yield "enlarged_unevenly", image, _of(image, {1: _stretched(5, 8), 2: _stretched(7, 17)})
    yield "shrunk_unevenly", (1, 11, 9, 2), _of((1, 11, 9, 2), {1: _stretched(11, 4), 2: _stretched(9, 5)})
    yield (
        "windows_of_3",
        (1, 4, 9, 2),
        _of((1, 4, 9, 2), {2: runs([i + t for i in range(7) for t in range(3)])}),
    )
    for hop in (1, 3):
        windows = runs([i + t for i in range(0, 36, hop) for t in range(5)])
        yield f"windows_of_5_every_{hop}", (1, 40), _of((1, 40), {1: windows})
    yield (
        "anywhere",
        (1, 9, 5),
        _of((1, 9, 5), {1: runs([3, 8, FILL, 0, 0, 7, 1, FILL, FILL]), 2: (Run(4, 2, -3),)}),
    )
    yield "windows_of_2_and_3", (3, 9), _of((3, 9), {1: runs([0, 1, 6, 7, 8])})
    yield "one_value", (1, 1), _of((1, 1), {1: _around(1, 1, 1)}, -6.0)
    yield "leading_3x2", (3, 2), _of((3, 2), {0: (Run(2, 3, -1),), 1: _times(2, 2)})
    yield "tables_leading", (7, 6), _of((7, 6), {a: runs([3, 0, 4, 4, 2, 5, 1, 1, FILL]) for a in (0, 1)})


_EACH = enumerate((2, 3, 2, 3, 5))


def _of(shape: Shape, along: dict[int, Places], fill: float = 0.0) -> PickAttrs:
    """Along some axes; the others stay as they are."""
    return PickAttrs(tuple(along.get(axis, everything(n)) for axis, n in enumerate(shape)), fill)


def _padded(size: int, before: int, after: int, mode: str) -> Places:
    return runs(np.pad(np.arange(size), (before, after), mode=mode))


def _around(size: int, before: int, after: int) -> Places:
    return runs([FILL] * before + list(range(size)) + [FILL] * after)


def _times(size: int, times: int) -> Places:
    return (Run(0, size, 1, times),)


def _stretched(size: int, wanted: int) -> Places:
    return runs(np.arange(wanted) * size // wanted)
