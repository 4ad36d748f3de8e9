"""Which calibration samples may a graph be quantized with? Read and checked before anything runs."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import npz_names, open_plain, read_member, read_npy
from ..errors import UserError, first_line
from ..interpret import in_model_order, model_shape
from ..ir import Array, Graph, Port, Shape, key_of, unwrapped, wrapped
from ..limits import MAX_SAMPLES_BYTES
from ..ops import least_rows

KEY = "x"


def read_samples(path: str | Path, names: Sequence[str] | None = ()) -> Any:
    """The array in a `.npy` or `.npz` file as it is stored, unchecked.

    An `.npz` gives its only array, or the one called `x`; with several `names`, those of a model's inputs, or
    where the model is not known yet (None), all that it holds, each read when it is asked for. The sizes that
    the file declares are checked before memory is taken. Raises UserError for anything that cannot be read.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".npz"):
        raise UserError(
            f"samples file {str(path)!r} is neither .npy nor .npz: save the samples with numpy.save"
        )
    with _reading(path):
        return _read(path, names)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
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


@dataclass(frozen=True)
class SamplesArchive(Mapping[str, Array]):
    """The arrays of an `.npz`, each read when it is asked for."""

    path: Path
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        with _reading(self.path), open_plain(self.path) as file, zipfile.ZipFile(file) as archive:
            return read_member(archive, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Sequences:
    """Samples of several sequences (N, …) for each input, one sequence behind the other.

    `starts`: the numbers of the samples before which the model is reset, from 0 on.
    """

    arrays: tuple[Array, ...]
    starts: tuple[int, ...]


def starts_of(samples: Any) -> tuple[int, ...]:
    """Before which of checked samples a model that remembers is reset."""
    return samples.starts if isinstance(samples, Sequences) else (0,)


def check_samples(samples: Any, graph: Graph, what: str = "calibration data") -> Any:
    """Samples for `graph` as float32 (N, *input shape without its batch), N ≥ 1, in the model's own order.

    Of a graph with several inputs a tuple of as many such arrays, from one or from a dict by their names. To
    one with states they are N steps of one sequence; of several, as (S, T, …) or a list of (T, …), the answer
    is Sequences. Takes floating-point numbers of shape (N, …) or (N, 1, …).
    Integers are refused: the torch model refuses them as well, and guessing their scale (0..255 or 0..1?)
    could calibrate for another network. Raises UserError naming the first bad sample.
    """
    return _of_each(samples, graph, what, _checked)


def check_shape(samples: Any, graph: Graph, what: str) -> Any:
    """Samples (N, *input shape without its batch), N ≥ 1, from that or (N, 1, …); UserError for others."""
    return _of_each(samples, graph, what, lambda array, what: array)


def per_input(samples: Any, graph: Graph) -> tuple[Array, ...]:
    """Checked samples (N, …) of every input."""
    return samples.arrays if isinstance(samples, Sequences) else wrapped(samples, len(graph.inputs))


def rows(samples: Any, graph: Graph) -> Sequence[tuple[Array, ...]]:
    """Checked samples one by one: an array for each input."""
    return list(zip(*per_input(samples, graph), strict=True))


def _of_each(samples: Any, graph: Graph, what: str, check: Callable[[Array, str], Array]) -> Any:
    """What `check` makes of the samples of each input, which have its shape; as many of each."""
    if isinstance(samples, Sequences):
        arrays = per_input(_of_each(unwrapped(samples.arrays), graph, what, check), graph)
        return Sequences(arrays, samples.starts)
    found, tables, lengths = [], least_rows(graph), dict[str, tuple[int, ...]]()
    read = {name for node in graph.nodes for name in node.inputs} | {port.tensor for port in graph.outputs}
    for port, given, told in _by_port(samples, graph, what):
        tensor, judge = graph.tensors[port.tensor], check
        if check is _checked and port.tensor in tables:
            judge = partial(_checked_numbers, rows=in_model_order(port, tables[port.tensor]))
        elif check is _checked and port.tensor not in read:
            judge = _checked_unread
        shape = model_shape(tensor, port.order)
        if graph.states:
            given, lengths[port.name] = _in_sequences(given, shape)
        found.append(judge(_as_batch(_as_array(given, told), shape, told, bool(graph.states)), told))
    if len({len(array) for array in found}) > 1:
        counts = ", ".join(f"{len(x)} of {p.name!r}" for x, p in zip(found, graph.inputs, strict=True))
        raise UserError(f"{what} has {counts}: give as many samples of each input")
    if len({*lengths.values()}) > 1:
        raise UserError(
            f"{what} has sequences of different lengths for {' and '.join(lengths)}: give equal ones"
        )
    (counts_of_steps,) = {*lengths.values()} or {(1,)}
    if len(counts_of_steps) > 1:
        starts = np.cumsum((0, *counts_of_steps[:-1]))
        return Sequences(tuple(found), tuple(map(int, starts)))
    return unwrapped(found)


def _in_sequences(given: Any, shape: Shape) -> tuple[Any, tuple[int, ...]]:
    """Steps one behind the other, and how many each sequence has; of one sequence what was given.

    Several are an array with one axis more than steps have, or a list of such arrays of steps.
    """
    sample = shape[1:] if shape[:1] == (1,) else shape
    steps = (sample, (1, *sample)) if shape[:1] == (1,) else (sample,)
    if isinstance(given, list | tuple):
        parts = [np.asarray(each) for each in given if not isinstance(each, Mapping)]
        several = all(x.ndim and x.shape[1:] in steps for x in parts) and any(len(x) > 1 for x in parts)
    else:
        array = np.asarray(given)
        parts = list(array) if array.ndim and array.shape[2:] in steps and array.ndim > 2 else []
        several = bool(parts) and array.shape[1:] not in steps
    if not parts or not several:
        return given, (1,)
    flat = [x.reshape(len(x), *sample) for x in parts]
    return np.concatenate(flat), tuple(map(len, flat))


def _by_port(samples: Any, graph: Graph, what: str) -> list[tuple[Port, Any, str]]:
    """Each input with its samples, and what to call them."""
    ports = graph.inputs
    if len(ports) == 1:
        return [(ports[0], _only(samples, ports[0].name, what), what)]
    names = ", ".join(port.name for port in ports)
    if isinstance(samples, Mapping):
        keys = [key_of(port, samples) for port in ports]
        if None in keys:
            missing = ports[keys.index(None)].name
            raise UserError(f"{what} has no samples of {missing!r}: give some of each input ({names})")
        samples = [samples[key] for key in keys]
    if not isinstance(samples, tuple | list) or len(samples) != len(ports):
        beside = ", and none for what the model remembers" if graph.states else ""
        raise UserError(f"{what} must be one array for each of the inputs {names}, in this order{beside}")
    return [(port, x, f"{what} of {port.name!r}") for port, x in zip(ports, samples, strict=True)]


def _only(samples: Any, name: str, what: str) -> Any:
    """The samples of the only input, where they may be in a mapping under its name, `x` or any one."""
    if not isinstance(samples, Mapping):
        return samples
    found = next((key for key in (name, KEY) if key in samples), None)
    if found is None and len(samples) != 1:
        held = ", ".join([str(key) for key in samples][:20]) or "nothing"
        raise UserError(f"{what} holds {held}: give the samples alone, or call them {name!r} or {KEY!r}")
    return samples[next(iter(samples)) if found is None else found]


def _checked(array: Array, what: str) -> Array:
    _check_dtype(array.dtype, what)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, np.float32)
    _check_finite(values, what)
    return values


