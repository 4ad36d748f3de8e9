"""Does docs/hardware.md show what a person with a board sees? Each screen is made again."""

import re

import pytest
from screens import MARKS, PAGE, SCENES, screen, timeless


@pytest.mark.parametrize("name", SCENES)
def test_the_page_shows_what_is_printed(name: str) -> None:
    begin, end = (re.escape(mark.format(name)) for mark in MARKS)
    shown = re.search(rf"{begin}\n```\n(.*?)```\n{end}", PAGE.read_text(), re.S)
    assert shown, f"docs/hardware.md has no screen {name!r}: run `python tests/screens.py`"
    assert timeless(screen(SCENES[name])) == timeless(shown[1]), "run `python tests/screens.py`"
