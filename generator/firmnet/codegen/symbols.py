"""What is each generated thing called in C, and what is a C name the name of?

A layer's function or constant is <model>__<layer>__<part>: "net__conv1__kernel", "net__conv1__weight". Names
of layers and parts have no "__" inside and no "_" at an end. So no two things of any models share a name,
whatever these are called, nor do they share one with what a model offers (net_model, net_fingerprint) or with
the C library.
"""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import UserError

SEPARATOR = "__"
KERNEL = "kernel"
"""Part: the function of a layer; what belongs to it alone is called after it ("kernel_across")."""
_FUNCTION = re.compile(rf".*{SEPARATOR}({KERNEL}|stripe\d+)(?=_|$)")
_PLAIN = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*")


def stripe(number: int) -> str:
    """Part: the function of one shape of a layer's pieces, or what only that one needs of a constant."""
    return f"stripe{number}"


def of_layer(model: str, layer: str, part: str) -> str:
    """The C name of a part of a layer; UserError for a layer's name that could be mistaken for two."""
    if not _PLAIN.fullmatch(layer):
        raise UserError(
            f"a layer cannot be called {layer!r} in C: use letters, digits and single _ between them"
        )
    return SEPARATOR.join((model, layer, part))


def layer_of(model: str, symbol: str) -> str | None:
    """Which layer's a linked symbol is; the compiler may have added a suffix behind a dot."""
    begin, name = f"{model}{SEPARATOR}", symbol.split(".")[0]
    return name[len(begin) :].split(SEPARATOR)[0] if name.startswith(begin) else None


def used_as(symbol: str) -> str:
    """What a layer uses of which a linked symbol is: the function that it is called after, or itself."""
    plain = symbol.split(".")[0]
    function = _FUNCTION.match(plain)
    return function[0] if function else plain


def is_of(model: str, symbol: str) -> bool:
    """Whether a linked symbol is the model's: a layer's, or what it offers."""
    return (
        symbol in (f"{model}_model", f"{model}_fingerprint", f"{model}_reset")
        or layer_of(model, symbol) is not None
    )


def shared(kind: str, *made_of: Any) -> str:
    """Of a function that layers alike share: "few_4_12_0_5_0_5_m128_127".

    All that it is made of makes its name, so that two that differ never share one: numbers, flags, words,
    sequences of these; and a layer's integer constants, of which those count that outputs are made with.
    """
    return "_".join([kind, *map(_named, made_of)])


def _named(part: Any) -> str:
    if isinstance(part, Mapping):
        r = part["requant"]
        return _named([r.shift, r.pre_shift, part["zero_point"], part["lo"], part["hi"]]).replace("x", "_")
    if isinstance(part, list | tuple):
        return "x".join(map(_named, part)) or "none"
    return part if isinstance(part, str) else str(int(part)).replace("-", "m")


def buffer(model: str, kind: str, name: str) -> str:
    """An array of its own for a value, rows or scratch, where these are not in the arena."""
    return f"{model}_{kind}{SEPARATOR}{name}"
