"""How does Python run on the board so that a bad line costs time, and never an answer?

The raw REPL has no checksums of its own. So code goes with its CRC-32 and is executed only when that is
right, and so comes every answer; what was damaged is sent again, less of it at once. Code may run twice: it
must do the same again.
"""

import time
import zlib
from ast import literal_eval
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..calls import Prediction
from ..errors import VerificationError, escaped
from ..ir import Array
from .link import Link

STATEMENTS_CHARS = 1500
"""Characters of statements that are sent at once, at first; a board compiles them in its heap."""
PIECE_BYTES = 150
"""Bytes of data in one statement."""
COMPLAINTS = 4
"""So often in a row the board may raise the same error before that is taken for its answer."""
ATTEMPTS = 40
PAUSE_S = 1.0
"""The first wait for an answer, beside the time that the board needs."""

HELPERS = (
    "from array import array\nfrom struct import pack\nfrom binascii import a2b_base64 as _d\n_o={}",
    "def _p(x):\n _m.load(x)\n c=_m.crc32(_m.input())\n p=_u.predict(x)\n"
    " return c,_m.crc32(_u.values()),_m.best()[0],pack('<f',p[1]),p[0]",
    "def _r(f):\n try:return f()\n except MemoryError:return None",
)
"""What the board is taught first: all that one prediction comes to."""
TABLE = "def _f(i,t):\n x=array('f',range(len(i)))\n for j in range(len(i)):x[j]=t[i[j]]\n return x"
"""And how many floats come from a table of the few that differ."""

Statements = tuple[list[str], str]
"""How a sample gets onto the board: statements that bring it as _b, and the expression that then is it."""


class BoardPrompt:
    """Calls the module `name` as a user does."""

    def __init__(self, link: Link, name: str) -> None:
        self._link, self._batch = link, STATEMENTS_CHARS
        self._waiting = [f"import _firmnet as _m,{name} as _u", *HELPERS]

    def info(self) -> dict[str, Any]:
        said = self.evaluate("_u.info()")
        if not isinstance(said, dict):
            raise VerificationError(f"info() answered {escaped(str(said)[:80])}, which is no dict")
        return said

    def predict(self, samples: Array, quantized: Array) -> tuple[Prediction, ...]:
        """Of float32 samples; where the board has no room for those, of int8; () where for neither."""
        if self.evaluate(f"_r(lambda:len(bytearray({quantized[0].size})))") is None:
            return ()  # known before any sample is sent
        said, form = self._said([_floats(x) for x in samples]), "float32"
        if None in said:
            said, form = self._said([_int8(q) for q in quantized]), "int8"
        return () if None in said else tuple(_prediction(each, form) for each in said)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that may be evaluated twice, after all that is waiting has run."""
        self._waiting.append(f"_a={expression}")
        value = None
        while self._waiting:
            value = self._send_batch()
        return value

    def _said(self, prepared: Sequence[Statements]) -> list[Any]:
        """What _p makes of each sample."""
        for i, (statements, sample) in enumerate(prepared):
            self._waiting += [*statements, f"_o[{i}]=_r(lambda:_p({sample}))if _b else None"]
        said = self.evaluate(f"[_o[i] for i in range({len(prepared)})]")
        if not isinstance(said, list) or len(said) != len(prepared):
            raise VerificationError(
                f"predict() answered {escaped(str(said)[:80])} for {len(prepared)} samples"
            )
        return said

    def _send_batch(self) -> Any:
        """Run as many of the waiting statements as go at once; what `_a` is then."""
        deadline = time.monotonic() + ATTEMPTS * self._link.work_s + 2 * self._link.patience_s()
        pause_s, error, times = PAUSE_S, "", 0
        for _ in range(ATTEMPTS):
            batch = self._first()
            try:
                answer = self._checked("\n".join(batch), pause_s + len(batch) * self._link.work_s)
            except VerificationError as failed:
                times = times + 1 if str(failed) == error else 1
                error = str(failed)
                if times == COMPLAINTS or time.monotonic() > deadline:
                    raise
                pause_s *= 1.5
            else:
                if answer is not None:
                    del self._waiting[: len(batch)]
                    return _value(answer)
            self._batch //= 2
        raise VerificationError("the line garbles what is typed at the board's prompt: use a shorter cable")

    def _first(self) -> list[str]:
        """The waiting statements that make the next batch: at least one."""
        size, count = 0, 0
        while count < len(self._waiting) and (not count or size + len(self._waiting[count]) <= self._batch):
            size += len(self._waiting[count])
            count += 1
        return self._waiting[:count]

    def _checked(self, code: str, patience_s: float) -> str | None:
        """How `_a` looks after the code has run; None when code or answer was damaged on the way."""
        text = (
            f"import _firmnet as _m\n_a=None\n_c={code!r}\nif _m.crc32(_c)=={zlib.crc32(code.encode())}:\n"
            " exec(_c)\n _a=repr(_a)\n print(_a,_m.crc32(_a))"
        )
        answer, _, crc = self._link.execute(text, patience_s).strip().rpartition(" ")
        right = crc.isascii() and crc.isdecimal() and int(crc) == zlib.crc32(answer.encode())
        return answer if right else None


def _floats(sample: Array) -> Statements:
    """float32 values: as they are, or as a table of the different ones and each value's place in it."""
    flat = sample.ravel().astype("<f4")
    levels, places = np.unique(flat.view(np.uint32), return_inverse=True)
    if len(levels) > 256:
        raise ValueError("a sample for the prompt has at most 256 different values")
    if flat.nbytes <= len(places) + levels.nbytes + len(TABLE):
        return _data("_b", flat.tobytes()), "array('f',_b)"
    table, where = _data("_t", levels.tobytes()), _data("_b", places.astype(np.uint8).tobytes())
    return [TABLE, *table, *where], "_f(_b,array('f',_t))"


def _int8(sample: Array) -> Statements:
    return _data("_b", sample.astype(np.int8).tobytes()), "array('b',_b)"


def _data(name: str, data: bytes) -> list[str]:
    """Statements that fill a bytearray of that name; it is None where the board has no memory for it."""
    pieces = [(i, data[i : i + PIECE_BYTES]) for i in range(0, len(data), PIECE_BYTES)]
    return [f"{name}=None", f"{name}=_r(lambda:bytearray({len(data)}))"] + [
        f"if {name}:{name}[{i}:{i + len(piece)}]=_d('{b64encode(piece).decode()}')" for i, piece in pieces
    ]


def _prediction(said: Any, form: str) -> Prediction:
    try:
        input_crc, output_crc, index, score, label = said
        (real,) = np.frombuffer(score, "<f4")
        return Prediction(int(input_crc), int(output_crc), int(index), float(real), label, form)
    except (TypeError, ValueError):
        raise VerificationError(f"predict() answered {escaped(str(said)[:80])}, not (label, score)") from None


def _value(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise VerificationError(f"the board printed {escaped(text[:80])}, which is no value") from None
