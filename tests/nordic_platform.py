"""What stands in for a Nano's official platform where the registry cannot be reached? One that only uploads.

It names its image as nordicnrf52 does: firmware.hex, always.
"""

import json
from pathlib import Path

from firmnet.toolchain import cache_dir, provision_scons

BUILDER = """
import sys
from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, DefaultEnvironment

env = DefaultEnvironment()
assert "nobuild" in COMMAND_LINE_TARGETS
upload = env.BoardConfig().get("upload")  # else PlatformIO touches again, and takes any new port
assert not upload["use_1200bps_touch"] and not upload["wait_for_upload_port"]
env.Replace(UPLOADER="bossac", UPLOADERFLAGS=["--port", '"$UPLOAD_PORT"'])
env.Replace(UPLOADCMD="$UPLOADER $UPLOADERFLAGS $SOURCES")
image = "$BUILD_DIR/firmware.hex"
AlwaysBuild(env.Alias("nobuild", image))
env.AddPlatformTarget("upload", image, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload")
"""
PLATFORM = """
from platformio.platform.base import PlatformBase

class Nordicnrf52Platform(PlatformBase):
    def is_embedded(self):
        return True
"""


def nordic_platform(cache: Path) -> None:
    """Put it into what is going to be firmnet's cache, with the build engine of the present one."""
    provision_scons()
    scons = cache_dir() / "platformio" / "packages" / "tool-scons"
    (cache / "platformio" / "packages").mkdir(parents=True)
    (cache / "platformio" / "packages" / "tool-scons").symlink_to(scons)
    platform = cache / "platformio" / "platforms" / "nordicnrf52"
    described = {"name": "nordicnrf52", "title": "Nordic", "version": "10.11.0", "packages": {}}
    frameworks = {"arduino": {"package": "", "script": "builder/main.py"}}
    touch = {"use_1200bps_touch": True, "wait_for_upload_port": True}
    board = {
        "name": "Nano",
        "vendor": "Arduino",
        "url": "",
        "frameworks": ["arduino"],
        "build": {"mcu": "nrf52840", "cpu": "cortex-m4", "f_cpu": "64000000L"},
        "upload": {"protocol": "sam-ba", "protocols": ["sam-ba"], "maximum_size": 1, "maximum_ram_size": 1}
        | touch,
    }
    spec = {"owner": "platformio", "id": None, "name": "nordicnrf52", "requirements": None, "uri": None}
    installed = {"type": "platform", "name": "nordicnrf52", "version": "10.11.0", "spec": spec}
    for name, text in {
        "platform.json": json.dumps({**described, "frameworks": frameworks}),
        "platform.py": PLATFORM,
        ".piopm": json.dumps(installed),
        "builder/main.py": BUILDER,
        "boards/nano33ble.json": json.dumps(board),
    }.items():
        (platform / name).parent.mkdir(parents=True, exist_ok=True)
        (platform / name).write_text(text)
