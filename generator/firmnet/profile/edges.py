"""How often did each basic block follow each other one? Recorders of what the simulator executes."""

import ctypes
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import unicorn

from ..assets import assets
from ..devices.compiled import Compiler, compiled
from ..errors import UserError

EDGE = np.dtype([("from", "<u4"), ("from_bytes", "<u4"), ("to", "<u4"), ("to_bytes", "<u4"), ("count", "<u8")])
"""One entry of the table in templates/profile/edges.c."""


@dataclass(frozen=True)
class Block:
    """Instructions that are executed one after the other; of size 0: where the recording ended."""

    address: int
    size: int


Edges = Mapping[tuple[Block | None, Block], int]
"""(block or None at the start, the block executed next) → how often. The last one is to a block of size 0."""


class Recorder(Protocol):
    """Attached to a simulator, counts edges from then on."""

    def end(self, address: int) -> None:
        """Execution stopped before the instruction at `address`."""

    def take(self) -> Edges:
        """What was counted since the last take."""


def record(cpu: unicorn.Uc) -> Recorder:
    """A recorder in C where there is a compiler for it, else one in Python, ten times slower; both count alike."""
    try:
        return CRecorder(cpu)
    except (ImportError, AttributeError, UserError, OSError):
        return PythonRecorder(cpu)


class PythonRecorder:
    """Counts in a callback of the binding."""

    def __init__(self, cpu: unicorn.Uc) -> None:
        self._counts: Counter[tuple[int, int, int, int]] = Counter()
        self._last = (0, 0)
        cpu.hook_add(unicorn.UC_HOOK_BLOCK, self._block)

    def _block(self, _cpu: Any, address: int, size: int, _data: Any) -> None:
        block = (address, size)
        self._counts[*self._last, *block] += 1
        self._last = block

    def end(self, address: int) -> None:
        self._block(None, address, 0, None)

    def take(self) -> Edges:
        edges = {_edge(*blocks): count for blocks, count in self._counts.items()}
        self._counts.clear()
        return edges


class CRecorder:
    """Counts in templates/profile/edges.c, which the simulator calls with no Python in between.

    Its table is one per process: a recorder ends when the next is made.
    """

    def __init__(self, cpu: unicorn.Uc) -> None:
        # The binding wraps every callback in Python; its own handle of the engine takes ours as it is.
        from unicorn.unicorn_py3.unicorn import uclib

        self._library = _library()
        self._library.edges_reset()
        callback = ctypes.cast(self._library.edges_block, ctypes.c_void_p)
        everywhere = (None, 1, 0)
        status = uclib.uc_hook_add(
            cpu._uch, ctypes.byref(ctypes.c_size_t()), unicorn.UC_HOOK_BLOCK, callback, *everywhere
        )
        if status != unicorn.UC_ERR_OK:
            raise OSError(f"uc_hook_add failed with {status}")

    def end(self, address: int) -> None:
        self._library.edges_block(None, ctypes.c_uint64(address), ctypes.c_uint32(0), None)

    def take(self) -> Edges:
        taken = np.empty(self._library.edges_used(), EDGE)
        self._library.edges_take(taken.ctypes.data_as(ctypes.c_void_p))
        return {_edge(*blocks): count for *blocks, count in taken.tolist()}


@cache
def _library() -> ctypes.CDLL:
    source = (assets("templates") / "profile" / "edges.c").read_text()
    return ctypes.CDLL(str(compiled({"edges.c": source}, Compiler("gcc", ("-fPIC",), ("-shared",)))))


def _edge(before: int, before_size: int, address: int, size: int) -> tuple[Block | None, Block]:
    return Block(before, before_size) if before_size else None, Block(address, size)
