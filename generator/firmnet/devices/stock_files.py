"""How are files written at a board's prompt, so that nothing that a bad line changed is done or believed?"""

import errno
import re
import zlib
from ast import literal_eval
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..errors import UserError, VerificationError, escaped
from .link import Link

FILE_PIECE_BYTES = 384
"""Of a file in one statement; a board compiles it in its heap."""
FILE_ATTEMPTS = 8
"""So often one statement is sent, when what comes back is not what it should print."""
UNFINISHED = ".part"
NOTHING_OPEN = -1
"""What _fw says when no file is open."""
LOST = "the board was reset in the middle of the push; what it had is as it was: push again"

TEACH = """
import gc,os,sys
from binascii import a2b_base64 as _fd
try:
 from binascii import crc32 as _fc
except ImportError:
 _ft=[]
 for i in range(16):
  for j in range(4):i=i>>1^(0xedb88320 if i&1 else 0)
  _ft.append(i)
 def _fc(b,c=0):
  c^=0xffffffff
  for x in b:
   c^=x
   c=c>>4^_ft[c&15]
   c=c>>4^_ft[c&15]
  return c^0xffffffff
try:_fn
except NameError:_ff,_fn=None,-1
def _fe(e,c):
 if _fc(e.encode())!=c:return print('damaged')
 r=repr(eval(e))
 print(r+' '+str(_fc(r.encode())))
def _fs(p):
 try:f=open(p,'rb')
 except OSError:return None
 n=c=0
 while 1:
  b=f.read(256)
  if not b:break
  n+=len(b)
  c=_fc(b,c)
 f.close()
 return n,c
def _fo(p):
 global _ff,_fn
 _ff=open(p,'wb')
 _fn=0
def _fw(a,s,c):
 global _fn
 b=_fd(s)
 if a==_fn and _fc(b)==c:
  _ff.write(b)
  _fn+=len(b)
 return _fn
def _fk(ps):
 global _ff,_fn
 if _ff:
  try:_ff.close()
  except OSError:pass
 _ff,_fn=None,-1
 for p in ps:
  try:os.remove(p+'.part')
  except OSError:pass
def _fm(ps):
 if _fs(ps[-1]+'.part'):
  try:os.remove(ps[-1])
  except OSError:pass
 for p in ps:
  if _fs(p+'.part'):
   try:os.remove(p)
   except OSError:pass
   os.rename(p+'.part',p)
def _fg(ms):
 o=[sys.modules[m] for m in ms if m in sys.modules]
 for n in list(globals()):
  if n in _fh or any([globals()[n] is m for m in o]):globals().pop(n)
 for m in ms:sys.modules.pop(m,None)
 del o
 gc.collect()
"""
"""CRC-32; the value of an expression, if it and the answer arrive whole; size and CRC-32 of a file; begin
one, write its next piece; take away what is unfinished; give files their names, the last of them last and
none of it before; forget modules and whoever holds them. All that write do nothing when they come twice.
"""

HOLDING = ("_m", "_u", "_p", "_k", "_o", "_a")
"""What the verification before (prompt.py) left at the prompt, which keeps the old modules in memory."""
TEACHING = f"_fh={HOLDING!r}\n{TEACH}"
ENOUGH = "import gc\ngc.collect()\n[bytearray(1600)for _ in range(6)]"
"""Takes what TEACHING needs, to be received and compiled, in pieces no longer than its text. What is typed
MicroPython receives outside of every handler: without room for that it dies, where this statement, which is
short, ends in MemoryError.
"""
RELEASING = f"""
import sys
for _n in {HOLDING!r}:globals().pop(_n,0)
for _n in list(sys.modules):
 if _n!='__main__':sys.modules.pop(_n)
"""
"""Lets go of every module that was imported; what a verification has left may be the largest of them:
as a short statement, for a board where TEACHING, which can forget single ones, has no room.
"""
STATEMENT_S = 5.0
"""How long a statement may take, beside the time its bytes need: a file system may erase flash first."""
BytesSent = Callable[[int], None]
"""Called with the number of bytes that have been written so far."""


def _unharmed(said: str) -> Any:
    """What _fe printed of a value; ValueError or SyntaxError where that was changed on the way."""
    value, _, checksum = said.strip().rpartition(" ")
    if not checksum.isdigit() or zlib.crc32(value.encode()) != int(checksum):
        raise ValueError("damaged")
    return literal_eval(value)


def summary(data: bytes) -> tuple[int, int]:
    return len(data), zlib.crc32(data)


