"""What is the user told of an error, and with which exit code does the command end?"""

import errno
import tempfile
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from .cache import cache_dir
from .errors import UserError, VerificationError

BAD_INPUT, FAILED_CHECK, INTERNAL_FAULT, INTERRUPTED = 2, 1, 70, 130


def told(error: Exception, arguments: Sequence[str]) -> tuple[str, int]:
    """What to tell the user about an error, and the exit code."""
    if isinstance(error, UserError):
        return str(error), BAD_INPUT
    if isinstance(error, VerificationError):
        return str(error), FAILED_CHECK
    if hasattr(error, "format_message"):  # a wrong command line; typer does not export the class
        command = getattr(getattr(error, "ctx", None), "command_path", "firmnet")
        complaint = error.format_message().rstrip(".")  # empty after `firmnet` alone, which showed its help
        complaint = complaint.replace(": Value error, ", ": ")  # by what typer checks choices with
        return complaint and f"{complaint}: see `{command} --help`", BAD_INPUT
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.ENOSPC, errno.EROFS):
        where = error.filename or "a file"
        return f"{where}: {error.strerror}: choose a place that can be read and written", BAD_INPUT
    return _internal_fault(error, arguments), INTERNAL_FAULT


def _internal_fault(error: Exception, arguments: Sequence[str]) -> str:
    """Keep the traceback in a log and say where."""
    head = f"firmnet {version('firmnet')}: firmnet {' '.join(arguments)}\n"
    text = head + "".join(traceback.format_exception(error))
    try:
        log = cache_dir() / "fault.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, errors="backslashreplace")
    except OSError:
        log = Path(tempfile.mkdtemp(prefix="firmnet-")) / "fault.log"
        log.write_text(text, errors="backslashreplace")
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"firmnet itself failed ({what}): please report it with {log}; FIRMNET_TRACEBACK=1 shows where"
