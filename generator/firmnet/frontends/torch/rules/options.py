"""How does PyTorch write the sizes of a window?"""

from collections.abc import Sequence

from ....ops.windows import Padding, Pair

PerAxis = int | Sequence[int]


def pair(value: int | Sequence[int]) -> Pair:
    """PyTorch's size option: one number for both axes, or one each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    first, second = numbers * 2 if len(numbers) == 1 else numbers
    return int(first), int(second)


def symmetric(padding: int | Sequence[int]) -> Padding:
    """The same number of rows above and below, of columns left and right."""
    vertical, horizontal = pair(padding)
    return vertical, vertical, horizontal, horizontal


def lying(sizes: PerAxis, upright: int) -> Pair:
    """The option of a line of values for an image of height 1, whose rows get `upright`."""
    (along,) = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return upright, along


def triple(value: PerAxis) -> tuple[int, int, int]:
    """The option of a volume: one number for its three axes, or one each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    depth, height, width = numbers * 3 if len(numbers) == 1 else numbers
    return int(depth), int(height), int(width)
