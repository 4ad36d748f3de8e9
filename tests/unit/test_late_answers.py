"""Is what a board prints too late taken for the answer to what was typed since?"""

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
    """A Python that runs what is typed. Of the texts in `late` the first is not answered in time, and each
    of them is, instead of its own answer, given that to the one before.
    """

    work_s = 0.0

    def __init__(self, late: range) -> None:
        self.late, self.typed, self.names, self.before = late, 0, dict[str, Any](), ""

    def patience_s(self) -> float:
        return 10.0

    def execute(self, code: str, patience_s: float) -> str:
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


@pytest.mark.parametrize("late", [range(0), range(1), range(3), range(1, 4), range(1, 5), range(2, 7)])
def test_the_prompt_waits_for_its_own_answer(board: None, late: range) -> None:
    manifest = cast("Manifest", SimpleNamespace(name="small", inputs=(), outputs=(), states=()))
    prompt = BoardPrompt(cast("Link", LateLink(late)), manifest)
    assert prompt.info() == INFO
    assert [prompt.evaluate(str(n)) for n in range(4)] == [*range(4)]
