"""Where is templates/ (and boards/, runtime_micropython/)? Beside this file in a wheel, the repository root in a checkout."""

from pathlib import Path


def assets(name: str) -> Path:
    """The directory `name`: "templates", "boards" or "runtime_micropython"."""
    here = Path(__file__).resolve().parent
    for base in (here / "_assets", here.parents[1]):
        if (base / name).is_dir():
            return base / name
    raise FileNotFoundError(f"firmnet is installed without its {name}/ directory: reinstall it")
