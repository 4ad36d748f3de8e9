"""How is a template rendered? One strict Jinja environment for everything that is generated."""

from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket, bc_magic

from ..assets import assets
from ..cache import found_program, kept_program
from ..errors import UserError
from .symbols import shared


def c_string(text: str) -> str:
    """A C string literal of the text in UTF-8; quotes, backslashes, trigraphs and controls are escaped."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    content = text.encode(errors="replace")
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in content) + '"'


def one_line(text: str) -> str:
    """The text without line ends and other controls: it cannot leave a comment that ends with its line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def c_comment(text: str) -> str:
    """The text so that it can neither end a C comment nor begin another."""
    return one_line(text).replace("*/", "* /").replace("/*", "/ *").rstrip("\\")


def parameter_name(declaration: str) -> str:
    """What a C parameter is called: "x" of "const int8_t *x"."""
    return declaration.split()[-1].lstrip("*")


class _Compiled(BytecodeCache):
    """Templates as Python code, kept between runs: to compile them takes longer than all that they render.

    What cannot be kept is compiled each time.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        if kept := found_program(_key(bucket)):
            bucket.bytecode_from_string(kept.read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        def made(place: Path) -> Path:
            place.write_bytes(bucket.bytecode_to_string())
            return place

        with suppress(UserError):
            kept_program(_key(bucket), made)


def _key(bucket: Bucket) -> str:
    """Of a template's text, for this Python and this Jinja."""
    return sha256(bc_magic + bucket.key.encode() + bucket.checksum.encode()).hexdigest()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(assets("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        bytecode_cache=_Compiled(),
        optimized=False,  # most templates are compiled for one or two renderings
    )
    filters = (c_string, c_comment, one_line, parameter_name)
    environment.filters |= {f.__name__: f for f in filters} | {"python": repr}
    environment.globals["shared"] = shared
    return environment


def render(template: str, **context: Any) -> str:
    """The text of `templates/<template>`; an undefined name is an error."""
    return _environment().get_template(template).render(**context)
