"""How do host and board talk over one serial line, which may also be the board's REPL?

The host asks, the board answers in the same order; so many requests as the board has room for may be under
way. An answer counts only when it belongs to a request that was sent: to its session, its number and, by a
CRC-32, its very bytes. What is damaged or lost on the way is asked for again; the board answers a repeated
request from memory and computes nothing twice.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..errors import VerificationError, escaped
from .crash import Crash, Crashed
from .frames import (
    ANSWER,
    CRC,
    EVERY_BYTE,
    HEADER,
    HELLO,
    TEXT_LIMIT_BYTES,
    VERSION,
    ByteStream,
    Frame,
    Message,
    Receiver,
    harmless,
    new_session,
)
from .rates import FASTER_BAUDS, SetBaud
from .strangers import who_speaks
from .transparency import EIGHTH_BIT, NOBODY, Examination, examine, sentence

PATIENCE_S = 1.0
"""The first wait for an answer before asking again, beside the time the bytes need on the line."""
LEAST_PATIENCE_S = 0.2
"""That wait is never shorter, however soon answers come: this machine may be busy."""
BYTES_PER_S = 3000
"""What a line carries at least (an emulated UART), unless its baud rate says less."""
CHUNK_BYTES, PACKET_BYTES = 4096, 64
"""Written at once, whole packets of USB, and no more than a slow line carries in a second: a port's write
timeout is for a piece, not for a large input.
"""
HELLO_BYTES = 200
"""About as long is a hello."""
AWAKE_S = 3.0
"""The board leaves serve() after 5 s without a valid frame: after 3 s of silence the host knocks again."""
HELLOS_ALONE = 3
"""So many times a board without a REPL is greeted before it may be another one, that has one."""
DAMAGE_LIMIT = 8
"""So often in a row one request may fail before the line itself is examined."""
REMEMBERED = 64
"""Requests of which the host knows how often it sent them."""
SETTLES_S = 0.03
"""A board has taken up a new rate by then."""
TRY_OUT_S = 0.4
"""How long the answer to the first frame at a new rate may take, beside its bytes."""
TRIAL_S = 0.9
"""A board that has taken up a new rate, and hears no second request at it, is back at its own by then."""
DAMAGE_AT_SPEED, SILENCE_AT_SPEED_S = 3, 2.0
"""So often in a row one request may fail at a faster rate, or so long stay without an answer beside what the
board needs, before that rate is given up.
"""

INTERRUPT = b"\r\x03\x03"
RAW_REPL = b"\r\x01"
RAW_PROMPT = b"raw REPL; CTRL-B to exit"
FLIPPED_BY_CHANCE = 2
"""Eighth bits in one such text that noise alone may have set; a parity bit is set in half of its letters."""
FRIENDLY_REPL = b"\x02"
SOFT_RESET = b"\x04"
BEGINS_ANEW = b"soft reboot"
KEYS_PAUSE_S = 1.0
"""How long keys that ask for a prompt go unanswered before they are sent again, at first."""
SERVE = b"import firmnet_link; firmnet_link.serve()\x04"
LISTENS_S = 0.5
"""How long it is listened to what speaks without being asked."""
NOT_OURS = "no module named 'firmnet_link'"
"""What another MicroPython says, over a line that carries what it is given."""
EXECUTED = b"\x04>"
"""What the raw REPL prints when the code it was given has ended."""
PROMPTS = (EXECUTED, b"\n>>> ", b"\n... ")
"""Signs that a REPL has the port again."""
OLD_READY = bytes.fromhex("f14e160000000000")
"""How the frame begins by which a board of link version 1 says that it serves."""


@dataclass(frozen=True)
class Hello:
    """Who the board says it is. `sizes` is the CRC-32 of all layers' output bytes, each as u32.

    `window`: so many requests to run may be under way at once. `baud`: the rate of its port, where that can
    be changed, else 0. `ports`: "input x int8 64" of each input, output and state, in their order.
    """

    fingerprint: bytes
    layer_count: int
    sizes: int
    session_before: int
    runs: int
    window: int
    baud: int
    model: str
    firmnet: str
    ports: tuple[str, ...]


@dataclass
class Sent:
    """A request the host remembers: its CRC-32, how often it was sent and answered."""

    crc: int
    sends: int = 0
    answers: int = 0


@dataclass
class Flight:
    """A request under way: when it was sent, and its answer, where that came before it was waited for."""

    frame: Frame
    sent: Sent
    posted: float
    answer: bytes | None = None


class BoardReset(VerificationError):
    """The board has begun anew, or talked to somebody else, since it was last entered."""


@dataclass
class Pace:
    """How soon requests of one kind are answered, and so how long to wait before asking again.

    By the answers that came at first asking, estimated as TCP does (RFC 6298): which of several askings a
    late one answers is not known. After a silence the wait stays doubled until one comes at first asking.
    """

    patience_s: float = PATIENCE_S
    usual_s: float | None = None
    swing_s: float = 0.0

    def answered(self, after_s: float) -> None:
        """At first asking."""
        if self.usual_s is None:
            self.usual_s, self.swing_s = after_s, after_s / 2
        self.swing_s += (abs(after_s - self.usual_s) - self.swing_s) / 4
        self.usual_s += (after_s - self.usual_s) / 8
        self.patience_s = min(max(LEAST_PATIENCE_S, self.usual_s + 4 * self.swing_s), AWAKE_S)


class Link:
    """One conversation with a board: enter(), any number of requests, leave().

    `line` names the port in error sentences. `timeout_s` is how long the board may be silent when it should
    answer, beside the time the bytes need at `bytes_per_s` and `work_s` where it computes; then a
    VerificationError says what was sent, what came back and what to try. `check` is called with every hello,
    after a reconnection too, and raises when it is not the board that is wanted. `prompts`: the board should
    have a REPL; else it serves from the start, and keys are sent only to one that does not answer. `explain`
    says what it means that the board's processor has stopped. `set_baud` changes the port's rate from that
    of the board file up to `most_baud` where the board can do so too.
    """

    def __init__(
        self,
        port: ByteStream,
        line: str,
        timeout_s: float,
        check: Callable[[Hello], None] = lambda hello: None,
        *,
        bytes_per_s: float = BYTES_PER_S,
        work_s: float = 0.0,
        greeting_bytes: int = TEXT_LIMIT_BYTES,
        prompts: bool = True,
        explain: Callable[[Crash], str] = str,
        set_baud: SetBaud | None = None,
        most_baud: int = FASTER_BAUDS[0],
    ) -> None:
        self._port, self._line, self._check = port, line, check
        self._timeout_s, self._work_s, self._prompts = timeout_s, work_s, prompts
        self._bytes_per_s = min(bytes_per_s, BYTES_PER_S)
        self._receiver = Receiver(port)
        self._receiver.crashed, self._explain = self._crashed, explain
        self._receiver.limit_bytes = self._greeting_bytes = max(greeting_bytes, TEXT_LIMIT_BYTES)
        self._session = 0
        self._past: set[int] = set()
        self._greeted = False
        self._number = 0
        self._sent: dict[int, Sent] = {}
        self._paces: dict[Message, Pace] = {}
        self._heard = float("-inf")
        self._slowest_s = 0.0
        self._answers = self._late = self._refused = self._damaged = 0
        self._prompted = self._examined = False
        self._set_baud, self._most_baud = set_baud, most_baud
        self._own_baud = self.baud = 0
        self._window = 1
        self._answered_at, self._late_at = 0.0, float("-inf")
        self.waited_s = 0.0
        """How long the last answer took since its request was sent."""
        self.most_under_way = 2**31
        """No more requests are sent ahead, whatever the board has room for."""
        self.resends = 0

    # -- a conversation

    def enter(self) -> Hello:
        """Make the board serve, at its REPL where it has one, and return its greeting.

        VerificationError when the board was reset since it was last entered.
        """
        self._slow_down()
        before, self._greeted = self._session, False
        self._past.add(before)
        self._session = new_session()
        began = time.monotonic()
        deadline = began + self._timeout_s
        patience_s, rounds, complaints, hellos = 0.5, 0, 0, 0
        while time.monotonic() < deadline:
            knocks = self._prompts or hellos >= HELLOS_ALONE
            if knocks and self._raw_repl(patience_s):
                rounds += 1
                complaint = self._start_serving(deadline)
                complaints += bool(complaint)
                if complaints == 3:
                    if NOT_OURS not in complaint:
                        self._blame_line()
                    raise self._unable_to_serve(complaint)
                if complaint:
                    continue
            pause_s = patience_s + self._on_the_line_s(0, HELLO_BYTES)
            answer = self._ask(Message.HELLO, b"", HELLO_BYTES, min(deadline, time.monotonic() + pause_s))
            if answer is not None:
                self._greeted = True
                hello = self._parse_hello(answer)
                self._check(hello)
                self._check_unbroken(before, hello)
                self._window = hello.window
                return hello if self._passes_every_byte() and self._speeds_up(hello) else self.enter()
            if rounds == 3:
                self._blame_line()
            hellos += 1
            knocked = self._refused or hellos > HELLOS_ALONE  # only who serves says that a frame is damaged
            if hellos >= HELLOS_ALONE and knocked and not self._prompts | self._prompted:
                self._blame_line()
            patience_s *= 1.5
        self._blame_line()
        sent = "Ctrl-C, Ctrl-A and a hello frame" if knocks else "hello frames"
        raise self._silence(sent, time.monotonic() - began)

    def leave(self) -> None:
        """Send the board back to its REPL, to stay; a board that no longer answers is left alone."""
        self._pause()
        self._session = 0

    def soft_reset(self) -> None:
        """Of a board that was left at its REPL: its interpreter, and what it runs at boot, begin anew."""
        with suppress(VerificationError):
            self._write(SOFT_RESET)
            self._until(BEGINS_ANEW, time.monotonic() + KEYS_PAUSE_S)

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Meanwhile a board without a REPL may compute in the middle of an answer."""
        usual_s = self._receiver.gap_s
        self._receiver.gap_s += 0 if self._prompts else self.work_s
        try:
            yield
        finally:
            self._receiver.gap_s = usual_s

    @property
    def work_s(self) -> float:
        """How long the board may compute for one inference: what it took, or at first what it may take."""
        return max(self._work_s, 3 * self._slowest_s)

    def patience_s(self, request_bytes: int = 0) -> float:
        """How long an answer to so many bytes may take."""
        return self._timeout_s + self.work_s + self._on_the_line_s(request_bytes, TEXT_LIMIT_BYTES)

    def execute(self, code: str, patience_s: float | None = None) -> str:
        """What `code` prints on the board's REPL; VerificationError with the exception it raises.

        `patience_s` is how long to wait for its end, beside the time its bytes take; default: the timeout.
        """
        wait_s = self._timeout_s if patience_s is None else patience_s
        self._pause()
        if not self._at_raw_repl(wait_s):
            raise self._silence("Ctrl-C and Ctrl-A", wait_s)
        self._write(code.encode() + b"\x04")
        wait_s += self._on_the_line_s(len(code), TEXT_LIMIT_BYTES)
        said = self._until(EXECUTED, time.monotonic() + wait_s)
        self._write(FRIENDLY_REPL)
        if said is None:
            raise self._silence(f"{_quoted(code)} to the REPL", wait_s)
        said = said.rpartition(RAW_PROMPT + b"\r\n>")[2]  # to keys that were sent again, and were not lost
        said = said[said.find(b"OK") + 2 :] if b"OK" in said else said  # before it a Timer may have printed
        output, complaint = (*said.split(b"\x04"), b"")[:2]
        if complaint:
            self._check_not_reset()
            last = escaped(complaint.decode(errors="replace").strip().splitlines()[-1])
            raise VerificationError(f"{self._line}: {_quoted(code)} failed on the board: {last}")
        return output.decode(errors="replace")

    def request(self, kind: Message, payload: bytes = b"", answer_bytes: int = TEXT_LIMIT_BYTES) -> bytes:
        """The board's answer to one request, at most `answer_bytes` long."""
        return next(self.requests(kind, [payload], answer_bytes))

    def requests(self, kind: Message, payloads: Iterable[bytes], answer_bytes: int) -> Iterator[bytes]:
        """The answers to requests in their order, each at most `answer_bytes` long.

        While the board computes one, the next are on their way, as many as it has room for.
        """
        waiting, left = deque[bytes](), iter(payloads)
        flights = deque[Flight]()
        while True:
            while len(waiting) < min(self._window, self.most_under_way):
                payload = next(left, None)
                if payload is None:
                    break
                waiting.append(payload)
            if not waiting:
                return
            yield self._answer_to_first(kind, waiting, flights, answer_bytes)
            waiting.popleft()
            flights.popleft()

    def _answer_to_first(
        self, kind: Message, waiting: deque[bytes], flights: deque[Flight], answer_bytes: int
    ) -> bytes:
        """Send all that waits and is not under way yet; the answer to the first, which stays there."""
        began = time.monotonic()
        patience_s = max(self._timeout_s, 3 * self._slowest_s) + (self._work_s if waiting[0] else 0)
        deadline = began + patience_s + self._on_the_line_s(len(waiting[0]), answer_bytes)
        while True:
            if time.monotonic() - self._heard > AWAKE_S:
                self.enter()
                flights.clear()
            for payload in list(waiting)[len(flights) :]:
                flights.append(self._post(kind, payload, answer_bytes))
            answer = self._await(flights, answer_bytes, deadline)
            if answer is not None:
                return answer
            self._heard = float("-inf")
            if time.monotonic() >= self._extended(deadline):
                self._blame_line()
                waited_s = time.monotonic() - began
                raise self._silence(f"the same {kind.name.lower()} frame again and again", waited_s)

    # -- one request

    def _ask(self, kind: Message, payload: bytes, answer_bytes: int, deadline: float) -> bytes | None:
        """Send until answered; None at the deadline, or when the board is back at its REPL."""
        return self._await(deque([self._post(kind, payload, answer_bytes)]), answer_bytes, deadline)

    def _post(self, kind: Message, payload: bytes, answer_bytes: int) -> Flight:
        """Send a new request."""
        frame = self._next_frame(kind, payload)
        self._number = frame.number
        self._receiver.limit_bytes = max(self._receiver.limit_bytes, answer_bytes + CRC.size)
        sent = self._sent[self._number] = Sent(frame.crc)
        self._sent.pop(self._number - REMEMBERED, None)
        flight = Flight(frame, sent, time.monotonic())
        self._send(flight)
        return flight

    def _next_frame(self, kind: Message, payload: bytes = b"") -> Frame:
        """The next request. One without a payload may reach a REPL, and gets a number that does no harm."""
        frame = Frame(kind, self._session, self._number + 1, payload)
        return frame if payload else harmless(frame)

    def _send(self, flight: Flight, message: Frame | None = None) -> None:
        flight.sent.sends += 1
        self._write((message or flight.frame).encode())

    def _await(self, flights: deque[Flight], answer_bytes: int, deadline: float) -> bytes | None:
        """The answer to the first of them; None at the deadline, or when the board is back at its REPL.

        After silence or a damaged answer only AGAIN is sent, for the board may well be computing; whole
        requests only after a NAK that says that they have not arrived.
        """
        first, began = flights[0], time.monotonic()
        request, kind = first.frame, Message(first.frame.kind)
        again = request
        if request.payload and kind != Message.HELLO:
            again = Frame(Message.AGAIN, self._session, request.number)
        line_s = self._on_the_line_s(len(request.payload), answer_bytes)
        pace = self._paces.setdefault(kind, Pace(PATIENCE_S))
        patience_s, damages, asked = pace.patience_s, 0, began
        lost_at = began + SILENCE_AT_SPEED_S + self.work_s + line_s
        while True:
            refused = self._refused
            until = min(self._extended(deadline), asked + patience_s + line_s)
            answer = self._answer(flights, until) if first.answer is None else first.answer
            now = time.monotonic()
            if isinstance(answer, bytes):
                self._note_answer(first, now, began, pace)
                return answer
            if now >= self._extended(deadline) or self._back_at_prompt() or answer is Message.STRANGER:
                return None
            damages += 1
            if now - asked >= patience_s + line_s:
                pace.patience_s = patience_s = min(2 * patience_s, AWAKE_S)
                self._window = max(1, self._window // 2)  # what is asked again waits behind the others
                damages = 0
            else:
                self._damaged += self._refused == refused
                began = now  # what was damaged until now says nothing of how slow the board is
            if self.baud and (damages >= DAMAGE_AT_SPEED or now >= lost_at):
                self._most_baud = self._own_baud
                return None
            if damages >= DAMAGE_LIMIT and not self._examined:
                self._blame_line()
                return None
            asked = time.monotonic()
            if answer is None:
                self._send(first, again)
                self.resends += 1
                continue
            for flight in flights:
                self._send(flight)
                self.resends += 1

    def _extended(self, deadline: float) -> float:
        """A board that still answers what it was asked before is not silent."""
        return max(deadline, self._late_at + self._timeout_s)

    def _note_answer(self, flight: Flight, now: float, began: float, pace: Pace) -> None:
        """How soon it came tells how long to wait for others."""
        self._heard = now
        self._answers += flight.frame.kind != Message.HELLO
        self._damaged = 0
        self._receiver.stray.clear()
        self._slowest_s = max(self._slowest_s, now - began)
        self.waited_s = now - flight.posted
        if flight.sent.sends == 1:
            pace.answered(now - max(flight.posted, self._answered_at))
        self._answered_at = now

    def _answer(self, flights: deque[Flight], deadline: float) -> bytes | Message | None:
        """The payload of the answer to the first request; NAK or STRANGER; None for silence or damage.

        NAK only when the request is not there. An answer to a later one is kept: that to the first was lost.
        VerificationError for a frame that no honest board sends.
        """
        first = flights[0].frame
        kind = Message(first.kind)
        while frame := self._frame(deadline):
            if frame.version != VERSION:
                raise self._other_version(frame.version)
            if frame.kind == Message.READY:
                continue
            if frame.kind == Message.NAK:
                self._refused += 1
                ours = frame.session == self._session
                return None if ours and frame.number >= first.number else Message.NAK
            if frame.kind == Message.STRANGER and frame.number == first.number:
                return Message.STRANGER
            if self._is_stale(frame, first.number):
                continue
            flight = flights[frame.number - first.number]
            asked = CRC.unpack_from(frame.payload)[0] if len(frame.payload) >= CRC.size else None
            if asked != flight.sent.crc:
                raise self._misplaced(frame, asked)
            self._count_answer(flight.sent, frame.number, first.number)
            said = frame.payload[CRC.size :]
            if flight is not flights[0] and frame.kind != kind | ANSWER:
                if flights[0].sent.sends > 1:
                    continue
                return Message.NAK  # the board refuses a later one, for it lacks the first
            if frame.kind == Message.FAULT:
                why = escaped(said.decode(errors="replace"))
                raise VerificationError(
                    f"{self._line}: the board cannot answer a {kind.name.lower()} frame: {why}"
                )
            if frame.kind != kind | ANSWER:
                raise self._distrust(f"answered a {kind.name.lower()} frame with one of kind {frame.kind}")
            if flight is flights[0]:
                return said
            flight.answer = said
            if flights[0].sent.sends == 1:
                return None  # else it was asked for again already
        return None

    def _is_stale(self, frame: Frame, awaited: int) -> bool:
        """Whether a frame answers a request before the one that is awaited: late, and to be passed over.

        VerificationError when it cannot be: from a session that never was, or oftener than was asked.
        """
        if frame.kind < ANSWER and frame.kind != Message.FAULT:
            echo = frame.session == self._session and frame.number == awaited
            if echo and not who_speaks(bytes(self._receiver.said), unasked=False)[0]:
                raise VerificationError(
                    f"{self._line}: everything that is sent comes back, so there is no board behind this "
                    "port (loop://, or its two data lines are joined): give the board's port"
                )
            return True
        if frame.session != self._session:
            if frame.session not in self._past and self._greeted and frame.session:
                raise self._distrust(
                    f"sent an answer of another conversation ({frame.session:08x}): a replay"
                )
            self._late += 1
            return True
        if frame.number > self._number:
            raise self._distrust(f"answered request {frame.number}, which was never sent")
        if frame.number >= awaited:
            return False
        self._count_answer(self._sent.get(frame.number, Sent(0)), frame.number, awaited)
        self._late += 1
        self._late_at = time.monotonic()
        return True

    def _count_answer(self, sent: Sent, number: int, awaited: int) -> None:
        """VerificationError for an answer that comes oftener than it was asked for."""
        sent.answers += 1
        if sent.answers > sent.sends:
            raise self._distrust(
                f"answered request {number} once more instead of request {awaited}: a replay"
            )

    def _misplaced(self, frame: Frame, asked: int | None) -> VerificationError:
        """The error for an answer whose number is right and whose request is another."""
        for number, sent in self._sent.items():
            if sent.crc == asked:
                return self._distrust(
                    f"gave the answer to request {number} as that to request {frame.number}"
                )
        return self._distrust(
            f"answered request {frame.number} for another input than was sent (its CRC-32 is "
            f"{'missing' if asked is None else f'{asked:08x}'}, not {self._sent[frame.number].crc:08x})"
        )

    def _on_the_line_s(self, request_bytes: int, answer_bytes: int) -> float:
        """How long a request and its answer may take at the slowest pace."""
        return (request_bytes + answer_bytes + 2 * (HEADER.size + CRC.size)) / self._bytes_per_s

    # -- the REPL

    def _at_raw_repl(self, patience_s: float) -> bool:
        """The same again and again: keys and prompts may be lost on the way."""
        deadline, pause_s = time.monotonic() + patience_s, KEYS_PAUSE_S
        while not self._raw_repl(min(pause_s, max(deadline - time.monotonic(), 0.0))):
            if time.monotonic() >= deadline:
                return False
            pause_s *= 2
        return True

    def _raw_repl(self, patience_s: float) -> bool:
        """Interrupt and ask for the raw REPL; True when its prompt came."""
        self._write(INTERRUPT + RAW_REPL)
        deadline = time.monotonic() + patience_s
        entered = (
            self._until(RAW_PROMPT, deadline) is not None
            and self._until(b">", max(deadline, time.monotonic() + 0.2)) is not None
        )
        stray = bytes(self._receiver.stray)
        if any(_has_parity(stray, text) for text in (RAW_PROMPT, NOBODY)):
            raise VerificationError(f"{self._line}: {sentence((), (EIGHTH_BIT,))}")
        self._prompted |= entered or b">>> " in stray
        return entered

    def _start_serving(self, deadline: float) -> str:
        """Have the raw REPL call serve(); returns what the REPL complained about, "" when nothing."""
        self._receiver.stray.clear()
        self._write(SERVE)
        deadline = min(deadline, time.monotonic() + 1.0)
        while time.monotonic() < deadline and EXECUTED not in self._receiver.stray:
            frame = self._frame(min(deadline, time.monotonic() + 0.1))
            if frame and frame.kind == Message.READY:
                return ""
            if OLD_READY in self._receiver.stray:
                raise self._other_version(1)
        said = bytes(self._receiver.stray) if EXECUTED in self._receiver.stray else b""
        lines = said.decode(errors="replace").replace("\x04", "\n").splitlines()
        return escaped(next((line.strip() for line in reversed(lines) if line.strip(" .>")), ""))

    def _pause(self) -> None:
        """Give the board's REPL the port, if there is one."""
        with suppress(VerificationError):
            if time.monotonic() - self._heard < AWAKE_S:
                self._ask(Message.RESET, b"", 0, time.monotonic() + 2.0)
                self._slow_down()
                if self._prompts or self._prompted:
                    self._until(EXECUTED, time.monotonic() + 0.5)
            self._slow_down()
            if self._prompts or self._prompted:
                self._write(FRIENDLY_REPL)
        self._heard = float("-inf")

    def _back_at_prompt(self) -> bool:
        return any(prompt in self._receiver.stray for prompt in PROMPTS)

    def _passes_every_byte(self) -> bool:
        """Test the line, once. False when the board is back at its REPL: nothing regular was found wrong."""
        if self._examined:
            return True
        line_s = self._on_the_line_s(len(EVERY_BYTE), self._greeting_bytes)
        deadline = time.monotonic() + 2 * PATIENCE_S + line_s
        answer = self._ask(Message.HELLO, EVERY_BYTE, self._greeting_bytes, deadline)
        if answer is None:
            self._blame_line()
        elif not answer.endswith(EVERY_BYTE):
            raise self._distrust("sent back another text than the one that tests the line")
        self._examined = True
        return answer is not None

    # -- the rate

    def _speeds_up(self, hello: Hello) -> bool:
        """Agree on the fastest rate that the port, the board and what lies between carry.

        False when the board does not answer at its own rate after one that failed: it must be entered again.
        """
        self._own_baud = hello.baud
        for baud in FASTER_BAUDS:
            if not self._set_baud or not hello.baud < baud <= self._most_baud:
                continue
            taken = self._ask(Message.BAUD, CRC.pack(baud), CRC.size, time.monotonic() + 2 * PATIENCE_S)
            if taken is None or len(taken) != CRC.size:
                self._most_baud = hello.baud
                return False
            if not CRC.unpack(taken)[0]:
                continue
            began = time.monotonic()
            if self._is_carried(baud):
                self._most_baud = baud
                return True
            self._most_baud = baud // 2
            if not self._is_back(began + TRIAL_S):
                return False
        return True

    def _is_carried(self, baud: int) -> bool:
        """Whether every byte value crosses the line at this rate, both ways, and the board knows it."""
        assert self._set_baud
        self.baud = baud
        if not self._set_baud(baud):
            return False
        time.sleep(SETTLES_S)
        probe_s = TRY_OUT_S + (self._greeting_bytes + 2 * len(EVERY_BYTE)) * 10 / baud
        for test in (EVERY_BYTE, b""):
            said = self._ask(Message.HELLO, test, self._greeting_bytes, time.monotonic() + probe_s)
            if said is None or not said.endswith(test):
                return False
        return True

    def _is_back(self, by: float) -> bool:
        """After a rate that failed: whether the board answers at its own."""
        self._slow_down()
        self._read_away(by)
        patience_s = 2 * PATIENCE_S + self._on_the_line_s(0, self._greeting_bytes)
        return self._ask(Message.HELLO, b"", self._greeting_bytes, time.monotonic() + patience_s) is not None

    def _slow_down(self) -> None:
        """The port has the board's own rate again, at which its REPL speaks."""
        if self.baud and self._set_baud:
            self._set_baud(self._own_baud)
        self.baud = 0

    # -- what is wrong

    def _parse_hello(self, said: bytes) -> Hello:
        """Hello from its payload; VerificationError when it has not the form of one."""
        names = [escaped(name.decode(errors="replace")) for name in said[HELLO.size :].split(b"\0")]
        if len(said) < HELLO.size or len(names) < 2:
            raise self._distrust(f"said hello in {len(said)} bytes that are none")
        fingerprint, layer_count, sizes, before, runs, window, baud = HELLO.unpack_from(said)
        model, firmnet, *ports = names
        return Hello(
            *(fingerprint, layer_count, sizes, before, runs, window, baud), *(model, firmnet, tuple(ports))
        )

    def _check_not_reset(self) -> None:
        """BoardReset, or Crashed, where that is why the board does not know what it was told before.

        A board that was never asked to serve cannot tell the one, and has told the other. One that was reset
        may have answered twice, and what comes late is no answer to what is sent next.
        """
        if not self._past:
            return self._read_away(time.monotonic() + LISTENS_S)
        try:
            self.enter()
        except (BoardReset, Crashed):
            raise
        except VerificationError:
            pass  # what it complained of says more

    def _check_unbroken(self, before: int, hello: Hello) -> None:
        """BoardReset unless the board remembers the session that it is supposed to be in."""
        if not before or hello.session_before == before:
            return
        happened = "was reset" if not hello.session_before else "talked to another program"
        raise BoardReset(
            f"{self._line}: the board {happened} in the middle of the run, after {self._answers} good "
            "answers: look for a watchdog, a weak supply, a crash or a second program, and start again"
        )

    def _blame_line(self) -> None:
        """Examine the line, once, if somebody is behind it; VerificationError when it changes bytes."""
        if self._examined or not (self._prompted if self._prompts else self._receiver.received_bytes):
            return
        self._examined = True
        prompts, before = self._prompts or self._prompted, bytes(self._receiver.said)
        with suppress(OSError):
            if prompts:
                self._write(self._next_frame(Message.RESET).encode())
            said = examine(Examination(self._port, self._receiver, self._bytes_per_s, prompts))
            if said:
                raise VerificationError(f"{self._line}: {said}")
        self._receiver.said[:] = before  # what the examination had the board print tells nothing of it

    def _other_version(self, version: int) -> VerificationError:
        return VerificationError(
            f"{self._line}: the board speaks link version {version}, this firmnet version {VERSION}: "
            "flash it with `firmnet flash`"
        )

    def _distrust(self, did: str) -> VerificationError:
        return VerificationError(
            f"{self._line}: the board {did}; its answers cannot be trusted: flash it with `firmnet flash`"
        )

    def _silence(self, sent: str, waited_s: float) -> VerificationError:
        """The error for a board that does not answer as it should."""
        stray = bytes(self._receiver.stray)
        hint = "another program or baud rate? Close other terminals, check `baud` and flash the board again"
        if not self._receiver.received_bytes:
            back = "nothing came back"
            hint = "is it powered and flashed, and is this its port? Press its reset button"
        elif self._late and not stray:
            back = (
                f"and {self._late} answers to earlier requests came, late or replayed, but none to this one"
            )
            hint = "press the board's reset button and try again"
        elif self._refused and not stray:
            back = f"and the board found what came damaged {self._refused} times"
            hint = "use a shorter cable, another USB port or a lower baud rate"
        elif self._greeted and self._damaged > 1:  # once is how a board that stops ends
            back = f"after {self._answers} good answers what came back was damaged {self._damaged} times"
            hint = (
                "bytes are lost or changed on the way: close what else reads from this port, use a shorter "
                "cable or a lower baud rate"
            )
        elif self._greeted:
            back = f"after {self._answers} good answers nothing valid came back"
            hint = "the board hangs or was unplugged: press its reset button and try again"
        else:
            what, fix = who_speaks(bytes(self._receiver.said), self._goes_on())
            back = f"{what or 'what came back is no answer'}: {excerpt(stray)}"
            hint = fix or hint
        return VerificationError(f"{self._line}: sent {sent} for {waited_s:.3g} s, {back}; {hint}")

    def _unable_to_serve(self, complaint: str) -> VerificationError:
        """The error for a board with a REPL in which there is nothing of firmnet's."""
        runs, fix = "MicroPython but", "flash it with `firmnet flash`"
        what, advice = who_speaks(bytes(self._receiver.said), unasked=False)
        if what.startswith("CircuitPython"):
            runs, fix = "CircuitPython, which", advice
        if "MemoryError" in complaint:
            fix = "too little of its RAM is free for the model: reset it, or use a smaller one"
        return VerificationError(
            f"{self._line}: the board runs {runs} cannot serve firmnet requests ({complaint}): {fix}"
        )

    def _goes_on(self) -> bool:
        """Whether more comes although nobody asks."""
        with suppress(OSError):
            self._receiver.take(1)
            deadline, count = time.monotonic() + LISTENS_S, self._receiver.received_bytes
            while time.monotonic() < deadline:
                self._receiver.take(256)
            return self._receiver.received_bytes > count
        return False

    # -- the port, whose errors are VerificationErrors

    def _write(self, data: bytes) -> None:
        try:
            size = max(PACKET_BYTES, min(CHUNK_BYTES, int(self._bytes_per_s) // PACKET_BYTES * PACKET_BYTES))
            for start in range(0, len(data), size):
                self._port.write(data[start : start + size])
        except OSError as error:
            raise self._broken(error) from error

    def _frame(self, deadline: float) -> Frame | None:
        try:
            return self._receiver.frame(deadline)
        except OSError as error:
            raise self._broken(error) from error
        except Crashed:
            raise
        except VerificationError as error:
            raise VerificationError(f"{self._line}: {error}") from None

    def _read_away(self, until: float) -> None:
        """What comes until then is of no use."""
        while time.monotonic() < until:
            try:
                self._receiver.take(TEXT_LIMIT_BYTES)
            except OSError as error:
                raise self._broken(error) from error

    def _until(self, marker: bytes, deadline: float) -> bytes | None:
        try:
            return self._receiver.until(marker, deadline)
        except OSError as error:
            raise self._broken(error) from error

    def _crashed(self, crash: Crash) -> None:
        self._heard = float("-inf")
        raise Crashed(f"{self._line}: {self._explain(crash)}")

    def _broken(self, error: OSError) -> VerificationError:
        return VerificationError(
            f"{self._line}: the connection broke after {self._receiver.received_bytes} bytes from the board "
            f"({error}): was the board unplugged or reset, or the emulator ended? Connect it again and retry"
        )


def _quoted(code: str) -> str:
    """The begin of what was typed, for an error sentence."""
    return f"'{escaped(code, 60)}'"


def excerpt(data: bytes) -> str:
    """The end of some stray bytes for an error sentence, as text when it is text, else as hex."""
    text = data.decode("ascii", errors="replace").strip()
    if sum(c.isprintable() and c.isascii() for c in text) * 2 > len(text):
        return f"'{escaped(text[-120:])}'"
    return f"bytes {data[-24:].hex(' ')}"


def _has_parity(said: bytes, text: bytes) -> bool:
    """Whether the text came with eighth bits that are not its own."""
    at = bytes(value & 0x7F for value in said).find(text)
    return at >= 0 and sum(value > 0x7F for value in said[at : at + len(text)]) > FLIPPED_BY_CHANCE
