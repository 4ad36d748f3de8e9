"""What surrounds the model in a firmware? A PlatformIO project: board, and MicroPython or the C runtime."""

import json
import keyword
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..artifact import BOARD_FILE
from ..assets import assets
from ..board_app import BoardApp, check_names, compiler_options
from ..errors import UserError
from ..interpret import model_shape
from ..ir import Graph, Port, Tensor
from ..manifest import stream_of
from ..plan import KeptAnswers
from ..qmath import pixel_divisor
from ..targets import Board, Runtime, board_to_json, core_named, needs, stack_is_low, storage_of
from .templates import render

INCLUDES = (
    "fn_arduino.h",
    "fn_board.h",
    "fn_files.h",
    "fn_firmware.h",
    "fn_last_words.h",
    "fn_machine.h",
    "fn_machine_adc.h",
    "fn_machine_port.h",
    "fn_machine_pwm.h",
    "fn_machine_uart.h",
    "fn_machine_wdt.h",
    "fn_run.h",
    "littlefs_names.h",
    "machine_pin.h",
    "mpconfigport.h",
    "mphalport.h",
)
SOURCES = (
    "arduino.cpp",
    "arduino_faults.c",
    "arduino_pins.cpp",
    "arduino_uart.cpp",
    "files.c",
    "flash_log.c",
    "frozen.c",
    "lacking.c",
    "littlefs.c",
    "machine.c",
    "machine_bus.c",
    "machine_classes.c",
    "machine_pin.c",
    "main.c",
    "modfirmnet.c",
    "mphal.c",
    "named.c",
    "pins.c",
)
SCRIPTS = ("object_cache.py", "micropython_path.py", "micropython.py")
C_INCLUDES = (
    "micropython/fn_arduino.h",
    "micropython/fn_board.h",
    "micropython/fn_last_words.h",
    "micropython/fn_run.h",
    "runtime_c/firmnet_link.h",
    "runtime_c/fn_served.h",
)
C_SOURCES = (
    "runtime_c/main.c",
    "runtime_c/firmnet_link.c",
    "micropython/arduino.cpp",
    "micropython/arduino_faults.c",
)
"""Of templates/: what a firmware without MicroPython is made of."""
PLATFORM = (
    "platform.json",
    "platform.py",
    "builder/main.py",
    "cortexm.ld",
    "startup.c",
    "faults.c",
    "faults.h",
)

PYTHON_MODULES = (
    "array", "binascii", "builtins", "collections", "firmnet_files", "firmnet_link", "gc", "hashlib", "io",
    "json", "machine", "math", "micropython", "os", "random", "select", "struct", "sys", "time", "vfs",
)  # fmt: skip
C_HEADERS = (
    "alloca", "ar", "arduino", "argz", "assert", "complex", "cpio", "ctype", "devctl", "dirent", "elf",
    "envlock", "envz", "errno", "fastmath", "fcntl", "fenv", "float", "fnmatch", "getopt", "glob", "grp",
    "iconv", "ieeefp", "inttypes", "iso646", "langinfo", "libgen", "limits", "locale", "malloc", "math",
    "mbed", "memory", "mpconfigport", "mphalport", "newlib", "paths", "pthread", "pwd", "reent", "regdef",
    "regex", "sched", "search", "setjmp", "signal", "spawn", "stdalign", "stdarg", "stdatomic", "stdbool",
    "stddef", "stdfix", "stdint", "stdio", "stdlib", "stdnoreturn", "string", "strings", "tar", "termios",
    "tgmath", "threads", "unctrl", "unistd", "unwind", "utime", "utmp", "varargs", "variant", "wchar",
    "wctype", "wiring", "wordexp",
)  # fmt: skip
"""Names a model cannot have, because the firmware imports or includes them."""


def project_files(
    graph: Graph,
    board: Board,
    stack_bytes: int,
    labels: Sequence[str] = (),
    version: str = "0",
    app: BoardApp | None = None,
) -> dict[str, str]:
    """Path inside firmware/ → text: everything but lib/<model> and lib/micropython.

    `stack_bytes` is what run() takes at most; `app` starts at boot.

    Raises UserError for a model, or a file of the app, whose name means something else in the firmware.
    """
    _check_name(graph.name)
    if app:
        check_app(app, graph.name)
    files = _any_project(graph, board, "micropython", app)
    files |= {f"include/{name}": _text("templates", "micropython", name) for name in INCLUDES}
    files |= {f"src/{name}": _text("templates", "micropython", name) for name in SOURCES}
    files["src/deployed.c"] = render(
        "micropython/deployed.c.j2",
        name=graph.name,
        version=version,
        stack_bytes=stack_bytes,
        app=app.start if app else "",
    )
    files |= _flash_driver(board)
    files |= {f"scripts/{name}": _text("templates", "project", "scripts", name) for name in SCRIPTS}
    files |= _frozen(graph, board, labels, version)
    files |= {f"frozen/{name}": text for name, text in app.files.items()} if app else {}
    return files


