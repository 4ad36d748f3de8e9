"""How does the board answer the host's frames while the REPL sleeps? (Twin: generator/firmnet/devices/frames.py.)

Frozen into the firmware. serve() reads requests from the port of the REPL and answers each until a reset frame, or 5 s
without a valid frame, gives the port back to the REPL. Whatever arrives damaged is answered by NAK and changes nothing.
A request to run says which step it is since the model was reset: the next one is computed, one of the last ones, repeated,
is answered from memory, in another session too, and every other one refused. So no step is ever computed twice.

While the model runs, requests that follow may come: so many as the port's ring has room for, and as answers are remembered.
Where the port can, the host may raise its rate; the prompt always has the rate of the board file.
"""

import gc
import struct
import time

import _firmnet
import micropython

MAGIC = b"\xf1\x4e"
VERSION = 6
ANSWER = 0x80
HELLO, RUN, CHECKSUMS, DUMP, COUNTERS, RESET, AGAIN, IMAGE, RESTART = 1, 2, 3, 4, 5, 6, 7, 8, 9
BAUD, STATE, SET_STATE = 12, 13, 14
# What stands between "states:" and ":states" is left out where a stock board's RAM has to hold it for a model without any.
NAK, READY, STRANGER, FAULT = 0x15, 0x16, 0x17, 0x18

STEPS = RUN, CHECKSUMS, DUMP

IDLE_MS = 5000  # without a valid frame for so long, the REPL has the port again
GAP_MS = 250  # so much silence inside a frame means its rest is lost
QUIET_MS = 30  # so much silence after damage means the host has stopped sending
TRIAL_MS = 700  # a new rate for which no second request has spoken by then is given up
STRIKES = 3  # so many damaged frames in a row mean that the host speaks at another rate
SETTLE_MS = 30  # the host takes so long to change its rate, too
WINDOW = 8  # more requests are never under way
KEPT_BYTES = 2048  # answers to remember take no more of the heap, and keep it after serve()
UNSET = 0xFFFFFFFF  # the step of a model whose states have not arrived whole
SPARE_BYTES = 4096  # of the heap that stay free for what Python does here
PACKET_BYTES = 64  # of USB: a frame that fills its last one is followed by a zero, else the host's USB waits for more

_head = bytearray(20)
_first = memoryview(_head)[:1]
_rest = memoryview(_head)[1:]
_covered = memoryview(_head)[2:16]  # what of the header its CRC covers
_reply = bytearray(20)
_reply_covered = memoryview(_reply)[2:16]
_word = bytearray(4)
_burst = bytearray(256)  # a frame that is no longer is written at once
_asked = bytearray(12)  # step, layer, CRC-32 of the inputs: how the payload of a step begins
_waste = bytearray(64)
_image = memoryview(_waste)[:12]  # where the payload of an image request has come to lie

_inputs = [_firmnet.input(i, True) for i in range(len(_firmnet.ports()[0]))]
_outputs = tuple([_firmnet.output(i, True) for i in range(len(_firmnet.ports()[1]))])
_states = tuple([_firmnet.state(i, True) for i in range(len(_firmnet.ports()[2]))])

_session = 0  # the host's, by its hello; 0 since the board began
_before = 0  # the session before
_number = 0  # of the last request that was answered from memory or by a step; 0: none
_kept = []  # the last answers: number, kind, CRC-32 of the request, what it asked, CRC-32 of the parts, the parts
_slots = []  # where answers are kept; none: they stay in the memory of the outputs, until the next input comes
_turn = 0  # the slot that was filled last
_window = 1  # requests that may be under way
_runs = 0
_bad_frames = 0
_baud = 0  # the rate that the host has asked for; 0: it is the board's own
_trial = 0  # that rate is on trial: 1 until something comes, then one more than the number of that request


def serve():
    """Answer frames until reset or silence. Ctrl-C is data meanwhile, and Timers wait."""
    micropython.kbd_intr(-1)
    before = _firmnet.hold(True)
    ring = _make_room()
    try:
        _send(READY, 0)
        _loop()
    finally:
        _slow_down()
        if ring:
            _firmnet.ring(None)
        _firmnet.hold(before)
        micropython.kbd_intr(3)


