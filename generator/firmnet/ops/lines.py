"""How does a line of values pass for an image of height 1?"""

from ..ir import Tensor
from .builder import Builder, Unsupported
from .reshape import reshaped
from .windows import Pair, Sizes


def lying(sizes: Sizes, upright: int) -> Pair:
    """The option of a line of values for an image of height 1, whose rows get `upright`."""
    (along,) = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return upright, along


def as_image(b: Builder, x: Tensor) -> Tensor:
    """(1, channels, length) as an image of height 1."""
    if len(x.shape) != 3 or x.shape[0] != 1:
        raise Unsupported(
            f"it needs one line of shape (1, channels, length), got {x.shape}: export with batch 1, "
            "and fold no other axis into the first one"
        )
    return reshaped(b, x, (*x.shape[:2], 1, x.shape[2]))


def as_line(b: Builder, x: Tensor) -> Tensor:
    """An image of height 1 as (1, channels, length)."""
    return reshaped(b, x, (*x.shape[:2], x.shape[3]))
