"""How is the link tested without a board? The on-chip loop itself runs here, on stand-ins for its imports.

A BoardTwin listens on a TCP port and behaves as a firmnet board behind a serial line: a raw REPL that
executes what it is sent, and in it runtime_micropython/firmnet_link.py, unchanged. The oracle stands in for
its C module.
"""

import array
import binascii
import builtins
import functools
import io
import json
import socket
import struct
import threading
import time
import traceback
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from casework import activation, bias, output_scale, weight

from firmnet.artifact import BOARD_FILE, Artifact, save
from firmnet.assets import assets
from firmnet.codegen.project import project_files
from firmnet.interpret import Stepper
from firmnet.ir import Array, Graph, Node, Port, Tensor
from firmnet.manifest import FORMAT, LayerEntry, Manifest, edges_of, stored_outputs
from firmnet.ops import OPS
from firmnet.plan import STACK_BYTES
from firmnet.provenance import file_digest
from firmnet.qmath import dequantize_output, quantize_input
from firmnet.targets import board_to_json, isa, load_board
from firmnet.verify import made

FINGERPRINT = bytes(range(32))
FLASH_ORIGIN, FLASH = 0x0800_0000, np.random.default_rng(7).bytes(70_001)


def two_layers() -> Graph:
    """linear 64 → 16 (relu) → 10, quantized, with seeded weights."""
    tensors: dict[str, Tensor] = {"x": activation("x", (1, 64))}
    nodes = []
    for seed, (name, before, size) in enumerate([("hidden", "x", 16), ("scores", "hidden", 10)]):
        x = tensors[before]
        w = weight(f"{name}_weight", (size, x.shape[-1]), seed)
        b = bias(f"{name}_bias", x, w, seed)
        tensors |= {t.name: t for t in (w, b, activation(name, (1, size), output_scale(x, w)))}
        nodes.append(Node(name, "linear", OPS["linear"].attrs(), (before, w.name, b.name), (name,)))
    return Graph("twin", tuple(nodes), tensors, (Port("x", "x"),), (Port("scores", "scores"),))


def inputs(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-128, 128, (count, 64)).astype(np.int8)


def elf(sections: Mapping[str, tuple[int, bytes]]) -> bytes:
    """A firmware file that has each section at its address, and nothing else."""
    data = b"".join(content for _, content in sections.values())
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    start = 52 + 32 * len(sections)
    rows = [struct.pack("<10I", *[0] * 10)]
    segments, offset = [], start
    for name, (address, content) in sections.items():
        size, label = len(content), names.index(name.encode() + b"\0")
        segments.append(struct.pack("<8I", 1, offset, address, address, size, size, 5, 4))
        rows.append(struct.pack("<10I", label, 1, 2, address, offset, size, 0, 0, 4, 0))
        offset += size
    rows.append(struct.pack("<10I", names.index(b".shstrtab"), 3, 0, 0, offset, len(names), 0, 0, 1, 0))
    head = struct.pack("<16s2H5I6H", b"\x7fELF\x01\x01\x01", 2, 40, 1, 0, 52, offset + len(names), 0, 52, 32,
                       len(segments), 40, len(rows), len(rows) - 1)  # fmt: skip
    return head + b"".join(segments) + data + names + b"".join(rows)


def save_artifact(path: Path, graph: Graph, fingerprint: bytes = FINGERPRINT) -> Artifact:
    """An artifact of `graph`, enough to verify with; its firmware is FLASH, which means nothing."""
    edges = edges_of(graph, graph.inputs), edges_of(graph, graph.outputs)
    layers = tuple(
        LayerEntry(
            *(node.name, node.op, "", stored_outputs(graph, node)),
            *(OPS[node.op].macs(graph.call(node)), 0, (), f"portable/{node.op}"),
        )
        for node in graph.nodes
    )
    board = load_board("netduinoplus2")
    sizes = 0, 0, STACK_BYTES[isa(board.chip.core)]
    manifest = Manifest(FORMAT, "0", graph.name, board.id, fingerprint.hex(), (), *edges, layers, *sizes)
    artifact = save(path, manifest, graph, inputs(4), {BOARD_FILE: board_to_json(board)})
    artifact.firmware.mkdir(exist_ok=True)
    file = artifact.firmware / "firmware.elf"
    file.write_bytes(elf({".text": (FLASH_ORIGIN, FLASH)}))
    record = {"env": "netduinoplus2", "fingerprint": fingerprint.hex(), "edits": []}
    (path / "build.json").write_text(json.dumps({**record, "published": {file.name: file_digest(file)}}))
    return artifact


