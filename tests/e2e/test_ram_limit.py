"""Is a RAM limit kept, or refused in one sentence, from Python and from the command line?"""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import firmnet
from firmnet import cli
from firmnet.errors import UserError
from firmnet.plan import STACK_BYTES, least
from firmnet.targets import Isa

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
    needed = free.firmware.manifest.arena_bytes + STACK_BYTES[Isa.DSP]
    assert deployment(needed).firmware.files == free.firmware.files


def test_a_limit_that_nothing_keeps_is_refused_with_what_is_missing() -> None:
    smallest = least(deployment().graph, isa=Isa.DSP).ram_bytes
    assert deployment(smallest).firmware.manifest.arena_bytes == smallest - STACK_BYTES[Isa.DSP]
    with pytest.raises(UserError, match=r"'net' needs.* 1 more than the limit .* layer 'layer_\d' \("):
        deployment(smallest - 1)


def bottleneck() -> nn.Module:
    """What is between the two 1x1 convolutions is six times as large as what is before and behind."""
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 24, 1), nn.ReLU6()),
        *(nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.ReLU6(), nn.Conv2d(24, 4, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
    ).eval()


def test_a_limit_below_the_largest_tensor_is_kept_by_a_cascade(tmp_path: Path) -> None:
    samples = torch.rand(8, 1, 24, 24).numpy()

    def made(limit: int | None) -> firmnet.Deployment:
        return firmnet.compile(
            bottleneck(), samples, board="netduinoplus2", name="net", ram_limit_bytes=limit
        )

    fast, small = made(64 * 1024), made(7 * 1024)
    assert not fast.firmware.manifest.cascades
    assert fast.firmware.manifest.arena_bytes >= 24 * 24 * 24
    assert small.firmware.manifest.arena_bytes + STACK_BYTES[Isa.DSP] <= 7 * 1024
    (cascade,) = small.firmware.manifest.cascades
    assert len(cascade.layers) >= 3
    assert cascade.extra_cycles > 0
    small.save(tmp_path)
    for device in ("host", "core"):
        assert small.verify(device=device, layers=True).ok


def generate(path: Path, limit: int | str) -> int:
    arguments = ["generate", f"{path / 'net.py'}:model", "-b", "netduinoplus2", "-o", str(path / "out")]
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--ram-limit", str(limit), "--json"])
    return int(ended.value.code or 0)


def test_the_command_line_says_what_a_limit_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    assert generate(tmp_path, 4096) == 0
    told = capsys.readouterr()
    spare = 4096 - STACK_BYTES[Isa.DSP] - json.loads(told.out)["manifest"]["arena_bytes"]
    assert f"the RAM limit of 4,096 B is kept, {spare:,} B to spare; it costs 0 cycles" in told.err
    assert generate(tmp_path, 600) == 2
    assert "more than the limit of 600" in capsys.readouterr().err


@pytest.mark.parametrize(("limit", "code"), [("4K", 0), ("4 KiB", 0), ("1M", 0), ("0", 2), ("0.5K", 2)])
def test_the_command_line_reads_sizes(
    limit: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    assert generate(tmp_path, limit) == code
    kept = "1,048,576" if limit == "1M" else "4,096"
    expected = f"{limit!r} is not a size in bytes" if code else f"the RAM limit of {kept} B is kept"
    assert expected in capsys.readouterr().err
