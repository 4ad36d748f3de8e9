"""Does a compiler still tell whose line it complains about, once headers are part of what includes them?"""

import re

import pytest

from firmnet.devices.compiled import Compiler, compiled
from firmnet.errors import UserError

OWN = "struct first { int x; };\n#ifndef GUARD\n#define GUARD\n#define ONCE int once\n#endif\n"
UNIT = """#include "own.h"
ONCE;

#line 1 "second/second.c"
#include "second/own.h"
int f(void) { return 0; }
"""
FILES = {
    "first/own.h": OWN,
    "first/first.c": UNIT,
    "second/own.h": '#include "shared.h"\nint second;\n',
    "shared.h": "enum { SHARED };\n",
    "main.c": '#include "second/own.h"\nint main(void) { return second; }\n',
}


@pytest.mark.parametrize(
    ("file", "line"),
    [("first/own.h", 2), ("first/first.c", 3), ("second/own.h", 2), ("shared.h", 1), ("main.c", 2)],
)
def test_a_mistake_is_told_where_it_is(file: str, line: int) -> None:
    before, behind = FILES[file].splitlines(True)[: line - 1], FILES[file].splitlines(True)[line - 1 :]
    broken = FILES | {file: "".join([*before, "#error here\n", *behind])}
    with pytest.raises(UserError, match=rf"(?m){re.escape(file)}:{line}:\d+: error: #error here"):
        compiled(broken, Compiler("gcc"))


def test_of_joined_units_each_line_is_its_own() -> None:
    broken = FILES | {"first/first.c": UNIT.replace("return 0", "return nothing")}
    with pytest.raises(UserError, match=r"second/second\.c:2:\d+: error: .nothing. undeclared"):
        compiled(broken, Compiler("gcc"))
