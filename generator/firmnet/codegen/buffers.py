"""Where does each value lie, as C?"""

from dataclasses import dataclass

from ..ir import Graph
from ..plan import Program, Step
from ..plan.step import rows_of, scratch_of
from . import symbols


@dataclass(frozen=True)
class Place:
    """A byte of a static array; within a loop, `step` bytes further with every round."""

    array: str
    offset: int = 0
    step: int = 0

    def __add__(self, offset: int) -> "Place":
        return Place(self.array, self.offset + offset, self.step)

    def __str__(self) -> str:
        """The C expression of its address."""
        walk = f" + i * {self.step}" if self.step else ""
        return f"{self.array} + {self.offset}{walk}"


class Buffers:
    """Offsets in the arena; or, `separate`, an array for every value, rolling buffer and scratch."""

    def __init__(self, graph: Graph, program: Program, separate: bool) -> None:
        self.graph, self.program, self.separate = graph, program, separate
        self.roots: dict[str, str] = {name: name for name in graph.given}
        for step in program.steps:
            for name in step.outputs:
                self.roots[name] = self.roots[step.owners[name]] if name in step.owners else name

    def value(self, name: str) -> Place:
        """Of an activation that is whole in memory."""
        return self._place("buffer", self.roots[name], self.program.offsets.get(name))

    def rolling(self, name: str) -> Place:
        return self._place("rows", name, self.program.rolling.get(name))

    def scratch(self, step: Step) -> Place:
        first = step.nodes[0].name
        return self._place("scratch", first, self.program.scratch.get(first))

    def _place(self, kind: str, name: str, offset: int | None) -> Place:
        if self.separate:
            return Place(self._array(kind, name))
        assert offset is not None
        return Place("arena", offset)

    def _array(self, kind: str, name: str) -> str:
        return symbols.buffer(self.graph.name, kind, name)

    def declarations(self) -> list[tuple[str, int]]:
        """Name and bytes of every array."""
        if not self.separate:
            return [("arena", max(self.program.arena_bytes, 1))]
        roots = dict.fromkeys(self.roots.values())
        found = [(self._array("buffer", root), self.graph.tensors[root].byte_count) for root in roots]
        for step in self.program.steps:
            rolling = step.cascade.rolling if step.cascade else {}
            named = {rows_of(name): self._array("rows", name) for name in rolling}
            named[scratch_of(step.nodes[0].name)] = self._array("scratch", step.nodes[0].name)
            found += [(named[name], size) for name, size in step.buffers.items()]
        return found
