"""firmnet: a trained small network becomes firmware whose every output is verified, bit for bit.

The names below are imported when they are first used, so that `import firmnet` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Deployment, compile, open
    from .artifact import Artifact
    from .errors import UserError, VerificationError
    from .targets import load_board

_HOMES = {
    "Artifact": "artifact",
    "Deployment": "api",
    "UserError": "errors",
    "VerificationError": "errors",
    "compile": "api",
    "load_board": "targets",
    "open": "api",
}

__all__ = ["Artifact", "Deployment", "UserError", "VerificationError", "compile", "load_board", "open"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'firmnet' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
