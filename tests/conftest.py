"""Where do tests find the instruments they share? Here: pytest puts this folder on the import path."""

import os

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does; before NumPy is imported
pytest.register_assert_rewrite("board_checks")
