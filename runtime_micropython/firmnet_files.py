"""How do the board's own files come to be at /? Imported once, before any program."""

import sys

import _files
import vfs

WRITTEN_BYTES = 128  # at once: a whole piece of a log in flash


def mount():
    """littlefs on the block device; made where there never was one, and left alone where it is damaged."""
    blocks = _files.blocks()
    if blocks is None:
        return
    try:
        files = vfs.VfsLfs2(blocks, progsize=WRITTEN_BYTES)
    except OSError as error:
        if was_made(blocks):
            print("the files in flash are damaged:", error, "(see docs/micropython.md)")
            return
        vfs.VfsLfs2.mkfs(blocks, progsize=WRITTEN_BYTES)
        files = vfs.VfsLfs2(blocks, progsize=WRITTEN_BYTES)
    vfs.mount(files, "/")
    sys.path.append("/lib")


def was_made(blocks):
    """Whether one of its first two blocks says that it is a littlefs: else there is nothing to lose."""
    begin = bytearray(128)
    for block in (0, 1):
        blocks.readblocks(block, begin, 0)
        if b"littlefs" in begin:
            return True
    return False


mount()
