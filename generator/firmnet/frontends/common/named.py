"""Which file does a user name as the model, and which function in it? Looked for before torch is loaded."""

from pathlib import Path

from ...errors import UserError


def named_model(source: str | Path) -> tuple[Path, str]:
    """The file, and the function that returns the model; of a .pt2 file "".

    UserError for a file that is not there, and for a name that says neither.
    """
    text = str(source)
    if text.endswith(".pt2"):
        return _existing(Path(text)), ""
    file, separator, function = text.rpartition(":")
    if not separator or not file.endswith(".py"):
        raise UserError(f"cannot tell what model {text!r} is: give a .pt2 file or file.py:function")
    return _existing(Path(file)), function


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path")
    return path
