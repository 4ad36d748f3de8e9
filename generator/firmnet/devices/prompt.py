"""How does Python run on the board so that a bad line costs time, and never an answer?

The raw REPL has no checksums of its own. So every piece of code goes with its CRC-32 and is executed only when
that is right, and so comes every answer; what was damaged is sent again, in smaller pieces. A piece may run
twice: it must do the same again.
"""

import time
import zlib
from ast import literal_eval
from base64 import b64encode
from typing import Any

import numpy as np

from ..calls import Prediction
from ..errors import VerificationError, escaped
from ..ir import Array
from .link import Link

PIECE = 600
"""Characters of data that are sent at once, at first."""
LEAST_PIECE = 60
COMPLAINTS = 4
"""So often in a row the board may raise the same error before it is taken for an answer."""
ATTEMPTS = 40

HELPERS = (
    "from array import array\nfrom struct import pack\nfrom binascii import a2b_base64 as _d",
    "def _f(i,t):\n x=array('f',range(len(i)))\n for j in range(len(i)):x[j]=t[i[j]]\n return x",
    "def _p(x):\n _m.load(x)\n c=_m.crc32(_m.input())\n p=_u.predict(x)\n"
    " return c,_m.crc32(_u.values()),_m.best()[0],pack('<f',p[1]),p[0]",
    "def _r(f,*a):\n try:return f(*a)\n except MemoryError:return None",
)
"""What the board is taught first: floats from a table, and all that one prediction comes to."""


class BoardPrompt:
    """Calls the module `name` as a user does."""

    def __init__(self, link: Link, name: str) -> None:
        self._link, self._piece = link, PIECE
        for line in (f"import _firmnet as _m,{name} as _u", *HELPERS):
            self.execute(line)

    def info(self) -> dict[str, Any]:
        said = self.evaluate("_u.info()")
        return said if isinstance(said, dict) else {}

    def predict(self, sample: Array, quantized: Array) -> Prediction | None:
        """Of float32 values; where the board has no room for those, of int8; None where for neither."""
        levels, index = np.unique(sample.ravel().view(np.uint32), return_inverse=True)
        if len(levels) > 256:
            raise ValueError("a sample for the prompt has at most 256 different values")
        self._send("_i", index.astype(np.uint8).tobytes())
        self._send("_t", levels.astype("<u4").tobytes())
        said, form = self.evaluate("_r(lambda:_p(_f(_i,array('f',_t))))"), "float32"
        if said is None:
            self._send("_i", quantized.astype(np.int8).tobytes())
            said, form = self.evaluate("_r(lambda:_p(array('b',_i)))"), "int8"
        return None if said is None else self._prediction(said, form)

    def execute(self, code: str) -> None:
        """Run statements that may be run twice."""
        self._checked(f"{code}\n_a=None")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that may be evaluated twice."""
        return self._checked(f"_a={expression}")

    def _send(self, name: str, data: bytes) -> None:
        """Bytes into the board's bytearray of that name, piece by piece."""
        self.execute(f"{name}=bytearray({len(data)})")
        start = 0
        while start < len(data):
            size = max(3, self._piece * 3 // 4)
            piece = data[start : start + size]
            self.execute(f"{name}[{start}:{start + len(piece)}]=_d('{b64encode(piece).decode()}')")
            start += len(piece)

    def _checked(self, code: str) -> Any:
        """What `_a` is after the code has run."""
        text = (
            f"import _firmnet as _m\n_c={code!r}\nif _m.crc32(_c)=={zlib.crc32(code.encode())}:\n"
            " exec(_c)\n _a=repr(_a)\n print(_a,_m.crc32(_a))"
        )
        deadline, pause_s = time.monotonic() + self._link.patience_s(len(text)), 1.0
        error, times = "", 0
        for _ in range(ATTEMPTS):
            try:
                said = self._link.execute(text, pause_s + self._link.work_s)
            except VerificationError as failed:
                times = times + 1 if str(failed) == error else 1
                error = str(failed)
                if times == COMPLAINTS or time.monotonic() > deadline:
                    raise
                pause_s *= 1.5
            else:
                answer, _, crc = said.strip().rpartition(" ")
                if crc.isdecimal() and int(crc) == zlib.crc32(answer.encode()):
                    return _value(answer)
            self._piece = max(LEAST_PIECE, self._piece // 2)
        raise VerificationError(
            "the board's prompt garbles what is typed: use a shorter cable or a lower baud rate"
        )

    def _prediction(self, said: Any, form: str) -> Prediction:
        try:
            input_crc, output_crc, index, score, label = said
            (real,) = np.frombuffer(score, "<f4")
            return Prediction(int(input_crc), int(output_crc), int(index), float(real), label, form)
        except (TypeError, ValueError):
            raise VerificationError(
                f"predict() answered {escaped(str(said)[:80])}, not (label, score)"
            ) from None


def _value(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise VerificationError(f"the board printed {escaped(text[:80])}, which is no value") from None
