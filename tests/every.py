"""How is one thing checked of a thousand rows? All rows of an op are one test, which names the wrong ones.

A test for each would cost both cores half a minute, most of it to tell that they passed. With `-k` each row
is one, and can be chosen.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import pytest

Check = Callable[..., None]


def every(name: str, values: Sequence[Any], kind: Callable[[Any], str], said: Callable[[Any], str]) -> Any:
    """Makes tests of a check of one value, its argument `name`: one for all values of a kind.

    With -k one for each value. `kind` and `said` give the names in the tests' ids.
    """

    def decorate(check: Check) -> Check:
        @wraps(check)
        def test(**given: Any) -> None:
            some, failures = given.pop(name), {}
            for value in some:
                try:
                    check(**{name: value}, **given)
                except Exception as failure:
                    failures[said(value)] = failure
            if failures:
                told = "\n".join(f"{value}: {failure}" for value, failure in failures.items())
                first = next(iter(failures.values()))
                raise AssertionError(f"{len(failures)} of {len(some)} are wrong:\n{told}") from first

        kinds: dict[str, list[Any]] = {}
        for value in values:
            kinds.setdefault(kind(value), []).append(value)
        test.by_kind = {name: (kinds, said)}  # type: ignore[attr-defined]
        test.__signature__ = inspect.signature(check)  # type: ignore[attr-defined]
        return test

    return decorate


def every_row(rows: Sequence[Any]) -> Any:
    """`every` of rows of the op matrix, a test for each op."""
    return every("row", rows, kind=lambda row: row.op.name, said=lambda row: row.id)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """For pytest_generate_tests: what `every` has made."""
    for name, (kinds, said) in getattr(metafunc.function, "by_kind", {}).items():
        if metafunc.config.option.keyword:
            values = [value for some in kinds.values() for value in some]
            metafunc.parametrize(name, [[value] for value in values], ids=list(map(said, values)))
        else:
            metafunc.parametrize(name, list(kinds.values()), ids=list(kinds))
