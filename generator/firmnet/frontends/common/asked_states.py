"""Which inputs of a model are its state, by the user's word? Each is paired with the output it takes over."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import UserError

AskedStates = tuple[tuple[str, str], ...]
"""(input, output), each by name or number; "1.0" is the first of what is in number 1."""


def read_states(asked: Any, what: str = "state") -> AskedStates:
    """From {"h": 1}, ["h=1"] or None; UserError for what is no such pair."""
    if asked is None:
        return ()
    if isinstance(asked, str):
        asked = [asked]
    if isinstance(asked, Mapping):
        return _each_once([(_word(given, what), _word(taken, what)) for given, taken in asked.items()], what)
    if not isinstance(asked, Iterable):
        raise UserError(f"{what} is a {type(asked).__name__}: {AS_A_PAIR}")
    pairs = []
    for each in asked:
        given, equals, taken = each.partition("=") if isinstance(each, str) else ("", "", "")
        if not (equals and given.strip() and taken.strip()):
            raise UserError(f"{what} {each!r} is no pair: {AS_A_PAIR}")
        pairs.append((given.strip(), taken.strip()))
    return _each_once(pairs, what)


AS_A_PAIR = 'write INPUT=OUTPUT by names or numbers, as h=1, in Python {"h": 1}'


def _each_once(pairs: Sequence[tuple[str, str]], what: str) -> AskedStates:
    names = [given for given, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError(f"{what} {twice!r} is named twice: pair it once")
    return tuple(pairs)


def _word(value: Any, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise UserError(f"{what} names an input or output by {value!r}: {AS_A_PAIR}")
    return str(value).strip()
