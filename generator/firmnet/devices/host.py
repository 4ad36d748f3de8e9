"""How does the generated C run on this machine? In a shared library, called through its fn_model structs."""

import ctypes
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..artifact import Artifact
from ..calls import TIMES, Prediction, answer
from ..errors import VerificationError
from ..ir import Array, Dtype, unwrapped
from ..toolchain import run
from .compiled import Compiler, compiled, grouped
from .device import (
    Closing,
    Counters,
    Remembering,
    RunResult,
    RunsDone,
    alone,
    real,
    side_by_side,
    state_parts,
    stored,
    taken_apart,
)
from .runner import FINGERPRINT_BYTES, Model, Runner, from_artifact, program_files

SANITIZERS = ("-g1", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Not optimized: every access of the C is there to be watched still, in a fifth of the time to compile."""
PROGRAM_TIMEOUT_S = 300.0

DTYPES = (Dtype.INT8, Dtype.UINT8, Dtype.INT16, Dtype.INT32)
"""In the order of fn_dtype."""

_Observer = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)


class _Input(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint32),
        ("dtype", ctypes.c_uint32),
        ("quantize", ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)),
        ("arrange", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ]


class _Output(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint32),
        ("dtype", ctypes.c_uint32),
        ("dequantize", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("best", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(ctypes.c_float))),
    ]


class _State(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint32),
        ("dtype", ctypes.c_uint32),
    ]


class _Layer(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("bytes", ctypes.c_uint32)]


class _Model(ctypes.Structure):
    """fn_model of templates/lib/fn_model.h, field by field."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("fingerprint", ctypes.c_void_p),
        ("inputs", ctypes.POINTER(_Input)),
        ("input_count", ctypes.c_uint32),
        ("outputs", ctypes.POINTER(_Output)),
        ("output_count", ctypes.c_uint32),
        ("states", ctypes.POINTER(_State)),
        ("state_count", ctypes.c_uint32),
        ("layers", ctypes.POINTER(_Layer)),
        ("layer_count", ctypes.c_uint32),
        ("arena_bytes", ctypes.c_uint32),
        ("run", ctypes.CFUNCTYPE(None, _Observer, ctypes.c_void_p)),
        ("reset", ctypes.CFUNCTYPE(None)),
    ]


