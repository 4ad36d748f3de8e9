"""Which calibration samples may a graph be quantized with? Read and checked before anything runs."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from ..errors import UserError
from ..interpret import model_shape
from ..ir import Array, Graph, Shape

KEY = "x"


def read_samples(path: Path) -> tuple[Array, str]:
    """Array of a `.npy` or `.npz` file and the words that name it in messages, as it is stored (unchecked).

    An `.npz` gives its only array, or the one called `x`. Raises UserError for anything that cannot be read.
    """
    if path.suffix not in (".npy", ".npz"):
        raise UserError(
            f"calibration file {str(path)!r} is neither .npy nor .npz: save the samples with numpy.save"
        )
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, NpzFile):
            with stored:
                return _pick(stored, path)
    except FileNotFoundError:
        raise UserError(f"calibration file {str(path)!r} does not exist: check the path") from None
    except IsADirectoryError:
        raise UserError(
            f"calibration file {str(path)!r} is a folder: name the .npy or .npz file in it"
        ) from None
    except PermissionError:
        raise UserError(f"calibration file {str(path)!r} may not be read: change its permissions") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        fix = "save plain numbers, e.g. numpy.save(path, x.astype('float32'))"
        raise UserError(f"calibration file {str(path)!r} cannot be read ({_brief(error)}): {fix}") from None
    return stored, f"calibration file {str(path)!r}"


def check_samples(samples: Any, graph: Graph, origin: str = "calibration data") -> Array:
    """Samples for `graph` as float32 (N, *input shape without its batch), N ≥ 1, in the model's own order.

    Takes floating-point numbers of shape (N, …) or (N, 1, …). Integers are refused: the torch model refuses
    them as well, and guessing their scale (0..255 or 0..1?) could calibrate for another network. Raises
    UserError naming the first bad sample.
    """
    array = _as_array(samples, origin)
    array = _as_batch(array, model_shape(graph.tensors[graph.input], graph.input_order), origin)
    _check_dtype(array.dtype, origin)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, np.float32)
    _check_finite(values, origin)
    if values.min() == values.max():
        which = "sample 0 (the only one)" if len(values) == 1 else f"samples 0 to {len(values) - 1}"
        raise UserError(
            f"{origin}: every value of {which} is {values.flat[0]:g}, so there are no ranges to see: "
            "give samples like those the model will meet"
        )
    return values


def _pick(stored: NpzFile, path: Path) -> tuple[Array, str]:
    names = stored.files
    if len(names) != 1 and KEY not in names:
        held = ", ".join(names) or "nothing"
        raise UserError(f"calibration file {str(path)!r} holds {held}: save the samples alone or as {KEY!r}")
    name = names[0] if len(names) == 1 else KEY
    return stored[name], f"array {name!r} of calibration file {str(path)!r}"


def _as_array(samples: Any, origin: str) -> Array:
    try:
        return np.asarray(samples)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"{origin} is not one array ({_brief(error)}): stack samples of equal shape"
        ) from None


def _as_batch(array: Array, shape: Shape, origin: str) -> Array:
    """(N, *shape[1:]) from that or (N, *shape); the batch dimension of `shape` is 1."""
    if array.ndim == len(shape) + 1 and array.shape[1] == 1:
        array = array[:, 0]
    expected = f"(N, {', '.join(map(str, shape[1:]))})" if len(shape) > 1 else "(N,)"
    if array.ndim and len(array) == 0:
        raise UserError(f"{origin} is empty: give at least one sample, shape {expected}")
    if array.shape[1:] != shape[1:] or not array.ndim:
        hint = " (one sample? add a first axis: x[None])" if array.shape == shape[1:] else ""
        first = f"sample 0 has shape {array.shape[1:]}" if array.ndim else "it is a single number"
        raise UserError(f"{origin} has shape {array.shape}, so {first}: the model takes {expected}{hint}")
    return array


def _check_dtype(dtype: np.dtype[Any], origin: str) -> None:
    if dtype.kind in "iub":
        fix = "convert it as for the model, e.g. x.astype('float32') / 255"
        raise UserError(f"{origin} is {dtype.name} from sample 0 on and the model takes floats: {fix}")
    if dtype.kind != "f":
        raise UserError(f"{origin} has dtype {dtype.name}, which is not real numbers: save it as float32")


def _check_finite(values: Array, origin: str) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        first, count = int(np.argmin(finite)), int((~finite).sum())
        what = "NaN" if np.isnan(values[first]).any() else "a value infinite in float32"
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise UserError(f"{origin}: sample {first} contains {what}{more}: remove or repair it")


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
