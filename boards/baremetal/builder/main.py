"""How does PlatformIO turn a project into a bare-metal Cortex-M image? With the compiler on PATH and one linker script."""

import os
import sys

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
platform_dir = env.PioPlatform().get_dir()


def define(symbol, value):
    return f"-Wl,--defsym={symbol}={value}"


env.Replace(
    AR="arm-none-eabi-ar",
    AS="arm-none-eabi-as",
    CC="arm-none-eabi-gcc",
    CXX="arm-none-eabi-g++",
    LINK="arm-none-eabi-gcc",  # g++ would ask for a C++ library, a Debian package that nothing here needs
    OBJCOPY="arm-none-eabi-objcopy",
    RANLIB="arm-none-eabi-ranlib",
    SIZETOOL="arm-none-eabi-size",
    ARFLAGS=["rcD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.vectors|\.text|\.ARM\.exidx|\.init_array|\.data)\s+(\d+)",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+)",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)

cpu_flags = board.get("build.cpu_flags")
# the C runtime has no variables that may be left out, and they are reached with less code where they lie together
data_flags = [] if int(board.get("build.stack_is_low")) else ["-fdata-sections"]
env.Append(
    ASFLAGS=cpu_flags,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CFLAGS=["-std=gnu11"],
    CXXFLAGS=["-std=gnu++17", "-fno-exceptions", "-fno-rtti"],
    CCFLAGS=[*cpu_flags, "-Os", "-ffunction-sections", *data_flags, "-Wall"],
    LINKFLAGS=[
        *cpu_flags,
        "-nostartfiles",
        "--specs=nano.specs",
        "--specs=nosys.specs",
        "-Wl,--gc-sections",
        "-Wl,--no-warn-rwx-segments",
        '-Wl,-Map="' + os.path.join("$BUILD_DIR", "firmware.map") + '"',
        define("__flash_origin", board.get("build.flash_origin")),
        define("__flash_bytes", board.get("upload.maximum_size")),
        define("__ram_origin", board.get("build.ram_origin")),
        define("__ram_bytes", board.get("upload.maximum_ram_size")),
        define("__stack_bytes", board.get("build.stack_bytes")),
        define("__heap_min_bytes", board.get("build.heap_min_bytes")),
        define("__stack_is_low", board.get("build.stack_is_low")),
    ],
    LIBS=["c", "m", "gcc"],
    BUILDERS={
        "ToBin": Builder(action=env.VerboseAction("$OBJCOPY -O binary $SOURCE $TARGET", "Building $TARGET"), suffix=".bin"),
        "ToHex": Builder(action=env.VerboseAction("$OBJCOPY -O ihex $SOURCE $TARGET", "Building $TARGET"), suffix=".hex"),
    },
)
if not board.get("build.ldscript", ""):
    # below the project: a path from the root would make link lines, and so cache keys, differ between machines
    env.Replace(LDSCRIPT_PATH=os.path.relpath(os.path.join(platform_dir, "cortexm.ld"), env.subst("$PROJECT_DIR")))

env.BuildSources(
    os.path.join("$BUILD_DIR", "board"),
    platform_dir,
    src_filter=["-<*>", "+<startup.c>", "+<faults.c>", *(f"+<glue/{name}.c>" for name in board.get("build.glue"))],
)

if "nobuild" in COMMAND_LINE_TARGETS:
    target_elf = os.path.join("$BUILD_DIR", "${PROGNAME}.elf")
    target_bin = os.path.join("$BUILD_DIR", "${PROGNAME}.bin")
    target_hex = os.path.join("$BUILD_DIR", "${PROGNAME}.hex")
else:
    target_elf = env.BuildProgram()
    target_bin = env.ToBin(os.path.join("$BUILD_DIR", "${PROGNAME}"), target_elf)
    target_hex = env.ToHex(os.path.join("$BUILD_DIR", "${PROGNAME}"), target_elf)
    env.NoCache([target_elf, target_bin, target_hex])  # large, and different for every model
    env.Depends(target_bin, "checkprogsize")

AlwaysBuild(env.Alias("nobuild", target_bin))
target_buildprog = env.Alias("buildprog", [target_bin, target_hex])
env.AddPlatformTarget(
    "size", target_elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"), "Program size", "Size of the sections"
)

# Uploading uses the system's openocd or dfu-util; there is nothing to touch on a board without either.
protocol = env.subst("$UPLOAD_PROTOCOL") or board.get("upload.protocol", "")
if protocol == "stlink":
    script = f"program {{$SOURCE}} verify reset exit"
    configs = [part for name in board.get("upload.openocd_cfg") for part in ("-f", name)]
    env.Replace(UPLOADER="openocd", UPLOADERFLAGS=[*configs, "-c", script], UPLOADCMD='"$UPLOADER" $UPLOADERFLAGS')
    upload_source, action = target_elf, env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")
elif protocol == "dfu":
    origin = board.get("build.flash_origin")
    env.Replace(UPLOADER="dfu-util", UPLOADERFLAGS=["-a", "0", "-s", f"{origin}:leave", "-D"])
    env.Replace(UPLOADCMD='"$UPLOADER" $UPLOADERFLAGS "$SOURCE"')
    upload_source, action = target_bin, env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")
else:

    def refuse(target, source, env):
        sys.stderr.write(f"Error: {board.get('name')} cannot be flashed through the bare-metal platform\n")
        return 1

    upload_source, action = target_bin, refuse
env.AddPlatformTarget("upload", upload_source, [action], "Upload")

Default([target_buildprog])
