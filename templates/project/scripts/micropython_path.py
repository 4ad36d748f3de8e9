"""Where are MicroPython's generated headers? A PlatformIO `pre:` script: later ones come too late for src/."""

Import("env")  # noqa: F821  (PlatformIO gives it)

env.Append(CPPPATH=["$PROJECT_WORKSPACE_DIR/micropython/$PIOENV"])  # noqa: F821
