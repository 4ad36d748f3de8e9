"""What does every device promise: host library, emulated core, emulated board, real board?"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from ..artifact import Edge
from ..calls import Prediction
from ..errors import UserError
from ..ir import Array

RunsDone = Callable[[int], None]
"""Called with the number of inferences done so far."""


@dataclass(frozen=True)
class RunResult:
    """Outputs int8 (N, *sample shape); cycles (N,) where the device counts them; layer CRC-32s (N, L)."""

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
    """Runs one deployed model. Inputs and outputs are int8 in the model's own order and shape."""

    @property
    def name(self) -> str:
        """For verdicts: "netduinoplus2 (qemu)"."""

    def fingerprint(self) -> bytes:
        """The 32 bytes compiled into the firmware."""

    def run(self, inputs: Array, *, layers: bool = False, progress: RunsDone | None = None) -> RunResult:
        """Infer each of inputs (N, *sample shape); with `layers`, also the CRC-32 of every layer's output.

        UserError for inputs of another type or shape.
        """

    def dump(self, x: Array, layer: int) -> Array:
        """Run one input (*sample shape) and return layer `layer`'s output, int8, flat, as it is stored."""

    def counters(self) -> Counters: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def stored(edge: Edge, inputs: Array) -> Array:
    """Inputs int8 (N, *sample shape) as a device stores them, (N, bytes).

    UserError for other numbers, and for another shape, above all that of the stored layout: to reshape it
    would mix up its values.
    """
    shape = edge.sample_shape
    if inputs.dtype != np.int8 or inputs.shape[1:] != shape or not inputs.ndim:
        raise UserError(
            f"inputs must be int8 of shape ({', '.join(map(str, ('N', *shape)))}{',' * (not shape)}), in the "
            f"model's own order, not {inputs.dtype} {inputs.shape}: firmnet.api.inputs_for makes them from "
            "float samples"
        )
    return np.ascontiguousarray(edge.stored(inputs))


@runtime_checkable
class HasFlash(Protocol):
    """A device that runs a firmware as it was built, and can say what is in its memory."""

    @property
    def name(self) -> str: ...

    def memory_crc(self, address: int, size: int, crc: int) -> int:
        """CRC-32 continued from `crc` over `size` bytes of memory; VerificationError when it will not say."""


@runtime_checkable
class HasCalls(Protocol):
    """A device that can be called as users call it: with real numbers, for a label."""

    def predict(self, samples: Array) -> tuple[Prediction, ...]:
        """What a user's call comes to for each of samples float32 (N, *sample shape), by the device's code.

        At most 256 different values to a sample. UserError for samples of another shape, NaN and infinity;
        () where the device's memory holds no sample.
        """

    def info(self) -> dict[str, Any]:
        """What the firmware says of itself: all that info() prints at a board's prompt, or a part of it."""


def real(edge: Edge, samples: Array) -> Array:
    """Samples float32 (N, *sample shape), finite; UserError that names the first value which is not."""
    if samples.dtype != np.float32 or samples.shape[1:] != edge.sample_shape or not samples.ndim:
        shape = ", ".join(map(str, ("N", *edge.sample_shape)))
        raise UserError(f"samples must be float32 of shape ({shape}), not {samples.dtype} {samples.shape}")
    flat = samples.reshape(len(samples), -1)
    for i, element in np.argwhere(~np.isfinite(flat))[:1]:
        raise UserError(
            f"sample {i}: value {element} is {flat[i, element]}: the model takes finite numbers; "
            "remove or repair it"
        )
    return samples


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
