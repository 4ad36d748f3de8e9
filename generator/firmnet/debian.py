"""How is something of Debian's fetched without changing the system? By apt, configured by ourselves."""

import os
import re
from pathlib import Path
from typing import Literal

from .errors import UserError
from .toolchain import run

APT_SOURCES = (
    Path("/etc/apt/sources.list.d/debian.sources"),
    Path("/etc/apt/sources.list.d/ubuntu.sources"),
    Path("/etc/apt/sources.list"),
)
FETCH_S = 120.0
"""How long apt may take; a firewall that drops packets would hang it for ever."""

Packages = Literal["deb", "deb-src"]


def apt(scratch: Path, packages: Packages, suite: str) -> tuple[str | Path, ...]:
    """How a command of apt-get begins that knows the packages of one suite and nothing else of this machine.

    Its lists are fetched into `scratch`, and whatever it keeps stays there; apt checks Debian's signature and
    by that every file. Works for any user. Raises UserError where there is no apt, or no such suite.
    """
    sources = _sources(packages, suite)
    for folder in ("parts", "lists/partial", "cache/archives/partial", "state"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "parts" / "firmnet.sources").write_text(sources)
    (scratch / "status").touch()
    options = {
        "Dir::Etc::SourceList": os.devnull,
        "Dir::Etc::SourceParts": scratch / "parts",
        "Dir::State": scratch / "state",
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "",
    }
    configuration = "".join(f'{key} "{value}";\n' for key, value in options.items())
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    (scratch / "apt.conf").write_text("".join(f"#clear {hook};\n" for hook in hooks) + configuration)
    command: tuple[str | Path, ...] = ("apt-get", "-c", scratch / "apt.conf", "--quiet")
    run([*command, "update"], what="apt-get update", timeout_s=FETCH_S)
    return command


def _sources(packages: Packages, suite: str) -> str:
    """Where this machine's own packages come from, asked for those of `suite`."""
    for path in APT_SOURCES:
        text = path.read_text() if path.is_file() else ""
        found = re.search(r"(?m)^URIs:\s*(\S+)", text) or re.search(
            r"(?m)^deb\s+(?:\[.*?\]\s+)?(\S+)\s+\w+\s+.*\bmain\b", text
        )
        if found:
            keyring = re.search(r"(?m)^Signed-By:\s*(\S+)|signed-by=(\S+?)[\s\]]", text)
            signed = f"Signed-By: {keyring[1] or keyring[2]}\n" if keyring else ""
            return f"Types: {packages}\nURIs: {found[1]}\nSuites: {suite}\nComponents: main\n{signed}"
    raise UserError("this machine has no Debian package source to derive from")
