"""Which PlatformIO platform builds without packages? One class; PlatformIO derives its name from platform.json."""

from platformio.platform.base import PlatformBase


class Firmnet_baremetalPlatform(PlatformBase):
    def is_embedded(self):
        # PlatformIO guesses this from uploader packages; this platform has none.
        return True
