"""What does a bad line do? A TCP proxy that flips, drops or translates bytes, goes silent or breaks."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from board_twin import listening, shut


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
        while data := source.recv(4096):
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