class HostModel:
    """One model of a loaded library. All arrays are flat; the memory is the library's own arena."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._library = library  # keeps it loaded
        self._c = _Model.in_dll(library, f"{name}_model")
        self.layer_names = tuple(layer.name.decode() for layer in self._c.layers[: self._c.layer_count])

    @property
    def fingerprint(self) -> bytes:
        return ctypes.string_at(self._c.fingerprint, FINGERPRINT_BYTES)

    def run(self, *inputs: Array) -> Any:
        """The output of one inference, of several a tuple."""
        self._write(inputs)
        self._c.run(_Observer(), None)
        return unwrapped(self.outputs())

    def outputs(self) -> list[Array]:
        """Of the last inference, as they are stored."""
        return [_copied(y.data, y.bytes, y.dtype) for y in self._outputs]

    def run_layers(self, *inputs: Array) -> list[Array]:
        """The bytes of every layer's outputs of one inference, int8, each piece copied as soon as it is
        there.
        """
        seen = [b""] * self._c.layer_count

        def observe(_: Any, layer: int, output: int, size: int) -> None:
            seen[layer] += ctypes.string_at(output, size)

        self._write(inputs)
        self._c.run(_Observer(observe), None)
        return [np.frombuffer(output, np.int8) for output in seen]

    def reset(self) -> None:
        self._c.reset()

    def remembered(self) -> tuple[bytes, ...]:
        """What the states hold."""
        return tuple(ctypes.string_at(state.data, state.bytes) for state in self._states)

    def recall(self, remembered: Sequence[bytes]) -> None:
        """Let the states hold what `remembered` told."""
        for state, data in zip(self._states, remembered, strict=True):
            ctypes.memmove(state.data, data, state.bytes)

    def quantize(self, x: Array, i: int = 0) -> Array:
        """One float32 sample of input i in the model's own order, as the device quantizes and stores it.

        ValueError that names the first element which is NaN or infinite.
        """
        target = self._inputs[i]
        x = self._fitting(x, np.dtype(np.float32), target)
        bad = target.quantize(x.ctypes.data)
        if bad >= 0:
            raise ValueError(f"value {bad} is {x[bad]}: the model takes finite numbers")
        return _copied(target.data, target.bytes, target.dtype)

    def arrange(self, x: Array, i: int = 0) -> Array:
        """One quantized sample of input i in the model's own order, as the device stores it."""
        target = self._inputs[i]
        target.arrange(self._fitting(x, DTYPES[target.dtype].numpy, target).ctypes.data)
        return _copied(target.data, target.bytes, target.dtype)

    def dequantize(self, i: int = 0) -> Array:
        """The last output i in the model's own order, float32."""
        output = self._outputs[i]
        values = np.empty(output.bytes // DTYPES[output.dtype].bytes, np.float32)
        output.dequantize(values.ctypes.data)
        return values

    def best(self, i: int = 0) -> tuple[int, np.float32]:
        """Index, in the model's own order, and real value of the largest element of the last output i."""
        value = ctypes.c_float()
        index = self._outputs[i].best(ctypes.byref(value))
        return index, np.float32(value.value)

    def info(self) -> dict[str, Any]:
        """What C says of the model, named as by info() at a board's prompt."""
        return {
            "name": self._c.name.decode(),
            "fingerprint": self.fingerprint.hex(),
            "arena_bytes": self._c.arena_bytes,
        }

    @property
    def _inputs(self) -> list[Any]:
        return list(self._c.inputs[: self._c.input_count])

    @property
    def _states(self) -> list[Any]:
        return list(self._c.states[: self._c.state_count])

    @property
    def _outputs(self) -> list[Any]:
        return list(self._c.outputs[: self._c.output_count])

    def _fitting(self, x: Array, dtype: np.dtype[Any], target: Any) -> Array:
        """The array flat; ValueError for another number of values."""
        flat = np.ascontiguousarray(x, dtype).ravel()
        count = target.bytes // DTYPES[target.dtype].bytes
        if flat.size != count:
            raise ValueError(f"the model takes {count} values, got {flat.size}")
        return flat

    def _write(self, inputs: Sequence[Array]) -> None:
        for target, x in zip(self._inputs, inputs, strict=True):
            data = self._fitting(x, DTYPES[target.dtype].numpy, target)
            ctypes.memmove(target.data, data.ctypes.data, target.bytes)


class HostLibrary:
    """Models compiled into one shared library; `sources` is name → files of lib/<name>."""

    def __init__(self, sources: Mapping[str, Mapping[str, str]], cflags: Sequence[str] = ()) -> None:
        files = grouped(sources.values(), sources)
        path = compiled(files, Compiler("gcc", ("-fPIC", *cflags), ("-shared",)))
        library = ctypes.CDLL(str(path))
        self.models = {name: HostModel(library, name) for name in sources}

    def run(self, name: str, *inputs: Array) -> Any:
        return self.models[name].run(*inputs)


def executable(models: Sequence[Model], cflags: Sequence[str] = ()) -> Runner:
    """Many models in one program of this machine, a process of its own: sanitizers may end it.

    `ask` raises VerificationError with what it printed when it fails.
    """
    path = compiled(program_files(models, "stdio.c"), Compiler("gcc", tuple(cflags)))
    return Runner(tuple(models), lambda folder: _execute(path, folder))


def open(artifact: Artifact, address: str = "") -> "HostDevice":
    """The artifact's C on this machine; there is only one, so `address` says nothing."""
    return HostDevice(artifact)


class HostDevice(Closing, Remembering):
    """Device: one artifact's model in a shared library, which is loaded once for all devices of the artifact.

    So each puts what it remembers there before its runs, and takes it away after them.
    """

    def __init__(self, artifact: Artifact) -> None:
        self._manifest, self._runs = artifact.manifest, 0
        model = from_artifact(artifact)
        self._model = HostLibrary({model.name: model.files}).models[model.name]
        self._remembered: tuple[bytes, ...] = ()
        self.reset()

    @property
    def name(self) -> str:
        return "host"

    def fingerprint(self) -> bytes:
        return self._model.fingerprint

    def run(self, inputs: Any, *, layers: bool = False, progress: RunsDone | None = None) -> RunResult:
        outputs, checksums, states = [], [], []
        self._model.recall(self._remembered)
        for sample in zip(*stored(self._manifest.inputs, inputs), strict=True):
            if layers:
                checksums.append([zlib.crc32(y.tobytes()) for y in self._model.run_layers(*sample)])
            else:
                self._model.run(*sample)
            outputs.append(side_by_side([y[np.newaxis] for y in self._model.outputs()])[0])
            self._runs += 1
            self._remembered = self._model.remembered()
            states.append([zlib.crc32(held) for held in self._remembered])
            if progress:
                progress(len(outputs))
        return RunResult(
            unwrapped(taken_apart(self._manifest.outputs, np.array(outputs))),
            layers=np.array(checksums, np.uint32) if layers else None,
            states=np.array(states, np.uint32) if layers else None,
        )

    def _snapshot(self) -> bytes:
        return b"".join(self._remembered)

    def _restore(self, data: bytes, step: int) -> None:
        self._remembered = state_parts(self._manifest, data)

    def reset(self) -> None:
        self._model.reset()
        self._remembered = self._model.remembered()

    def dump(self, x: Any, layer: int) -> Array:
        (sample,) = zip(*stored(self._manifest.inputs, alone(x)), strict=True)
        self._model.recall(self._remembered)
        made = self._model.run_layers(*sample)[layer]
        self._remembered = self._model.remembered()
        return self._manifest.layers[layer].values(made.tobytes())

    def predict(self, samples: Any) -> tuple[Prediction, ...]:
        """See HasCalls.predict; labels are the manifest's, all else comes from C."""
        manifest = self._manifest
        given = real(manifest.inputs, samples)
        return tuple(self._prediction(sample) for sample in zip(*given, strict=True))

    def _prediction(self, sample: Sequence[Array]) -> Prediction:
        self.reset()
        quantized = []
        for _ in range(TIMES if self._manifest.states else 1):
            quantized = [self._model.quantize(x, i) for i, x in enumerate(sample)]
            self._model.run(*quantized)
        self._remembered = self._model.remembered()
        outputs = [self._model.dequantize(i) for i in range(len(self._manifest.outputs))]
        return answer(quantized, outputs, self._manifest.labels, self._model.best())

    def info(self) -> dict[str, Any]:
        return self._model.info()

    def counters(self) -> Counters:
        return Counters(runs=self._runs)

    def close(self) -> None:
        """A loaded library stays until the process ends."""


def _copied(address: int, size: int, dtype: int) -> Array:
    return np.frombuffer(ctypes.string_at(address, size), DTYPES[dtype].numpy)


def _execute(program: Path, folder: Path) -> None:
    ended = run([program], what="the models' program", cwd=folder, timeout_s=PROGRAM_TIMEOUT_S, check=False)
    if ended.returncode:
        raise VerificationError(
            f"the models' program failed (exit {ended.returncode}):\n{ended.stdout.strip()}"
        )
