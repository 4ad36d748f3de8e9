"""Which calibration samples may a graph be quantized with? Read and checked before anything runs."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import npz_names, open_plain, read_member, read_npy
from ..errors import UserError, first_line
from ..interpret import model_shape
from ..ir import Array, Graph, Shape
from ..limits import MAX_SAMPLES_BYTES

KEY = "x"


def read_samples(path: str | Path) -> Array:
    """The array in a `.npy` or `.npz` file as it is stored, unchecked.

    An `.npz` gives its only array, or the one called `x`. The sizes that the file declares are checked before
    memory is taken. Raises UserError for anything that cannot be read.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".npz"):
        raise UserError(
            f"samples file {str(path)!r} is neither .npy nor .npz: save the samples with numpy.save"
        )
    try:
        return _read(path)
    except FileNotFoundError:
        raise UserError(f"samples file {str(path)!r} does not exist: check the path") from None
    except IsADirectoryError:
        raise UserError(f"samples file {str(path)!r} is a folder: name the .npy or .npz file in it") from None
    except PermissionError:
        raise UserError(f"samples file {str(path)!r} may not be read: change its permissions") from None
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        fix = "save plain numbers, e.g. numpy.save(path, x.astype('float32'))"
        raise UserError(f"samples file {str(path)!r} cannot be read ({first_line(error)}): {fix}") from None
    except MemoryError:
        raise UserError(f"samples file {str(path)!r} does not fit into memory: give fewer samples") from None


def check_samples(samples: Any, graph: Graph, what: str = "calibration data") -> Array:
    """Samples for `graph` as float32 (N, *input shape without its batch), N ≥ 1, in the model's own order.

    Takes floating-point numbers of shape (N, …) or (N, 1, …). Integers are refused: the torch model refuses
    them as well, and guessing their scale (0..255 or 0..1?) could calibrate for another network. Raises
    UserError naming the first bad sample.
    """
    array = check_shape(_as_array(samples, what), graph, what)
    _check_dtype(array.dtype, what)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, np.float32)
    _check_finite(values, what)
    return values


def check_shape(array: Array, graph: Graph, what: str) -> Array:
    """Samples (N, *input shape without its batch), N ≥ 1, from that or (N, 1, …); UserError for others."""
    return _as_batch(array, model_shape(graph.tensors[graph.input], graph.input_order), what)


def check_varied(samples: Array, what: str) -> None:
    """Raise UserError when checked samples hold one value only: they show no ranges."""
    if samples.min() == samples.max():
        which = "sample 0 (the only one)" if len(samples) == 1 else f"samples 0 to {len(samples) - 1}"
        fix = "give samples like those the model will meet"
        raise UserError(
            f"{what}: every value of {which} is {samples.flat[0]:g}, which shows no ranges: {fix}"
        )


def _read(path: Path) -> Array:
    if path.is_dir():
        raise IsADirectoryError
    with open_plain(path) as file:
        size = path.stat().st_size
        if size > MAX_SAMPLES_BYTES:
            raise ValueError(f"it has {size:,} bytes, more than the {MAX_SAMPLES_BYTES:,} that make sense")
        if path.suffix == ".npy":
            return read_npy(file, size)
        with zipfile.ZipFile(file) as archive:
            return read_member(archive, _pick(npz_names(archive, MAX_SAMPLES_BYTES), path))


def _pick(names: list[str], path: Path) -> str:
    if len(names) != 1 and KEY not in names:
        held = ", ".join(names[:20]) or "nothing"
        raise UserError(f"samples file {str(path)!r} holds {held}: save the samples alone or as {KEY!r}")
    return names[0] if len(names) == 1 else KEY


def _as_array(samples: Any, what: str) -> Array:
    try:
        return np.asarray(samples)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"{what} is not one array ({first_line(error)}): stack samples of equal shape"
        ) from None


def _as_batch(array: Array, shape: Shape, what: str) -> Array:
    """(N, *shape[1:]) from that or (N, *shape); the batch dimension of `shape` is 1."""
    if array.ndim == len(shape) + 1 and array.shape[1] == 1:
        array = array[:, 0]
    expected = f"(N, {', '.join(map(str, shape[1:]))})" if len(shape) > 1 else "(N,)"
    if array.ndim and len(array) == 0:
        raise UserError(f"{what} is empty: give at least one sample, shape {expected}")
    if array.shape[1:] != shape[1:] or not array.ndim:
        hint = " (one sample? add a first axis: x[None])" if array.shape == shape[1:] else ""
        first = f"sample 0 has shape {array.shape[1:]}" if array.ndim else "it is a single number"
        raise UserError(f"{what} has shape {array.shape}, so {first}: the model takes {expected}{hint}")
    return array


def _check_dtype(dtype: np.dtype[Any], what: str) -> None:
    if dtype.kind in "iub":
        fix = "convert it as for the model, e.g. x.astype('float32') / 255"
        raise UserError(f"{what} is {dtype.name} from sample 0 on and the model takes floats: {fix}")
    if dtype.kind != "f":
        raise UserError(f"{what} has dtype {dtype.name}, which holds no real numbers: save it as float32")


def _check_finite(values: Array, what: str) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        first, count = int(np.argmin(finite)), int((~finite).sum())
        found = "NaN" if np.isnan(values[first]).any() else "a value infinite in float32"
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise UserError(f"{what}: sample {first} contains {found}{more}: remove or repair it")