def _checked_unread(array: Array, what: str) -> Array:
    """Of an input that nothing reads: numbers of any type, for the model alone knows which it would want."""
    return _checked(array.astype(np.float32) if array.dtype.kind in "iub" else array, what)


def _checked_numbers(array: Array, what: str, rows: Array) -> Array:
    """Numbers of rows of a table, as float32: whole ones that it has, `rows` for each value of a sample."""
    if array.dtype.kind not in "iuf":
        raise UserError(f"{what} has dtype {array.dtype.name}: give whole numbers, e.g. of int64")
    values = np.ascontiguousarray(array, np.float32)
    _check_finite(values, what)
    limits = np.broadcast_to(rows.reshape(values.shape[1:]), values.shape)
    wrong = (values != np.floor(values)) | (values < 0) | (values >= limits)
    if wrong.any():
        sample = int(np.argmax(wrong.reshape(len(values), -1).any(axis=1)))
        raise UserError(
            f"{what}: sample {sample} holds {values[wrong].flat[0]:g}, and the table that it names rows of "
            f"has rows 0 to {limits[wrong].flat[0] - 1}: repair it"
        )
    return values


def check_varied(samples: Any, graph: Graph, what: str) -> None:
    """Raise UserError when checked samples hold one value only: they show no ranges."""
    for port, array in zip(graph.inputs, per_input(samples, graph), strict=True):
        told = what if len(graph.inputs) == 1 else f"{what} of {port.name!r}"
        if array.min() == array.max():
            which = "sample 0 (the only one)" if len(array) == 1 else f"samples 0 to {len(array) - 1}"
            fix = "give samples like those the model will meet"
            raise UserError(
                f"{told}: every value of {which} is {array.flat[0]:g}, which shows no ranges: {fix}"
            )


def _read(path: Path, names: Sequence[str] | None) -> Any:
    if path.is_dir():
        raise IsADirectoryError
    with open_plain(path) as file:
        size = path.stat().st_size
        if size > MAX_SAMPLES_BYTES:
            raise ValueError(f"it has {size:,} bytes, more than the {MAX_SAMPLES_BYTES:,} that make sense")
        if path.suffix == ".npy":
            return read_npy(file, size)
        with zipfile.ZipFile(file) as archive:
            held = npz_names(archive, MAX_SAMPLES_BYTES)
            if len(held if names is None else names) > 1:
                return SamplesArchive(path, tuple(held))
            return read_member(archive, _pick(held, path))


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


def _as_batch(array: Array, shape: Shape, what: str, remembers: bool = False) -> Array:
    """(N, *sample shape) from that or (N, *shape); where the first axis of `shape` is 1, a sample has
    none.
    """
    if shape[:1] == (1,) and array.ndim == len(shape) + 1 and array.shape[1] == 1:
        array = array[:, 0]
    sample = shape[1:] if shape[:1] == (1,) else shape
    expected = f"(N, {', '.join(map(str, sample))})" if sample else "(N,)"
    if array.ndim and len(array) == 0:
        raise UserError(f"{what} is empty: give at least one sample, shape {expected}")
    if array.shape[1:] != sample or not array.ndim:
        hint = " (one sample? add a first axis: x[None])" if array.shape == sample else ""
        if remembers and not hint:
            inner = ", ".join(map(str, sample))
            hint = f", N steps of one sequence, or (S, T, {inner}), S sequences of T steps, or a list of such"
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
