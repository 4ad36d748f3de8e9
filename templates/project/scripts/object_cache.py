"""Which objects need not be compiled again? Those in the cache that all projects share. A PlatformIO `pre:` script.

`firmnet build` names the folder in FIRMNET_OBJECTS; without it nothing is shared. An object is believed only when
its checksum, kept beside it, is right: what was cut short or overwritten is compiled again.
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
        if not os.path.exists(cached):
            return False
        try:
            with open(cached + ".sha256") as file:
                whole = file.read() == checksum(cached)
        except (OSError, ValueError):
            whole = False
        if whole:
            return super().retrieve(node)
        print(f"Damaged in the cache: {node}", flush=True)
        try:
            os.remove(cached)
        except OSError:
            pass
        return False

    def push(self, node):
        folder, cached = self.cachepath(node)
        if node.nocache or os.path.exists(cached):
            return
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                written = os.path.join(scratch, "sha256")
                with open(written, "w") as file:
                    file.write(checksum(node.get_internal_path()))
                os.replace(written, cached + ".sha256")  # first: an object without one counts as damaged
            super().push(node)
        except (OSError, SConsEnvironmentError):
            pass  # a full disk, or a folder of somebody else's: the build itself does not need the cache


if os.environ.get("FIRMNET_OBJECTS"):
    env.CacheDir(os.environ["FIRMNET_OBJECTS"].replace("$", "$$"), CheckedCache)  # noqa: F821
