"""Which operators are there? Writes docs/operators.md from the code.

    python tests/ops/operators.py

The calls that prove PyTorch's rules say of which ops an operator is made: each is built once, and looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from called import imported
from torch_calls import CALLS, Y

from firmnet.frontends.torch.spellings import spellings
from firmnet.ir import Dtype
from firmnet.kernels.spec import KERNELS
from firmnet.ops import OPS
from firmnet.targets import Isa

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
HEAD = """# Operators

Made by `python tests/ops/operators.py`; a test compares it with the code.

An op is what a layer means (`ops/`); a PyTorch operator becomes one op or several. int8 and int16 are the
types of activations that an op computes with; portable is C for every core, DSP what runs faster on cores
with that extension (Cortex-M4, M7, M33 and up), by the names of its kernels. What PyTorch has beyond this
list is refused with the place in your model and what to write instead. An operator may be refused in some
forms: the sentence says which.
"""
MOVEMENT = {"reshape", "transpose"}
"""Named for operators that are nothing else: beside other ops they only bring data to them."""


def page() -> str:
    """The whole file."""
    made = made_of()
    rows = [_row(name, made[name]) for name in sorted(OPS)]
    table = _table(("op", "PyTorch", "int8", "int16", "portable", "DSP"), rows)
    nothing = ", ".join(f"`{name}`" for name in sorted(made[""]))
    ruled = set().union(*made.values())
    spelled = {str(operator).split(".")[1].strip("_") for operator in spellings()}
    taken_apart = _named(spelled - ruled)
    return f"{HEAD}\n{table}\n\nNo layer at all: {nothing}.\n\nMade up of others: {taken_apart}.\n"


def made_of() -> dict[str, set[str]]:
    """Op → the PyTorch operators that are made of it; "": those that leave nothing to compute."""
    found: dict[str, set[str]] = defaultdict(set)
    built: dict[str, set[str]] = defaultdict(set)
    for name, shape, arguments in CALLS:
        builder, _, _ = imported(name, shape, *arguments)
        own = builder.nodes[Y in str(arguments) :]  # the first makes a second activation
        built[name.partition(".")[0].strip("_")] |= {node.op for node in own}
    for name, ops in built.items():
        for op in (ops - MOVEMENT) or ops or {""}:
            found[op].add(name)
    return found


def _row(name: str, operators: Iterable[str]) -> tuple[str, ...]:
    op, kernels = OPS[name], KERNELS.get(name, [])
    if op.float_only:
        return name, _named(operators), *("folded" for _ in range(4))
    types = ["yes" if dtype in op.dtypes else "" for dtype in (Dtype.INT8, Dtype.INT16)]
    if op.view:
        return name, _named(operators), *types, "no code", "no code"
    dsp = [kernel.name or "yes" for kernel in kernels if kernel.isa is Isa.DSP]
    portable = "yes" if any(kernel.isa is Isa.SCALAR for kernel in kernels) else ""
    return name, _named(operators), *types, portable, ", ".join(dsp)


def _named(operators: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(operators))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
