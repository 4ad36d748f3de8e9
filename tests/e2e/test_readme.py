"""Does the README's example do what the README says?"""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def example() -> str:
    """The one Python block of the README, verbatim."""
    (block,) = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    return str(block)


def test_example_is_short() -> None:
    assert len([line for line in example().splitlines() if line]) <= 15


def test_example_runs_and_verifies(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example())
    ended = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    decibels = [int(line.split()[1]) for line in lines if line.endswith(" dB")]
    assert len(decibels) == 3
    assert min(decibels) > 30
    assert re.match(r"verified: (\d+) of \1 outputs bit-exact on netduinoplus2 \(qemu\)", lines[-1])
    assert "bytes of its flash as built" in lines[-1]


def test_commands_and_links_exist() -> None:
    text = README.read_text()
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"examples/\w+\.py", text)
    assert targets
    assert [target for target in targets if not _exists(target)] == []


def _exists(target: str) -> bool:
    """A file beside the README, and its heading where the link names one."""
    name, _, anchor = target.partition("#")
    file = README.parent / name
    return file.exists() and (not anchor or anchor in _anchors(file.read_text()))


def _anchors(markdown: str) -> set[str]:
    """What a link may put behind "#": the headings in small letters, with hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
