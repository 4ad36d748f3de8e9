"""How do ops that slide a window over an image work along its height or width?"""

from dataclasses import replace
from typing import Any, TypeVar

from .spec import Slide
from .windows import Window


def sliding(window: Window, axis: int) -> Slide | None:
    """Along the height (axis 1) or the width (axis 2); None along another axis."""
    if axis not in (1, 2):
        return None
    i = axis - 1
    reach = (window.kernel[i] - 1) * window.dilation[i] + 1
    return Slide(axis, window.stride[i], -window.padding[2 * i], reach)


Padded = TypeVar("Padded", bound=Any)


def unpadded(attrs: Padded, axis: int) -> Padded:
    """Options without padding along the axis."""
    padding = list(attrs.padding)
    padding[2 * (axis - 1) : 2 * axis] = 0, 0
    changed: Padded = replace(attrs, padding=tuple(padding))
    return changed
