"""What need not be compiled or generated again? What is in the cache that all projects share. A PlatformIO `pre:` script.

`firmnet build` names the folder in FIRMNET_OBJECTS; without it nothing is shared. An object, or what a script made, is
believed only when its checksum, kept beside it, is right: what was cut short or overwritten is made again. What another
build is making at this moment is waited for.
"""

import fcntl
import hashlib
import os
import tempfile
import time

from SCons.CacheDir import CacheDir
from SCons.Errors import SConsEnvironmentError

Import("env")  # noqa: F821  (PlatformIO gives it)


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def is_whole(cached, what):
    """Whether it is there as it was put there; what is damaged is taken away."""
    if not os.path.exists(cached):
        return False
    try:
        with open(cached + ".sha256") as file:
            if file.read() == checksum(cached):
                return True
    except (OSError, ValueError):
        pass
    print(f"Damaged in the cache: {what}", flush=True)
    try:
        os.remove(cached)
    except OSError:
        pass
    return False


def put_checksum(cached, source, scratch):
    """Before what it is of: an object without one counts as damaged."""
    written = os.path.join(scratch, "sha256")
    with open(written, "w") as file:
        file.write(checksum(source))
    os.replace(written, cached + ".sha256")


WAIT_S, LOOKS_S = 240.0, 0.02
"""How long to wait for what another build makes, all of MicroPython at most, and how often to look for it."""


def being_made(cached):
    """A lock on making this, given up when it is closed: who holds it makes it. None where there are no locks.

    It is that of the folder, which a few objects share. A thread holds no other one while it waits.
    """
    folder = os.path.dirname(cached)
    try:
        os.makedirs(folder, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and not os.path.exists(cached):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            time.sleep(LOOKS_S)
        except OSError:
            break
    os.close(lock)
    return None


def made(lock):
    """Whoever waits may have a look."""
    if lock is not None:
        os.close(lock)


BUILD_DIR = env.subst("$BUILD_DIR")  # noqa: F821
"""Where this environment's objects lie: its name, the board's, is part of it, and of no object."""


def signature(node):
    """What an object is made of: its sources and all that they include, and the command but for the folder."""
    executor = node.get_executor()
    command = executor.get_contents() if executor else b""
    for folder in {BUILD_DIR, os.path.relpath(BUILD_DIR, env.subst("$PROJECT_DIR"))}:  # noqa: F821
        command = command.replace(folder.encode(), b"$BUILD_DIR")
    parts = [child.get_cachedir_csig() for child in node.children()]
    parts.append(os.path.relpath(str(node), BUILD_DIR))
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + command).hexdigest()


class CheckedCache(CacheDir):
    """SCons' cache, but for its configuration file: there is nothing to configure."""

    def __init__(self, path):
        super().__init__(path)
        self.making = {}

    def cachepath(self, node):
        name = signature(node)
        folder = os.path.join(self.path, name[: self.config["prefix_len"]].upper())
        return folder, os.path.join(folder, name)

    def _readconfig(self, path):
        self.config = {"prefix_len": 2}

    def retrieve(self, node):
        _, cached = self.cachepath(node)
        if not is_whole(cached, node):
            lock = being_made(cached)
            if not is_whole(cached, node):
                self.making[cached] = lock
                return False
            made(lock)
        return super().retrieve(node)

    def push(self, node):
        _, cached = self.cachepath(node)
        try:
            self.keep(node)
        finally:
            made(self.making.pop(cached, None))

    def keep(self, node):
        folder, cached = self.cachepath(node)
        if node.nocache or os.path.exists(cached):
            return
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                put_checksum(cached, node.get_internal_path(), scratch)
            super().push(node)
        except (OSError, SConsEnvironmentError):
            pass  # a full disk, or a folder of somebody else's: the build itself does not need the cache


def place_of(key):
    return os.path.join(os.environ["FIRMNET_OBJECTS"], key[:2].upper(), key)


def kept(env, key, what, make, alone=True):
    """The bytes of this key, 64 hexadecimal digits, as they were kept, or as `make()` makes them.

    `alone`: while it is made here, others wait for it. Not within another `make`: two could wait for each other.
    """
    content = find(key, what)
    if content is not None or not os.environ.get("FIRMNET_OBJECTS"):
        return make() if content is None else content
    lock = being_made(place_of(key)) if alone else None
    try:
        content = find(key, what)
        if content is None:
            content = make()
            keep(key, content)
        return content
    finally:
        made(lock)


def find(key, what):
    """The bytes that were kept under this key; None where there are none."""
    if not os.environ.get("FIRMNET_OBJECTS") or not is_whole(place_of(key), what):
        return None
    with open(place_of(key), "rb") as file:
        content = file.read()
    os.utime(place_of(key))  # what is used stays
    return content


def keep(key, content):
    folder = os.path.dirname(place_of(key))
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            written = os.path.join(scratch, "content")
            with open(written, "wb") as file:
                file.write(content)
            put_checksum(place_of(key), written, scratch)
            os.replace(written, place_of(key))
    except OSError:
        pass  # as above


env.AddMethod(kept, "Kept")  # noqa: F821
if os.environ.get("FIRMNET_OBJECTS"):
    env.CacheDir(os.environ["FIRMNET_OBJECTS"].replace("$", "$$"), CheckedCache)  # noqa: F821
