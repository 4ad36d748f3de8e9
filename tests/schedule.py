"""In which order do two workers take the tests? A file is one piece of work, and the longest come first.

What one worker begins last, the other waits for: so the files below, which take minutes, are begun first, and
the op matrix, which grows with every op, is cut into pieces by op.
"""

import pytest
from xdist.scheduler import LoadFileScheduling

LONGEST = (
    "tests/ops/test_random_modules.py",
    "tests/ops/test_cascades.py",
    "tests/e2e/test_building.py",
    "tests/e2e/test_firmware_boards.py",
    "tests/ops/test_leading_axes.py",
    "tests/link/test_link.py",
    "tests/e2e/test_firmware.py",
    "tests/e2e/test_bitflips.py",
    "tests/ops/test_mlperf_tiny.py",
    "tests/e2e/test_frontend_models.py",
)
"""Files, longest first; in between come the others of their folders, and the unit tests at last."""
FOLDERS = ("tests/e2e/", "tests/ops/", "tests/hil/", "tests/link/", "tests/golden/", "tests/plans/")
BY_OP = ("test_matrix.py", "test_candidates.py", "test_sanitizers.py", "test_stripes.py", "test_overlap.py")
"""Files whose tests build one program for each op; a test's parameters begin with the op's name."""
BY_TEST = "test_random_graphs.py"
"""Every test builds programs of its own."""


def piece_of_work(nodeid: str) -> str:
    """What one worker does in a row: the tests of a file, or those of an op in it, or one of them."""
    file, _, test = nodeid.partition("::")
    if file.endswith(BY_TEST):
        return nodeid
    op = test.partition("[")[2].split("-")[0].rstrip("]")
    return f"{file}::{op}" if file.endswith(BY_OP) else file


def turn(piece: str) -> tuple[int, int]:
    """The lower, the earlier it is begun."""
    longest = LONGEST.index(piece) if piece in LONGEST else len(LONGEST)
    folder = next((n for n, name in enumerate(FOLDERS) if piece.startswith(name)), len(FOLDERS))
    return longest, folder


class LongestFirst(LoadFileScheduling):
    """pytest-xdist's distribution of files, in the order in which the tests were collected."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False  # which would put the files with most tests first
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return piece_of_work(nodeid)
