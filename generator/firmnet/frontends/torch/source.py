"""Which module and data does the user mean? A module, a `.pt2` file or `file.py:function`.

The function takes no arguments and returns `(module, example)`, `(module, example, calibration)`, or a
mapping with the keys `module` and `example` and any of these: `calibration`, `test` (a pair: samples
and class numbers), `labels`, `name`, `state` (inputs that take over outputs, {"h": 1}). `example` is one
float32 input with its batch dimension, of a model with several a tuple of them, or a dict by the names that
forward gives them; the others have samples along axis 0, for several inputs that are no states in a tuple or
dict as well.
"""

import contextlib
import importlib.util
import inspect
import io
import keyword
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from ...errors import UserError, first_line
from ...ir import Array
from ..common.asked_states import AskedStates, read_states
from ..common.named import named_model
from . import pt2
from .examples import Arguments, example_of

KEYS = ("module", "example", "calibration", "test", "labels", "name", "state")


@dataclass(frozen=True)
class Source:
    """A model as PyTorch knows it, and the data that came with it."""

    name: str
    model: torch.nn.Module | ExportedProgram
    example: Arguments | None = None
    calibration: Any = None
    test: tuple[Any, Array] | None = None
    labels: tuple[str, ...] = ()
    state: AskedStates = ()

    @property
    def inputs(self) -> list[str]:
        """What the arguments of its forward are called."""
        forward = getattr(self.model, "forward", None)
        return [*inspect.signature(forward).parameters] if inspect.ismethod(forward) else []


def find(source: Any, name: str | None, example: Any, state: AskedStates = ()) -> Source:
    """Resolve what `frontends.load` was given; raises UserError when there is no model to be had.

    `state` goes before what the model's function says of it.
    """
    if isinstance(source, ExportedProgram):
        return Source(model_name(name or "model", name is not None), source, state=state)
    if isinstance(source, torch.nn.Module):
        given = {"module": source, "example": example, "state": dict(state)}
        return from_mapping(given, "the model", name or type(source).__name__, name is not None)
    if not isinstance(source, str | Path):
        raise UserError(
            f"a {type(source).__name__} is not a model: give a torch.nn.Module, .pt2 file or file.py:function"
        )
    path, function = named_model(source)
    if path.suffix == ".pt2":
        return Source(model_name(name or path.stem, name is not None), read_pt2(path), state=state)
    return from_file(path, function, name, state)


def read_pt2(path: Path) -> ExportedProgram:
    """Load an exported program; nothing that the file says is executed (see pt2)."""
    with quiet():
        return pt2.load(path)


def from_file(path: Path, function_name: str, name: str | None, state: AskedStates = ()) -> Source:
    """`file.py:function` → what the function returns."""
    source, function = f"{path}:{function_name}", function_of(execute(path), function_name, path)
    try:
        returned = function()
    except (Exception, SystemExit) as error:
        raise UserError(f"{source} failed: {describe(error, path)}") from error
    default = str(returned.get("name", path.stem)) if isinstance(returned, Mapping) else path.stem
    given = dict(as_mapping(returned, source))
    if state:
        given["state"] = dict(state)
    return from_mapping(given, source, name or default, name is not None)


