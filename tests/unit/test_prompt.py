"""What does a prompt make of answers that come too late, and of what a bad line made of its own code?"""

import io
import sys
import types
import zlib
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any, cast

import pytest

from firmnet.devices.link import Link
from firmnet.devices.prompt import BoardPrompt
from firmnet.errors import VerificationError
from firmnet.manifest import Manifest

INFO = {"name": "small", "layers": 3}


class LateLink:
    """A Python that runs what is typed. Of the texts in `late` the first is not answered in time, and the
    others get the answers to those before them. Of the first `garbled` the board understands nothing.
    """

    work_s = 0.0

    def __init__(self, late: range, garbled: int = 0) -> None:
        self.late, self.garbled = late, garbled
        self.typed, self.names, self.before = 0, dict[str, Any](), ""

    def patience_s(self) -> float:
        return 10.0

    def execute(self, code: str, patience_s: float) -> str:
        if self.garbled:
            self.garbled -= 1
            raise VerificationError("failed on the board: SyntaxError: invalid syntax")
        said = io.StringIO()
        with redirect_stdout(said):
            exec(code, self.names)
        number, self.typed = self.typed, self.typed + 1
        answer, self.before = self.before, said.getvalue()
        if number == self.late.start:
            raise VerificationError("no answer in time")
        return answer if number in self.late else self.before


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that a prompt imports."""
    firmnet = types.ModuleType("_firmnet")
    vars(firmnet)["crc32"] = lambda data, crc=0: zlib.crc32(
        data.encode() if isinstance(data, str) else data, crc
    )
    small = types.ModuleType("small")
    vars(small)["info"] = lambda: INFO
    monkeypatch.setitem(sys.modules, "_firmnet", firmnet)
    monkeypatch.setitem(sys.modules, "small", small)


MANIFEST = cast("Manifest", SimpleNamespace(name="small", inputs=(), outputs=(), states=()))


@pytest.mark.parametrize("late", [range(0), range(1), range(3), range(1, 4), range(1, 5), range(2, 7)])
def test_the_prompt_waits_for_its_own_answer(board: None, late: range) -> None:
    prompt = BoardPrompt(cast("Link", LateLink(late)), MANIFEST)
    assert prompt.info() == INFO
    assert [prompt.evaluate(str(n)) for n in range(4)] == [*range(4)]


def test_code_that_cannot_have_come_as_it_was_is_sent_again(board: None) -> None:
    """However often: each time less of it at once."""
    assert BoardPrompt(cast("Link", LateLink(range(0), garbled=9)), MANIFEST).info() == INFO


class FlippingLink(LateLink):
    """Of what is typed next, bit `bit` of character `at` is flipped; the board complains as a board does."""

    at, bit, length = -1, 0, 0

    def execute(self, code: str, patience_s: float) -> str:
        self.length = len(code)
        if self.at >= 0:
            code = code[: self.at] + chr(ord(code[self.at]) ^ 1 << self.bit) + code[self.at + 1 :]
            self.at = -1
        try:
            return super().execute(code, patience_s)
        except Exception as error:
            raise VerificationError(f"failed on the board: {type(error).__name__}") from None


@pytest.mark.parametrize("bit", range(7))
@pytest.mark.parametrize("pieces", [False, True])
def test_no_flipped_bit_is_executed(board: None, bit: int, pieces: bool) -> None:
    """Whatever flips may have left behind; `pieces`: after damage, as answers come in pieces then."""
    link = FlippingLink(range(0), garbled=pieces)
    prompt = BoardPrompt(cast("Link", link), MANIFEST)
    prompt.info()
    prompt.evaluate("1+1")
    known = dict(link.names)
    for at in range(link.length - 2):
        link.at, link.bit = at, bit
        assert prompt.evaluate("1+1") == 2
        taught_anew = {name: known[name] for name in ("_e", "_y")}
        assert {**link.names, **taught_anew} == known, f"character {at}"
