"""Where do MicroPython's generated headers lie? In the build folder, seen by sources and libraries alike."""

Import("env")  # noqa: F821  (PlatformIO gives it)

env.Append(CPPPATH=["$BUILD_DIR/micropython"])  # noqa: F821
