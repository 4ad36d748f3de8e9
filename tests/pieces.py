"""How does generated C show its layers in pieces? As generated, but with other blocks in run()."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from firmnet.artifact import Artifact
from firmnet.codegen import model
from firmnet.codegen.blocks import Block, KernelCall, blocks
from firmnet.devices.runner import Model, from_graph
from firmnet.ir import Graph
from firmnet.plan import plan_for
from firmnet.provenance import fingerprint_on_disk
from firmnet.targets import isa

Rewrite = Callable[[Sequence[Block]], list[Block]]


def halved(run: Sequence[Block]) -> list[Block]:
    """Every output in two pieces, one directly behind the other."""
    return [_showing(block, 0, 1) for block in run]


def in_two_rounds(run: Sequence[Block]) -> list[Block]:
    """All layers and the first half of each, then all again and the second halves; needs separate buffers."""
    return [_showing(block, half) for half in (0, 1) for block in run]


def in_pieces(graph: Graph, rewrite: Rewrite, **options: Any) -> Model:
    """The graph's model with another run(); options as of `from_graph`."""
    with _rewritten(rewrite):
        return from_graph(graph, **options)


def halved_copy(artifact: Artifact, path: Path) -> Artifact:
    """The artifact in another folder, as if its C had been generated halved.

    What was built of it is still that of the original.
    """
    copy = replace(artifact, path=Path(shutil.copytree(artifact.path, path)))
    graph, board = artifact.graph, artifact.board
    program, _ = plan_for(graph, board, artifact.manifest.ram_limit_bytes, artifact.manifest.runtime)
    with _rewritten(halved):
        files = model.library(graph, isa=isa(board.chip.core), program=program).files
    source = copy.firmware / "lib" / graph.name / f"{graph.name}.c"
    assert source.read_text() != files[source.name]
    source.write_text(files[source.name])
    return as_generated(copy)


def as_generated(artifact: Artifact) -> Artifact:
    """The artifact with the fingerprint of its sources as they are, edited as they may be."""
    fingerprint = fingerprint_on_disk(artifact)
    return replace(artifact, manifest=replace(artifact.manifest, fingerprint=fingerprint.hex()))


@contextmanager
def _rewritten(rewrite: Rewrite) -> Iterator[None]:
    """Meanwhile, all that is generated has another run()."""
    with patch.object(model, "blocks", lambda *made_of: rewrite(blocks(*made_of))):
        yield


def _showing(block: Block, *halves: int) -> Block:
    """The same calls, and of each output these halves."""

    def shown(call: KernelCall) -> KernelCall:
        cut = [((place, size // 2), (place + size // 2, size - size // 2)) for place, size in call.outputs]
        return replace(call, outputs=tuple(pieces[half] for pieces in cut for half in halves))

    return replace(block, calls=tuple(map(shown, block.calls)))
