"""What is noted while an image runs? Which blocks followed which, how much is read from flash."""

import ctypes
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

import numpy as np
import unicorn

from ..assets import assets
from ..devices.compiled import Compiler, compiled
from ..errors import UserError

EDGE = np.dtype(
    [("from", "<u4"), ("from_bytes", "<u4"), ("to", "<u4"), ("to_bytes", "<u4"), ("count", "<u8")]
)
"""One entry of the table in templates/profile/record.c."""


@dataclass(frozen=True)
class BasicBlock:
    """Instructions that are executed one after the other; of size 0: where the recording ended."""

    address: int
    size: int


Edges = Mapping[tuple[BasicBlock | None, BasicBlock], int]
"""(block, or None at the start; the next block) → how often. The last of a run is to a block of size 0."""

UNAVAILABLE = (UserError, OSError, ImportError, AttributeError)
"""What a recorder in C raises where it cannot be had."""

Noted_co = TypeVar("Noted_co", covariant=True)


class Recorder(Protocol[Noted_co]):
    """Attached to a simulator, notes what happens from then on."""

    def end(self, address: int) -> None:
        """Execution stopped before the instruction at `address`."""

    def take(self) -> Noted_co:
        """What was noted since the last take."""


def record_edges(cpu: unicorn.Uc) -> Recorder[Edges]:
    """A recorder in C where there is a compiler for it, else one in Python: slower, with the same counts."""
    try:
        return CEdges(cpu)
    except UNAVAILABLE:
        return PythonEdges(cpu)


class PythonEdges:
    """Counts in a callback of the binding: some two microseconds per block."""

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


class CEdges:
    """Counts in templates/profile/record.c, which the simulator calls with no Python in between.

    Its table is one per process: a recorder ends when the next is made.
    """

    def __init__(self, cpu: unicorn.Uc) -> None:
        self._library = _library()
        self._library.edges_reset()
        _add_hook(cpu, unicorn.UC_HOOK_BLOCK, self._library.edges_block)

    def end(self, address: int) -> None:
        self._library.edges_block(None, ctypes.c_uint64(address), ctypes.c_uint32(0), None)

    def take(self) -> Edges:
        taken = np.empty(self._library.edges_used(), EDGE)
        self._library.edges_take(taken.ctypes.data_as(ctypes.c_void_p))
        return {_edge(*blocks): count for *blocks, count in taken.tolist()}


@dataclass(frozen=True)
class Loads:
    """Bytes read from flash, and the cycles that unaligned loads take beyond the modelled ones (3.3.2)."""

    flash_bytes: int
    unaligned_cycles: int

    def __add__(self, other: "Loads") -> "Loads":
        return Loads(self.flash_bytes + other.flash_bytes, self.unaligned_cycles + other.unaligned_cycles)


class LoadRecorder:
    """Looks at every load; flash is all below `flash_end`. Its run must not be used for anything else.

    With this hook Unicorn 2.1.4 may execute loads and stores inside IT blocks wrongly. Raises one of
    UNAVAILABLE where there is no C compiler, or no binding as we know it.
    """

    def __init__(self, cpu: unicorn.Uc, flash_end: int) -> None:
        self._library = _library()
        self._library.loads_reset(ctypes.c_uint32(flash_end))
        _add_hook(cpu, unicorn.UC_HOOK_MEM_READ, self._library.loads_load)

    def end(self, address: int) -> None:
        pass

    def take(self) -> Loads:
        taken = (ctypes.c_uint64 * 2)()
        self._library.loads_take(taken)
        return Loads(*map(int, taken))


@cache
def _library() -> ctypes.CDLL:
    source = (assets("templates") / "profile" / "record.c").read_text()
    return ctypes.CDLL(str(compiled({"record.c": source}, Compiler("gcc", ("-fPIC",), ("-shared",)))))


def _add_hook(cpu: Any, kind: int, function: Any) -> None:
    """The binding's hook_add wraps every callback in Python; its handle of the engine takes ours as it is."""
    from unicorn.unicorn_py3.unicorn import uclib

    callback = ctypes.cast(function, ctypes.c_void_p)
    everywhere = (None, 1, 0)
    status = uclib.uc_hook_add(cpu._uch, ctypes.byref(ctypes.c_size_t()), kind, callback, *everywhere)
    if status != unicorn.UC_ERR_OK:
        raise OSError(f"uc_hook_add failed with {status}")


def _edge(before: int, before_size: int, address: int, size: int) -> tuple[BasicBlock | None, BasicBlock]:
    return BasicBlock(before, before_size) if before_size else None, BasicBlock(address, size)
