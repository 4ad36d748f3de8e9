"""Do several workers begin with the longest files, and is the op matrix cut by op?"""

from pathlib import Path

import pytest
from schedule import BY_OP, FOLDERS, LONGEST, piece_of_work, turn

TESTS = Path(__file__).parents[1]


def test_every_named_file_is_there() -> None:
    missing = [name for name in (*LONGEST, *FOLDERS) if not (TESTS.parent / name).exists()]
    missing += [name for name in BY_OP if not (TESTS / "ops" / name).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("nodeid", "piece"),
    [
        ("tests/e2e/test_cli.py::test_help", "tests/e2e/test_cli.py"),
        ("tests/ops/test_matrix.py::test_bit_exact[softmax-3-host]", "tests/ops/test_matrix.py::softmax"),
        ("tests/ops/test_matrix.py::test_cases_reach_both_ends[add]", "tests/ops/test_matrix.py::add"),
        ("tests/ops/test_sanitizers.py::test_planted_overflow_is_caught", "tests/ops/test_sanitizers.py::"),
    ],
)
def test_a_file_is_a_piece_of_work_or_an_op_in_it(nodeid: str, piece: str) -> None:
    assert piece_of_work(nodeid) == piece


def test_the_longest_come_first_and_the_quick_ones_last() -> None:
    pieces = ["tests/unit/test_ir.py", "tests/ops/test_remap.py", "tests/e2e/test_cli.py", *LONGEST[::-1]]
    assert sorted(pieces, key=turn) == [*LONGEST, *pieces[2::-1]]
