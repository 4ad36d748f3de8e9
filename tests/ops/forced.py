"""How is a row of the op matrix run by any of its kernels, also one that is not the cheapest?"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from matrix_rows import Row, rows_of
from together import together

from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.kernels import Choice
from firmnet.plan import plan
from firmnet.targets import Isa

ALWAYS = 8
"""Rows of a kernel that run in every test, before those that take turns."""

Way = tuple[Row, Choice]
Build = Callable[[list[Model]], Runner]


def forced(row: Row, way: Choice, name: str, *, separate: bool) -> Model:
    """Every value in an array of its own, or the output over what has been read."""

    def choose(found: Sequence[Choice]) -> Choice:
        return next(each for each in found if each.label == way.label)

    graph = replace(row.graph, name=name)
    program = plan(graph, isa=Isa.DSP, cascades=(), choose=choose)
    assert [each.label for (each,) in program.choices.values()] == [way.label]
    return from_graph(graph, isa=Isa.DSP, program=program, separate_buffers=separate)


def plain(op: str) -> list[Way]:
    """What runs the op's rows on a core without the DSP extension."""
    return [(row, row.plain) for row in rows_of(op)]


def cheapest(op: str) -> list[Way]:
    """On a core with the extension, where that is another kernel."""
    return [(row, row.ways[0]) for row in rows_of(op) if row.ways[0] != row.plain]


def dearer(op: str, turn: int) -> list[Way]:
    """All other ways to compute rows; of a kernel's many rows every other, by turns: `turn` is 0 or 1."""
    seen: Counter[str] = Counter()
    found: list[Way] = []
    for row in rows_of(op):
        for way in row.ways[1:]:
            if way != row.plain:
                seen[way.label] += 1
                if seen[way.label] <= ALWAYS or seen[way.label] % 2 == turn:
                    found.append((row, way))
    return found


def wrong_ones(
    often: Sequence[Way], seldom: Sequence[Way], build: Build, *, separate: bool = False
) -> list[str]:
    """Which do not give what the oracle says: those asked `often` to all inputs of their rows, others to
    few.
    """
    ways = [*often, *seldom]
    models = [forced(row, way, f"m{i}", separate=separate) for i, (row, way) in enumerate(ways)]
    given = [row.inputs for row, _ in often] + [row.few for row, _ in seldom]
    expected = [row.expected for row, _ in often] + [row.expected_of_few for row, _ in seldom]
    program = build(together(models))
    answers = program.ask([Request(model.name, x) for model, x in zip(models, given, strict=True)])
    return [
        f"{row.id} by {way.label}"
        for (row, way), answer, outputs in zip(ways, answers, expected, strict=True)
        if not np.array_equal(answer.outputs, outputs)
    ]
