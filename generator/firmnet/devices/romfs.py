"""How does a model get into a board's partition for ROMFS, where MicroPython uses it in place?

What lies in front is written last: after a reset in the middle there is no file system, and no half one.
"""

import zlib
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass

from ..errors import VerificationError
from .stock_files import FILE_PIECE_BYTES, BytesSent, Files

LESSON = """
try:import vfs
except ImportError:vfs=None
try:_rd
except NameError:_rd=None
def _ra():
 global _rd
 try:
  if vfs.rom_ioctl(1)<1:return None
  _rd=vfs.rom_ioctl(2,0)
 except (AttributeError,OSError):return None
 if isinstance(_rd,int) or hasattr(_rd,'ioctl'):return None
 try:ns=[e[0] for e in vfs.VfsRom(_rd).ilistdir('/')]
 except OSError:ns=[]
 b=vfs.rom_ioctl(6,0)
 return len(_rd),(b if b>0 else len(_rd)),ns
def _rc(n):
 return _fc(memoryview(_rd)[:n])
def _re(n,b):
 if _rd is None:return -1
 try:vfs.umount('/rom')
 except OSError:pass
 if b==len(_rd):return vfs.rom_ioctl(3,0,n)>=0
 return min([vfs.rom_ioctl(3,0,a,b) for a in range(0,n,b)])>=0
def _rw(a,s,c):
 if _rd is None:return -1
 b=_fd(s)
 if _fc(b)!=c:return 0
 if _fc(memoryview(_rd)[a:a+len(b)])!=c:vfs.rom_ioctl(4,0,a,b)
 return a+len(b) if _fc(memoryview(_rd)[a:a+len(b)])==c else 0
def _rm():
 vfs.rom_ioctl(5,0)
 vfs.mount(vfs.VfsRom(_rd),'/rom')
 if '/rom' not in sys.path:sys.path.append('/rom')
def _rx(ps):
 for p in ps:
  try:os.remove(p)
  except OSError:pass
"""
"""Size of the partition, what of it is erased at once, names of its files; the CRC-32 of its begin; take it
down and erase; write a piece, once; finish and put it up; remove files that would be found before those.
"""
ERASE_S = 60.0
"""How long a chip may take to erase the partition."""
AGAIN = "the board was reset in the middle of the push and its ROMFS is empty: push again"


@dataclass(frozen=True)
class Partition:
    """Of a board, for ROMFS; `block_bytes` are erased at once, `names` are the files in it now."""

    size_bytes: int
    block_bytes: int
    names: tuple[str, ...]

    def takes(self, image: bytes, names: Collection[str]) -> bool:
        """Whether there is room, and nobody else's file would be lost."""
        blocks = -(-len(image) // self.block_bytes) * self.block_bytes
        return blocks <= self.size_bytes and {*self.names} <= {*names}


def partition(board: Files) -> Partition | None:
    """The first that the board has, if its files can be used in place."""
    board.teach(LESSON)
    found = board.ask("_ra()")
    return found and Partition(found[0], found[1], tuple(found[2]))


def write_image(board: Files, into: Partition, image: bytes, names: Collection[str], sent: BytesSent) -> int:
    """Make the partition hold this image, and nothing be found before the files in it; the bytes written."""
    done = 0
    if board.ask(f"_rc({len(image)})") != zlib.crc32(image):
        erase = f"_re({len(image)},{into.block_bytes})"
        if not board.ask(erase, lost=AGAIN, patience_s=ERASE_S):
            raise VerificationError(f"{board.line}: the board could not erase its ROMFS: try again")
        places = [*range(FILE_PIECE_BYTES, len(image), FILE_PIECE_BYTES), 0]
        for at in places:
            piece = image[at : at + FILE_PIECE_BYTES]
            text = b64encode(piece).decode()
            board.ask(f"_rw({at},{text!r},{zlib.crc32(piece)})", at + len(piece), lost=AGAIN)
            done += len(piece)
            sent(done)
        if board.ask(f"_rc({len(image)})") != zlib.crc32(image):
            raise VerificationError(f"{board.line}: the board's ROMFS is not as it was written: try again")
        board.ask("_rm()")
    board.ask(f"_rx({sorted(names)!r})")
    return done
