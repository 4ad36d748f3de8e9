"""Which calibration sets are accepted, and what does the message say about those that are not?"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmnet.errors import UserError
from firmnet.ir import Graph, Port, Tensor
from firmnet.quantize import calibrate, check_samples, read_samples


def graph(*shape: int, order: tuple[int, ...] = ()) -> Graph:
    return Graph("net", (), {"x": Tensor("x", shape)}, (Port("x", "x", order),), (Port("x", "x"),))


def images(count: int = 4) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 3, 5, 7))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_of_any_width_become_float32(dtype: str) -> None:
    checked = check_samples(images().astype(dtype), graph(1, 3, 5, 7))
    assert checked.dtype == np.float32
    np.testing.assert_allclose(checked, images(), rtol=1e-3)


def test_a_batch_dimension_of_one_per_sample_is_dropped() -> None:
    assert check_samples(images()[:, None], graph(1, 3, 5, 7)).shape == (4, 3, 5, 7)


def test_the_shape_asked_for_is_the_models_own_not_the_stored_one() -> None:
    stored = graph(1, 5, 7, 3, order=(0, 2, 3, 1))
    assert check_samples(images(), stored).shape == (4, 3, 5, 7)
    with pytest.raises(UserError, match=r"takes \(N, 3, 5, 7\)"):
        check_samples(images().transpose(0, 2, 3, 1), stored)


def test_an_input_that_nothing_reads_takes_numbers_of_any_type() -> None:
    both = {name: Tensor(name, (1, 3)) for name in "xz"}
    one_unread = Graph("net", (), both, (Port("x", "x"), Port("z", "z")), (Port("x", "x"),))
    x, z = np.random.default_rng(2).normal(size=(4, 3)), np.arange(12).reshape(4, 3)
    np.testing.assert_array_equal(check_samples((x, z), one_unread)[1], z)
    with pytest.raises(UserError, match="of 'x' is int64"):
        check_samples((z, z), one_unread)


def with_value(index: int, value: float) -> np.ndarray:
    x = images()
    x[index, 1, 2, 3] = value
    return x


BAD: dict[str, tuple[Any, str]] = {
    "empty": (np.zeros((0, 3, 5, 7)), r"is empty: give at least one sample, shape \(N, 3, 5, 7\)"),
    "empty_list": ([], "is empty"),
    "nan": (with_value(2, np.nan), "sample 2 contains NaN: remove or repair it"),
    "inf": (with_value(3, -np.inf), "sample 3 contains a value infinite"),
    "beyond_float32": (with_value(0, 1e300), "sample 0 contains a value infinite in float32"),
    "several_nan": (
        np.where(np.arange(4)[:, None, None, None] > 0, np.nan, images()),
        r"sample 1 .*and 2 more",
    ),
    "constant": (np.full((4, 3, 5, 7), 0.5), "every value of samples 0 to 3 is 0.5"),
    "constant_single": (np.zeros((1, 3, 5, 7)), r"every value of sample 0 \(the only one\) is 0"),
    "wrong_shape": (
        np.zeros((4, 3, 7, 5)),
        r"sample 0 has shape \(3, 7, 5\): the model takes \(N, 3, 5, 7\)",
    ),
    "one_sample_without_batch": (images()[0], r"add a first axis: x\[None\]"),
    "scalar": (np.float32(3), "it is a single number"),
    "ragged": ([np.zeros((3, 5, 7)), np.zeros((3, 5, 8))], "stack samples of equal shape"),
    "uint8": (images().astype(np.uint8), r"is uint8 .*astype\('float32'\) / 255"),
    "int64": (images().astype(np.int64), "is int64 .* takes floats"),
    "complex": (images().astype(complex), "has dtype complex128, which holds no real numbers"),
    "object": (images().astype(object), "has dtype object"),
    "text": (images().astype(str), "has dtype str"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_set_is_refused_by_name(name: str) -> None:
    samples, message = BAD[name]
    with pytest.raises(UserError, match=message) as caught:
        calibrate(graph(1, 3, 5, 7), samples, what="images for calibration")
    assert str(caught.value).startswith("images for calibration")
    assert "\n" not in str(caught.value)


def test_npy_and_npz_give_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images())
    np.savez(tmp_path / "one.npz", data=images())
    np.savez(tmp_path / "two.npz", y=np.arange(4), x=images())
    for name in ("a.npy", "one.npz", "two.npz"):
        np.testing.assert_array_equal(read_samples(tmp_path / name), images())


def test_fortran_order_and_big_endian_give_the_same_numbers(tmp_path: Path) -> None:
    for number, array in enumerate((np.asfortranarray(images()), images().astype(">f8"))):
        np.save(tmp_path / f"{number}.npy", array)
        np.testing.assert_array_equal(read_samples(tmp_path / f"{number}.npy"), images())


def write_pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)


def write_bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps([1.0, 2.0]))


def write_cut_short(path: Path) -> None:
    np.save(path, images())
    path.write_bytes(path.read_bytes()[:200])


def write_header(path: Path, shape: tuple[int, ...]) -> None:
    """A file that promises more than it has."""
    header = str({"descr": "<f4", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))


def write_bomb(path: Path) -> None:
    """An archive that says that it unpacks to 4 GiB."""
    np.savez(path, x=images())
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)


def write_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("c.npy", lambda path: None, "does not exist"),
    "folder": ("c.npy", Path.mkdir, "is a folder"),
    "other_suffix": ("c.csv", lambda path: path.write_text("1,2"), "neither .npy nor .npz"),
    "pickled_objects": ("c.npy", write_pickled, "cannot be read"),
    "bare_pickle": ("c.npy", write_bare_pickle, "cannot be read"),
    "cut_short": ("c.npy", write_cut_short, "cannot be read"),
    "no_bytes": ("c.npy", Path.touch, "cannot be read"),
    "promise": ("c.npy", lambda path: write_header(path, (10**6, 10**6)), "promises 4,000,000,000,000 bytes"),
    "negative": ("c.npy", lambda path: write_header(path, (-1, -16)), "has the shape"),
    "pipe": ("c.npy", os.mkfifo, "it is no plain file"),
    "device": ("c.npz", write_device, "it is no plain file"),
    "bomb": ("c.npz", write_bomb, "it unpacks to 4,294,967,294 bytes"),
    "not_a_zip": ("c.npz", lambda path: path.write_bytes(b"PK\x03\x04 nothing more"), "cannot be read"),
    "ambiguous": ("c.npz", lambda path: np.savez(path, a=images(), b=images()), "holds a, b: save .* as 'x'"),
    "pickled_in_npz": ("c.npz", lambda path: np.savez(path, x=np.array([None, 1])), "cannot be read"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    filename, write, message = FILES[name]
    write(tmp_path / filename)
    with pytest.raises(UserError, match=message) as caught:
        read_samples(tmp_path / filename)
    assert filename in str(caught.value)
    assert "\n" not in str(caught.value)
