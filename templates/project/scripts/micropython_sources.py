"""Which MicroPython sources belong to the firmware, and where are its generated headers? A PlatformIO `pre:` script.

Not a library to PlatformIO: it would put the objects under a hash of this project's place on disk, and no other
project could reuse them from the cache.
"""

Import("env")  # noqa: F821  (PlatformIO gives it)

env.Append(CPPPATH=["$PROJECT_WORKSPACE_DIR/micropython/$PIOENV"])  # noqa: F821
env.BuildSources(  # noqa: F821
    "$BUILD_DIR/micropython/core",
    "$PROJECT_DIR/lib/micropython",
    "-<*> +<py/*.c> +<extmod/*.c> +<shared/*/*.c> +<drivers/bus/*.c>"
    # src/machine_classes.c includes these, and what completes them
    " -<extmod/modmachine.c> -<extmod/machine_adc.c> -<extmod/machine_pwm.c> -<extmod/machine_uart.c> -<extmod/machine_wdt.c>"
    " -<extmod/vfs_lfsx*.c>"  # vfs_lfs.c includes these
    " -<extmod/modos.c> -<py/modsys.c> -<shared/runtime/pyexec.c>",  # src/named.c includes these
)
