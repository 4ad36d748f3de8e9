"""What of a model that was prepared for PyTorch's own quantization is no layer of it?

Training for quantization and calibration put modules between the layers that imitate quantization or watch
ranges. firmnet quantizes the network itself, so they are left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ...errors import UserError

OBSERVERS = (
    "torch.ao.quantization.fake_quantize.FakeQuantizeBase",
    "torch.ao.quantization.observer.ObserverBase",
)
"""Their classes by name: to import these takes as long as a small network."""
QUANTIZED = ("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized.")
"""How the names of the classes begin whose layers compute with integers."""
FLOAT = "torch.ao.nn.quantized.modules.functional_modules.FloatFunctional"
"""One that does not."""


def require_unconverted(module: nn.Module, name: str) -> None:
    """UserError for a model whose layers PyTorch has quantized."""
    for key, layer in module.named_modules():
        kind = type(layer).__name__
        called = f"{type(layer).__module__}.{kind}"
        if called.startswith(QUANTIZED) and called != FLOAT:
            raise UserError(
                f"model {name!r} is quantized already, {key or 'it'!r} is a quantized {kind}: give it as it "
                "was before torch.ao's convert(), for firmnet quantizes it itself"
            )


@contextmanager
def without_observers(module: nn.Module) -> Iterator[int]:
    """The module without what imitates quantization or watches ranges, meanwhile; how many of them it has."""
    places = [
        (part, name, child)
        for part in module.modules()
        for name, child in part._modules.items()
        if any(f"{kind.__module__}.{kind.__name__}" in OBSERVERS for kind in type(child).__mro__)
    ]
    for part, name, _ in places:
        setattr(part, name, nn.Identity())
    try:
        yield len(places)
    finally:
        for part, name, child in places:
            setattr(part, name, child)


def told(count: int) -> str:
    """What users should know of observers that were left out."""
    return (
        f"its {count} layers that imitate quantization or watch ranges are left out: firmnet chooses scales "
        "itself, by the calibration samples"
    )
