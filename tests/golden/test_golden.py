"""Is the generated C still the text that was reviewed? A change shows up here as a readable difference.

After an intended change: FIRMNET_UPDATE_GOLDEN=1 pytest tests/golden, and a commit of its own.
"""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from casework import activation, bias, output_scale, weight

from firmnet.codegen.firmware import firmware
from firmnet.codegen.model import model_sources
from firmnet.ir import Graph, Node, Port, QParams, Tensor
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.ops.softmax import SoftmaxAttrs
from firmnet.targets import Isa, board_ids, load_board

FOLDER = Path(__file__).parent
REVIEWED = ("tiny.h", "tiny.c", "tiny_weights.c")


def tiny() -> Graph:
    """4x5 pixels of 2 channels → conv + relu → max pool → linear → softmax, quantized by hand."""
    x = activation("x", (1, 4, 5, 2))
    w1 = weight("conv_weight", (3, 3, 3, 2), seed=1)
    a = Tensor("conv", (1, 4, 5, 3), QParams((output_scale(x, w1),), -128))
    b = Tensor("pool", (1, 2, 2, 3), a.q)
    c = Tensor("flat", (1, 12), a.q)
    w2 = weight("fc_weight", (4, 12), seed=2)
    d = Tensor("fc", (1, 4), QParams((output_scale(c, w2),), 5))
    e = Tensor("scores", (1, 4), QParams((1 / 256,), -128))
    tensors = [x, w1, bias("conv_bias", x, w1, 3), a, b, c, w2, bias("fc_bias", c, w2, 4), d, e]
    nodes = (
        Node(
            "conv",
            "conv2d",
            Conv2dAttrs(padding=(1, 1, 1, 1), lo=0.0),
            ("x", "conv_weight", "conv_bias"),
            ("conv",),
        ),
        Node("pool", "max_pool2d", MaxPool2dAttrs((2, 2), (2, 2)), ("conv",), ("pool",)),
        Node("flat", "reshape", ReshapeAttrs((1, 12)), ("pool",), ("flat",)),
        Node("fc", "linear", LinearAttrs(), ("flat", "fc_weight", "fc_bias"), ("fc",)),
        Node("scores", "softmax", SoftmaxAttrs(1), ("fc",), ("scores",)),
    )
    return Graph(
        "tiny",
        nodes,
        {tensor.name: tensor for tensor in tensors},
        (Port("x", "x"),),
        (Port("scores", "scores"),),
    )


@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP], ids=["portable", "dsp"])
def test_generated_c_is_as_reviewed(isa: Isa) -> None:
    folder = FOLDER / ("dsp" if isa >= Isa.DSP else "portable")
    sources = {name: text for name, text in model_sources(tiny(), isa=isa).items() if name in REVIEWED}
    if os.environ.get("FIRMNET_UPDATE_GOLDEN") == "1":
        folder.mkdir(exist_ok=True)
        for name, text in sources.items():
            (folder / name).write_text(text)
    assert sources == {name: (folder / name).read_text() for name in REVIEWED}


def test_a_firmware_is_the_same_in_every_process() -> None:
    """Hash seeds change the order of sets; no file of any board's project may depend on it."""
    script = "import json, test_golden; print(json.dumps(test_golden.firmwares()))"
    tree = FOLDER.parents[1]  # this one's, whichever is installed
    path = os.pathsep.join(str(place) for place in (FOLDER, tree / "tests", tree / "generator"))
    runs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert [json.loads(run) for run in runs] == [firmwares()]


def test_a_firmware_names_no_date_and_no_place() -> None:
    text = "\n".join(text for files in firmwares().values() for text in files.values())
    assert not re.search(rf"{date.today()}|__DATE__|__TIME__|{Path.home()}/|{FOLDER.parents[1]}", text)


def test_another_board_or_label_is_another_fingerprint() -> None:
    boards = [load_board(id) for id in board_ids()]
    prints = {
        firmware(tiny(), board, labels, runtime="auto").manifest.fingerprint
        for board in boards
        for labels in ((), ("a",))
    }
    assert len(prints) == 2 * len(boards)


def firmwares() -> dict[str, dict[str, str]]:
    """Board → every generated file of tiny's firmware."""
    labels = ("a", "b", "c", "d")
    return {id: dict(firmware(tiny(), load_board(id), labels, runtime="auto").files) for id in board_ids()}
