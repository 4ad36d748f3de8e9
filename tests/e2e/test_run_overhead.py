"""How many instructions do run() and predict() take at the prompt, beside the model's own?"""

import numpy as np
import pytest
from prompt import prompt_of

from firmnet.artifact import Artifact
from firmnet.devices import qemu
from firmnet.profile import profile
from firmnet.qmath import quantize_input

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
    command = qemu.command
    counting = ("-icount", "shift=0")  # a nanosecond of the board's time per instruction
    monkeypatch.setattr(qemu, "command", lambda *known: [*command(*known), *counting])
    with prompt_of(small) as prompt:
        prompt("import small, time, _firmnet")
        prompt(f"exec({COUNT!r})")
        prompt("small.run()")
        deepest = int(prompt("_firmnet.stack_peak()"))
        prompt("from array import array; x = array('b', bytes(64))")
        prompt("real = array('f', range(-32, 32))")
        quick = "_firmnet.last_us", "small.run", "lambda: x", "lambda: small.predict(x)"
        calling, running, naming, predicting, predicting_real = (
            int(prompt(f"microseconds({work})")) * 1000 // RUNS
            for work in (*quick, "lambda: small.predict(real)")
        )
        assert deepest > 0, "the first run tells how deep the stack goes"
        assert int(prompt("_firmnet.stack_peak()")) == deepest
    own = profile(small).instructions
    assert running - calling <= own + AROUND
    assert predicting - naming <= own + AROUND_PREDICT
    assert predicting_real - naming <= own + AROUND_PREDICT


def test_real_numbers_become_the_integers_of_the_law(small: Artifact) -> None:
    """Above all where they are next to a border: by the FPU sixteen at once, and alone."""
    q = small.manifest.input.q
    borders = (np.arange(-140, 140) - q.zero_point - 0.5) * float(q.scale[0])
    near = np.concatenate([np.nextafter(borders.astype(np.float32), np.float32(to)) for to in (-1e9, 0, 1e9)])
    odd = np.float32([0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38, 2.2e9, -2.2e9, 1e-6, -1e-6])
    values = np.concatenate([near, odd, borders.astype(np.float32)])
    values = np.resize(values, (len(values) // 64 + 1, 64))
    with prompt_of(small) as prompt:
        prompt("import _firmnet, binascii; from array import array; b = bytearray(256)")
        for row in values:
            prompt(f"b[:] = binascii.unhexlify('{row.astype('<f4').tobytes().hex()}'); _firmnet.quantize(b)")
            said = prompt("print(binascii.hexlify(_firmnet.input(0, True)).decode())")
            assert bytes.fromhex(said) == quantize_input(row, q).tobytes()
        prompt("b[252:] = bytes((0, 0, 128, 127))")
        assert "value 63 is infinite" in prompt("_firmnet.quantize(b)")
