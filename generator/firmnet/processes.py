"""How does an outside program end with us, even when we are killed? In a process group that a watcher knows.

Every program runs in a process group of its own. Beside us runs one watcher, a shell that reads a pipe which
nobody else writes: it is told of each group that starts or has ended, and when the pipe closes, however we
came to our end, it ends the groups that are left. So SIGKILL leaves no compiler and no emulator behind.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

GRACE_S = 2.0
"""How long a program may take to end when it is asked to; then it is killed."""

_GATE = 'read -r _ && exec "$@" </dev/null'
"""A program starts only when the watcher knows its group; without us it never does."""

_WATCHER = """
trap '' INT TERM HUP QUIT
live=' '
while read -r sign group; do
  case $sign in
    +) live="$live$group " ;;
    -) live="${live%% $group *} ${live#* $group }" ;;
  esac
done
for group in $live; do kill -s TERM -- "-$group"; done
for group in $live; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 -- "-$group" || break; sleep 0.2; done
  kill -s KILL -- "-$group"
done
"""


def start(
    command: Sequence[str],
    *,
    stdout: int | IO[Any],
    stderr: int | IO[Any],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[str]:
    """Start `command` (an absolute path and its arguments) with no input; its group ends with us at latest.

    What it prints into pipes is read as UTF-8. Call `ended` once it was waited for.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", _GATE, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        pass_fds=pass_fds,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        _tell(f"+ {process.pid}")
        with contextlib.suppress(BrokenPipeError), process.stdin as gate:
            gate.write("\n")
    except BaseException:
        end(process)
        raise
    return process


def ended(process: subprocess.Popen[str]) -> None:
    """The program was waited for: its number may soon be another's, so the watcher forgets it."""
    _tell(f"- {process.pid}")


def end(process: subprocess.Popen[str], *, grace_s: float = GRACE_S) -> None:
    """End a program and all it started, asking first where there is a grace; returns when it has ended."""
    if grace_s:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _signal(process, signal.SIGKILL)  # also to those of its group that outlived it
    process.wait()
    ended(process)


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses what is a zombie only
        os.killpg(process.pid, number)


class AskedToEnd(BaseException):
    """The system asked this process to end, by signal `number`; what was begun is closed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def end_in_order() -> None:
    """From now on SIGTERM and SIGHUP raise Asked in the main thread; once, not to cut the ending short."""
    # under nohup SIGHUP is ignored, and stays so
    chosen = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]

    def ask(number: int, _: object) -> None:
        for each in chosen:
            signal.signal(each, signal.SIG_IGN)
        raise AskedToEnd(number)

    for each in chosen:
        signal.signal(each, ask)


# ---- the watcher ----

_lock = threading.Lock()
_pipe: int | None = None
_watcher: subprocess.Popen[bytes] | None = None  # kept, or Python would complain that nobody waited for it


def _tell(line: str) -> None:
    global _pipe, _watcher
    with _lock:
        if _pipe is None:
            reading, _pipe = os.pipe()
            silent = subprocess.DEVNULL
            _watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHER],
                stdin=reading,
                stdout=silent,
                stderr=silent,
                cwd="/",  # so that it holds no folder busy
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )
            os.close(reading)
        try:
            os.write(_pipe, f"{line}\n".encode())
        except BrokenPipeError:  # somebody ended the watcher: the next program gets a new one
            os.close(_pipe)
            _pipe = None


def _forget_the_parents() -> None:
    """In a forked child: the pipe is the parent's, and must close with the parent."""
    global _pipe, _watcher, _lock
    if _pipe is not None:
        os.close(_pipe)
    _pipe, _watcher, _lock = None, None, threading.Lock()


os.register_at_fork(after_in_child=_forget_the_parents)
