"""Which numbers may a tensor hold? Four kinds of integers, with their bytes and their range."""

from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np


class Dtype(StrEnum):
    """The type of a quantized tensor's values, by the name that NumPy has for it."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"

    @property
    def bits(self) -> int:
        return 8 * self.bytes

    @cached_property
    def bytes(self) -> int:
        """Of one value in memory."""
        return int(self.numpy.itemsize)

    @cached_property
    def low(self) -> int:
        """The least value."""
        return int(np.iinfo(self.numpy).min)

    @cached_property
    def high(self) -> int:
        """The largest value."""
        return int(np.iinfo(self.numpy).max)

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def symmetric(self) -> bool:
        """Its zero point is 0: only 8 bits are few enough for another one to gain anything."""
        return self.bytes > 1

    @property
    def typecode(self) -> str:
        """What Python's array calls it."""
        return {"int8": "b", "uint8": "B", "int16": "h", "int32": "i"}[self.value]

    @property
    def c(self) -> str:
        """The type's name in C."""
        return f"{self.value}_t"
