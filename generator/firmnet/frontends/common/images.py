"""Which images does firmnet take, and how does a line of values pass for one of height 1?"""

from ...ir import Shape, Tensor
from ...ops.windows import is_image
from .builder import Builder, Unsupported
from .movement import reshaped


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


def require_image(op: str, shape: Shape) -> None:
    """Raise Unsupported unless the shape is one batched image (1, channels, height, width)."""
    if not is_image(shape):
        raise Unsupported(
            f"{op} needs one image of shape (1, channels, height, width), got {shape}: export with batch 1, "
            "and fold no other axis into the first one"
        )
