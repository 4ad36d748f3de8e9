"""How many instructions do run() and predict() take at the prompt, beside the model's own?"""

import pytest
from prompt import prompt_of

from firmnet.artifact import Artifact
from firmnet.devices import qemu
from firmnet.profile import profile

AROUND = 300
AROUND_PREDICT = 3000
RUNS = 1000
COUNT = f"""
def microseconds(work):
    start = time.ticks_us()
    for _ in range({RUNS}): work()
    return time.ticks_us() - start
"""


def test_run_takes_at_most_300_instructions_around_the_model_and_predict_3000(
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
        prompt("from array import array; x = array('b', bytes(64))")
        calling, running, naming, predicting = (
            int(prompt(f"microseconds({work})")) * 1000 // RUNS
            for work in ("_firmnet.last_us", "small.run", "lambda: x", "lambda: small.predict(x)")
        )
        assert deepest > 0, "the first run tells how deep the stack goes"
        assert int(prompt("_firmnet.stack_peak()")) == deepest
    own = profile(small).instructions
    assert running - calling <= own + AROUND
    assert predicting - naming <= own + AROUND_PREDICT
