"""What came of comparing a device with the oracle, and how is it said?"""

from dataclasses import asdict, dataclass, field
from typing import Any

from .calls import Calls
from .coverage import Coverage

REPEATS = 3
"""So often a wrong input is run again before anything is said of whether the answer stays the same."""


@dataclass(frozen=True)
class Mismatch:
    """One value that differs: which input of those given (for a model with states: which step), which
    element.

    Of a flat output of the model the element counts in the model's own order, of a layer's as the layer is
    stored. `output` names it where the model has several.
    """

    input: int
    element: int
    expected: int
    got: int
    output: str = ""


@dataclass(frozen=True)
class WrongLayer:
    """The first layer, in execution order, to differ: in `differing` of `size` values for `example.input`.

    For a model with states: the first in the first step in which one differs.
    """

    index: int
    name: str
    op: str
    differing: int
    size: int
    example: Mismatch | None


@dataclass(frozen=True)
class WrongState:
    """What the model remembers of a step is wrong, though every layer of that step is right."""

    name: str
    step: int


@dataclass(frozen=True)
class Verdict:
    """What a comparison found. An output counts as exact when every element equals the oracle's.

    `outputs` is what the device answered (N, *sample shape), of several outputs a tuple.
    `inputs_with_wrong_layers` is None unless every layer of every input was checked. A layer may differ while
    no final output does; with all layers checked that is a failure too. `steady`: where no layer was wrong
    when wrong inputs were run again, whether the answers to REPEATS more runs were those of the first.
    `image_bytes` of the device's memory are as they were built; None where it runs no firmware, or one
    that the user built (`own_firmware`). `calls`: what
    users call, with real numbers; None where the device cannot be called so, or is wrong already. `coverage`:
    what the inputs reach, by the oracle's values. Inputs and steps are counted from `from_step` on, where the
    comparison began; `state`: the first that was wrong, where no layer was.
    """

    device: str
    total: int
    exact: int
    differing_elements: int
    example: Mismatch | None
    layer: WrongLayer | None
    inputs_with_wrong_layers: int | None
    outputs: Any = field(repr=False, compare=False)
    steady: bool | None = None
    image_bytes: int | None = None
    calls: Calls | None = None
    coverage: Coverage | None = None
    remembers: bool = False
    own_firmware: bool = False
    state: WrongState | None = None
    from_step: int = 0

    @property
    def ok(self) -> bool:
        return self._exact and not (self.calls and self.calls.wrong)

    @property
    def _exact(self) -> bool:
        return self.exact == self.total and not self.inputs_with_wrong_layers and self.state is None

    @property
    def warning(self) -> str:
        """Why little is proven though all was right, in one line; "" when the inputs reach every layer."""
        weak = self.coverage.weakness if self.coverage else ""
        return f"these inputs prove little: {weak}" if weak else ""

    def sentence(self) -> str:
        """For people, in one line."""
        since = f" from step {self.from_step} on" if self.from_step else ""
        head = f"{self.exact} of {self.total} outputs{since} bit-exact on {self.device}"
        if self._exact:
            layers = ", every layer too" if self.inputs_with_wrong_layers is not None else ""
            image = f", {self.image_bytes:,} bytes of its flash as built" if self.image_bytes else ""
            if self.own_firmware:
                image = ", its flash not compared (a firmware of your own)"
            if self.calls and self.calls.wrong:
                return f"not verified: {head}{layers}{image}; but {self.calls.wrong}"
            calls = f", {self.calls.sentence()}" if self.calls else ""
            return f"verified: {head}{layers}{image}{calls}" + (
                f"; but {self.warning}" if self.warning else ""
            )
        if self.state is not None:
            where = (
                f"; every layer is right, but the state {self.state.name!r} is wrong after step "
                f"{self.state.step + self.from_step}"
            )
        elif self.layer is None and self.steady:
            where = f"; every layer is right, yet in {REPEATS} more runs the same wrong outputs came"
        elif self.layer is None:
            where = "; run again, it answered otherwise: it does not compute the same twice"
        else:
            where = (
                f"; the first wrong layer is {self.layer.name!r} ({self.layer.op}, layer {self.layer.index})"
            )
            where += f", {self.layer.differing} of its {self.layer.size} values differ"
        shown = self.example or (self.layer and self.layer.example)
        if shown:
            which = f"{'step' if self.remembers else 'input'} {shown.input + self.from_step}"
            output = f", output {shown.output!r}" if shown.output else ""
            where += (
                f" ({which}{output}, element {shown.element}: expected {shown.expected}, got {shown.got})"
            )
        return f"not verified: {head}{where}"

    def to_json(self) -> dict[str, Any]:
        told = {name: value for name, value in asdict(self).items() if name != "outputs"}
        return {"ok": self.ok, "warning": self.warning, **told}
