"""How does Python run on the board so that a bad line costs time, and never an answer?

The raw REPL has no checksums of its own. So the board is taught first to execute code only when its CRC-32 is
right, and to answer with one; what was damaged is sent again, less of it at once. Code may run twice: it must
do the same again. Each text that is sent has a number, with which the CRC-32 of its answer begins: what
an earlier one answers, too late, is not taken for this one's.
"""

import random
import re
import time
import zlib
from ast import literal_eval
from base64 import b64encode
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..calls import TIMES, Prediction
from ..errors import VerificationError, escaped
from ..ir import Array, Dtype
from ..manifest import Manifest
from ..qmath import quantize_input
from .crash import Crashed
from .link import BoardReset, Link

STATEMENTS_CHARS = 1500
"""Characters of statements that are sent at once, at first; a board compiles them in its heap."""
PIECE_BYTES = 144
"""Bytes of data in one statement; whole values of any type."""
COMPLAINTS = 4
"""So often in a row the board may raise the same error before that is taken for its answer."""
GARBLED = "SyntaxError"
"""What it never raises for code that came as it was."""
ATTEMPTS = 40
ROOM, RESULT = "_k=", "_w["
"""How the statement begins that makes room for samples, and how the last one of each."""
ANSWER_CHARS, FEWEST_CHARS = 2048, 128
"""Characters of an answer that come at once where a line has damaged one, and on the worst line."""
PAUSE_S = 1.0
"""The first wait for an answer, beside the time that the board needs."""
PATIENCE_GROWS = 1.25
"""After each silence: a bad line is asked often before time is up, a slow board is waited for at last."""

EXECUTE = (
    "def _e(c,s,n,k=0):\n global _a\n getattr(_m,'hold',int)(1)\n _a=None\n if _m.crc32(c)!=s:return\n"
    " exec(c,globals())\n _a=repr(_a)\n a='%d %d '%(len(_a),_m.crc32(_a))+_a[:k] if k else _a\n"
    " print(a,_m.crc32(a,n))"
)
"""What the board is taught first: to execute the code c if its CRC-32 is s, and to tell what _a is then:
whole or, after its length and CRC-32, the first k characters, with a CRC-32 that begins with n. Timers of the
user's are held meanwhile, or what they print would lie in the middle. A damaged call of it does nothing.
"""
TEACH_EXECUTE = (
    f"import _firmnet as _m\n_y={EXECUTE!r}\nif _m.crc32(_y)=={zlib.crc32(EXECUTE.encode())}:exec(_y)"
)
NOT_TAUGHT = "NameError"
"""What the board raises where it has not learnt that."""
HELPERS = (
    "from array import array\nfrom struct import pack\nfrom binascii import a2b_base64 as _d\n_w={}",
    "from gc import collect as _g",
    "def _r(f):\n for i in range(3):\n  try:return f()\n  except MemoryError:_g()",
)
"""What it is taught then. Memory may seem taken because an unused place of the stack still points
there, so it is asked for more than once. And all that one prediction comes to:"""
PREDICT = (
    "def _p(*x):\n global _k\n c=0\n n=range(len(x))\n for i in n:_m.load(x[i],False,i)\n"
    " for i in n:c=_m.crc32(_m.input(i,True),c)\n _m.reset()\n p=_k=None\n"
    " for i in range({times}):p=None;p=_u.predict(*x)\n b=_m.best()\n {told}"
)
ONE = "_k=_u.values()\n return c,_m.crc32(_k),b[0],pack('<f',p[1]),p[0]"
SEVERAL = "_k=p\n return c,_s(p),b[0],pack('<f',b[1]),b[0]"
SUM = "def _s(p):\n c=0\n for y in p:c=_m.crc32(y,c)\n return c"
"""Where there are several outputs: the CRC-32 of all that predict() gave."""
TABLE = "def _f(x,t,a,i):\n for j in range(len(i)):x[a+j]=t[i[j]]"
"""And how many floats come from a table of the few that differ."""
SPARE_BYTES = 4000
"""What compiling statements may take."""

Statements = list[str]
"""How a sample gets onto the board: what makes an array for each input, then what fills those."""


