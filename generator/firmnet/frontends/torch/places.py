"""Where in the user's model was a node made, and what is its layer called?"""

import re
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb

import torch
from torch.fx import Node as FxNode

from .hints import op_name

LAYER_NAMES = {"native_batch_norm_legit_no_training": "batch_norm", "cat": "concat"}
NOT_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
"""How the paths begin of what is not the user's code: torch, what firmnet does around it, made up code."""


def place(node: FxNode) -> str:
    """For people: "features.0", "block.1 (net.py, line 12)", or "net.py, line 12" in no part's forward."""
    path, kind = _innermost(node)
    line = _line(node)
    if not path:
        return line or "(top)"
    return f"{path} ({line})" if line and not kind.startswith("torch.nn.") else path


def layer_name(node: FxNode) -> str:
    """A layer of torch.nn is called by its path, an operator in another forward by path and operator."""
    path, kind = _innermost(node)
    if path and kind.startswith("torch.nn.modules.") and ".container." not in kind:
        return path
    operator = op_name(str(node.target))
    return f"{path}_{LAYER_NAMES.get(operator, operator)}".strip("_")


def module_path(node: FxNode) -> str:
    """Where in the model the node is: "features.0"; empty in the model's own forward."""
    return _innermost(node)[0]


def _innermost(node: FxNode) -> tuple[str, str]:
    """Path and type name of the innermost module that made the node."""
    entries = list((node.meta.get("nn_module_stack") or {}).values())
    if not entries:
        return "", ""
    path, kind = entries[-1]
    return str(path), kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def _line(node: FxNode) -> str:
    """The last line of the user's own code on the way to the node: "net.py, line 12"."""
    return _last_own(re.findall(r'File "(.+?)", line (\d+)', node.meta.get("stack_trace") or ""))


def own_line(error: BaseException) -> str:
    """The last line of the user's own code on the way to an error that torch raised."""
    return _last_own([(frame.filename, frame.lineno or 0) for frame in extract_tb(error.__traceback__)])


def _last_own(frames: Sequence[tuple[str, str | int]]) -> str:
    own = [(file, line) for file, line in frames if not file.startswith(NOT_OWN)]
    return f"{Path(own[-1][0]).name}, line {own[-1][1]}" if own else ""
