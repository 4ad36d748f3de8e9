"""How is a board written down? TOML by people, JSON in artifacts; mistakes are named with file and key."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..arrays import read_file
from ..errors import UserError, first_line
from .board import Board

MAX_BOARD_BYTES = 2**18


def read_board(path: Path) -> Board:
    """One board file; UserError naming the file and the key for anything that is not as it must be."""
    try:
        raw = tomllib.loads(
            read_file(path, MAX_BOARD_BYTES).decode("utf-8-sig")
        )  # Windows editors begin with a mark
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it a readable file") from None
    except RecursionError:
        raise UserError(f"{path} is not TOML: it is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{path} is not TOML: {first_line(error)}") from None
    if "id" in raw:
        raise UserError(f"{path}: unknown key 'id': a board is named by its file")
    try:
        return _boards().validate_python({"id": path.stem, **raw})
    except ValidationError as error:
        raise UserError(f"{path}: {_complaint(error)}") from None


def board_to_json(board: Board) -> str:
    """All that is known of a board, for `board_of_json`."""
    return _boards().dump_json(board, indent=1).decode() + "\n"


def board_of_json(text: bytes) -> Board:
    """The inverse of `board_to_json`; ValueError for anything that no board file may say either."""
    return _boards().validate_json(text)


@cache
def _boards() -> TypeAdapter[Board]:
    return TypeAdapter(Board)


def _complaint(error: ValidationError) -> str:
    """All that pydantic found, by key, in words."""
    return "; ".join(dict.fromkeys(_one_complaint(problem) for problem in error.errors()))


def _one_complaint(problem: Mapping[str, Any]) -> str:
    key = repr(".".join(str(part) for part in problem["loc"])[:120])
    if problem["loc"] == ("id",):
        return "a board is named by its file, so call that by a to z, 0 to 9 and _, like my_board.toml"
    if problem["type"] == "unexpected_keyword_argument":
        return f"unknown key {key}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"missing key {key}"
    reason = re.sub(r"^(Input|Value error,) ?", "", str(problem["msg"]))
    if problem["type"] == "value_error":
        return f"{key}: {reason}" if problem["loc"] else reason
    shown = repr(problem["input"])
    return f"{key} = {shown if len(shown) < 120 else shown[:117] + '…'} {reason[:1].lower()}{reason[1:]}"
