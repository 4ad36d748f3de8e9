"""How does the generated C run on this machine? In a shared library, called through its fn_model structs."""

import ctypes
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..artifact import Artifact
from ..calls import Prediction, answer
from ..errors import VerificationError
from ..ir import Array
from ..toolchain import run
from .compiled import Compiler, compiled, grouped
from .device import Closing, Counters, RunResult, RunsDone, real, stored
from .runner import FINGERPRINT_BYTES, Model, Runner, from_artifact, program_files

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PROGRAM_TIMEOUT_S = 300.0

_Observer = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)


class _Input(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_uint32)]


class _Layer(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("bytes", ctypes.c_uint32)]


class _Model(ctypes.Structure):
    """fn_model of templates/lib/fn_model.h, field by field."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("fingerprint", ctypes.c_void_p),
        ("inputs", ctypes.POINTER(_Input)),
        ("input_count", ctypes.c_uint32),
        ("output", ctypes.c_void_p),
        ("output_bytes", ctypes.c_uint32),
        ("layers", ctypes.POINTER(_Layer)),
        ("layer_count", ctypes.c_uint32),
        ("arena_bytes", ctypes.c_uint32),
        ("run", ctypes.CFUNCTYPE(None, _Observer, ctypes.c_void_p)),
        ("quantize", ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)),
        ("arrange", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("dequantize", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("best", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.POINTER(ctypes.c_float))),
    ]


class HostModel:
    """One model of a loaded library. All arrays are int8 and flat; the memory is the library's own arena."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._library = library  # keeps it loaded
        self._c = _Model.in_dll(library, f"{name}_model")
        self.layer_names = tuple(layer.name.decode() for layer in self._c.layers[: self._c.layer_count])

    @property
    def fingerprint(self) -> bytes:
        return ctypes.string_at(self._c.fingerprint, FINGERPRINT_BYTES)

    def run(self, *inputs: Array) -> Array:
        """The output of one inference."""
        self._write(inputs)
        self._c.run(_Observer(), None)
        return _copied(self._c.output, self._c.output_bytes)

    def run_layers(self, *inputs: Array) -> list[Array]:
        """Every layer's output of one inference, each piece copied as soon as it is there."""
        seen = [b""] * self._c.layer_count

        def observe(_: Any, layer: int, output: int, size: int) -> None:
            seen[layer] += ctypes.string_at(output, size)

        self._write(inputs)
        self._c.run(_Observer(observe), None)
        return [np.frombuffer(output, np.int8) for output in seen]

    def quantize(self, x: Array) -> Array:
        """One float32 sample in the model's own order, as the device quantizes and stores it.

        ValueError that names the first element which is NaN or infinite.
        """
        x = np.ascontiguousarray(x, np.float32).ravel()
        target = self._c.inputs[0]
        if x.size != target.bytes:
            raise ValueError(f"the model takes {target.bytes} values, got {x.size}")
        bad = self._c.quantize(x.ctypes.data)
        if bad >= 0:
            raise ValueError(f"value {bad} is {x[bad]}: the model takes finite numbers")
        return _copied(target.data, target.bytes)

    def arrange(self, x: Array) -> Array:
        """One int8 sample in the model's own order, as the device stores it."""
        x, target = np.ascontiguousarray(x, np.int8), self._c.inputs[0]
        if x.size != target.bytes:
            raise ValueError(f"the model takes {target.bytes} values, got {x.size}")
        self._c.arrange(x.ctypes.data)
        return _copied(target.data, target.bytes)

    def dequantize(self) -> Array:
        """The last output in the model's own order, float32."""
        values = np.empty(self._c.output_bytes, np.float32)
        self._c.dequantize(values.ctypes.data)
        return values

    def best(self) -> tuple[int, np.float32]:
        """Index, in the model's own order, and real value of the last output's largest element."""
        value = ctypes.c_float()
        index = self._c.best(ctypes.byref(value))
        return index, np.float32(value.value)

    def info(self) -> dict[str, Any]:
        """What C says of the model, named as by info() at a board's prompt."""
        return {
            "name": self._c.name.decode(),
            "fingerprint": self.fingerprint.hex(),
            "arena_bytes": self._c.arena_bytes,
        }

    def _write(self, inputs: Sequence[Array]) -> None:
        for target, x in zip(self._c.inputs[: self._c.input_count], inputs, strict=True):
            data = np.ascontiguousarray(x, np.int8)
            if data.size != target.bytes:
                raise ValueError(f"the model takes {target.bytes} bytes here, got {data.size}")
            ctypes.memmove(target.data, data.ctypes.data, target.bytes)


class HostLibrary:
    """Models compiled into one shared library; `sources` is name → files of lib/<name>."""

    def __init__(self, sources: Mapping[str, Mapping[str, str]], cflags: Sequence[str] = ()) -> None:
        files = grouped(sources.values(), sources)
        path = compiled(files, Compiler("gcc", ("-fPIC", *cflags), ("-shared",)))
        library = ctypes.CDLL(str(path))
        self.models = {name: HostModel(library, name) for name in sources}

    def run(self, name: str, *inputs: Array) -> Array:
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


class HostDevice(Closing):
    """Device: one artifact's model in a shared library."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact, self._runs = artifact, 0
        model = from_artifact(artifact)
        self._model = HostLibrary({model.name: model.files}).models[model.name]

    @property
    def name(self) -> str:
        return "host"

    def fingerprint(self) -> bytes:
        return self._model.fingerprint

    def run(self, inputs: Array, *, layers: bool = False, progress: RunsDone | None = None) -> RunResult:
        outputs, checksums = [], []
        for x in stored(self._artifact.manifest.input, inputs):
            outputs.append(self._model.run(x))
            if layers:
                checksums.append([zlib.crc32(y.tobytes()) for y in self._model.run_layers(x)])
            self._runs += 1
            if progress:
                progress(len(outputs))
        return RunResult(
            self._artifact.manifest.output.samples(np.array(outputs)),
            layers=np.array(checksums, np.uint32) if layers else None,
        )

    def dump(self, x: Array, layer: int) -> Array:
        return self._model.run_layers(*stored(self._artifact.manifest.input, x[np.newaxis]))[layer]

    def predict(self, samples: Array) -> tuple[Prediction, ...]:
        """See HasCalls.predict; labels are the manifest's, all else comes from C."""
        made = []
        for x in real(self._artifact.manifest.input, samples):
            quantized = self._model.quantize(x)
            self._model.run(quantized)
            made.append(
                answer(
                    quantized, self._model.dequantize(), self._artifact.manifest.labels, self._model.best()
                )
            )
        return tuple(made)

    def info(self) -> dict[str, Any]:
        return self._model.info()

    def counters(self) -> Counters:
        return Counters(runs=self._runs)

    def close(self) -> None:
        """A loaded library stays until the process ends."""


def _copied(address: int, size: int) -> Array:
    return np.frombuffer(ctypes.string_at(address, size), np.int8)


def _execute(program: Path, folder: Path) -> None:
    ended = run([program], what="the models' program", cwd=folder, timeout_s=PROGRAM_TIMEOUT_S, check=False)
    if ended.returncode:
        raise VerificationError(
            f"the models' program failed (exit {ended.returncode}):\n{ended.stdout.strip()}"
        )
