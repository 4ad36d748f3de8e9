"""How many instructions does run() take at the prompt, beside the model's own?"""

import pytest
from prompt import prompt_of

from firmnet.artifact import Artifact
from firmnet.devices import qemu
from firmnet.profile import profile

AROUND = 300
RUNS = 1000
COUNT = f"""
def microseconds(work):
    start = time.ticks_us()
    for _ in range({RUNS}): work()
    return time.ticks_us() - start
"""


def test_run_takes_at_most_300_instructions_around_the_model(
    small: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = qemu._command
    counting = ("-icount", "shift=0")  # a nanosecond of the board's time per instruction
    monkeypatch.setattr(qemu, "_command", lambda *known: [*command(*known), *counting])
    with prompt_of(small) as prompt:
        prompt("import small, time, _firmnet")
        prompt(f"exec({COUNT!r})")
        prompt("small.run()")
        deepest = int(prompt("_firmnet.stack_peak()"))
        calling, running = (
            int(prompt(f"microseconds({work})")) * 1000 // RUNS for work in ("_firmnet.last_us", "small.run")
        )
        assert deepest > 0, "the first run tells how deep the stack goes"
        assert int(prompt("_firmnet.stack_peak()")) == deepest
    assert running - calling <= profile(small).instructions + AROUND