def _make_room():
    """For requests that come while the model runs, and for their answers; returns a ring in place of the port's own."""
    global _slots, _window
    gc.collect()
    ring, room, frame = None, _firmnet.ring(None), _step_bytes() + 24
    layers = range(_firmnet.layer_count())
    answer = 4 * (len(layers) + len(_states)) + sum([len(y) for y in _outputs]) + 4
    _window = 1
    if 2 * answer > KEPT_BYTES:
        return ring
    try:
        spare = bytearray(max([_firmnet.layer_bytes(i) for i in layers]) + SPARE_BYTES)
        if not _slots:
            _slots = [bytearray(answer) for _ in range(min(WINDOW, KEPT_BYTES // answer))]
        if 0 < room < frame:
            ring = bytearray(frame + 1)
            room = _firmnet.ring(ring)
        del spare
        _window = min(len(_slots), 1 + room // frame)
    except MemoryError:
        pass
    return ring


def _loop():
    global _bad_frames, _trial
    heard, strikes = time.ticks_ms(), 0
    while True:
        limit = TRIAL_MS if _trial else IDLE_MS
        idle = limit - time.ticks_diff(time.ticks_ms(), heard)
        if idle <= 0 or not _firmnet.read(_first, idle):
            if not _trial:
                return
            _slow_down()
            heard = time.ticks_ms()
            continue
        asked = _receive()
        if asked is None:
            _bad_frames += 1
            strikes += 1
            while _firmnet.read(_waste, QUIET_MS):
                if time.ticks_diff(time.ticks_ms(), heard) > limit:
                    break
            if _baud and strikes >= STRIKES:
                _slow_down()
            _send(NAK, _number)
            continue
        strikes = 0
        kind, _, session, number, length = struct.unpack_from("<BBIII", _head, 2)
        try:
            if kind == HELLO:
                _hello(session, number, length, asked)
            elif session != _session:
                _send(STRANGER, number)
            elif kind == RESET:
                _send(RESET | ANSWER, number, asked)
                return
            elif kind == BAUD:
                _change_rate(number, length, asked)
            else:
                _answer(kind, number, length, asked)
        except (ValueError, MemoryError) as error:
            _send(FAULT, number, asked, repr(error).encode())
        if _trial and kind != BAUD:
            _trial = number + 1 if _trial in (1, number + 1) else 0
        if kind == BAUD or not _trial:
            heard = time.ticks_ms()


def _change_rate(number, length, asked):
    """The answer comes at the old rate. A rate that the port has not is none."""
    global _baud, _trial
    baud = _firmnet.baud(struct.unpack_from("<I", _waste)[0]) if length == 4 else 0
    _send(BAUD | ANSWER, number, asked, struct.pack("<I", baud))
    if baud:
        _firmnet.baud(baud, True)
        _baud, _trial = baud, 1


def _slow_down():
    """The rate is the board's own again."""
    global _baud, _trial
    if _baud:
        _firmnet.baud(0, True)
        time.sleep_ms(SETTLE_MS)
    _baud = _trial = 0


def _receive():
    """Read the frame whose first byte has come and return its CRC-32; None when it is damaged.

    Only the inputs of the next step go into the arena, for there they overwrite the answer to the last one. What is to be
    remembered goes where it belongs; until it is there whole, no step is the next one.
    """
    if _firmnet.read(_rest, GAP_MS) < len(_rest) or _head[0] != MAGIC[0] or _head[1] != MAGIC[1]:
        return None
    kind, version, session, number, length, crc = struct.unpack_from("<BBIIII", _head, 2)
    if crc != _firmnet.crc32(_covered) or version != VERSION:
        return None
    if kind in STEPS and length == _step_bytes():
        crc = _take(_asked, crc)
        length -= len(_asked)
        if crc is not None and session == _session and not _found(number) and _is_next():
            _make_way()
            for x in _inputs:
                crc = None if crc is None else _take(x, crc)
            length = 0
    # states:
    elif kind == SET_STATE and length == _state_bytes():
        crc = _take(_asked, crc)
        length -= len(_asked)
        if crc is not None and session == _session and not _found(number):
            _firmnet.reset()
            _firmnet.steps(UNSET)
            _kept.clear()
            for x in _states:
                crc = None if crc is None else _take(x, crc)
            length = 0
    # :states
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


# states:
def _state_bytes():
    """Bytes of payload of a request that sets the states; -1 where there are none."""
    return len(_asked) + sum([len(x) for x in _states]) if _states else -1


# :states
def _is_next():
    """Whether the step that is asked for is the next."""
    return struct.unpack_from("<I", _asked)[0] == _firmnet.steps()


def _make_way():
    """The next inputs come: what lies where they will, or takes much memory, is forgotten."""
    global _number
    if not _slots or (_kept and _kept[-1][1] == DUMP):
        _number = 0
        _kept.clear()


def _hello(session, number, length, asked):
    """Begin a session, or greet again in one that has begun. A payload is a test of the line: the answer has one too."""
    global _session, _before, _number
    if session != _session:
        _session, _before, _number = session, _session, 0
        _kept[:] = [(0,) + answer[1:] for answer in _kept]
    sizes = 0
    for layer in range(_firmnet.layer_count()):
        struct.pack_into("<I", _word, 0, _firmnet.layer_bytes(layer))
        sizes = _firmnet.crc32(_word, sizes)
    numbers = _firmnet.layer_count(), sizes, _before, _runs, _window, _firmnet.baud()
    said = struct.pack("<32s6I", _firmnet.fingerprint(), *numbers)
    names = [_firmnet.name(), _firmnet.version()]
    for what, ports in zip(("input", "output", "state"), _firmnet.ports()):
        names += ["%s %s %s %d" % (what, name, dtype, count) for name, dtype, count in ports]
    said += "\0".join(names).encode()
    _send(HELLO | ANSWER, number, asked, said, bytes(range(255, -1, -1)) if length else b"")


def _answer(kind, number, length, asked):
    global _number
    step, layer, _ = struct.unpack("<3I", _asked)
    found = _found(number)
    if kind == COUNTERS:
        gc.collect()
        numbers = (_runs, _bad_frames, gc.mem_free(), _firmnet.stack_peak(), _firmnet.last_us())
        _send(COUNTERS | ANSWER, number, asked, struct.pack("<5I", *numbers))
    elif kind == IMAGE and length == len(_image):
        _send(IMAGE | ANSWER, number, asked, struct.pack("<I", _firmnet.image(_image)))
    # states:
    elif kind == STATE and _states and not length:
        _send(STATE | ANSWER, number, asked, struct.pack("<I", _firmnet.steps()), *_states)
    # :states
    elif found and (kind == AGAIN or asked == found[2]):
        _send(found[1] | ANSWER, number, found[2], *found[5])
    elif kind == AGAIN:
        _send(NAK, _number)
    elif found or not number:
        raise ValueError("the number %d is taken or zero" % number)
    elif kind == RESTART and not length:
        _firmnet.reset()
        _kept.clear()
        _keep(number, kind, asked, ())
    # states:
    elif kind == SET_STATE and length == _state_bytes():
        _firmnet.steps(step)
        _keep(number, kind, asked, ())
    # :states
    elif kind not in STEPS or length != _step_bytes():
        raise ValueError("%d bytes of payload for a frame of kind %d" % (length, kind))
    elif _is_next():
        _keep(number, kind, asked, _compute(kind, layer))
    elif _renumbered(kind, number, asked, step):  # asked once more, after the answer was lost
        _send(kind | ANSWER, number, asked, *_found(number)[5])
    else:
        raise ValueError("step %d was asked for, but the model is at step %d: reset it" % (step, _firmnet.steps()))


def _found(number):
    """The answer to the request of this number."""
    for answer in _kept:
        if number and answer[0] == number:
            return answer


def _renumbered(kind, number, asked, step):
    """Whether the same was asked before, of these steps, and its answer is whole; it has this number then."""
    global _number
    for i, answer in enumerate(_kept):
        same = answer[1] == kind and answer[3] == bytes(_asked) and step < _firmnet.steps()
        if same and _sum(answer[5]) == answer[4]:
            _kept[i] = (number, kind, asked) + answer[3:]
            _number = number
            return True
    return False


def _keep(number, kind, asked, parts):
    """Answer, and remember the answer."""
    global _number, _turn
    if _slots and kind != DUMP and parts:
        _turn = (_turn + 1) % len(_slots)
        parts = (_gathered(parts, _slots[_turn]),)
    while len(_kept) >= max(1, len(_slots)):
        _kept.pop(0)
    _kept.append((number, kind, asked, bytes(_asked), _sum(parts), parts))
    _number = number
    _send(kind | ANSWER, number, asked, *parts)


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
    checksums = bytearray(4 * (_firmnet.layer_count() + len(_states))) if kind == CHECKSUMS else None
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
    parts = (_reply,) + parts + (_word,)
    if (length + 24) % PACKET_BYTES == 0:
        parts += (b"\0",)
    if sum([len(part) for part in parts]) <= len(_burst):
        parts = (_gathered(parts, _burst),)
    for part in parts:
        if len(part):
            _firmnet.write(part)


def _gathered(parts, into):
    """The parts one behind the other."""
    at = 0
    for part in parts:
        into[at : at + len(part)] = part
        at += len(part)
    return memoryview(into)[:at]
