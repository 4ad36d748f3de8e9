"""What is MicroPython's own port for emulated boards, built from its source? For a Cortex-M0, in the cache.

Its configuration, terminal and clock are in e2e/stock/port/: what official builds of boards have beside.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmnet.build.micropython import CHECKSUM, _from_apt, _from_git, checksum, needed_files
from firmnet.cache import kept_program
from firmnet.errors import UserError
from firmnet.processes import end, start
from firmnet.toolchain import run

OURS = Path(__file__).parent / "e2e" / "stock" / "port"
RAMFS = (OURS.parent / "ramfs.py").read_text()
"""What gives a board a file system, when it is run at the prompt."""
DISK = (OURS.parent / "disk.py").read_text()
"""What mounts littlefs in memory that resets leave alone, and makes it where there is none."""
BUILT = "build-MICROBIT/firmware.elf"
RAM = ("-global", "nrf51-soc.flash-size=1048576", "-global", "nrf51-soc.sram-size=262144")
OPTIONS = (
    *("BOARD=MICROBIT", "FROZEN_MANIFEST=", "MICROPY_VFS_LFS2=1", "MICROPY_HEAP_SIZE=155648"),
    'CFLAGS_EXTRA=-DMP_CONFIGFILE="<stock_config.h>"',
    "LIBS=$(shell $(CC) $(CFLAGS) -print-libgcc-file-name) -Wl,--orphan-handling=discard",
)


def upstream_elf() -> Path:
    """The port's firmware; UserError where its source cannot be had."""
    ours = b"".join(path.read_bytes() for path in sorted(OURS.iterdir()))
    key = hashlib.sha256(CHECKSUM.encode() + ours + repr(OPTIONS).encode()).hexdigest()
    folder = os.open(OURS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # another worker may be building it at this moment
        return kept_program(key, _made)
    finally:
        os.close(folder)


def _made(scratch: Path) -> Path:
    scratch.mkdir()
    port = _source(scratch) / "ports" / "qemu"
    for path in OURS.iterdir():
        shutil.copy(path, port)
    command = ["make", f"-j{os.cpu_count() or 1}", "-C", port, *OPTIONS]
    run(command, what="building MicroPython's own port")
    return port / BUILT


def _source(scratch: Path) -> Path:
    """Of the release that firmnet embeds, checked by its checksum."""
    top = os.environ.get("MICROPYTHON_TOP")
    if top:
        shutil.copytree(top, scratch / "top", symlinks=True)
        return scratch / "top"
    for fetch in (_from_apt, _from_git):
        place = Path(tempfile.mkdtemp(dir=scratch))
        try:
            found = fetch(place)
        except UserError as error:
            why = error
            continue
        assert checksum(needed_files(found)) == CHECKSUM
        return found
    raise why


@contextmanager
def upstream_board() -> Iterator[str]:
    """The URL of its terminal, for one client at a time; it starts when that comes."""
    elf = upstream_elf()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uart = f"socket,id=uart,fd={listener.fileno()},server=on,wait=on,nodelay=on"
        quiet = ("-display", "none", "-monitor", "none", "-semihosting")
        machine = ("qemu-system-arm", "-machine", "microbit", *RAM, *quiet)
        process = start(
            [*machine, "-chardev", uart, "-serial", "chardev:uart", "-kernel", str(elf)],
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        try:
            yield url
        finally:
            end(process, grace_s=0.0)