class Halt(Exception):
    """The listener was closed: the board is switched off."""


class BoardTwin:
    """A board that runs `graph`; `powered` gives it a URL."""

    gap_ms = 250

    def __init__(
        self, graph: Graph, *, idle_ms: int = 5000, modules: tuple[str, ...] = ("firmnet_link",)
    ) -> None:
        self.graph = graph
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
        self.flash = bytearray(FLASH)

    def reset(self) -> None:
        """Lose all that Python on the board knows, as at power on; the line stays."""
        self._loaded, self._scope = {}, {}
        self._reset()

    def repl(self, line: socket.socket) -> None:
        """Read and execute until the line closes, as MicroPython's raw REPL does."""
        self._line = line
        text = b""
        while True:
            byte = self._byte()
            if byte == b"\x01":
                line.sendall(b"\r\nraw REPL; CTRL-B to exit\r\n>")
                text = b""
            elif byte == b"\x02":
                line.sendall(b"\r\nMicroPython twin\r\n>>> ")
            elif byte == b"\x03":
                text = b""
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
        stand_ins = {
            "_firmnet": self._c_module,
            "micropython": lambda: SimpleNamespace(kbd_intr=self._kbd_intr),
            "gc": lambda: SimpleNamespace(collect=lambda: None, mem_free=lambda: 12345),
            "time": lambda: SimpleNamespace(
                ticks_ms=lambda: int(time.monotonic() * 1000), ticks_diff=lambda a, b: a - b
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
            version=lambda: "0",
            fingerprint=lambda: FINGERPRINT,
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
            image=self._image,
            crc32=lambda data, crc=0: zlib.crc32(data.encode() if isinstance(data, str) else data, crc),
            load=self._load,
            best=self._best,
            dequantize=self._dequantize,
            arena_bytes=lambda: 0,
            clock_hz=lambda: None,
            read=self._read,
            write=lambda data: self._line.sendall(data),
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
        shim = project_files(self.graph, load_board("netduinoplus2"), stack_bytes=0, version="0")
        scope = self._globals()
        exec(shim[f"frozen/{self.graph.name}.py"], scope)
        scope |= self.edited
        return SimpleNamespace(**scope)

    def _load(self, values: Any, pixels: bool = False, i: int = 0) -> None:
        assert values.typecode == "f"
        q = self.graph.tensors[self.graph.inputs[i].tensor].q
        self._x[i][:] = quantize_input(np.array(values, np.float32), q)

    def _real(self, i: int = 0) -> Array:
        return dequantize_output(self._y[i], self.graph.tensors[self.graph.outputs[i].tensor].q)

    def _best(self, i: int = 0) -> tuple[int, float]:
        index = int(self._y[i].argmax())
        return index, float(self._real(i)[index])

    def _dequantize(self, into: Any, i: int = 0) -> None:
        memoryview(into)[:] = memoryview(self._real(i))

    def _run_crc(self, into: bytearray) -> None:
        self._run()
        for i, node in enumerate(self.graph.nodes):
            struct.pack_into("<I", into, 4 * i, zlib.crc32(made(node, self._values)))

    def _dump(self, layer: int, into: bytearray) -> None:
        self._run()
        into[:] = made(self.graph.nodes[layer], self._values)

    def _image(self, request: memoryview) -> int:
        address, size, crc = struct.unpack("<III", request)
        start = address - FLASH_ORIGIN
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

    def _byte(self) -> bytes:
        byte = self._line.recv(1)
        if not byte:
            raise Halt
        return byte


def _view(memory: Array, as_bytes: bool) -> memoryview:
    return memoryview(memory).cast("B") if as_bytes else memoryview(memory)


@contextmanager
def powered(board: BoardTwin) -> Iterator[str]:
    """The board's URL while it is switched on."""
    with listening(board.repl) as url:
        yield url


@contextmanager
def listening(serve: Any) -> Iterator[str]:
    """A TCP server for one client after another; `serve(socket)` talks to each. Yields its socket:// URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            clients.append(client)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                serve(client)
            except (Halt, OSError):
                client.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            shut(client)
        thread.join(timeout=5)


def shut(end: socket.socket) -> None:
    """Wake whoever reads from this socket, and close it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
