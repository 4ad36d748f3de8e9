"""Which frontend reads this model? So far there is one: torch.export."""

from pathlib import Path
from typing import Any

from ..errors import UserError
from .common.imported import Imported
from .common.named import named_model

__all__ = ["Imported", "load"]


def load(
    source: Any, name: str | None = None, example: Any = None, calibration: Any = None, state: Any = None
) -> Imported:
    """Import a module with its example input, a `.pt2` file or `file.py:function` (see `torch/source.py`).

    `calibration` (N, …): samples to compare the import with, where the source brings none or other ones.
    `state`: which inputs take over which outputs, {"h": 1} (see `torch/states.py`).
    torch itself is loaded only here. Raises UserError for anything that cannot be imported.
    """
    if isinstance(source, str | Path):
        named_model(source)
    try:
        from .torch import export
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError(
            "torch is not installed, and reading a model needs it: pip install 'firmnet[torch]'"
        ) from None
    return export.load(source, name, example, calibration, state)