def _flash_driver(board: Board) -> dict[str, str]:
    """What erases and writes the board's spare flash, under the official core and in our own build."""
    storage = storage_of(board)
    if storage is None:
        return {}
    source = f"glue/{storage.driver}.c"
    headers = sorted(_glue_files(f"{storage.driver}.c") - {source})
    return {
        "src/flash.c": _text("boards", "baremetal", source),
        **{f"include/{Path(name).name}": _text("boards", "baremetal", name) for name in headers},
    }


def check_app(app: BoardApp, model: str) -> None:
    """UserError where a file of the app is called as something that the firmware has."""
    check_names(app, model, PYTHON_MODULES)


def c_project_files(
    graph: Graph,
    board: Board,
    sample_bytes: int,
    kept: KeptAnswers,
    labels: Sequence[str] = (),
    version: str = "0",
) -> dict[str, str]:
    """The same for a firmware without MicroPython; `sample_bytes` are reserved for real numbers, and room for
    the answers that are `kept`.
    """
    _check_name(graph.name)
    files = _any_project(graph, board, "c")
    for folder, names in (("include", C_INCLUDES), ("src", C_SOURCES)):
        files |= {f"{folder}/{Path(name).name}": _text("templates", *name.split("/")) for name in names}
    states = [graph.tensors[state.tensor].byte_count for state in graph.states]
    files["src/deployed.c"] = render(
        "runtime_c/deployed.c.j2",
        name=graph.name,
        version=version,
        labels=[str(label) for label in labels],
        kept_count=kept.count,
        kept_words=kept.words,
        ring_bytes=kept.ring_bytes,
        state_words=-(-sum(states) // 4),
        sample_bytes=sample_bytes,
    )
    files["scripts/object_cache.py"] = _text("templates", "project", "scripts", "object_cache.py")
    return files


def c_examples(graph: Graph, board: Board) -> dict[str, str]:
    """Programs for people who bring their own firmware; no build of ours compiles them."""
    inputs, outputs = (
        [_edge(graph.tensors[port.tensor], port) for port in ports] for ports in (graph.inputs, graph.outputs)
    )
    states = [state.name for state in graph.states]
    context = {"name": graph.name, "inputs": inputs, "outputs": outputs, "states": states}
    sketch = f"{graph.name}_sketch"
    return {
        "examples/main.c": render("runtime_c/example.c.j2", **context),
        f"examples/{sketch}/{sketch}.ino": render(
            "runtime_c/example.ino.j2", **context, baud=board.link.baud
        ),
    }


def _check_name(name: str) -> None:
    reserved = name in (*PYTHON_MODULES, *C_HEADERS) or f"{name}_".startswith(("fn_", "_"))
    if reserved or keyword.iskeyword(name) or not re.fullmatch(r"[a-z]\w*", name, re.ASCII):
        raise UserError(f"a model cannot be called {name!r}, the firmware has its own: choose another")


def _any_project(graph: Graph, board: Board, runtime: Runtime, app: BoardApp | None = None) -> dict[str, str]:
    """What projects of both runtimes have."""
    taken = needs(board, runtime)
    return {
        "platformio.ini": render(
            "project/platformio.ini.j2",
            model=graph.name,
            board=board,
            micropython=runtime == "micropython",
            mpy_flags=" ".join(compiler_options(board.chip.core)) if app else "",
        ),
        BOARD_FILE: board_to_json(board),
        "include/fn_board_config.h": render(
            "project/fn_board_config.h.j2",
            board=board,
            needs=taken,
            storage=storage_of(board),
            state_count=len(graph.states) if runtime == "c" else 0,
        ),
        **_platform(board, runtime),
    }


def _platform(board: Board, runtime: Runtime) -> dict[str, str]:
    """Our PlatformIO platform, with the glue files and the one board definition that the board needs."""
    glue = [_glue_files(f"{name}.c") for name in _glues(board, runtime)]
    names = (*PLATFORM, *sorted(set[str]().union(*glue)))
    files = {f"platform/{name}": _text("boards", "baremetal", name) for name in names}
    return files | {f"platform/boards/{board.id}.json": _board_json(board, runtime)}


def _glues(board: Board, runtime: Runtime) -> list[str]:
    """The files of glue/ that are compiled: port and clock, and for MicroPython what is wired to the chip."""
    pins = board.baremetal.pins_glue
    there = (assets("boards") / "baremetal" / "glue" / f"{pins}.c").is_file()
    return [board.baremetal.glue, *([pins] if there and runtime == "micropython" else [])]


def _glue_files(name: str) -> set[str]:
    """A file of glue/ and the headers there that it includes, and those that they do."""
    included = re.findall(r'^#include "([\w.]+)"$', _text("boards", "baremetal", "glue", name), re.MULTILINE)
    ours = [other for other in included if (assets("boards") / "baremetal" / "glue" / other).is_file()]
    return {f"glue/{name}"}.union(*map(_glue_files, ours))


def _board_json(board: Board, runtime: Runtime) -> str:
    """The board as PlatformIO knows boards; `build` also carries what builder/main.py asks for."""
    chip, bare, taken = board.chip, board.baremetal, needs(board, runtime)
    build = {
        "mcu": chip.mcu,
        "cpu": chip.core.removesuffix("f"),
        "f_cpu": f"{bare.clock_hz}L",
        "cpu_flags": list(core_named(chip.core).cflags),
        "glue": _glues(board, runtime),
        "flash_origin": f"{chip.flash_origin:#x}",
        "ram_origin": f"{chip.ram_origin:#x}",
        "stack_bytes": taken.stack_bytes,
        "heap_min_bytes": taken.heap_bytes,
        "stack_is_low": int(stack_is_low(board, runtime)),
    }
    upload = {
        "maximum_size": chip.flash_bytes,
        "maximum_ram_size": chip.ram_bytes,
        "protocol": bare.upload_protocol,
        "protocols": [bare.upload_protocol] if bare.upload_protocol else [],
        "openocd_cfg": list(bare.openocd_cfg),
    }
    described = {"name": board.name, "vendor": "firmnet", "url": "", "frameworks": []}
    return json.dumps({**described, "build": build, "upload": upload}, indent=2) + "\n"


def _frozen(graph: Graph, board: Board, labels: Sequence[str], version: str) -> dict[str, str]:
    """The Python that travels as bytecode: the model's module, and the link's board half."""
    runtime = assets("runtime_micropython")
    return {f"frozen/{path.name}": path.read_text() for path in sorted(runtime.glob("*.py"))} | {
        f"frozen/{graph.name}.py": shim(graph, board, labels, version)
    }


def shim(graph: Graph, board: Board, labels: Sequence[str], version: str) -> str:
    """The model's module in Python."""
    inputs, outputs = (
        [_edge(graph.tensors[port.tensor], port) for port in ports] for ports in (graph.inputs, graph.outputs)
    )
    return render(
        "micropython/shim.py.j2",
        name=graph.name,
        board=board.name,
        version=version,
        labels=repr(tuple(str(label) for label in labels)),
        inputs=inputs,
        outputs=outputs,
        shapes=tuple(port["shape"] for port in inputs),
        sizes=tuple(port["size"] for port in inputs),
        output_sizes=tuple(port["size"] for port in outputs),
        pixels=tuple(port["pixels"] is not None for port in inputs),
        states=tuple(state.name for state in graph.states),
        stream=stream_of(graph),
    )


def _edge(tensor: Tensor, port: Port) -> dict[str, object]:
    """An edge of the model as the shim tells it: shape in the model's own order, and how to read its
    values.
    """
    return {
        "name": port.name,
        "shape": model_shape(tensor, port.order),
        "size": tensor.size,
        "bytes": tensor.byte_count,
        "dtype": tensor.dtype.value,
        "code": tensor.dtype.typecode,
        "scale": float(np.float32(tensor.scale)),
        "zero_point": tensor.zero_point,
        "stored": tensor.shape,
        "order": port.order or tuple(range(len(tensor.shape))),
        "pixels": pixel_divisor(tensor.q),
    }


def _text(*parts: str) -> str:
    return Path(assets(parts[0]), *parts[1:]).read_text()
