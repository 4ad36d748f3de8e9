"""Where do tests find the instruments they share? Here: pytest puts this folder on the import path."""

import pytest

pytest.register_assert_rewrite("board_checks")
