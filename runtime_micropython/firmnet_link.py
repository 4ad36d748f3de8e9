"""How does the board answer the host's frames while the REPL sleeps? (Twin: generator/firmnet/devices/link.py.)

Frozen into the firmware. serve() reads requests from the port of the REPL and answers each until a reset frame, or 5 s
without a valid frame, gives the port back to the REPL. Whatever arrives damaged is answered by NAK and changes nothing.
"""

import gc
import struct
import time

import _firmnet
import micropython

MAGIC = b"\xf1\x4e"
VERSION = 1
ANSWER = 0x80
HELLO, RUN, CHECKSUMS, DUMP, COUNTERS, RESET = 1, 2, 3, 4, 5, 6
NAK, READY, FAULT = 0x15, 0x16, 0x18

IDLE_MS = 5000  # without a valid frame for so long, the REPL has the port again
GAP_MS = 250  # so much silence inside a frame means its rest is lost
QUIET_MS = 30  # so much silence after damage means the host has stopped sending

_head = bytearray(8)
_first = memoryview(_head)[:1]
_rest = memoryview(_head)[1:]
_covered = memoryview(_head)[2:]  # what of the header the CRC covers
_reply = bytearray(8)
_reply_covered = memoryview(_reply)[2:]
_word = bytearray(4)
_argument = bytearray(4)
_waste = bytearray(64)

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
        if not _receive():
            _bad_frames += 1
            while _firmnet.read(_waste, QUIET_MS):
                if time.ticks_diff(time.ticks_ms(), heard) > IDLE_MS:
                    return
            _send(NAK, 0)
            continue
        kind, sequence = _head[2], _head[3]
        if kind == RESET:
            _send(RESET | ANSWER, sequence)
            return
        try:
            _answer(kind, sequence)
        except (ValueError, MemoryError) as error:
            _send(FAULT, sequence, repr(error).encode())
        heard = time.ticks_ms()


def _receive():
    """Read the frame whose first byte has come: the input into the arena, what follows it into _argument."""
    if _firmnet.read(_rest, GAP_MS) < len(_rest) or _head[0] != MAGIC[0] or _head[1] != MAGIC[1]:
        return False
    length = struct.unpack_from("<I", _head, 4)[0]
    crc = _firmnet.crc32(_covered)
    if length:
        x = _firmnet.input()
        if length < len(x) or length > len(x) + len(_argument):
            return False
        if _firmnet.read(x, GAP_MS) < len(x):
            return False
        crc = _firmnet.crc32(x, crc)
        extra = memoryview(_argument)[: length - len(x)]
        if len(extra) and _firmnet.read(extra, GAP_MS) < len(extra):
            return False
        crc = _firmnet.crc32(extra, crc)
    return _firmnet.read(_word, GAP_MS) == 4 and struct.unpack("<I", _word)[0] == crc


def _answer(kind, sequence):
    global _runs
    length = struct.unpack_from("<I", _head, 4)[0]
    wanted = len(_firmnet.input()) if kind in (RUN, CHECKSUMS, DUMP) else 0
    if length != wanted + (4 if kind == DUMP else 0):
        raise ValueError("%d bytes of payload for a frame of kind %d" % (length, kind))
    _runs += wanted > 0
    if kind == HELLO:
        _send(HELLO | ANSWER, sequence, _hello())
    elif kind == RUN:
        _firmnet.run()
        _send(RUN | ANSWER, sequence, _firmnet.output(), struct.pack("<I", _firmnet.last_us()))
    elif kind == CHECKSUMS:
        checksums = bytearray(4 * _firmnet.layer_count())
        _firmnet.run_crc(checksums)
        _send(CHECKSUMS | ANSWER, sequence, _firmnet.output(), checksums)
    elif kind == DUMP:
        _dump(sequence)
    elif kind == COUNTERS:
        gc.collect()
        numbers = (_runs, _bad_frames, gc.mem_free(), _firmnet.stack_peak(), _firmnet.last_us())
        _send(COUNTERS | ANSWER, sequence, struct.pack("<5I", *numbers))
    else:
        raise ValueError("unknown kind %d" % kind)


def _hello():
    sizes = (len(_firmnet.input()), len(_firmnet.output()), _firmnet.layer_count())
    return struct.pack("<B32sIII", VERSION, _firmnet.fingerprint(), *sizes) + _firmnet.name().encode()


def _dump(sequence):
    layer = struct.unpack("<I", _argument)[0]
    if layer >= _firmnet.layer_count():
        raise ValueError("no layer %d, the model has %d" % (layer, _firmnet.layer_count()))
    values = bytearray(_firmnet.layer_bytes(layer))
    _firmnet.dump(layer, values)
    _send(DUMP | ANSWER, sequence, values)


def _send(kind, sequence, payload=b"", more=b""):
    struct.pack_into("<2sBBI", _reply, 0, MAGIC, kind, sequence, len(payload) + len(more))
    crc = _firmnet.crc32(more, _firmnet.crc32(payload, _firmnet.crc32(_reply_covered)))
    struct.pack_into("<I", _word, 0, crc)
    for part in (_reply, payload, more, _word):
        if len(part):
            _firmnet.write(part)
