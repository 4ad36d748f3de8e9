"""Do several workers begin with the longest files, and is the op matrix cut by op?"""

from pathlib import Path

import pytest
from schedule import BESIDE, BY_OP, LAST, LONGEST, OF_OP, WAITING, in_turn, piece_of_work

TESTS = Path(__file__).parents[1]


def test_every_named_file_is_there() -> None:
    named = [
        name for name in (*LONGEST, *WAITING, *BESIDE, *BESIDE.values(), LAST) if not name.startswith(OF_OP)
    ]
    missing = [name for name in named if not (TESTS.parent / name).exists()]
    missing += [name for name in BY_OP if not (TESTS / "ops" / name).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("nodeid", "piece"),
    [
        ("tests/e2e/test_cli.py::test_help", "tests/e2e/test_cli.py"),
        ("tests/ops/test_matrix.py::test_bit_exact[softmax-rows_5]", "tests/ops::softmax"),
        ("tests/ops/test_sanitizers.py::test_op_matrix[softmax]", "tests/ops::softmax"),
        ("tests/ops/test_cascades.py::test_on_host[portable]", "tests/ops/test_random_modules.py"),
        ("tests/ops/test_sanitizers.py::test_planted_overflow_is_caught", "tests/ops/test_sanitizers.py"),
    ],
)
def test_a_file_is_a_piece_of_work_or_an_op(nodeid: str, piece: str) -> None:
    assert piece_of_work(nodeid) == piece


def test_the_longest_come_first_and_the_quick_ones_last() -> None:
    others = ["tests/e2e/test_cli.py", "tests/ops/test_remap.py"]
    assert in_turn(["tests/unit/test_ir.py", *others, *LONGEST[::-1]]) == [
        *LONGEST,
        *others,
        "tests/unit/test_ir.py",
    ]


def test_those_that_wait_are_spread_over_those_that_work() -> None:
    working = [f"{OF_OP}{i}" for i in range(60)]
    ordered = in_turn(
        ["tests/e2e/test_cli.py", "tests/link/test_link.py", "tests/link/test_desk.py", *working, *working]
    )
    assert len(ordered) == 63
    assert [ordered.index(name) for name in ("tests/e2e/test_cli.py", "tests/link/test_desk.py")] == [1, 32]
