"""How does the board answer the host's frames while the REPL sleeps? (Twin: generator/firmnet/devices/frames.py.)

Frozen into the firmware. serve() reads requests from the port of the REPL and answers each until a reset frame, or 5 s
without a valid frame, gives the port back to the REPL. Whatever arrives damaged is answered by NAK and changes nothing.
The answer to the last input stays in memory, so that a request which is repeated is never computed again.
"""

import gc
import struct
import time

import _firmnet
import micropython

MAGIC = b"\xf1\x4e"
VERSION = 2
ANSWER = 0x80
HELLO, RUN, CHECKSUMS, DUMP, COUNTERS, RESET, AGAIN, IMAGE = 1, 2, 3, 4, 5, 6, 7, 8
NAK, READY, STRANGER, FAULT = 0x15, 0x16, 0x17, 0x18

IDLE_MS = 5000  # without a valid frame for so long, the REPL has the port again
GAP_MS = 250  # so much silence inside a frame means its rest is lost
QUIET_MS = 30  # so much silence after damage means the host has stopped sending

_head = bytearray(20)
_first = memoryview(_head)[:1]
_rest = memoryview(_head)[1:]
_covered = memoryview(_head)[2:16]  # what of the header its CRC covers
_reply = bytearray(20)
_reply_covered = memoryview(_reply)[2:16]
_word = bytearray(4)
_argument = bytearray(4)
_waste = bytearray(64)
_image = memoryview(_waste)[:12]  # where the payload of an image request has come to lie

_session = 0  # the host's, by its hello; 0 since the board began
_before = 0  # the session before
_number = 0  # of the request whose answer is kept; 0: none
_kept = None  # kind, CRC-32 of the request, and the parts of its answer
_runs = 0
_bad_frames = 0


def serve():
    """Answer frames until reset or silence. Ctrl-C is data meanwhile."""
    micropython.kbd_intr(-1)
    try:
        _send(READY, 0)
        _loop()
    finally:
        micropython.kbd_intr(3)


def _loop():
    global _bad_frames
    heard = time.ticks_ms()
    while True:
        idle = IDLE_MS - time.ticks_diff(time.ticks_ms(), heard)
        if idle <= 0 or not _firmnet.read(_first, idle):
            return
        asked = _receive()
        if asked is None:
            _bad_frames += 1
            while _firmnet.read(_waste, QUIET_MS):
                if time.ticks_diff(time.ticks_ms(), heard) > IDLE_MS:
                    return
            _send(NAK, _number)
            continue
        kind, _, session, number, length = struct.unpack_from("<BBIII", _head, 2)
        try:
            if kind == HELLO:
                _hello(session, number, length, asked)
            elif session != _session:
                _send(STRANGER, number)
            elif kind == RESET:
                _send(RESET | ANSWER, number, asked)
                return
            else:
                _answer(kind, number, length, asked)
        except (ValueError, MemoryError) as error:
            _send(FAULT, number, asked, repr(error).encode())
        heard = time.ticks_ms()


def _receive():
    """Read the frame whose first byte has come and return its CRC-32; None when it is damaged.

    Only a new input of this session goes into the arena, for there it overwrites the answer to the last one.
    """
    global _number, _kept
    if _firmnet.read(_rest, GAP_MS) < len(_rest) or _head[0] != MAGIC[0] or _head[1] != MAGIC[1]:
        return None
    kind, version, session, number, length, crc = struct.unpack_from("<BBIIII", _head, 2)
    if crc != _firmnet.crc32(_covered) or version != VERSION:
        return None
    if session == _session and number != _number and length and length == _wanted(kind):
        _number, _kept = 0, None
        x = _firmnet.input()
        crc = _take(x, crc)
        length -= len(x)
        if length:
            crc = _take(_argument, crc)
    else:
        while length and crc is not None:
            piece = _waste if length > len(_waste) else memoryview(_waste)[:length]
            crc = _take(piece, crc)
            length -= len(piece)
    if crc is None or _firmnet.read(_word, GAP_MS) < 4 or struct.unpack("<I", _word)[0] != crc:
        return None
    return crc


