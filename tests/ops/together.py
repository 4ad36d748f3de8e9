"""How are many models compiled in a fraction of the time? Several as one unit, and what they share only once.

A unit for each would start a compiler and read the headers again. C has no name spaces, so the few static
names that all models have in common (templates/model/model.c.j2: the others begin with the model's own) get
the model's before them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from firmnet.devices.runner import Model

MODELS_PER_UNIT = 50
NOT_OPTIMIZED = ("-O0",)
"""Where only bits count, of kernels that the op matrix compiles as firmware is: a quarter of the time."""
IN_COMMON = re.compile(
    r'(?<!["\w.>])'
    r"(arena|begun|done|inputs|layers|outputs|run|states|(?:arrange|best|dequantize|initial|quantize)_\d+)\b"
)


def together(models: Sequence[Model]) -> list[Model]:
    """The same models, every 50 of them compiled as one unit."""
    joined = in_units({model.name: model.files for model in models})
    return [replace(model, files=joined[model.name]) for model in models]


def in_units(libraries: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The files of each library; the C of 50 is the first one's, and compilers still tell whose a line is."""
    files = {name: dict(library) for name, library in libraries.items()}
    names = [*files]
    for first in range(0, len(names), MODELS_PER_UNIT):
        some = names[first : first + MODELS_PER_UNIT]
        unit = "\n".join(_renamed(name, files[name].pop(f"{name}.c")) for name in some)
        files[some[0]][f"{some[0]}.c"] = unit
    return files


def _renamed(name: str, c: str) -> str:
    own = IN_COMMON.sub(rf"{name}_\1", c)
    beside = re.sub(rf'#include "({name}(?:_weights)?\.h)"', rf'#include "{name}/\1"', own)
    return f'#line 1 "{name}/{name}.c"\n{beside}'
