"""What does every device promise: host library, emulated core, emulated board, real board?"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from ..calls import Prediction
from ..errors import UserError
from ..ir import Array, wrapped
from ..manifest import Edge, Manifest

RunsDone = Callable[[int], None]
"""Called with the number of inferences done so far."""


@dataclass(frozen=True)
class RunResult:
    """Outputs (N, *sample shape), of several a tuple of such arrays; cycles (N,) where the device counts
    them; layer CRC-32s (N, L), and those of what every state held afterwards (N, states).
    """

    outputs: Any
    cycles: Array | None = None
    layers: Array | None = None
    states: Array | None = None


@dataclass(frozen=True)
class Counters:
    """What a board knows of itself; None where the device has no such thing."""

    runs: int = 0
    bad_frames: int = 0
    heap_free_bytes: int | None = None
    stack_peak_bytes: int | None = None
    last_run_us: int | None = None


@dataclass(frozen=True)
class Timed:
    """Inferences that a device's own clock has timed, since it was opened: their number and their time."""

    runs: int = 0
    microseconds: int = 0


class Device(Protocol):
    """Runs one deployed model. Inputs and outputs are quantized, in the model's own order and shape.

    A model with several inputs takes a tuple of as many arrays, in their order. A model with states
    remembers: every inference is a step that begins with what the one before left, until `reset`.
    """

    @property
    def name(self) -> str:
        """For verdicts: "netduinoplus2 (qemu)"."""

    def fingerprint(self) -> bytes:
        """The 32 bytes compiled into the firmware."""

    def run(self, inputs: Any, *, layers: bool = False, progress: RunsDone | None = None) -> RunResult:
        """Infer each of inputs (N, *sample shape).

        With `layers`, also the CRC-32 of every layer's outputs, and of what every state holds after each.

        UserError for inputs of another type or shape.
        """

    def reset(self) -> None:
        """What the model remembers is as at the beginning."""

    def dump(self, x: Any, layer: int) -> Array:
        """Infer one input (*sample shape) and return layer `layer`'s outputs, flat, as they are stored."""

    def counters(self) -> Counters: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def stored(edges: Sequence[Edge], inputs: Any) -> tuple[Array, ...]:
    """Inputs (N, *sample shape) as a device stores them, (N, values) for each.

    UserError for other numbers, and for another shape, above all that of the stored layout: to reshape it
    would mix up its values.
    """
    given = inputs if isinstance(inputs, tuple | list) else (inputs,)
    if len(given) != len(edges):
        names = ", ".join(edge.name for edge in edges)
        raise UserError(
            f"the model takes {len(edges)} inputs ({names}), not {len(given)}: give one array of each"
        )
    found = tuple(_stored(edge, x) for edge, x in zip(edges, given, strict=True))
    if len({len(x) for x in found}) > 1:
        raise UserError(
            f"there are {', '.join(str(len(x)) for x in found)} samples of the inputs: give as many of each"
        )
    return found


def _stored(edge: Edge, x: Array) -> Array:
    shape = edge.sample_shape
    if x.dtype != edge.dtype.numpy or x.shape[1:] != shape or not x.ndim:
        wanted = f"({', '.join(map(str, ('N', *shape)))}{',' * (not shape)})"
        raise UserError(
            f"inputs must be {edge.dtype} of shape {wanted}, in the model's own order, not {x.dtype} "
            f"{x.shape}: firmnet.api.inputs_for makes them from float samples"
        )
    return np.ascontiguousarray(edge.stored(x))


def alone(x: Any) -> Any:
    """One sample as the only one of many."""
    return tuple(each[np.newaxis] for each in x) if isinstance(x, tuple | list) else x[np.newaxis]


def side_by_side(arrays: Sequence[Array]) -> Array:
    """Values (N, n) of any types as their bytes, int8 (N, bytes)."""
    count = len(arrays[0])
    return np.concatenate([np.ascontiguousarray(x).view(np.int8).reshape(count, -1) for x in arrays], axis=1)


