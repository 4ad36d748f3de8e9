"""What does each byte of a firmware belong to?"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ..artifact import Artifact
from ..codegen.symbols import layer_of, used_as
from ..image import Image, Region
from ..manifest import LayerEntry
from ..provenance import FETCHED

MOST_SHARING = 3
"""Of those that share a function or a constant."""


class Parts:
    """What each byte of a firmware belongs to."""

    def __init__(self, artifact: Artifact, image: Image) -> None:
        self._artifact, self._image = artifact, image
        self._model = artifact.manifest.name

    def name(self, at: Region) -> str:
        """ "in 'net_conv_weight' (.text), a constant of layer 'conv'"."""
        symbol = self._image.at(at.linked).name
        where = f"{symbol!r} ({at.section})" if symbol else at.section
        return f"in {where}, {self.owner(at)}"

    def function(self, at: Region) -> str:
        """The function or constant that lies there; "" where none is known."""
        return self._image.at(at.linked).name

    def owner(self, at: Region) -> str:
        """What a byte belongs to: "a constant of layer 'conv'", "of MicroPython"."""
        symbol = self._image.at(at.linked)
        return self._owner(symbol.name, symbol.source)

    def layers(self, symbol: str) -> list[LayerEntry]:
        """The layers whose constant or kernel a symbol is: the one it is called after, then others alike."""
        every, name = self._artifact.manifest.layers, layer_of(self._model, symbol)
        first = [layer for layer in every if layer.name == name]
        others = [layer for layer in every if layer.name != name and used_as(symbol) in layer.uses]
        return [*first, *others]

    def _owner(self, symbol: str, source: str) -> str:
        layers = self.layers(symbol)
        if layers:
            kind = "a constant" if symbol in layers[0].arrays else "the code"
            return f"{kind} of {_shared_by([layer.name for layer in layers])}"
        if Path(source).stem.removesuffix("_weights").removesuffix("_fingerprint") == self._model:
            return "the model's"
        if source == "frozen.c":
            return "of the frozen Python modules"
        if source in self._glue:
            return "of firmnet's glue"
        return "of MicroPython" if source in self._micropython else "of the C library or the board's core"

    @cached_property
    def _glue(self) -> set[str]:
        folders = (self._artifact.firmware / "src", self._artifact.firmware / "platform")
        return {path.name for folder in folders for path in folder.rglob("*.c*")}

    @cached_property
    def _micropython(self) -> set[str]:
        return {path.name for path in (self._artifact.firmware / FETCHED).rglob("*.c")}


def _shared_by(layers: Sequence[str]) -> str:
    """ "layer 'a'", "layers 'a', 'b', 'c' and 47 more", which share it."""
    shown, more = ", ".join(map(repr, layers[:MOST_SHARING])), len(layers) - MOST_SHARING
    rest = f" and {more} more" if more > 0 else ""
    return f"layer{'s' * (len(layers) > 1)} {shown}{rest}"
