"""Where does each value lie, as C?"""

from dataclasses import dataclass

from ..ir import Graph
from ..plan import Plan, Step
from ..plan.step import rows_of, scratch_of


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

    def __init__(self, graph: Graph, memory: Plan, separate: bool) -> None:
        self.graph, self.memory, self.separate = graph, memory, separate
        self.roots: dict[str, str] = {name: name for name in graph.inputs}
        for step in memory.steps:
            self.roots[step.output] = self.roots[next(iter(step.inputs))] if step.view else step.output

    def value(self, name: str) -> Place:
        """Of an activation that is whole in memory."""
        if self.separate:
            return Place(f"buffer_{self.roots[name]}")
        return Place("arena", self.memory.offsets[name])

    def rolling(self, name: str) -> Place:
        return Place(f"rows_{name}") if self.separate else Place("arena", self.memory.rolling[name])

    def scratch(self, step: Step) -> Place:
        first = step.nodes[0].name
        return Place(f"scratch_{first}") if self.separate else Place("arena", self.memory.scratch[first])

    def declarations(self) -> list[tuple[str, int]]:
        """Name and bytes of every array."""
        if not self.separate:
            return [("arena", max(self.memory.arena_bytes, 1))]
        found = [
            (f"buffer_{root}", self.graph.tensors[root].size) for root in dict.fromkeys(self.roots.values())
        ]
        for step in self.memory.steps:
            rolling = step.cascade.rolling if step.cascade else {}
            named = {rows_of(name): f"rows_{name}" for name in rolling}
            named[scratch_of(step.nodes[0].name)] = f"scratch_{step.nodes[0].name}"
            found += [(named[name], size) for name, size in step.buffers.items()]
        return found
