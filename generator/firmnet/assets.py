"""Where is templates/, and boards/, runtime_micropython/, examples/? In the wheel, or at a checkout's top."""

from pathlib import Path


def assets(name: str) -> Path:
    """The directory `name`: beside this file in a wheel, at the top of the repository in a checkout."""
    here = Path(__file__).resolve().parent
    for base in (here / "_assets", here.parents[1]):
        if (base / name).is_dir():
            return base / name
    raise FileNotFoundError(f"firmnet is installed without its {name}/ directory: reinstall it")
