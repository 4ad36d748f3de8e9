"""Where does littlefs live on a board without flash? In memory that resets leave alone (port/mphalport.c)."""

import os

import uctypes
import vfs


class Disk:
    def __init__(self, memory, block_bytes):
        self.memory, self.block_bytes = memory, block_bytes

    def readblocks(self, block, buffer, offset=0):
        at = block * self.block_bytes + offset
        buffer[:] = self.memory[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * self.block_bytes + offset
        self.memory[at : at + len(buffer)] = buffer

    def ioctl(self, what, argument):
        if what == 4:
            return len(self.memory) // self.block_bytes
        if what == 5:
            return self.block_bytes
        return 0


_memory = vfs.rom_ioctl(2, 1)
_disk = Disk(uctypes.bytearray_at(uctypes.addressof(_memory), len(_memory)), 512)
try:
    vfs.mount(vfs.VfsLfs2(_disk), "/")
except OSError:
    vfs.VfsLfs2.mkfs(_disk)
    vfs.mount(vfs.VfsLfs2(_disk), "/")
os.chdir("/")
