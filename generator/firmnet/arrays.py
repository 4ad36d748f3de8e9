"""How is an array read from a `.npy` or `.npz` file that may hold anything? Its sizes are checked first."""

import io
import stat
import zipfile
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .ir import Array

MAX_HEADER_BYTES = 10_000
MAX_DIMENSIONS = 16
HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_file(path: Path, limit_bytes: int) -> bytes:
    """A plain file whole. OSError, or ValueError when it is none (a pipe never ends) or too large."""
    with open_plain(path) as file:
        size = path.stat().st_size
        if size > limit_bytes:
            raise ValueError(f"it has {size:,} bytes, more than the {limit_bytes:,} that make sense")
        return file.read(limit_bytes)


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file, or raise OSError or ValueError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is no plain file")
    return path.open("rb")


def read_npy(file: BinaryIO, size: int) -> Array:
    """The array in an open `.npy` of `size` bytes; ValueError unless it is exactly that, of plain numbers."""
    try:
        version = np.lib.format.read_magic(file)
        read = HEADERS[version]
        shape, fortran_order, dtype = read(file, max_header_size=MAX_HEADER_BYTES)
    except Exception:  # numpy's parser of a damaged header fails in many ways
        raise ValueError("it is no .npy file, or its header is damaged") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if dtype.kind not in "biufcSU" or dtype.itemsize == 0:
        raise ValueError(f"it holds {dtype}, which is not plain numbers")
    if len(shape) > MAX_DIMENSIONS or any(extent < 0 for extent in shape):
        raise ValueError(f"it has the shape {shape}"[:200])
    wanted, there = prod(shape) * dtype.itemsize, size - file.tell()
    if wanted != there:
        raise ValueError(f"its header promises {wanted:,} bytes of data, and it has {there:,}")
    data = np.frombuffer(_exactly(file, wanted), dtype)
    return data.reshape(shape[::-1]).T if fortran_order else data.reshape(shape)


def npz_names(archive: zipfile.ZipFile, limit_bytes: int) -> list[str]:
    """The names of an archive's arrays; ValueError when they declare more than `limit_bytes` together."""
    infos = archive.infolist()
    if (declared := sum(info.file_size for info in infos)) > limit_bytes:
        raise ValueError(f"it unpacks to {declared:,} bytes, more than the {limit_bytes:,} that make sense")
    names = [info.filename.removesuffix(".npy") for info in infos]
    if len({*names}) != len(names):
        raise ValueError("it holds an array twice")
    return names


def read_member(archive: zipfile.ZipFile, name: str) -> Array:
    """One array of an `.npz` whose sizes `npz_names` has checked."""
    info = next(i for i in archive.infolist() if i.filename.removesuffix(".npy") == name)
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its array {name!r} is encrypted or packed in a way that numpy does not use")
    return read_npy(io.BytesIO(archive.read(info)), info.file_size)


def _exactly(file: BinaryIO, count: int) -> bytearray:
    """So many bytes, in memory that may be written."""
    data: Any = bytearray(count)
    if file.readinto(data) != count:  # type: ignore[attr-defined]
        raise ValueError("it is cut off")
    return data  # type: ignore[no-any-return]
