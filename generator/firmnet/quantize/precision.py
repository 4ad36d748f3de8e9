"""Which precision did the user ask for? One for all, others by layer, or the least that is good enough."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import UserError
from ..ir import Dtype
from .types import NamedTypes

ACTIVATIONS = (Dtype.INT8, Dtype.INT16)
TARGET_SNR_DB = 30.0
"""What the outputs are to have where nobody says: noise of 3 % of the signal."""
MOST_SNR_DB = 120.0


@dataclass(frozen=True)
class Precision:
    """Types of activations: `default`, but for those of `named` layers, inputs and states.

    `widens_loops`: what a model computes again and again from itself is int16 unless it is named (see loops).
    `auto`: which others are int16 is found out, so that outputs have `target_snr_db`; or so that
    `target_accuracy` (a fraction) is reached on the test set.
    """

    default: Dtype = Dtype.INT8
    named: NamedTypes = field(default_factory=dict)
    auto: bool = False
    target_snr_db: float = TARGET_SNR_DB
    target_accuracy: float | None = None
    widens_loops: bool = True


Asked = str | Precision | Iterable[str] | Mapping[str, str | Dtype] | None
"""How users say it: "int16", "auto", ["int16", "conv1=int8"], {"conv1": "int16"}."""


def read_precision(
    asked: Asked, target_snr_db: float | None = None, target_accuracy: float | None = None
) -> Precision:
    """What these words mean; UserError for others, and for a target where nothing is to be found out."""
    if isinstance(asked, Precision):
        return asked
    default, named, auto, narrow = Dtype.INT8, dict[str, Dtype](), False, False
    if isinstance(asked, Mapping):
        named = {name: Dtype(dtype) for name, dtype in asked.items() if isinstance(dtype, Dtype)}
    for word in _words(asked):
        name, equals, value = word.rpartition("=")
        if equals and name:
            named[name.strip()] = _dtype(value.strip(), word)
        elif word == "auto":
            auto = True
        else:
            default = _dtype(word, word)
            narrow = default is Dtype.INT8
    if auto and default is not Dtype.INT8:
        raise UserError(f"the precision is both auto and {default}: leave one of them out")
    return _aimed(Precision(default, named, auto, widens_loops=not narrow), target_snr_db, target_accuracy)


def _aimed(precision: Precision, snr_db: float | None, accuracy: float | None) -> Precision:
    if not precision.auto and (snr_db is not None or accuracy is not None):
        raise UserError("a target is for a precision that is found out: add --precision auto or leave it out")
    if snr_db is not None and accuracy is not None:
        raise UserError("there is a target for the signal-to-noise and one for the accuracy: leave one out")
    if snr_db is not None and not 0 < snr_db <= MOST_SNR_DB:
        raise UserError(f"a signal-to-noise of {snr_db:g} dB makes no sense: give 1 to {MOST_SNR_DB:g}")
    if accuracy is not None and not 0 < accuracy <= 1:
        raise UserError(f"an accuracy of {accuracy:g} makes no sense: give a fraction such as 0.97")
    snr = TARGET_SNR_DB if snr_db is None else snr_db
    return replace(precision, target_snr_db=snr, target_accuracy=accuracy)


def _words(asked: Asked) -> list[str]:
    if asked is None:
        return []
    if isinstance(asked, str):
        return [asked]
    if isinstance(asked, Mapping):
        return [f"{name}={dtype}" for name, dtype in asked.items() if not isinstance(dtype, Dtype)]
    assert not isinstance(asked, Precision)
    return list(asked)


def _dtype(word: str, whole: str) -> Dtype:
    if word not in [*ACTIVATIONS]:
        raise UserError(
            f"precision {whole!r} is none: give int8, int16, auto, or NAME=int16 for a layer, input or state"
        )
    return Dtype(word)