def taken_apart(edges: Sequence[Edge], rows: Array) -> tuple[Array, ...]:
    """Outputs (N, bytes), side by side as stored → (N, *sample shape) of each, in the model's own order."""
    found, start = [], 0
    for edge in edges:
        part = np.ascontiguousarray(rows[:, start : start + edge.byte_count])
        found.append(edge.samples(part.view(edge.dtype.numpy)))
        start += edge.byte_count
    return tuple(found)


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

    def predict(self, samples: Any) -> tuple[Prediction, ...]:
        """What a user's call comes to for each of samples float32 (N, *sample shape), by the device's code.

        A model with states is reset before each sample, and given it `calls.TIMES` times. UserError for
        samples of another shape, NaN and infinity; () where the device's memory holds no sample.
        """

    def info(self) -> dict[str, Any]:
        """What the firmware says of itself: all that info() prints at a board's prompt, or a part of it."""


@runtime_checkable
class HasClock(Protocol):
    """A device that times its inferences itself."""

    def timed(self) -> Timed: ...


class Remembering(ABC):
    """A device whose model remembers: what its states hold is read and set, from run to run."""

    _manifest: Manifest

    @abstractmethod
    def _snapshot(self) -> bytes:
        """What the states hold, side by side as they are stored."""

    @abstractmethod
    def _restore(self, data: bytes, step: int) -> None:
        """Let them hold that; the next run is step `step`."""

    @property
    def state(self) -> dict[str, Array]:
        """What each state holds, by name, as integers in the shape that it is stored in; see the manifest."""
        states = self._manifest.states
        return {
            each.name: np.frombuffer(part, each.dtype.numpy).reshape(each.shape)
            for each, part in zip(states, state_parts(self._manifest, self._snapshot()), strict=True)
        }

    @state.setter
    def state(self, values: Mapping[str, Array]) -> None:
        self.resume(values)

    def resume(self, values: Mapping[str, Array], step: int = 0) -> None:
        """Begin in the middle: every state holds what `values` says, and the next run is step `step`.

        UserError unless there is an array of the right type and shape for each state, and nothing else.
        """
        self._restore(state_bytes(self._manifest, values), step)


def state_bytes(manifest: Manifest, values: Mapping[str, Array]) -> bytes:
    """Values of every state, by name → side by side as they are stored; UserError for others."""
    known = [each.name for each in manifest.states]
    told = f"has the states {', '.join(known)}" if known else "remembers nothing"
    for name in sorted({*values} ^ {*known}):
        what = (
            f"the values of the state {name!r} are missing"
            if name in known
            else f"there is no state {name!r}"
        )
        raise UserError(f"{what}: the model {told}")
    parts = []
    for each in manifest.states:
        x = np.asarray(values[each.name])
        if x.dtype != each.dtype.numpy or x.shape != each.shape:
            raise UserError(
                f"the state {each.name!r} is {each.dtype} {each.shape}, not {x.dtype} {x.shape}: take what a "
                "device's `state` gave"
            )
        parts.append(np.ascontiguousarray(x).tobytes())
    return b"".join(parts)


def state_parts(manifest: Manifest, data: bytes) -> tuple[bytes, ...]:
    """Side by side as they are stored → what each state holds."""
    ends = accumulate(each.byte_count for each in manifest.states)
    return tuple(data[end - each.byte_count : end] for each, end in zip(manifest.states, ends, strict=True))


def real(edges: Sequence[Edge], samples: Any) -> tuple[Array, ...]:
    """Samples float32 (N, *sample shape) of each input, finite; UserError that names the first which is
    not.
    """
    given = wrapped(samples, len(edges))
    for edge, x in zip(edges, given, strict=True):
        if x.dtype != np.float32 or x.shape[1:] != edge.sample_shape or not x.ndim:
            shape = ", ".join(map(str, ("N", *edge.sample_shape)))
            raise UserError(f"samples must be float32 of shape ({shape}), not {x.dtype} {x.shape}")
        flat = x.reshape(len(x), -1)
        for i, element in np.argwhere(~np.isfinite(flat))[:1]:
            raise UserError(
                f"sample {i}: value {element} is {flat[i, element]}: the model takes finite numbers; "
                "remove or repair it"
            )
    return given


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
