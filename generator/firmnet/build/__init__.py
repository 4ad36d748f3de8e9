"""How does a generated project become a firmware on a board? Fetch MicroPython, compile, measure, flash."""

from .compile import BuildReport, build, choose_env, read_report
from .flash import check_flashable, flash, is_connection
from .sizes import FirmwareSizes
from .stock import PYTHON, StockFiles, export, write_files

__all__ = [
    "PYTHON",
    "BuildReport",
    "FirmwareSizes",
    "StockFiles",
    "build",
    "check_flashable",
    "choose_env",
    "export",
    "flash",
    "is_connection",
    "read_report",
    "write_files",
]
