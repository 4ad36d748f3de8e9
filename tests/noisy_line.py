"""What does a bad line do? A TCP proxy that flips, drops and changes bytes, goes silent or breaks."""

import random
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from board_twin import listening, shut

from firmnet.devices.frames import CRC, HEADER, MAGIC, Frame

PIECE_BYTES = 32
"""A line does not hold back what came until more has come."""


@dataclass
class Damage:
    """Chances per byte in both directions; silence or a break after so many bytes from the board.

    `towards` and `back` are what the line makes of the bytes for the board, and of those from it.
    """

    flip: float = 0.0
    drop: float = 0.0
    silent_after: int | None = None
    broken_after: int | None = None
    towards: Callable[[bytes], bytes] = bytes
    back: Callable[[bytes], bytes] = bytes
    done: int = 0


Change = Callable[[Frame, bytes], bytes]
"""What comes out of the line in place of a frame, which is given as it is understood and as its bytes."""


class InFrames:
    """For Damage.towards and back: changes whole frames; all that lies between them passes."""

    def __init__(self, change: Change) -> None:
        self._change, self._kept = change, b""

    def __call__(self, data: bytes) -> bytes:
        self._kept += data
        out = b""
        while self._kept:
            start = self._kept.find(MAGIC)
            start = len(self._kept) - self._kept.endswith(MAGIC[:1]) if start < 0 else start
            out, self._kept = out + self._kept[:start], self._kept[start:]
            if len(self._kept) < HEADER.size:
                break
            _, kind, version, session, number, length, crc = HEADER.unpack_from(self._kept)
            if zlib.crc32(self._kept[2 : HEADER.size - CRC.size]) != crc:
                out, self._kept = out + self._kept[:1], self._kept[1:]
                continue
            end = HEADER.size + length + CRC.size
            if len(self._kept) < end:
                break
            frame = Frame(kind, session, number, self._kept[HEADER.size : end - CRC.size], version)
            out, self._kept = out + self._change(frame, self._kept[:end]), self._kept[end:]
        return out


@contextmanager
def replaced(first: str, second: str, when: Callable[[bytes], bool]) -> Iterator[str]:
    """A URL that leads to the board at `first`, and to the one at `second` as soon as `when` says so.

    It is asked with each piece that the first sends. That is what a reset looks like behind a USB serial
    bridge: the port stays, the board begins anew.
    """
    ends = [urlsplit(url) for url in (first, second)]

    def serve(host: socket.socket) -> None:
        boards: list[socket.socket] = []

        def plug(index: int) -> socket.socket:
            boards.append(socket.create_connection((ends[index].hostname, ends[index].port)))
            return boards[-1]

        def back(board: socket.socket) -> None:
            try:
                while data := board.recv(4096):
                    host.sendall(data)
                    if len(boards) == 1 and when(data):
                        board = plug(1)
            except OSError:
                pass
            shut(host)

        threading.Thread(target=back, args=[plug(0)], daemon=True).start()
        try:
            while data := host.recv(4096):
                boards[-1].sendall(data)
        except OSError:
            pass
        for board in boards:
            shut(board)

    with listening(serve) as url:
        yield url


@contextmanager
def noisy(url: str, damage: Damage, seed: int) -> Iterator[str]:
    """A URL that leads to `url` through a line with this damage; `damage.done` counts the bytes it hit."""
    target = urlsplit(url)

    def serve(host: socket.socket) -> None:
        board = socket.create_connection((target.hostname, target.port))
        board.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(
            target=carry, args=(board, host, damage, random.Random(seed), True), daemon=True
        )
        back.start()
        carry(host, board, damage, random.Random(seed + 1), False)
        back.join()

    with listening(serve) as noisy_url:
        yield noisy_url


def carry(
    source: socket.socket, sink: socket.socket, damage: Damage, chance: random.Random, limited: bool
) -> None:
    """Pass bytes on until either end closes."""
    carried = 0
    try:
        while data := source.recv(PIECE_BYTES):
            carried += len(data)
            if limited and damage.broken_after is not None and carried > damage.broken_after:
                break
            if limited and damage.silent_after is not None and carried > damage.silent_after:
                continue
            translated = (damage.back if limited else damage.towards)(data)
            sink.sendall(damaged(translated, damage, chance))
    except OSError:
        pass
    shut(source)
    shut(sink)


def damaged(data: bytes, damage: Damage, chance: random.Random) -> bytes:
    out = bytearray()
    for byte in data:
        fate = chance.random()
        if fate < damage.drop:
            damage.done += 1
            continue
        if fate < damage.drop + damage.flip:
            damage.done += 1
            byte ^= 1 << chance.randrange(8)
        out.append(byte)
    return bytes(out)


# -- what lines make of bytes


def seven_bits(data: bytes) -> bytes:
    return bytes(value & 0x7F for value in data)


def even_parity(data: bytes) -> bytes:
    return bytes(value & 0x7F | (value & 0x7F).bit_count() % 2 << 7 for value in data)


def without(*values: int) -> Callable[[bytes], bytes]:
    return lambda data: bytes(value for value in data if value not in values)


def replacing(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)
