"""How is the link tested without a board? A simulated one, firmnet.simulated.Twin, listens on a TCP port."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from casework import activation, bias, output_scale, weight

from firmnet.artifact import BOARD_FILE, Artifact, save
from firmnet.ir import Array, Graph, Node, Port, Tensor
from firmnet.manifest import FORMAT, LayerEntry, Manifest, edges_of, stored_outputs
from firmnet.ops import OPS
from firmnet.plan import STACK_BYTES
from firmnet.provenance import file_digest
from firmnet.simulated import Burnt, Halt, Twin
from firmnet.targets import board_to_json, isa, load_board

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


class BoardTwin(Twin):
    """A board that runs `graph`; `powered` gives it a URL."""

    def __init__(
        self, graph: Graph, *, idle_ms: int = 5000, modules: tuple[str, ...] = ("firmnet_link",)
    ) -> None:
        burnt = Burnt(FINGERPRINT, load_board("netduinoplus2"), FLASH_ORIGIN)
        super().__init__(graph, burnt, bytearray(FLASH), idle_ms=idle_ms, modules=modules)


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
