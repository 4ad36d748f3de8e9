"""Which values of a network go on with time, and which frames does each of their places come from?

A network is given a window of T frames, its stream H new ones in each run. Where a layer works alike at every
place in time, H/s new places come of that, when two places are s frames apart. Places are counted within the
window that ends with the newest frame: place p of a value was place p + H/s in the run before.

A recurrent layer looks back on all there was since the reset. The stream of a network that has one equals it
run over the whole sequence since then; so all layers must make as many places as frames came, no more of
padding alone and no fewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import UserError
from ..ir import Graph, Node
from ..ops import OPS, Slide
from ..ops.recurrent import STEP_AXIS, Recurrent, RecurrentAttrs

WITHOUT = "or leave out `stream`"
OWN_PADDING = ("max_pool2d", "avg_pool2d")
"""Ops to which padding is no zero."""
ON_THE_LEFT = "Train it with padding on the left alone, or without any"


@dataclass(frozen=True)
class OverTime:
    """A value with `places` in time along `axis`, `step` frames apart.

    Those from `first` on and before `end` come from frames of the window alone. Others come from padding
    too: before them that of layer `before`, behind them that of layer `behind`.
    """

    axis: int
    places: int
    step: int
    first: int
    end: int
    before: str = ""
    behind: str = ""

    @property
    def whole(self) -> bool:
        return self.first == 0 and self.end == self.places


PlacesRead = tuple[int, int]
"""Places from the first on and before the second; those below 0 are older than the window."""


@dataclass(frozen=True)
class Followed:
    """What `follow` finds of a network and a hop: its timed values, and how each layer that reads one runs.

    Time goes along `axis` of the only input, as stored; of a `window`, `hop` frames come with each run.
    `slides`: layers that work alike at every place in time; others that read timed values read them whole.
    `reads`: (layer, value) → the places that it reads in each run. `walks`: recurrent layers, of which there
    are none but in a stream that goes on `from_reset`.
    """

    axis: int
    hop: int
    window: int
    timed: Mapping[str, OverTime]
    slides: Mapping[str, Slide]
    reads: Mapping[tuple[str, str], PlacesRead]
    walks: frozenset[str] = frozenset()

    @property
    def from_reset(self) -> bool:
        return bool(self.walks)

    def new(self, name: str) -> int:
        """How many places of a timed value come with each run."""
        return self.hop // self.timed[name].step

    def block(self, name: str) -> PlacesRead:
        """These places."""
        value = self.timed[name]
        return value.end - self.new(name), value.end


def follow(graph: Graph, axis: int, hop: int | None) -> Followed:
    """Time from the only input's stored `axis` on; None: the least hop that there is.

    UserError, naming the layer and what to do, for a network that no stream of hops equals.
    """
    window = graph.tensors[graph.input].shape[axis]
    timed, slides, walks = _values(graph, axis, _reaches_recurrent(graph, axis))
    found = Followed(axis, _checked_hop(hop, window, timed), window, timed, slides, {}, walks)
    if walks and window % found.hop:
        raise UserError(
            f"windows of {window} frames are no multiple of a hop of {found.hop}, and the recurrent layer "
            f"{min(walks)!r} begins with a hop and a window: give a hop that divides windows"
        )
    for port in graph.outputs:
        _check_output(found, port.name, port.tensor)
    return replace(found, reads=_reads(graph, found))


def _reaches_recurrent(graph: Graph, axis: int) -> bool:
    """Whether some recurrent layer walks along the time."""
    axes = {graph.input: axis}
    for node in graph.nodes:
        found = {axes.get(name) for name in graph.activations(node)}
        if found == {None} or len(found) > 1:
            continue
        if isinstance(OPS[node.op], Recurrent):
            return True
        (along,) = found
        slide = OPS[node.op].slide(graph.call(node), along) if along is not None else None
        if slide and len(node.outputs) == 1 and graph.tensors[node.output].shape[slide.axis] > 1:
            axes[node.output] = slide.axis
    return False


def _values(
    graph: Graph, axis: int, from_reset: bool
) -> tuple[dict[str, OverTime], dict[str, Slide], frozenset[str]]:
    """`timed`, `slides` and `walks` of what is followed, where it goes on from the reset or not."""
    window = graph.tensors[graph.input].shape[axis]
    timed = {graph.input: OverTime(axis, window, 1, 0, window)}
    slides: dict[str, Slide] = {}
    walks: set[str] = set()
    for node in graph.nodes:
        read = [name for name in graph.activations(node) if name in timed]
        if not read:
            continue
        _check_alone(graph, node, timed)
        if isinstance(OPS[node.op], Recurrent):
            walks.add(node.name)
            timed |= _walked(graph, node, timed[read[0]], window)
            continue
        slide = _slide(graph, node, timed)
        if slide is None:
            _check_over_all(graph, node, timed)
            if from_reset:
                raise _over_window(node)
            continue
        slides[node.name] = slide
        value = _made(graph, node, slide, [timed[name] for name in read])
        if from_reset:
            value = _since_reset(node, slide, value, window)
        if value.places > 1:
            _check_some(node, value)
            timed[node.output] = value
        elif not value.whole:
            raise _padded(node, value, read[0])
        elif from_reset and slide.reach == timed[read[0]].places:
            raise _over_window(node)
    return timed, slides, frozenset(walks)


def _walked(graph: Graph, node: Node, value: OverTime, window: int) -> dict[str, OverTime]:
    """What a recurrent layer makes of each step, if it keeps all."""
    attrs: RecurrentAttrs = node.attrs
    if attrs.reverse or value.axis != STEP_AXIS:
        raise UserError(
            f"layer {node.name!r} ({node.op}) is not causal: it walks from the window's last step to its "
            f"first. Use a layer of one direction, {WITHOUT}"
        )
    if value.end < value.places:
        raise _not_causal(value, f"layer {node.name!r} ({node.op}) reads")
    if value.step * value.places != window:
        raise _uneven(node, value, window)
    return {node.outputs[0]: value} if attrs.every else {}


def _since_reset(node: Node, slide: Slide, made: OverTime, window: int) -> OverTime:
    """The value where zeros come before the first frame, as padding comes before the window.

    UserError where the layer makes other places than one for each frame, or for each `step` of them, and
    those of padding are not handed on as they are.
    """
    lead = made.end - window // made.step
    hands_on = slide.reach == 1 and (OPS[node.op].keeps_qparams or OPS[node.op].view)
    if made.places > 1 and (lead < 0 or (lead > 0 and not hands_on)):
        raise _uneven(node, made, window)
    own_padding = slide.first < 0 and node.op in OWN_PADDING
    if own_padding or (slide.first < 0 and getattr(node.attrs, "fill", 0) != 0):
        raise UserError(
            f"layer {node.name!r} ({node.op}) has padding that is no zeros, or counts otherwise, and a "
            "stream with a recurrent layer has zeros before its first frame. Put a layer that pads with "
            f"zeros before it, {WITHOUT}"
        )
    return replace(made, first=0, before="")


def _uneven(node: Node, made: OverTime, window: int) -> UserError:
    return UserError(
        f"layer {node.name!r} ({node.op}) goes through {made.places} places of windows of {window} frames, "
        f"where one for every {made.step} is right: with a recurrent layer a stream goes on from the reset, "
        "and has a place for each frame. Pad convolutions on the left, by the kernel less one times the "
        f"dilation, {WITHOUT}"
    )


def _over_window(node: Node) -> UserError:
    return UserError(
        f"layer {node.name!r} ({node.op}) reads the whole window beside a recurrent layer, which remembers "
        f"all since the reset: let it read the last step, {WITHOUT}"
    )


def _check_alone(graph: Graph, node: Node, timed: Mapping[str, OverTime]) -> None:
    """What there is one of per window may not meet the places of it one by one."""
    names = graph.activations(node)
    single = next((name for name in names if name not in timed), None)
    if single is not None:
        going = next(name for name in names if name in timed)
        raise UserError(
            f"layer {node.name!r} ({node.op}) is not causal: it joins {going!r}, which goes on with time, "
            f"and {single!r}, of which there is one per window, so that each frame changes all older places. "
            f"Leave that layer out, {WITHOUT}"
        )


def _slide(graph: Graph, node: Node, timed: Mapping[str, OverTime]) -> Slide | None:
    """None too where its activations do not go on along one axis, or it makes several."""
    values = [timed[name] for name in graph.activations(node)]
    if len({value.axis for value in values}) > 1 or len(node.outputs) > 1:
        return None
    apart = sorted({value.step for value in values})
    if len(apart) > 1:
        raise UserError(
            f"layer {node.name!r} ({node.op}) joins values whose places in time are {apart[0]} and {apart[1]}"
            f" frames apart, which do not go on together. Give its branches the same strides, {WITHOUT}"
        )
    return OPS[node.op].slide(graph.call(node), values[0].axis)


def _made(graph: Graph, node: Node, slide: Slide, values: Sequence[OverTime]) -> OverTime:
    places = graph.tensors[node.output].shape[slide.axis]
    first, end = max(v.first for v in values), min(v.end for v in values)
    made_first = min(max(-(-(first - slide.first) // slide.step), 0), places)
    made_end = min((end - slide.reach - slide.first) // slide.step + 1, places)
    return OverTime(
        slide.axis,
        places,
        values[0].step * slide.step,
        made_first,
        made_end,
        next((v.before for v in values if v.before), node.name if made_first else ""),
        next((v.behind for v in values if v.behind), node.name if made_end < places else ""),
    )


def _check_some(node: Node, value: OverTime) -> None:
    if value.first >= value.end:
        raise UserError(
            f"no place of layer {node.name!r} ({node.op}) comes from frames of one window alone, which is "
            f"shorter than what the layer looks back on: padding, by {value.before or value.behind!r}, makes "
            f"up for the rest. Give the network a longer window, {WITHOUT}"
        )


def _check_over_all(graph: Graph, node: Node, timed: Mapping[str, OverTime]) -> None:
    """A layer that reads values as a whole must end their time."""
    shapes = [graph.tensors[made].shape for made in node.outputs]
    for name in graph.activations(node):
        value = timed[name]
        if any(shape[value.axis : value.axis + 1] == (value.places,) for shape in shapes):
            raise UserError(
                f"layer {node.name!r} ({node.op}) is not causal: every place in time that it makes depends "
                f"on the whole window of {name!r}, later frames too. Use one that only looks back, {WITHOUT}"
            )
        if not value.whole:
            raise _padded(node, value, name)


def _padded(node: Node, value: OverTime, read: str) -> UserError:
    """For a layer that reads places which come from padding."""
    if value.behind:
        return _not_causal(value, f"layer {node.name!r} ({node.op}) reads")
    return UserError(
        f"layer {node.name!r} ({node.op}) reads places in time of {read!r} that come from the padding of "
        f"layer {value.before!r} before the window, where a stream has older frames, so it cannot equal the "
        f"window. Train {value.before!r} without padding along the time, or let {node.name!r} read the last "
        "places alone"
    )


def _not_causal(value: OverTime, who: str) -> UserError:
    return UserError(
        f"layer {value.behind!r} is not causal: its last places in time come from padding behind the window, "
        f"where a stream has frames that are still to come, and {who} these places. {ON_THE_LEFT}, {WITHOUT}"
    )


def _check_output(found: Followed, port: str, tensor: str) -> None:
    value = found.timed.get(tensor)
    if value is None:
        return
    if value.end < value.places:
        raise _not_causal(value, f"the output {port!r} has")
    if found.block(tensor)[0] < value.first:
        raise UserError(
            f"the output {port!r} has {found.new(tensor)} new places for each hop of {found.hop} frames, of "
            f"which some come from the padding of layer {value.before!r}: give a smaller hop, or a longer "
            "window"
        )


def _checked_hop(hop: int | None, window: int, timed: Mapping[str, OverTime]) -> int:
    coarsest = max(timed, key=lambda name: timed[name].step)
    least = timed[coarsest].step
    hop = least if hop is None else hop
    if not 0 < hop < window:
        raise UserError(
            f"a hop of {hop} frames, and windows of {window}: give a hop of at least 1, less than the window"
        )
    if uneven := [name for name, value in timed.items() if hop % value.step]:
        raise UserError(
            f"a hop of {hop} frames is no multiple of {timed[uneven[0]].step}, the frames between two places "
            f"of {uneven[0]!r}: give {least}, or a multiple of that"
        )
    return hop


def _reads(graph: Graph, found: Followed) -> dict[tuple[str, str], PlacesRead]:
    reads: dict[tuple[str, str], PlacesRead] = {}
    for node in graph.nodes:
        slide = found.slides.get(node.name)
        for name in graph.activations(node):
            if name not in found.timed:
                continue
            if node.name in found.walks:
                reads[node.name, name] = found.block(name)
                continue
            if slide is None:
                reads[node.name, name] = 0, found.timed[name].places
                continue
            first, end = found.block(node.output) if node.output in found.timed else (0, 1)
            start = slide.first + first * slide.step
            reads[node.name, name] = start, start + (end - first - 1) * slide.step + slide.reach
    return reads
