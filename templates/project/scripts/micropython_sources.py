"""Which MicroPython sources belong to the firmware, and where are its generated headers? A PlatformIO `pre:` script.

Not a library to PlatformIO: it would put the objects under a hash of this project's place on disk, and no other
project could reuse them from the cache.
"""

Import("env")  # noqa: F821  (PlatformIO gives it)

env.Append(CPPPATH=["$PROJECT_WORKSPACE_DIR/micropython/$PIOENV"])  # noqa: F821
env.BuildSources(  # noqa: F821
    "$BUILD_DIR/micropython/core",
    "$PROJECT_DIR/lib/micropython",
    # src/named.c includes the last three
    "-<*> +<py/*.c> +<extmod/*.c> +<shared/*/*.c> -<extmod/modos.c> -<py/modsys.c> -<shared/runtime/pyexec.c>",
)
