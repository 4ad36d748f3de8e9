"""Does the board survive a model that is run where hardly any stack is left, with its heap unharmed?"""

import re
import shutil
from ast import literal_eval
from pathlib import Path

import pytest
from prompt import Prompt, prompt_of

from firmnet.artifact import Artifact
from firmnet.build import build
from firmnet.devices import qemu
from firmnet.errors import VerificationError
from firmnet.verify import verify

TRIAL = r"""
def descend(work):
    try: descend(work)
    except RuntimeError as error:
        said.append(error.args[0])
        work()
        ran.append(1)

def trial(work):
    size = 1024
    reference = bytearray(b'\xa5' * size)
    blocks = [None] * 400
    count = 0
    said.append(0); ran.append(0)
    while size >= 16:
        try:
            while True:
                blocks[count] = reference[:size]
                count += 1
        except MemoryError: size //= 2
    for _ in (1, 2, 3, 4, 5, 6, 7, 8):
        count -= 1
        blocks[count] = None
    free = gc.mem_free()
    try: descend(work)
    except MemoryError: said.append('memory')
    damaged = 0
    for i in range(count):
        block = blocks[i]
        for byte in block: damaged += byte != 0xa5
    blocks = block = None
    return count, free, damaged
"""


def define(prompt: Prompt, code: str) -> None:
    """Execute several lines at the prompt."""
    assert prompt(f"exec({code!r})") == ""


@pytest.mark.parametrize("work", ["small.run", "lambda: small.predict(zeros)"])
def test_running_the_model_where_the_stack_ends_leaves_the_heap_intact(small: Artifact, work: str) -> None:
    with prompt_of(small) as prompt:
        prompt("import gc, small; zeros = bytes(64); said = []; ran = []")
        prompt(f"work = {work}")
        define(prompt, TRIAL)
        count, free, damaged = literal_eval(prompt("trial(work)"))
        assert count > 50
        assert free < 1024, "the heap was not full"
        assert damaged == 0
        assert "'maximum recursion depth exceeded'" in prompt("said")
        assert prompt("len(ran)") == "2", "the model did not run"
        assert prompt("gc.collect(); 6 * 7") == "42"


def test_a_model_that_needs_more_stack_than_is_left_is_not_run(small: Artifact, tmp_path: Path) -> None:
    copy = tmp_path / "artifact"
    shutil.copytree(small.path, copy, symlinks=True)
    deployed = copy / "firmware" / "src" / "deployed.c"
    text = deployed.read_text()
    deployed.write_text(re.sub(r"fn_run_stack_bytes = \d+u", "fn_run_stack_bytes = 16384u", text))
    artifact = Artifact.open(copy)
    report = build(artifact, emulate=True)
    assert report.edits == ("src/deployed.c (edited)",)
    with prompt_of(artifact) as prompt:
        prompt("import small")
        assert "RuntimeError: too little stack is left to run the model" in prompt("small.run()")
        assert prompt("6 * 7") == "42"
    with (
        qemu.open(artifact) as device,
        pytest.raises(VerificationError, match=r"built from edited sources: src/deployed\.c \(edited\)"),
    ):
        verify(artifact, device, small.samples)
    deployed.write_text(text)
    assert build(artifact, emulate=True).edits == ()
    with qemu.open(artifact) as device:
        assert verify(artifact, device, small.samples).ok