def execute(path: Path) -> Any:
    """Import a Python file under a name of its own, its folder importable meanwhile."""
    spec = importlib.util.spec_from_file_location(f"firmnet_source_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None  # a path that ends in .py always has one
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} cannot be imported: {describe(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


def function_of(module: Any, name: str, path: Path) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    near = get_close_matches(name, own, 1) or sorted(own)
    raise UserError(f"{path} has no function {name!r}: it defines {', '.join(near) or 'none'}")


def as_mapping(returned: Any, source: str) -> Mapping[str, Any]:
    if isinstance(returned, Mapping):
        unknown = [str(key) for key in returned if key not in KEYS]
        if unknown:
            raise UserError(f"{source} returned the unknown key {unknown[0]!r}: use {', '.join(KEYS)}")
        return returned
    if isinstance(returned, tuple) and len(returned) in (2, 3):
        return dict(zip(KEYS, returned, strict=False))
    raise UserError(
        f"{source} returned a {type(returned).__name__}: return (module, example), "
        "(module, example, calibration) or a mapping with those keys"
    )


def from_mapping(given: Mapping[str, Any], source: str, name: str, name_is_given: bool) -> Source:
    module = given.get("module")
    if not isinstance(module, torch.nn.Module):
        raise UserError(f"{source} gives a {type(module).__name__} as its module: give a torch.nn.Module")
    state = read_states(given.get("state"), f"{source}: state")
    example, count = example_of(given.get("example"), module, source, [taken for taken, _ in state])
    return Source(
        model_name(name, name_is_given),
        module,
        example,
        samples(given.get("calibration"), count, f"{source}: calibration"),
        test_set(given.get("test"), count, source),
        class_names(given.get("labels", ()), source),
        state,
    )


def samples(data: Any, inputs: int, what: str) -> Any:
    """Samples along axis 0 as an array of the numbers they are; quantize.check_samples judges these.

    Of a model with several inputs a tuple of as many such arrays, or a dict of them.
    """
    if data is None:
        return None
    if inputs == 1 and not isinstance(data, Mapping):
        return sequences_of(data, what) if isinstance(data, list | tuple) else numbers(data, what)
    if isinstance(data, Mapping):
        return {str(name): sequences_of(each, f"{what} of {str(name)!r}") for name, each in data.items()}
    if not isinstance(data, tuple | list) or len(data) != inputs:
        raise UserError(
            f"{what} must be {inputs} arrays, one for each input: give a tuple of them; an input that the "
            "model only hands on to its next run is named with --state"
        )
    return tuple(sequences_of(each, f"{what} of input {i}") for i, each in enumerate(data))


def sequences_of(data: Any, what: str) -> Any:
    """An array, or a list of arrays of different lengths: sequences of a model that remembers."""
    if isinstance(data, list | tuple) and len({np.shape(each)[:1] for each in data}) > 1:
        return [numbers(each, f"{what}, sequence {i}") for i, each in enumerate(data)]
    return numbers(data, what)


def numbers(data: Any, what: str) -> Array:
    try:
        values = data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else np.asarray(data)
    except (TypeError, ValueError):
        values = np.array(None)
    if values.dtype.kind not in "biufc":
        raise UserError(f"{what} is a {type(data).__name__}: give one array of samples along axis 0")
    return values


def class_names(labels: Any, source: str) -> tuple[str, ...]:
    if not isinstance(labels, Iterable):
        raise UserError(f"{source}: labels is a {type(labels).__name__}: give one name per class")
    return tuple(map(str, labels))


def test_set(data: Any, inputs: int, source: str) -> tuple[Any, Array] | None:
    if data is None:
        return None
    counts: set[tuple[int, ...]] = {()}
    try:
        x, y = data
        given, classes = samples(x, inputs, f"{source}: test"), np.asarray(y)
        counts = {array.shape[:1] for array in _arrays(given)}
        whole = classes.astype(np.int64)
    except (TypeError, ValueError):
        given, classes, whole = None, np.array([]), np.array([])
    if given is None or counts != {whole.shape} or (whole != classes).any():
        raise UserError(
            f"{source}: test is not a pair of equally many samples and class numbers: return test=(x, y)"
        )
    return given, whole


def _arrays(given: Any) -> Iterable[Array]:
    if isinstance(given, Mapping):
        return given.values()
    return given if isinstance(given, tuple) else (given,)


def model_name(name: str, given: bool) -> str:
    """The name the board imports. One the user chose must fit; one we derived is made to fit."""
    fits = re.fullmatch(r"[a-z][a-z0-9_]*", name) and not keyword.iskeyword(name)
    if given and keyword.iskeyword(name):
        raise UserError(
            f"the name {name!r} cannot be imported on the board: it is a word of Python's own, choose another"
        )
    if given and not fits:
        raise UserError(
            f"the name {name!r} cannot be imported on the board: use lower-case letters, digits and _"
        )
    if fits:
        return name
    made = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return made if made[:1].isalpha() and not keyword.iskeyword(made) else f"model_{made}".rstrip("_")


def describe(error: BaseException, path: Path) -> str:
    """`line 3: ValueError: …`, the line being the last one in the user's own file."""
    lines = [
        f.lineno
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).resolve() == path.resolve()
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == path.resolve():
        lines.append(error.lineno)
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {first_line(error)}"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's warnings and log lines about its own internals from the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
