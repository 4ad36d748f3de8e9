"""What does every device promise: host library, emulated core, emulated board, real board?"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ..ir import Array

Progress = Callable[[int], None]
"""Called with the number of inferences done so far."""


@dataclass(frozen=True)
class RunResult:
    """Outputs int8 (N, *output shape); cycles (N,) where the device counts them; layer CRC-32s (N, L)."""

    outputs: Array
    cycles: Array | None = None
    layers: Array | None = None


@dataclass(frozen=True)
class Counters:
    """What a board knows of itself; None where the device has no such thing."""

    runs: int = 0
    bad_frames: int = 0
    heap_free_bytes: int | None = None
    stack_peak_bytes: int | None = None
    last_run_us: int | None = None


class Device(Protocol):
    """Runs one deployed model. All arrays of activations are int8 in the manifest's layout."""

    @property
    def name(self) -> str:
        """For verdicts: "netduinoplus2 (qemu)"."""

    def fingerprint(self) -> bytes:
        """The 32 bytes compiled into the firmware."""

    def run(self, inputs: Array, *, layers: bool = False, progress: Progress | None = None) -> RunResult:
        """Infer each of inputs (N, *input shape); with `layers`, also the CRC-32 of every layer's output."""

    def dump(self, x: Array, layer: int) -> Array:
        """Run one input (*input shape) and return layer `layer`'s output, int8, flat."""

    def counters(self) -> Counters: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing(ABC):
    """What every device does with a `with` block: it closes at its end."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