class Files:
    """The file system behind a REPL that has been taught TEACH."""

    def __init__(self, link: Link, line: str) -> None:
        self._link, self.line = link, line
        self._lessons, self._taught = [TEACHING], False

    def teach(self, lesson: str) -> None:
        """More functions for `ask` to call, after TEACH's."""
        self._lessons.append(lesson)
        self._taught = False

    def ask(
        self,
        expression: str,
        right: int | None = None,
        *,
        lost: str = LOST,
        patience_s: float = STATEMENT_S,
    ) -> Any:
        """The value of an expression that may be evaluated twice, once it is `right`, where that is known.

        Neither the expression nor its value counts when a bit of it was changed on the way. `lost`: what is
        said where it is NOTHING_OPEN.
        """
        error: VerificationError | None = None
        asked = f"_fe({expression!r},{zlib.crc32(expression.encode())})"
        for _ in range(FILE_ATTEMPTS):
            try:
                if not self._taught:
                    self._teach()
                value = _unharmed(self._link.execute(asked, patience_s))
            except (ValueError, SyntaxError):
                continue
            except VerificationError as failed:
                error, self._taught = failed, False
                if any(sign in str(failed) for sign in ("OSError", "MemoryError")):
                    break
                continue
            if value == NOTHING_OPEN:
                raise VerificationError(f"{self.line}: {lost}")
            if right is None or value == right:
                return value
        if error:
            raise self._refused(error)
        raise VerificationError(f"{self.line}: files do not arrive as they were sent: use a shorter cable")

    def _teach(self) -> None:
        """Define TEACH's functions; ValueError where a bit of them was changed on the way.

        They compute the checksum of their own text: it is right only if both are.
        """
        try:
            self._link.execute(ENOUGH, STATEMENT_S)
        except VerificationError as failed:
            if "MemoryError" not in str(failed):
                raise
            self._link.execute(RELEASING + ENOUGH, STATEMENT_S)
        for lesson in self._lessons:
            code = f"_fz={lesson!r}\nexec(_fz)\nprint(_fc(_fz.encode()))\n_fz=0"
            if self._link.execute(code, STATEMENT_S).strip() != str(zlib.crc32(lesson.encode())):
                raise ValueError("damaged")
        self._taught = True

    def write(self, name: str, data: bytes, done: int, sent: BytesSent) -> int:
        """A file, read back; `done` bytes were written before it."""
        self.ask(f"_fo({name!r})")
        for at in range(0, len(data), FILE_PIECE_BYTES):
            piece = data[at : at + FILE_PIECE_BYTES]
            text = b64encode(piece).decode()
            end = at + len(piece)
            self.ask(f"_fw({at},{text!r},{zlib.crc32(piece)})", end)
            sent(done + end)
        self.ask("_ff.close()")
        if self.ask(f"_fs({name!r})") != summary(data):
            raise VerificationError(f"{self.line}: {name} is not on the board as it was written: try again")
        return done + len(data)

    def replace(self, names: Sequence[str], files: Mapping[str, bytes], sent: BytesSent) -> int:
        """Write these, then let them take their names together; the bytes written."""
        done = 0
        self.take_away_unfinished(names)
        try:
            for name in names:
                done = self.write(name + UNFINISHED, files[name], done, sent)
        except (UserError, VerificationError):
            with suppress(UserError, VerificationError):
                self.take_away_unfinished(names)
            raise
        if names:
            self.publish(names)
        return done

    def publish(self, names: Sequence[str]) -> None:
        """Give what was written its names, in one statement.

        The last is not there until all others are: whoever resets the board meanwhile finds no mixture.
        """
        self.ask(f"_fm({names!r})")

    def take_away_unfinished(self, names: Sequence[str]) -> None:
        """What an earlier push, or this one, has not finished."""
        self.ask(f"_fk({names!r})")

    def check_not_hidden(self, files: Mapping[str, bytes]) -> None:
        """UserError where a file of the user's would be imported instead."""
        for name in files:
            hiding = name.replace(".mpy", ".py")
            if hiding != name and self.ask(f"_fs({hiding!r})") is not None:
                raise UserError(
                    f"{self.line}: the board has a file {hiding}, which would be imported for {name}: "
                    "rename it or remove it"
                )

    def forget(self, modules: list[str]) -> None:
        """Make room for the modules as they are now, also where somebody at the prompt holds them."""
        self.ask(f"_fg({sorted({*modules})!r})")

    def _refused(self, error: VerificationError) -> Exception:
        said = str(error)
        number = re.search(r"OSError: (?:\[Errno )?(\d+)", said)
        if number and int(number[1]) == errno.ENOSPC:
            return UserError(f"{self.line}: the board's file system is full: remove files from it")
        if number and int(number[1]) in (errno.ENODEV, errno.EROFS, errno.EPERM):
            return UserError(f"{self.line}: the board has no file system that can be written to")
        if "MemoryError" in said:
            return UserError(
                f"{self.line}: too little of the board's RAM is free: stop what runs on it, or reset it"
            )
        return VerificationError(escaped(said, 400))