def _take(into, crc):
    """Fill `into` from the line; the CRC-32 continued over it, None when it does not come."""
    return _firmnet.crc32(into, crc) if _firmnet.read(into, GAP_MS) == len(into) else None


def _wanted(kind):
    """Bytes of payload of a request of this kind."""
    if kind in (RUN, CHECKSUMS, DUMP):
        return len(_firmnet.input()) + (4 if kind == DUMP else 0)
    return 0


def _hello(session, number, length, asked):
    """Begin a session, or greet again in one that has begun. A payload is a test of the line: the answer has one too."""
    global _session, _before, _number, _kept
    if session != _session:
        _session, _before, _number, _kept = session, _session, 0, None
    sizes = 0
    for layer in range(_firmnet.layer_count()):
        struct.pack_into("<I", _word, 0, _firmnet.layer_bytes(layer))
        sizes = _firmnet.crc32(_word, sizes)
    counts = (len(_firmnet.input()), len(_firmnet.output()), _firmnet.layer_count())
    said = struct.pack("<32s6I", _firmnet.fingerprint(), *counts, sizes, _before, _runs)
    names = (_firmnet.name() + "\0" + _firmnet.version()).encode()
    _send(HELLO | ANSWER, number, asked, said + names, bytes(range(255, -1, -1)) if length else b"")


def _answer(kind, number, length, asked):
    global _number, _kept
    if kind == COUNTERS:
        gc.collect()
        numbers = (_runs, _bad_frames, gc.mem_free(), _firmnet.stack_peak(), _firmnet.last_us())
        _send(COUNTERS | ANSWER, number, asked, struct.pack("<5I", *numbers))
    elif kind == IMAGE and length == len(_image):
        _send(IMAGE | ANSWER, number, asked, struct.pack("<I", _firmnet.image(_image)))
    elif _kept and number == _number and (kind == AGAIN or asked == _kept[1]):
        _send(_kept[0] | ANSWER, number, *_kept[1:])
    elif kind == AGAIN:
        _send(NAK, _number)
    elif not length or length != _wanted(kind):
        raise ValueError("%d bytes of payload for a frame of kind %d" % (length, kind))
    elif number == _number:
        raise ValueError("the number %d is taken or zero" % number)
    else:
        parts = _compute(kind)
        _number, _kept = number, (kind, asked) + parts
        _send(kind | ANSWER, number, asked, *parts)


def _compute(kind):
    """Run the input in the arena; what the answer says, in one or two parts."""
    global _runs
    if kind == DUMP:
        layer = struct.unpack("<I", _argument)[0]
        if layer >= _firmnet.layer_count():
            raise ValueError("no layer %d, the model has %d" % (layer, _firmnet.layer_count()))
        values = bytearray(_firmnet.layer_bytes(layer))
        _runs += 1
        _firmnet.dump(layer, values)
        return (values,)
    checksums = bytearray(4 * _firmnet.layer_count()) if kind == CHECKSUMS else None
    _runs += 1
    if checksums is None:
        _firmnet.run()
        return _firmnet.output(), struct.pack("<I", _firmnet.last_us())
    _firmnet.run_crc(checksums)
    return _firmnet.output(), checksums


def _send(kind, number, asked=None, payload=b"", more=b""):
    """One frame; an answer's payload begins with `asked`, the CRC-32 of the request it answers."""
    said = b"" if asked is None else struct.pack("<I", asked)
    length = len(said) + len(payload) + len(more)
    struct.pack_into("<2sBBIII", _reply, 0, MAGIC, kind, VERSION, _session, number, length)
    crc = _firmnet.crc32(_reply_covered)
    struct.pack_into("<I", _reply, 16, crc)
    crc = _firmnet.crc32(more, _firmnet.crc32(payload, _firmnet.crc32(said, crc)))
    struct.pack_into("<I", _word, 0, crc)
    for part in (_reply, said, payload, more, _word):
        if len(part):
            _firmnet.write(part)
