"""Is a RAM limit kept, or refused in one sentence, from Python and from the command line?"""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import firmnet
from firmnet import cli
from firmnet.errors import UserError
from firmnet.plan import STACK_BYTES

MODEL = """
import torch
from torch import nn

def model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)).eval()
    return net, torch.zeros(1, 1, 8, 8), torch.rand(8, 1, 8, 8)
"""


def deployment(ram_limit_bytes: int | None = None) -> firmnet.Deployment:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)).eval()
    samples = torch.rand(8, 1, 8, 8).numpy()
    return firmnet.compile(net, samples, board="netduinoplus2", name="net", ram_limit_bytes=ram_limit_bytes)


def test_a_limit_that_holds_changes_nothing() -> None:
    free = deployment()
    needed = free.firmware.manifest.arena_bytes + STACK_BYTES
    assert deployment(needed).firmware.files == free.firmware.files
    with pytest.raises(UserError, match=r"'net' needs .* 1 more than the limit .* layer 'layer_\d' \("):
        deployment(needed - 1)


def generate(path: Path, limit: int) -> int:
    arguments = ["generate", f"{path / 'net.py'}:model", "-b", "netduinoplus2", "-o", str(path / "out")]
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--ram-limit", str(limit), "--json"])
    return int(ended.value.code or 0)


def test_the_command_line_says_what_a_limit_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    assert generate(tmp_path, 4096) == 0
    told = capsys.readouterr()
    spare = 4096 - STACK_BYTES - json.loads(told.out)["manifest"]["arena_bytes"]
    assert f"the RAM limit of 4,096 B is kept, {spare:,} B to spare; it costs 0 cycles" in told.err
    assert generate(tmp_path, 600) == 2
    assert "more than the limit of 600" in capsys.readouterr().err
