"""What need not be compiled or generated again? What is in the cache that all projects share. A PlatformIO `pre:` script.

`firmnet build` names the folder in FIRMNET_OBJECTS; without it nothing is shared. An object, or a text, is believed
only when its checksum, kept beside it, is right: what was cut short or overwritten is made again.
"""

import hashlib
import os
import tempfile

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

    def cachepath(self, node):
        name = signature(node)
        folder = os.path.join(self.path, name[: self.config["prefix_len"]].upper())
        return folder, os.path.join(folder, name)

    def _readconfig(self, path):
        self.config = {"prefix_len": 2}

    def retrieve(self, node):
        _, cached = self.cachepath(node)
        return is_whole(cached, node) and super().retrieve(node)

    def push(self, node):
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


def kept_text(env, key, what):
    """The text that was kept under this key, 64 hexadecimal digits; None where there is none."""
    if not os.environ.get("FIRMNET_OBJECTS") or not is_whole(place_of(key), what):
        return None
    with open(place_of(key)) as file:
        text = file.read()
    os.utime(place_of(key))  # what is used stays
    return text


def keep_text(env, key, text):
    if not os.environ.get("FIRMNET_OBJECTS"):
        return
    folder = os.path.dirname(place_of(key))
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            written = os.path.join(scratch, "text")
            with open(written, "w") as file:
                file.write(text)
            put_checksum(place_of(key), written, scratch)
            os.replace(written, place_of(key))
    except OSError:
        pass  # as above


env.AddMethod(kept_text, "KeptText")  # noqa: F821
env.AddMethod(keep_text, "KeepText")  # noqa: F821
if os.environ.get("FIRMNET_OBJECTS"):
    env.CacheDir(os.environ["FIRMNET_OBJECTS"].replace("$", "$$"), CheckedCache)  # noqa: F821
