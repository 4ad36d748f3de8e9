"""In which order do workers take the tests? A file is one piece of work, and the longest come first.

What one worker begins last, the other waits for: so the files below, which take minutes, are begun first, and
the op matrix, which grows with every op, is cut into pieces by op. All that is done with an op's rows is one
piece, so that what they should give is computed once. Tests of boards mostly wait, those of ops compile: they
come by turns, so that one worker's compilers have the core on which another one waits.
"""

from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadFileScheduling

LONGEST = (
    "tests/ops::conv2d",
    "tests/ops/test_random_modules.py",
    "tests/e2e/test_stock_boards.py",
    "tests/e2e/test_building.py",
    "tests/e2e/test_examples.py",
    "tests/e2e/test_usb_serial.py",
    "tests/e2e/test_firmware_boards.py",
    "tests/ops/test_leading_axes.py",
    "tests/e2e/test_lines.py",
    "tests/link/test_link.py",
    "tests/ops/test_plain_python.py",
    "tests/e2e/test_firmware.py",
    "tests/e2e/test_link_faults.py",
    "tests/e2e/test_bitflips.py",
    "tests/ops/test_mlperf_tiny.py",
    "tests/e2e/test_frontend_models.py",
)
"""About the longest first, of both kinds by turns; then come all others, and the unit tests at last."""
WAITING = ("tests/e2e/", "tests/hil/", "tests/link/")
LAST = "tests/unit/"
BY_OP = ("test_matrix.py", "test_candidates.py", "test_sanitizers.py", "test_stripes.py", "test_overlap.py")
"""Files whose tests build programs of an op's rows; a test's parameters begin with the op's name."""
OF_OP = "tests/ops::"
BESIDE = {"tests/ops/test_cascades.py": "tests/ops/test_random_modules.py"}
"""Files that take what others have made: both are one piece."""
BY_TEST = "test_random_graphs.py"
"""Every test builds programs of its own, but for those that ask what chance reaches, which build none."""


def piece_of_work(nodeid: str) -> str:
    """What one worker does in a row: the tests of a file, those of an op in several, or one of them."""
    file, _, test = nodeid.partition("::")
    if file.endswith(BY_TEST) and "reaches" not in test:
        return nodeid
    op = test.partition("[")[2].split("-")[0].rstrip("]")
    return OF_OP + op if op and file.endswith(BY_OP) else BESIDE.get(file, file)


def in_turn(pieces: Iterable[str]) -> list[str]:
    """The pieces as they are begun."""
    every = list(dict.fromkeys(pieces))
    longest = [piece for piece in LONGEST if piece in every]
    last = [piece for piece in every if piece.startswith(LAST)]
    others = [piece for piece in every if piece not in (*longest, *last)]
    waiting = [piece for piece in others if piece.startswith(WAITING)]
    working = [piece for piece in others if piece not in waiting]
    share = {piece: i / len(some) for some in (waiting, working) for i, piece in enumerate(some)}
    return [*longest, *sorted(others, key=share.__getitem__), *last]


class LongestFirst(LoadFileScheduling):
    """pytest-xdist's distribution of files, in the order in which the tests were collected."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False  # which would put the files with most tests first
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return piece_of_work(nodeid)
