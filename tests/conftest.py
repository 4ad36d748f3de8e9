"""Where do tests find the instruments they share, and who runs them in which order, if several workers do?"""

import gc
import os
from typing import Any

import pytest

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # of NumPy and PyTorch, before they are imported:
    os.environ.setdefault(
        threads, "1"
    )  # workers take every core as it is, and more threads wait for each other
# A folder without boards: those of whoever runs the tests are not tested.
os.environ["FIRMNET_BOARDS"] = os.path.dirname(__file__)
pytest.register_assert_rewrite("board_checks")


gc.disable()  # until all is collected: most of it is there to stay


def pytest_collection_finish() -> None:
    """Tests and PyTorch are left out when garbage is looked for: that took a tenth of all time."""
    gc.enable()
    gc.set_threshold(50_000)  # tests make many things, and few circles
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    from every import parametrize

    parametrize(metafunc)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, our own order of files."""
    from schedule import LongestFirst

    return LongestFirst(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers take the tests in that order; without workers they run as collected, quick ones first."""
    if hasattr(config, "workerinput"):
        from schedule import in_turn, piece_of_work

        place = {piece: i for i, piece in enumerate(in_turn(piece_of_work(item.nodeid) for item in items))}
        items.sort(key=lambda item: place[piece_of_work(item.nodeid)])
