"""How are outside programs found and run? The one place that calls pio, gcc, qemu, git and apt."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from . import processes
from .cache import NO_SPACE, cache_dir, discard, disk_full, place, refused, staging_dir
from .errors import UserError

PACKAGES = {
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi"),
    "qemu-system-arm": ("qemu-system-arm",),
    "riscv64-unknown-elf-gcc": ("gcc-riscv64-unknown-elf",),
    "gcc": ("gcc", "libc6-dev"),
    "git": ("git",),
    "openocd": ("openocd",),
    "dfu-util": ("dfu-util",),
}
"""Program → the Debian packages that bring it."""

PROBE_S = 4.0
"""How long PlatformIO may take to show that its registry answers; without one it would stall for a minute."""

Mode = Literal["registry", "offline"]
Line = Callable[[str], None]


def apt_line(*programs: str) -> str:
    """The command that installs `programs` on Debian."""
    packages = dict.fromkeys(name for program in programs for name in PACKAGES[program])
    return "sudo apt-get install -y " + " ".join(packages)


def find(program: str) -> str:
    """Absolute path of a program on PATH; UserError with the line that installs it."""
    path = shutil.which(program)
    if path is None:
        fix = f": install it with `{apt_line(program)}`" if program in PACKAGES else ""
        raise UserError(f"{program} is not installed{fix}")
    return path


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    on_line: Line | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; stdout and stderr come back as one text, `on_line` sees it line by line.

    `env` is added to `clean_environment`. UserError says `what` failed and shows the command and what
    it printed: when the program is missing, takes longer than `timeout_s` or, with `check`, exits non-zero.
    """
    words = [find(str(command[0])), *map(str, command[1:])]
    process = processes.start(
        words,
        cwd=cwd,
        env=clean_environment() | dict(env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, late = _watch(process, timeout_s, on_line)
    shown = "\n".join(f"  {line}" for line in [" ".join(words), *output.splitlines()[-30:]])
    if late:
        raise UserError(f"{what} did not end within {timeout_s:g} s:\n{shown}")
    if check and process.returncode:
        if NO_SPACE in output:
            raise disk_full(cwd or cache_dir())
        raise UserError(f"{what} failed (exit {process.returncode}):\n{shown}")
    return subprocess.CompletedProcess(words, process.returncode, output, "")


def _watch(process: subprocess.Popen[str], timeout_s: float, on_line: Line | None) -> tuple[str, bool]:
    """What the process printed until its end, and whether it was ended for taking too long."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        processes.end(process)

    alarm = threading.Timer(timeout_s, stop)
    alarm.start()
    lines = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if on_line:
                on_line(line.rstrip())
        process.wait()
        processes.ended(process)
    finally:
        alarm.cancel()
        if process.poll() is None:  # Ctrl-C, or on_line raised
            processes.end(process)
    return "".join(lines), late.is_set()


_MISLEADING = re.compile(
    r"PLATFORMIO_(?!AUTH_TOKEN$|SETTING_ENABLE_PROXY_STRICT_SSL$).*"
    r"|SCONS.*|MAKE(FLAGS|LEVEL|FILES)|MFLAGS"
    r"|CPATH|\w*_INCLUDE_PATH|LIBRARY_PATH|COMPILER_PATH|GCC_\w+|COLLECT_\w+|LD(EMULATION|_RUN_PATH)"
    r"|(DEPENDENCIES|SUNPRO)_\w+|SOURCE_DATE_EPOCH|(C|CPP|CXX|AS|AR|LD|CC)FLAGS|CC|CXX|CPP|AS|AR|LD|LINK"
    r"|GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|NAMESPACE|COMMON_DIR|TEMPLATE_DIR)"
    r"|PYTHON(?!PATH$|HOME$|NOUSERSITE$|USERBASE$|DONTWRITEBYTECODE$|PYCACHEPREFIX$).*"
    r"|LANGUAGE|LC_.*"
)
"""Variables that would change what a tool makes, where it puts it or in which language it speaks of it.

Of Python's those stay by which it finds the packages that this process has found.
"""


def clean_environment() -> dict[str, str]:
    """This process's environment as outside programs see it: the same command then does the same for all."""
    kept = {name: value for name, value in os.environ.items() if not _MISLEADING.fullmatch(name)}
    return {**kept, "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}


# ---- PlatformIO: its command line only, in a core directory of our own ----


def pio(
    *arguments: str,
    what: str,
    cwd: Path | None = None,
    timeout_s: float = 1800.0,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    on_line: Line | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `pio ARGUMENTS` of this interpreter; see `run`."""
    if util.find_spec("platformio") is None:
        raise UserError("PlatformIO is not installed: `pip install platformio`")
    command = [sys.executable, "-P", "-m", "platformio", *arguments]  # -P: nothing from the current folder
    env = {**pio_environment(), **(env or {})}
    return run(command, what=what, cwd=cwd, timeout_s=timeout_s, env=env, check=check, on_line=on_line)


def pio_environment() -> dict[str, str]:
    """What keeps PlatformIO off the user's ~/.platformio and off the network unless it has to install."""
    return {
        "PLATFORMIO_CORE_DIR": str(cache_dir() / "platformio"),
        "FIRMNET_OBJECTS": str(cache_dir() / "objects"),
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",  # exactly this word, else it now and then waits a minute
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "false",
        "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
        "PYTHONDONTWRITEBYTECODE": "",  # else the build engine in our cache is compiled every time
    }


def pio_mode(platform: str) -> Mode:
    """Can the official platform ("ststm32@^19.6.0") be used, or only our own, which needs no download?

    FIRMNET_PLATFORMIO=registry|offline decides; else: is it installed? else: does the registry answer?
    """
    chosen = os.environ.get("FIRMNET_PLATFORMIO", "")
    if chosen == "registry" or chosen == "offline":
        return "registry" if chosen == "registry" else "offline"
    if chosen:
        raise UserError(f"FIRMNET_PLATFORMIO is {chosen!r}: use registry or offline")
    name = platform.split("@")[0]
    if is_json(cache_dir() / "platformio" / "platforms" / name / "platform.json"):
        return "registry"
    return "registry" if registry_answers(name) else "offline"


def registry_answers(platform: str) -> bool:
    """Whether PlatformIO's registry tells of that platform of its own, within PROBE_S."""
    try:
        question = ("pkg", "show", f"platformio/{platform}", "--type", "platform")
        answer = pio(*question, what="asking PlatformIO's registry", timeout_s=PROBE_S, check=False)
    except UserError:
        return False
    return answer.returncode == 0


def is_json(path: Path) -> bool:
    """Whether there is a JSON object in the file, not cut short."""
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError):
        return False


def provision_scons(say: Line = lambda sentence: None) -> None:
    """Give PlatformIO its build engine from pip's SCons, as the package it would otherwise download.

    PlatformIO numbers SCons 4.11.1 as 4.41101.0. With a registry at hand it replaces ours when it wants to.
    One that is damaged is made again, and `say` is told.
    """
    packages = cache_dir() / "platformio" / "packages"
    target = packages / "tool-scons"
    if target.is_dir() and _is_damaged(target):
        say(f"PlatformIO's build engine in {target} is damaged: making it again")
        discard(target)
    if target.is_dir():
        return
    scons = _package_dir("SCons")
    release = metadata.version("SCons")
    version = _scons_version(release)
    with staging_dir(packages) as staging:
        try:
            ignored = shutil.ignore_patterns("__pycache__", "docbook")
            shutil.copytree(scons, staging / "local" / "SCons", ignore=ignored)
            (staging / "scons.py").write_text(_LAUNCHER)
            package = {"name": "tool-scons", "version": version, "description": f"SCons {release} from pip"}
            (staging / "package.json").write_text(json.dumps({**package, "system": "*"}))
            spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None}
            spec["uri"] = None
            record = {"type": "tool", "name": "tool-scons", "version": version, "spec": spec}
            (staging / ".piopm").write_text(json.dumps(record))
            (staging / _CHECKSUM).write_text(_checksum(staging))
            place(staging, target)
        except OSError as error:
            raise refused(error, packages) from None


_CHECKSUM = "firmnet.sha256"
"""In a package that we made: SHA-256 over its files. The registry's own have none."""


def forget_scons() -> None:
    """Take away the build engine that we gave PlatformIO, with what Python compiled of it; no registry's."""
    target = cache_dir() / "platformio" / "packages" / "tool-scons"
    if _is_ours(target):
        discard(target)


def _is_ours(package: Path) -> bool:
    try:
        return (package / _CHECKSUM).is_file() or "from pip" in (package / "package.json").read_text()
    except (OSError, ValueError):
        return False


def scons_is_damaged() -> bool:
    """Whether the build engine that PlatformIO has is not what it was."""
    target = cache_dir() / "platformio" / "packages" / "tool-scons"
    return target.is_dir() and _is_damaged(target)


def _is_damaged(package: Path) -> bool:
    try:
        return (package / _CHECKSUM).read_text() != _checksum(package)
    except FileNotFoundError:
        if _is_ours(package):
            return True
        # the registry's: at least what PlatformIO starts must be there
        parts = [package / name for name in ("scons.py", "package.json", ".piopm")]
        return not all(part.is_file() and part.stat().st_size for part in parts)
    except (OSError, ValueError):
        return True


def _checksum(package: Path) -> str:
    """Over names and contents of all files but what Python keeps beside them."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.name != _CHECKSUM and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


_LAUNCHER = '''"""Starts the SCons beside this file."""

import os
import sys

sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "local")

from SCons.Script import main

main()
'''


def _scons_version(release: str) -> str:
    """SCons' release in PlatformIO's numbering; UserError when this PlatformIO wants another SCons."""
    major, minor, patch = (int(part) for part in (*release.split("."), "0", "0")[:3])
    version = f"4.{major}{minor:02d}{patch:02d}.0"
    dependencies = (_package_dir("platformio") / "dependencies.py").read_text()
    wanted = re.search(r'"tool-scons": "~?(4\.(\d)(\d\d)(\d\d))\.\d+"', dependencies)
    if wanted and wanted[1] != version.rsplit(".", 1)[0]:
        needed = ".".join(str(int(part)) for part in wanted.groups()[1:])
        raise UserError(f"this PlatformIO needs SCons {needed}, not {release}: `pip install scons=={needed}`")
    return version


def _package_dir(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"{name} is not installed: `pip install {name.lower()}`")
    return Path(spec.submodule_search_locations[0])
