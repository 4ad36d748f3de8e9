"""How does the board answer the host's frames while the REPL sleeps? (Twin: generator/firmnet/devices/frames.py.)

Frozen into the firmware. serve() reads requests from the port of the REPL and answers each until a reset frame, or 5 s
without a valid frame, gives the port back to the REPL. Whatever arrives damaged is answered by NAK and changes nothing.
A request to run says which step it is since the model was reset: the next one is computed, the last one, repeated, is
answered from memory, in another session too, and every other one refused. So no step is ever computed twice.
"""

import gc
import struct
import time

import _firmnet
import micropython

MAGIC = b"\xf1\x4e"
VERSION = 3
ANSWER = 0x80
HELLO, RUN, CHECKSUMS, DUMP, COUNTERS, RESET, AGAIN, IMAGE, RESTART = 1, 2, 3, 4, 5, 6, 7, 8, 9
NAK, READY, STRANGER, FAULT = 0x15, 0x16, 0x17, 0x18

STEPS = RUN, CHECKSUMS, DUMP

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
_asked = bytearray(12)  # step, layer, CRC-32 of the inputs: how the payload of a step begins
_waste = bytearray(64)
_image = memoryview(_waste)[:12]  # where the payload of an image request has come to lie

_inputs = [_firmnet.input(i, True) for i in range(len(_firmnet.ports()[0]))]
_outputs = tuple([_firmnet.output(i, True) for i in range(len(_firmnet.ports()[1]))])

_session = 0  # the host's, by its hello; 0 since the board began
_before = 0  # the session before
_number = 0  # of the request whose answer is kept; 0: none
_kept = None  # kind, CRC-32 of the request, what it asked, CRC-32 of its answer, and the parts of that
_runs = 0
_bad_frames = 0


def serve():
    """Answer frames until reset or silence. Ctrl-C is data meanwhile, and Timers wait."""
    micropython.kbd_intr(-1)
    _firmnet.hold(True)
    try:
        _send(READY, 0)
        _loop()
    finally:
        _firmnet.hold(False)
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

    Only the inputs of the next step go into the arena, for there they overwrite the answer to the last one.
    """
    global _number, _kept
    if _firmnet.read(_rest, GAP_MS) < len(_rest) or _head[0] != MAGIC[0] or _head[1] != MAGIC[1]:
        return None
    kind, version, session, number, length, crc = struct.unpack_from("<BBIIII", _head, 2)
    if crc != _firmnet.crc32(_covered) or version != VERSION:
        return None
    if kind in STEPS and length == _step_bytes():
        crc = _take(_asked, crc)
        length -= len(_asked)
        if crc is not None and session == _session and number != _number and _is_next():
            _number, _kept = 0, None
            for x in _inputs:
                crc = None if crc is None else _take(x, crc)
            length = 0
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


def _step_bytes():
    """Bytes of payload of a request to run."""
    return len(_asked) + sum([len(x) for x in _inputs])


def _is_next():
    """Whether the step that is asked for is the next."""
    return struct.unpack_from("<I", _asked)[0] == _firmnet.steps()


def _hello(session, number, length, asked):
    """Begin a session, or greet again in one that has begun. A payload is a test of the line: the answer has one too."""
    global _session, _before, _number, _kept
    if session != _session:
        _session, _before, _number = session, _session, 0
    sizes = 0
    for layer in range(_firmnet.layer_count()):
        struct.pack_into("<I", _word, 0, _firmnet.layer_bytes(layer))
        sizes = _firmnet.crc32(_word, sizes)
    said = struct.pack("<32s4I", _firmnet.fingerprint(), _firmnet.layer_count(), sizes, _before, _runs)
    names = [_firmnet.name(), _firmnet.version()]
    for what, ports in zip(("input", "output", "state"), _firmnet.ports()):
        names += ["%s %s %s %d" % (what, name, dtype, count) for name, dtype, count in ports]
    said += "\0".join(names).encode()
    _send(HELLO | ANSWER, number, asked, said, bytes(range(255, -1, -1)) if length else b"")


def _answer(kind, number, length, asked):
    global _number, _kept
    step, layer, _ = struct.unpack("<3I", _asked)
    if kind == COUNTERS:
        gc.collect()
        numbers = (_runs, _bad_frames, gc.mem_free(), _firmnet.stack_peak(), _firmnet.last_us())
        _send(COUNTERS | ANSWER, number, asked, struct.pack("<5I", *numbers))
    elif kind == IMAGE and length == len(_image):
        _send(IMAGE | ANSWER, number, asked, struct.pack("<I", _firmnet.image(_image)))
    elif _kept and number == _number and (kind == AGAIN or asked == _kept[1]):
        _send(_kept[0] | ANSWER, number, _kept[1], *_kept[4])
    elif kind == AGAIN:
        _send(NAK, _number)
    elif number == _number:
        raise ValueError("the number %d is taken or zero" % number)
    elif kind == RESTART and not length:
        _firmnet.reset()
        _keep(number, kind, asked, ())
    elif kind not in STEPS or length != _step_bytes():
        raise ValueError("%d bytes of payload for a frame of kind %d" % (length, kind))
    elif _kept and _kept[0] == kind and _kept[2] == bytes(_asked) and step + 1 == _firmnet.steps() and _intact():
        _keep(number, kind, asked, _kept[4])  # asked once more, after the answer was lost
    elif not _is_next():
        raise ValueError("step %d was asked for, but the model is at step %d: reset it" % (step, _firmnet.steps()))
    else:
        _keep(number, kind, asked, _compute(kind, layer))


def _keep(number, kind, asked, parts):
    """Answer, and remember the answer."""
    global _number, _kept
    _number, _kept = number, (kind, asked, bytes(_asked), _sum(parts), parts)
    _send(kind | ANSWER, number, asked, *parts)


def _intact():
    """Whether the answer that is kept is still in the memory of the outputs, which users may write over."""
    return _sum(_kept[4]) == _kept[3]


def _sum(parts):
    crc = 0
    for part in parts:
        crc = _firmnet.crc32(part, crc)
    return crc


def _compute(kind, layer):
    """Run the inputs in the arena; what the answer says, in parts."""
    global _runs
    if kind == DUMP:
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
        return _outputs + (struct.pack("<I", _firmnet.last_us()),)
    _firmnet.run_crc(checksums)
    return _outputs + (checksums,)


def _send(kind, number, asked=None, *parts):
    """One frame; an answer's payload begins with `asked`, the CRC-32 of the request it answers."""
    parts = parts if asked is None else (struct.pack("<I", asked),) + parts
    length = sum([len(part) for part in parts])
    struct.pack_into("<2sBBIII", _reply, 0, MAGIC, kind, VERSION, _session, number, length)
    crc = _firmnet.crc32(_reply_covered)
    struct.pack_into("<I", _reply, 16, crc)
    for part in parts:
        crc = _firmnet.crc32(part, crc)
    struct.pack_into("<I", _word, 0, crc)
    for part in (_reply,) + parts + (_word,):
        if len(part):
            _firmnet.write(part)
