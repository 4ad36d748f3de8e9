"""How does a network that is given a window become one that is given a hop? Layer by layer, on what is new.

Layers keep their names, weights, scales and multipliers. Places in time that later runs read are kept in a
state, behind which the new ones are appended.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..ir import Call, Graph, Node, State, Stream, Tensor
from ..ops import OPS, Slide
from ..ops.append import AppendAttrs
from ..ops.recurrent import STEP_AXIS, Recurrent
from ..ops.running_mean import RunningMean
from ..ops.slice import SliceAttrs
from ..passes.remove_identities import changes_nothing, remove_identities
from ..passes.rewrite import fresh_name
from .delay_lines import delay_lines
from .follow import Followed, PlacesRead
from .means import STATES, Running, reading_the_new, running_means
from .single_places import single_places


def rewritten(graph: Graph, found: Followed) -> Graph:
    """The quantized graph of a window → that of a hop."""
    (port,) = graph.inputs
    axis = port.order[found.axis] if port.order else found.axis
    means = running_means(graph, found)
    made = _Making(graph, reading_the_new(graph, found, means), means)
    made.give(port.tensor)
    for node in graph.nodes:
        made.layer(node)
    whole = replace(
        graph,
        states=tuple(made.states),
        tensors={**graph.tensors, **made.tensors},
        stream=Stream(found.window, found.hop, axis, found.from_reset),
    )
    placed = remove_identities(single_places(remove_identities(whole.with_nodes(made.nodes))))
    return remove_identities(delay_lines(placed))


class _Making:
    def __init__(self, graph: Graph, found: Followed, means: Mapping[str, Running]) -> None:
        self.graph, self.found, self.means = graph, found, means
        self.nodes: list[Node] = []
        self.states: list[State] = []
        self.tensors: dict[str, Tensor] = {}
        self._held: dict[str, tuple[str, PlacesRead]] = {}
        """Per timed value: what holds places of it in this run, and which these are."""
        self._oldest = self._asked()

    def _asked(self) -> dict[str, int]:
        """The oldest place of each timed value that some run reads, also through what only hands it on."""
        oldest = {name: self.found.block(name)[0] for name in self.found.timed}
        for node in reversed(self.graph.nodes):
            for name in self.graph.activations(node):
                if name in oldest:
                    first = self.found.reads[node.name, name][0]
                    if slide := self._hands_on(node):
                        first = min(first, oldest[node.output] + slide.first)
                    oldest[name] = min(oldest[name], first)
        return oldest

    def _hands_on(self, node: Node) -> Slide | None:
        """The slide of a layer whose places in time are those of its input, under another shape or number."""
        slide = self.found.slides.get(node.name)
        if slide is None or node.output not in self.found.timed or (slide.step, slide.reach) != (1, 1):
            return None
        return slide if OPS[node.op].view or changes_nothing(*self._alone(node, slide)) else None

    def _alone(self, node: Node, slide: Slide) -> tuple[Graph, Node]:
        """The layer on one place in time, in a graph of its own."""
        call = self.graph.call(node)
        axis = self.found.timed[node.inputs[0]].axis
        attrs = OPS[node.op].slid(call, axis, 1)
        tensors = {
            node.inputs[0]: _sized(call.inputs[0], axis, 1),
            node.output: _sized(call.output, slide.axis, 1),
        }
        return replace(self.graph, tensors={**self.graph.tensors, **tensors}), replace(node, attrs=attrs)

    def give(self, name: str) -> None:
        """The new places of a timed value are there: keep them as long as some run reads them."""
        value = self.found.timed[name]
        self.tensors[name] = _sized(self.graph.tensors[name], value.axis, self.found.new(name))
        (first, end), oldest = self.found.block(name), self._oldest[name]
        recent = self._appended(name, end - oldest) if oldest < first else name
        self._held[name] = recent, (oldest, end)

    def _appended(self, name: str, places: int) -> str:
        """What holds the last places of a value from now on: a state, with the new ones behind."""
        axis, source = self.found.timed[name].axis, f"{places} places in time of {name}"
        kept, recent, begin = (self._like(name, axis, places, what) for what in ("kept", "recent", "begin"))
        tensor = self.tensors[begin]
        silent = np.full(tensor.shape, tensor.zero_point, tensor.dtype.numpy)
        self.tensors[begin] = replace(tensor, data=silent)
        self.states.append(State(kept, kept, recent, begin))
        self.nodes.append(Node(recent, "append", AppendAttrs(axis), (kept, name), (recent,), source))
        return recent

    def layer(self, node: Node) -> None:
        """On the places that it reads in each run."""
        timed = [name for name in self.graph.activations(node) if name in self.found.timed]
        slide = self.found.slides.get(node.name)
        if node.name in self.found.walks:
            self._walk(node)
        elif node.name in self.means:
            self._mean(node, self.means[node.name])
        elif timed and slide:
            self._slid(node, slide, timed)
        else:
            whole = {name: self._part(node, name) for name in timed}
            self.nodes.append(replace(node, inputs=tuple(whole.get(name, name) for name in node.inputs)))

    def _walk(self, node: Node) -> None:
        """A recurrent layer: its states go from one run to the next."""
        op = OPS[node.op]
        assert isinstance(op, Recurrent)
        (x,), count = self.graph.activations(node), len(op.states)
        x = self._part(node, x) if x in self.found.timed else x
        steps, states = self.tensors.get(x, self.graph.tensors[x]).shape[STEP_AXIS], list[State]()
        for what, begin, made in zip(op.states, node.inputs[-count:], node.outputs, strict=True):
            like = replace(self.graph.tensors[begin], data=None)
            name = self._named(f"{node.name}_{what}", like)
            walked = made == node.outputs[0] and node.attrs.every and steps > 1
            states.append(State(name, name, self._named(f"{name}_last", like) if walked else made, begin))
        inputs = (x, *(state.tensor for state in states), *node.inputs[1:-count])
        self.nodes.append(replace(node, attrs=replace(node.attrs, given=True), inputs=inputs))
        self.states += states
        if states[0].next != node.outputs[0]:
            last, shape = states[0].next, self.tensors[states[0].tensor].shape
            attrs = SliceAttrs((0, steps - 1, 0), (1, 1, 1), shape)
            self.nodes.append(Node(last, "slice", attrs, (node.outputs[0],), (last,), node.source))
        if node.outputs[0] in self.found.timed:
            self.give(node.outputs[0])

    def _mean(self, node: Node, running: Running) -> None:
        """A mean over the window: its sums go from one run to the next."""
        read, made = [self._part(node, node.inputs[0])], [node.output]
        for what, like in zip(STATES, running.states, strict=True):
            name, after, begin = (
                self._named(f"{node.name}_{each}", like) for each in (what, f"{what}_next", f"{what}_begin")
            )
            silent = np.full(like.shape, like.zero_point, like.dtype.numpy)
            self.tensors[begin] = replace(self.tensors[begin], data=silent)
            self.states.append(State(name, name, after, begin))
            read.append(name)
            made.append(after)
        self.nodes.append(
            Node(node.name, RunningMean.name, running.attrs, tuple(read), tuple(made), node.source)
        )

    def _slid(self, node: Node, slide: Slide, timed: list[str]) -> None:
        call, axis = self.graph.call(node), self.found.timed[timed[0]].axis
        places = self.found.new(node.output) if node.output in self.found.timed else 1
        attrs = OPS[node.op].slid(call, axis, places)
        output = _sized(call.output, slide.axis, places)

        def passes_over(name: str) -> bool:
            """Whether it makes nothing of what is held behind the places that it reads: less than a step."""
            held, (first, end) = self._held[name]
            start, stop = self.found.reads[node.name, name]
            if start != first or not stop < end < stop + slide.step:
                return False
            longer = Call(attrs, (self.tensors[held], *call.inputs[1:]), (output,))
            alike = OPS[node.op].slide(longer, axis) == replace(slide, first=0)
            return alike and OPS[node.op].shape(attrs, *(t.shape for t in longer.inputs)) == output.shape

        parts = {n: self._held[n][0] if passes_over(n) else self._part(node, n) for n in timed}
        inputs = tuple(parts.get(name, name) for name in node.inputs)
        self.nodes.append(replace(node, attrs=attrs, inputs=inputs))
        if node.output in self.found.timed and self._hands_on(node):
            self._handed(node, slide, output)
        elif node.output in self.found.timed:
            self.give(node.output)

    def _handed(self, node: Node, slide: Slide, output: Tensor) -> None:
        """What holds places of its input holds those of its output, under the output's shape."""
        self.tensors[node.output] = output
        (name,) = self.graph.activations(node)
        held, (first, end) = self._held[name]
        axis = self.found.timed[name].axis
        span = first - slide.first, end - slide.first
        if held == name:
            self._held[node.output] = node.output, self.found.block(node.output)
            return
        attrs = OPS[node.op].slid(self.graph.call(node), axis, end - first)
        view = self._like(node.output, slide.axis, end - first, "recent")
        self.nodes.append(Node(view, node.op, attrs, (held,), (view,), node.source))
        self._held[node.output] = view, span

    def _part(self, node: Node, name: str) -> str:
        """What holds the places of a value that a layer reads, and no others."""
        held, span = self._held[name]
        first, end = self.found.reads[node.name, name]
        if (first, end) == self.found.block(name):
            return name
        if (first, end) == span:
            return held
        axis = self.found.timed[name].axis
        part = self._like(held, axis, end - first, f"for_{node.name}")
        shape = self.tensors[part].shape
        start = tuple(first - span[0] if other == axis else 0 for other in range(len(shape)))
        attrs = SliceAttrs(start, (1,) * len(shape), shape)
        self.nodes.append(Node(part, "slice", attrs, (held,), (part,), node.source))
        return part

    def _like(self, name: str, axis: int, places: int, what: str) -> str:
        """A tensor with so many places in time, beside another."""
        return self._named(f"{name}_{what}", _sized(self.tensors[name], axis, places))

    def _named(self, name: str, tensor: Tensor) -> str:
        """The tensor filed under the name, or one near it."""
        new = fresh_name(self.graph, name, self.tensors)
        self.tensors[new] = replace(tensor, name=new)
        return new


def _sized(tensor: Tensor, axis: int, places: int) -> Tensor:
    return replace(tensor, shape=(*tensor.shape[:axis], places, *tensor.shape[axis + 1 :]))
