"""What does a board with firmnet's firmware do? The on-chip loop itself runs, on stand-ins for its imports.

A Twin behaves as such a board behind a serial line: a raw REPL that executes what it is sent, and in it
runtime_micropython/firmnet_link.py, unchanged. The oracle stands in for its C module.
"""

import array
import binascii
import builtins
import functools
import io
import struct
import time
import traceback
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..assets import assets
from ..codegen.project import project_files
from ..interpret import Stepper, in_model_order, model_shape
from ..ir import Array, Graph, Node
from ..qmath import dequantize_output, quantize_input
from ..targets import Board

RING_BYTES = 2047
"""So much may come while the model runs."""


class Halt(Exception):
    """The line is gone: the board is switched off."""


class Wire(Protocol):
    """The board's end of its line; a socket is one. `recv` gives b"" once the line is gone."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...


@runtime_checkable
class RatedWire(Protocol):
    """The end of a line on which both ends must speak at one rate."""

    def speak_at(self, baud: int, /) -> None: ...


@dataclass(frozen=True)
class Burnt:
    """What a firmware carries of its origin, and where its image lies."""

    fingerprint: bytes
    board: Board
    flash_origin: int
    labels: tuple[str, ...] = ()
    version: str = "0"
    arena_bytes: int = 0


class Twin:
    """A board that runs `graph`, with `flash` as its memory from `burnt.flash_origin` on."""

    gap_ms = 250
    fastest_baud = 2_000_000

    def __init__(
        self,
        graph: Graph,
        burnt: Burnt,
        flash: bytearray,
        *,
        idle_ms: int = 5000,
        modules: tuple[str, ...] = ("firmnet_link",),
    ) -> None:
        self.graph, self.burnt, self.flash = graph, burnt, flash
        self.idle_ms = idle_ms
        self.modules = modules
        self.serving = False
        self.executed: list[str] = []
        self._values: dict[str, Array] = {}
        self._model, self.steps = Stepper(graph), 0
        self._x, self._y = (
            [np.zeros(t.size, t.dtype.numpy) for t in (graph.tensors[port.tensor] for port in ports)]
            for ports in (graph.inputs, graph.outputs)
        )
        self._loaded: dict[str, SimpleNamespace] = {}
        self._scope: dict[str, Any] = {}
        self.edited: dict[str, Any] = {}
        """What of the model's module somebody has changed."""

    def reset(self) -> None:
        """Lose all that Python on the board knows, as at power on; the line stays."""
        self._loaded, self._scope = {}, {}
        self._reset()

    def repl(self, line: Wire) -> None:
        """Read and execute until the line closes, as MicroPython's raw REPL does."""
        self._line = line
        self._baud(0, True)
        text, raw = b"", False
        while True:
            byte = self._byte()
            raw = byte == b"\x01" or (raw and byte != b"\x02")
            if byte == b"\x01":
                line.sendall(b"\r\nraw REPL; CTRL-B to exit\r\n>")
                text = b""
            elif byte == b"\x02":
                line.sendall(b"\r\nMicroPython twin\r\n>>> ")
            elif byte == b"\x03":
                text = b""
            elif byte == b"\x04" and not raw:
                line.sendall(b"\r\nMPY: soft reboot\r\n>>> ")
            elif byte == b"\x04":
                line.sendall(b"OK")
                line.sendall(b"\x04" + self._execute(text) + b"\x04>")
                text = b""
            else:
                text += byte

    def _execute(self, text: bytes) -> bytes:
        self.executed.append(text.decode(errors="replace").strip())
        self._scope = self._scope or self._globals()
        printed = io.StringIO()
        self._scope["print"] = functools.partial(print, file=printed)
        try:
            exec(self.executed[-1], self._scope)
        except (Halt, OSError):
            raise
        except Exception:
            return traceback.format_exc().replace("\n", "\r\n").encode()
        self._line.sendall(printed.getvalue().replace("\n", "\r\n").encode())
        return b""

    def _globals(self) -> dict[str, Any]:
        return {"__builtins__": {**vars(builtins), "__import__": self._import}}

    def _import(self, name: str, *_: Any) -> Any:
        stand_ins: dict[str, Callable[[], Any]] = {
            "_firmnet": self._c_module,
            "micropython": lambda: SimpleNamespace(kbd_intr=self._kbd_intr),
            "gc": lambda: SimpleNamespace(collect=lambda: None, mem_free=lambda: 12345),
            "time": lambda: SimpleNamespace(
                ticks_ms=lambda: int(time.monotonic() * 1000),
                ticks_diff=lambda a, b: a - b,
                sleep_ms=lambda ms: time.sleep(ms / 1000),
            ),
            **{
                module.__name__: functools.partial(lambda it: it, module)
                for module in (array, binascii, struct)
            },
            self.graph.name: self._module,
        }
        if name in stand_ins:
            return stand_ins[name]()
        if name not in self.modules:
            raise ImportError(f"no module named '{name}'")
        if name in self._loaded:
            return self._loaded[name]
        scope = self._globals()
        source = assets("runtime_micropython") / f"{name}.py"
        exec(compile(source.read_text(), source, "exec"), scope)
        scope |= {"IDLE_MS": self.idle_ms, "GAP_MS": self.gap_ms}
        self._loaded[name] = SimpleNamespace(**scope)
        return self._loaded[name]

    def _kbd_intr(self, character: int) -> None:
        self.serving = character == -1

    def _c_module(self) -> SimpleNamespace:
        nodes = self.graph.nodes
        return SimpleNamespace(
            name=lambda: self.graph.name,
            version=lambda: self.burnt.version,
            fingerprint=lambda: self.burnt.fingerprint,
            input=lambda i=0, as_bytes=False: _view(self._x[i], as_bytes),
            output=lambda i=0, as_bytes=False: _view(self._y[i], as_bytes),
            ports=self._ports,
            steps=lambda: self.steps,
            reset=self._reset,
            layer_count=lambda: len(nodes),
            layer_bytes=lambda i: sum(self.graph.tensors[name].byte_count for name in nodes[i].outputs),
            run=self._run,
            run_crc=self._run_crc,
            dump=self._dump,
            last_us=lambda: 42,
            stack_peak=lambda: 640,
            hold=lambda on: None,
            image=self._image,
            crc32=lambda data, crc=0: zlib.crc32(data.encode() if isinstance(data, str) else data, crc),
            load=self._load,
            best=self._best,
            dequantize=self._dequantize,
            quick=lambda predict, labels, pixels: predict,
            arena_bytes=lambda: self.burnt.arena_bytes,
            clock_hz=lambda: None,
            read=self._read,
            write=lambda data: self._line.sendall(data),
            ring=lambda buffer: len(buffer) - 1 if buffer else RING_BYTES,
            baud=self._baud,
        )

    def _run(self) -> None:
        self._values = self._model(*[x.copy() for x in self._x])
        self.steps += 1
        for y, port in zip(self._y, self.graph.outputs, strict=True):
            y[:] = self._values[port.tensor].ravel()

    def _reset(self) -> None:
        self._model.reset()
        self.steps = 0

    def _ports(self) -> list[list[tuple[str, str, int]]]:
        tensors, states = self.graph.tensors, [(s.name, s.tensor) for s in self.graph.states]
        ports = [
            [(port.name, port.tensor) for port in some] for some in (self.graph.inputs, self.graph.outputs)
        ]
        return [
            [(name, tensors[tensor].dtype.value, tensors[tensor].byte_count) for name, tensor in some]
            for some in (*ports, states)
        ]

    def _module(self) -> SimpleNamespace:
        """The module that users import: the very shim of the firmware."""
        burnt = self.burnt
        shim = project_files(self.graph, burnt.board, 0, burnt.labels, burnt.version)
        scope = self._globals()
        exec(shim[f"frozen/{self.graph.name}.py"], scope)
        scope |= self.edited
        return SimpleNamespace(**scope)

    def _load(self, values: Any, pixels: bool = False, i: int = 0) -> None:
        """Real numbers only, in the model's own order."""
        assert values.typecode == "f"
        port = self.graph.inputs[i]
        tensor = self.graph.tensors[port.tensor]
        given = np.array(values, np.float32).reshape(model_shape(tensor, port.order))
        stored = given.transpose(port.order) if port.order else given
        self._x[i][:] = quantize_input(np.ascontiguousarray(stored), tensor.q).ravel()

    def _real(self, i: int = 0) -> Array:
        """In the model's own order, flat."""
        port = self.graph.outputs[i]
        tensor = self.graph.tensors[port.tensor]
        turned = in_model_order(port, self._y[i].reshape(tensor.shape))
        return np.ascontiguousarray(dequantize_output(turned, tensor.q)).ravel()

    def _best(self, i: int = 0) -> tuple[int, float]:
        real = self._real(i)
        return int(real.argmax()), float(real.max())

    def _dequantize(self, into: Any, i: int = 0) -> None:
        memoryview(into)[:] = self._real(i).data

    def _run_crc(self, into: bytearray) -> None:
        self._run()
        for i, node in enumerate(self.graph.nodes):
            struct.pack_into("<I", into, 4 * i, zlib.crc32(_made(node, self._values)))

    def _dump(self, layer: int, into: bytearray) -> None:
        self._run()
        into[:] = _made(self.graph.nodes[layer], self._values)

    def _image(self, request: memoryview) -> int:
        address, size, crc = struct.unpack("<III", request)
        start = address - self.burnt.flash_origin
        if not 0 <= start <= len(self.flash) - size:
            raise ValueError("neither in flash nor in RAM")
        return zlib.crc32(self.flash[start : start + size], crc)

    def _read(self, into: Any, timeout_ms: int) -> int:
        view, done = memoryview(into).cast("B"), 0
        self._line.settimeout(timeout_ms / 1000)
        try:
            while done < len(view):
                view[done : done + 1] = self._byte()
                done += 1
        except TimeoutError:
            pass
        finally:
            self._line.settimeout(None)
        return done

    def _baud(self, rate: int = 0, take: bool = False) -> int:
        link = self.burnt.board.link
        if link.transport != "uart" or rate > self.fastest_baud:
            return 0
        if take and isinstance(self._line, RatedWire):
            self._line.speak_at(rate or link.baud)
        return rate or link.baud

    def _byte(self) -> bytes:
        byte = self._line.recv(1)
        if not byte:
            raise Halt
        return byte


def _made(node: Node, values: Mapping[str, Array]) -> bytes:
    """All that a layer writes, one output behind the other."""
    return b"".join(values[name].tobytes() for name in node.outputs)


def _view(memory: Array, as_bytes: bool) -> memoryview:
    view = memoryview(memory.data)
    return view.cast("B") if as_bytes else view
