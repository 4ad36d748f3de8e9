"""Does docs/operators.md say what the code has?"""

from operators import PAGE, page


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "run python tests/ops/operators.py"