class BoardPrompt:
    """Calls the module `name` as a user does."""

    def __init__(self, link: Link, manifest: Manifest) -> None:
        self._link, self._manifest = link, manifest
        self._batch = STATEMENTS_CHARS
        self._at_once: int | None = None
        self._number = random.getrandbits(31)
        self._taught = False
        self._result_bytes = sum(4 * prod(edge.shape) for edge in manifest.outputs)
        several = len(manifest.outputs) > 1
        self._inferences = TIMES if manifest.states else 1
        predict = PREDICT.format(times=self._inferences, told=SEVERAL if several else ONE)
        self._waiting = [
            f"import _firmnet as _m,{manifest.name} as _u",
            *HELPERS,
            *([SUM] if several else []),
            predict,
        ]

    def info(self) -> dict[str, Any]:
        said = self.evaluate("_u.info()")
        if not isinstance(said, dict):
            raise VerificationError(f"info() answered {escaped(str(said)[:80])}, which is no dict")
        return said

    def predict(self, samples: Sequence[Array]) -> tuple[Prediction, ...]:
        """Of float32 samples of each input; where the board has no room for those, of quantized ones; ()
        where for neither.
        """
        edges = self._manifest.inputs
        whole = sum(edge.byte_count for edge in edges)
        if self.evaluate(f"_r(lambda:len(bytearray({whole})))") is None:
            return ()  # known before any sample is sent
        each = list(zip(*samples, strict=True))
        said, form = self._said([_named(_floats, sample) for sample in each]), "float32"
        if None in said:
            quantized = [
                [quantize_input(x, e.q) for x, e in zip(sample, edges, strict=True)] for sample in each
            ]
            form = edges[0].dtype.value if len(edges) == 1 else "quantized"
            said = self._said([_named(_integers, sample) for sample in quantized])
        return () if None in said else tuple(_prediction(one, form) for one in said)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that may be evaluated twice, after all that is waiting has run."""
        self._waiting.append(f"_a={expression}")
        value = None
        while self._waiting:
            value = self._send_batch()
        return value

    def _said(self, prepared: Sequence[Statements]) -> list[Any]:
        """What _p makes of each sample."""
        names = [f"_b{i}" for i in range(len(self._manifest.inputs))]
        self._waiting.append(self._room(names, prepared[0][: len(names)]))
        for i, statements in enumerate(prepared):
            result = f"{RESULT}{i}]=_r(lambda:_p({','.join(names)}))if {' and '.join(names)} else None"
            self._waiting += [*statements[len(names) :], result]
        said = self.evaluate(f"[_w[i] for i in range({len(prepared)})]")
        if not isinstance(said, list) or len(said) != len(prepared):
            raise VerificationError(
                f"predict() answered {escaped(str(said)[:80])} for {len(prepared)} samples"
            )
        return said

    def _room(self, names: Sequence[str], arrays: Sequence[str]) -> str:
        """A statement that makes the arrays of every sample, and keeps as _k what the results will take.

        All at once, the largest first, before statements that fill them cut the heap into pieces; a board
        with little room goes without _k. Later samples fill the same arrays, and the results of one
        keep the place of the next one's.
        """
        made = [f"{name}=_r(lambda:{array})" for name, array in zip(names, arrays, strict=True)]
        kept = f"_k=_r(lambda:bytearray({self._result_bytes}))"
        spare = f"if not _r(lambda:bytearray({SPARE_BYTES})):_k=None"
        large = self._result_bytes > 4 * max(prod(edge.shape) for edge in self._manifest.inputs)
        made = [kept, *made] if large else [*made, kept]
        return "\n".join(["=".join([f"{ROOM}{names[0]}", *names[1:], "None"]), "_g()", *made, spare])

    def _send_batch(self) -> Any:
        """Run as many of the waiting statements as go at once; what `_a` is then."""
        deadline = time.monotonic() + ATTEMPTS * self._link.work_s + 2 * self._link.patience_s()
        pause_s, error, times = PAUSE_S, "", 0
        for _ in range(ATTEMPTS):
            batch = self._first()
            try:
                inferences = self._inferences * sum(statement.startswith(RESULT) for statement in batch)
                answer = self._checked("\n".join(batch), pause_s + inferences * self._link.work_s)
            except (BoardReset, Crashed):
                raise
            except VerificationError as failed:
                times = times + 1 if str(failed) == error and GARBLED not in error else 1
                error = str(failed)
                self._taught = self._taught and NOT_TAUGHT not in error
                if times == COMPLAINTS or time.monotonic() > deadline:
                    raise
                pause_s *= PATIENCE_GROWS
            else:
                if answer is not None:
                    del self._waiting[: len(batch)]
                    return _value(answer)
            self._batch //= 2
            self._at_once = max((self._at_once or ANSWER_CHARS) // 2, FEWEST_CHARS)
        raise VerificationError("the line garbles what is typed at the board's prompt: use a shorter cable")

    def _first(self) -> list[str]:
        """The waiting statements that make the next batch: at least one.

        What makes room goes alone, for what is compiled beside it would lie in the middle of that.
        The next sample has the same names. Were its statements part of a batch whose answer is lost, those of
        this one that are sent again would run on its data.
        """
        size, count = 0, 0
        while count < len(self._waiting):
            statement = self._waiting[count]
            size += len(statement)
            if count and (size > self._batch or statement.startswith(ROOM)):
                break
            count += 1
            if statement.startswith((RESULT, ROOM)):
                break
        return self._waiting[:count]

    def _checked(self, code: str, patience_s: float) -> str | None:
        """How `_a` looks after the code has run; None when code or answer was damaged on the way."""
        if not self._taught:
            self._link.execute(TEACH_EXECUTE, patience_s)
            self._taught = True
        self._number += 1
        call = f"_e({code!r},{zlib.crc32(code.encode())},{self._number}"
        if self._at_once is None:
            return self._whole(f"{call})", patience_s)
        said = self._whole(f"{call},{self._at_once})", patience_s)
        begin = re.fullmatch(r"(?s)(\d{1,9}) (\d{1,10}) (.*)", said or "")
        if begin is None:
            return None
        length, crc, answer = begin.groups()
        for _ in range(ATTEMPTS + int(length) // FEWEST_CHARS):
            if len(answer) >= int(length):
                break
            answer += self._more(len(answer), self._at_once) or ""
        return answer if int(crc) == zlib.crc32(answer.encode()) else None

    def _more(self, begin: int, count: int) -> str | None:
        """So many characters of what `_a` has from there on."""
        self._number += 1
        piece = f"_a[{begin}:{begin + count}]"
        try:
            return self._whole(f"print({piece},_m.crc32({piece},{self._number}))", PAUSE_S)
        except (BoardReset, Crashed):
            raise
        except VerificationError:
            return None

    def _whole(self, text: str, patience_s: float) -> str | None:
        """What this text has the board print, if it comes as it was and from this text."""
        said, _, crc = self._link.execute(text, patience_s).strip("\r\n").rpartition(" ")
        right = crc.isascii() and crc.isdecimal() and int(crc) == zlib.crc32(said.encode(), self._number)
        return said if right else None


def _named(write: Callable[[Array, str], tuple[str, list[str]]], sample: Sequence[Array]) -> Statements:
    """The arrays of one sample, each under a name of its own."""
    written = [write(x, f"_b{i}") for i, x in enumerate(sample)]
    return [*(array for array, _ in written), *(line for _, lines in written for line in lines)]


def _floats(x: Array, name: str) -> tuple[str, list[str]]:
    """float32 values: as they are, or as a table of the different ones and each value's place in it."""
    flat = x.ravel().astype("<f4")
    levels, places = np.unique(flat.view(np.uint32), return_inverse=True)
    array = f"array('f',range({len(flat)}))"
    if len(levels) > 256 or flat.nbytes <= len(places) + levels.nbytes + len(TABLE):
        return array, _filled(name, flat, "f")
    table = f"_t=_r(lambda:array('f',range({len(levels)})))\nif not _t:{name}=None"
    pieces = _pieces(places.astype(np.uint8))
    looked_up = [f"if {name}:_f({name},_t,{i},{data})" for i, _, data in pieces]
    return array, [TABLE, table, *_filled("_t", levels.view("<f4"), "f"), *looked_up]


def _integers(x: Array, name: str) -> tuple[str, list[str]]:
    code = Dtype(x.dtype.name).typecode
    return f"array({code!r},bytes({x.nbytes}))", _filled(name, x.ravel(), code)


def _filled(name: str, values: Array, code: str) -> list[str]:
    """Statements that fill an array; it is None where the board has no memory for it."""
    return [f"if {name}:{name}[{i}:{j}]=array({code!r},{data})" for i, j, data in _pieces(values)]


def _pieces(values: Array) -> list[tuple[int, int, str]]:
    """Begin and end of each piece, and the expression that is its bytes."""
    step = PIECE_BYTES // values.itemsize
    spans = [(i, min(i + step, len(values))) for i in range(0, len(values), step)]
    return [(i, j, f"_d('{b64encode(values[i:j].tobytes()).decode()}')") for i, j in spans]


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
