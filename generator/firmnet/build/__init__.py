"""How does a generated project become a firmware on a board? Fetch MicroPython, compile, measure, flash."""

from .compile import BuildReport, build, choose_env, read_report
from .flash import Port, flash
from .sizes import Sizes

__all__ = ["BuildReport", "Port", "Sizes", "build", "choose_env", "flash", "read_report"]
