"""How is a template rendered? One strict Jinja environment for everything that is generated."""

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..assets import assets


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(assets("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, **context: Any) -> str:
    """The text of `templates/<template>`; an undefined name is an error."""
    return _environment().get_template(template).render(**context)
