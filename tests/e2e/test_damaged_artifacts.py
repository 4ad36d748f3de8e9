"""Is an artifact that was damaged, by accident or on purpose, refused in one sentence by every command?"""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import firmnet
from firmnet import cli

Edit = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with weights, a view, a sum of two branches and labels; not built."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4)
            self.last = nn.Linear(32, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.first(x))
            y = torch.cat([y + self.second(y), nn.functional.hardtanh(y)], 1)
            return torch.softmax(self.last(nn.functional.avg_pool2d(y, 2).flatten(1)), 1)

    torch.manual_seed(3)
    data = np.random.default_rng(0).normal(size=(6, 2, 4, 4)).astype(np.float32)
    folder = tmp_path_factory.mktemp("whole") / "net"
    firmnet.compile(Branches().eval(), data, board="netduinoplus2", name="net", labels=("a", "b", "c")).save(
        folder
    )
    return folder


def file(name: str, content: bytes) -> Edit:
    return lambda net: (net / name).write_bytes(content)


def text(name: str, edit: Callable[[Any], object]) -> Edit:
    """JSON of the file, edited."""

    def change(net: Path) -> None:
        tree = json.loads((net / name).read_text())
        edit(tree)
        (net / name).write_text(json.dumps(tree))

    return change


def manifest(edit: Callable[[Any], object]) -> Edit:
    return text("manifest.json", edit)


def graph(edit: Callable[[Any], object]) -> Edit:
    return text("graph.json", edit)


def tensor(edit: Callable[[Any], object], constant: bool = False) -> Edit:
    return graph(lambda g: edit(next(t for t in g["tensors"] if t["constant"] == constant)))


def node(index: int, edit: Callable[[Any], object]) -> Edit:
    return graph(lambda g: edit(g["nodes"][index]))


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header(text: str) -> bytes:
    """A .npy that has this header and no data."""
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line


def constants(edit: Callable[[dict[str, Any]], object]) -> Edit:
    def change(net: Path) -> None:
        with np.load(net / "constants.npz") as stored:
            arrays = dict(stored)
        edit(arrays)
        np.savez(net / "constants.npz", **arrays)

    return change


def first_constant(change: Callable[[Any], Any]) -> Edit:
    def edit(arrays: dict[str, Any]) -> None:
        name = next(iter(arrays))
        arrays[name] = change(arrays[name])

    return constants(edit)


def bomb(net: Path) -> None:
    """An archive that says that it unpacks to 8 GiB."""
    content = bytearray((net / "constants.npz").read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    (net / "constants.npz").write_bytes(content)


def twice(net: Path) -> None:
    with zipfile.ZipFile(net / "constants.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[0], npy(np.zeros(3, np.int8)))


def pipe(name: str) -> Edit:
    def change(net: Path) -> None:
        (net / name).unlink()
        os.mkfifo(net / name)

    return change


def endless(net: Path) -> None:
    (net / "samples.npy").unlink()
    (net / "samples.npy").symlink_to("/dev/zero")


def swap_order(g: Any) -> None:
    g["nodes"][0], g["nodes"][1] = g["nodes"][1], g["nodes"][0]


def cycle(g: Any) -> None:
    g["nodes"][0]["inputs"][0] = g["nodes"][-1]["outputs"][0]


PROMISE = str({"descr": "|i1", "fortran_order": False, "shape": (10**13,)})
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

DAMAGE: dict[str, Edit] = {
    "manifest-empty": file("manifest.json", b""),
    "manifest-list": file("manifest.json", b"[]"),
    "manifest-not-utf8": file("manifest.json", b"\xff\xfe\x00"),
    "manifest-null-bytes": file("manifest.json", bytes(100)),
    "manifest-nested": file("manifest.json", DEEP),
    "manifest-pipe": pipe("manifest.json"),
    "manifest-of-another-format": manifest(lambda m: m.update(format=99)),
    "manifest-format-nan": manifest(lambda m: m.update(format=float("nan"))),
    "manifest-name-climbs": manifest(lambda m: m.update(name="../../etc")),
    "manifest-board-unknown": manifest(lambda m: m.update(board="../../etc/passwd")),
    "manifest-scale-nan": manifest(lambda m: m["inputs"][0].update(scale=float("nan"))),
    "manifest-scale-zero": manifest(lambda m: m["outputs"][0].update(scale=0)),
    "manifest-scale-another": manifest(lambda m: m["outputs"][0].update(scale=1.5)),
    "manifest-zero-point-beyond": manifest(lambda m: m["inputs"][0].update(zero_point=200)),
    "manifest-shape-negative": manifest(lambda m: m["inputs"][0].update(shape=[1, -4, 4, 2])),
    "manifest-shape-huge": manifest(lambda m: m["inputs"][0].update(shape=[1, 10**12, 4, 2])),
    "manifest-shape-another": manifest(lambda m: m["inputs"][0].update(shape=[1, 2, 4, 4])),
    "manifest-order-twice": manifest(lambda m: m["inputs"][0].update(order=[0, 1, 1, 3])),
    "manifest-labels-too-few": manifest(lambda m: m.update(labels=["a"])),
    "manifest-labels-numbers": manifest(lambda m: m.update(labels=[1, 2, 3])),
    "manifest-no-layers": manifest(lambda m: m.update(layers=[])),
    "manifest-layer-twice": manifest(lambda m: m["layers"].append(m["layers"][0])),
    "manifest-layer-of-another-kind": manifest(lambda m: m["layers"][0].update(op="softmax")),
    "manifest-layer-of-another-shape": manifest(lambda m: m["layers"][0]["outputs"][0].update(shape=[1, 1])),
    "manifest-layer-list": manifest(lambda m: m["layers"].__setitem__(0, [])),
    "manifest-layer-of-endless-work": manifest(lambda m: m["layers"][0].update(macs=2**52)),
    "manifest-layer-by-no-kernel": manifest(lambda m: m["layers"][0].update(kernel="dsp/softmax")),
    "manifest-stack-another": manifest(lambda m: m.update(stack_bytes=1)),
    "manifest-arena-too-small": manifest(lambda m: m.update(arena_bytes=3)),
    "manifest-fingerprint-short": manifest(lambda m: m.update(fingerprint="00")),
    "manifest-file-outside": manifest(lambda m: m["files"].update({"../x": "0" * 64})),
    "manifest-arena-negative": manifest(lambda m: m.update(arena_bytes=-1)),
    "graph-gone": lambda net: (net / "graph.json").unlink(),
    "graph-folder": lambda net: [(net / "graph.json").unlink(), (net / "graph.json").mkdir()],
    "graph-nested": file("graph.json", DEEP),
    "graph-cut": lambda net: os.truncate(net / "graph.json", 300),
    "graph-name-another": graph(lambda g: g.update(name="other")),
    "graph-cycle": graph(cycle),
    "graph-order-swapped": graph(swap_order),
    "graph-node-missing": graph(lambda g: g["nodes"].pop(1)),
    "graph-input-missing": node(0, lambda n: n.update(inputs=n["inputs"][:1])),
    "graph-input-unknown": node(0, lambda n: n["inputs"].__setitem__(0, "nowhere")),
    "graph-output-unknown": graph(lambda g: g["outputs"][0].update(tensor="nowhere")),
    "graph-no-inputs": graph(lambda g: g.update(inputs=[])),
    "graph-op-unknown": node(0, lambda n: n.update(op="__class__")),
    "graph-op-list": node(0, lambda n: n.update(op=[])),
    "graph-attr-text": node(0, lambda n: n["attrs"].update(stride="two")),
    "graph-attr-zero": node(0, lambda n: n["attrs"].update(stride=[0, 0])),
    "graph-attr-huge": node(0, lambda n: n["attrs"].update(padding=[10**18] * 4, stride=[10**18] * 2)),
    "graph-tensor-twice": graph(lambda g: g["tensors"].append(g["tensors"][0])),
    "graph-scale-negative": tensor(lambda t: t["qparams"].update(scale=[-1.0])),
    "graph-scale-inf": tensor(lambda t: t["qparams"].update(scale=[float("inf")])),
    "graph-scale-tiny": tensor(lambda t: t["qparams"].update(scale=[1e-300])),
    "graph-scales-many": tensor(lambda t: t["qparams"].update(scale=[0.1, 0.2])),
    "graph-scale-missing": tensor(lambda t: t.update(qparams=None)),
    "graph-dtype-float": tensor(lambda t: t["qparams"].update(dtype="float32")),
    "graph-dtype-object": tensor(lambda t: t["qparams"].update(dtype="O"), constant=True),
    "graph-zero-point-of-weights": tensor(lambda t: t["qparams"].update(zero_point=1000), constant=True),
    "graph-shape-another": tensor(lambda t: t["shape"].__setitem__(0, 3)),
    "graph-shape-true": tensor(lambda t: t["shape"].__setitem__(0, True)),
    "graph-name-of-code": tensor(lambda t: t.update(name="a; system()")),
    "constants-gone": lambda net: (net / "constants.npz").unlink(),
    "constants-text": file("constants.npz", b"no archive"),
    "constants-npy": file("constants.npz", npy(np.zeros(3))),
    "constants-pipe": pipe("constants.npz"),
    "constants-one-missing": constants(lambda arrays: arrays.pop(next(iter(arrays)))),
    "constants-of-floats": first_constant(lambda a: np.full(a.shape, np.nan)),
    "constants-big-endian": constants(
        lambda arrays: arrays.update({k: a.astype(a.dtype.newbyteorder(">")) for k, a in arrays.items()})
    ),
    "constants-of-objects": first_constant(lambda a: a.astype(object)),
    "constants-of-another-shape": first_constant(lambda a: a.reshape(-1)),
    "constants-bomb": bomb,
    "constants-twice": twice,
    "samples-empty": file("samples.npy", npy(np.zeros((0, 2, 4, 4), np.int8))),
    "samples-of-floats": file("samples.npy", npy(np.zeros((2, 2, 4, 4), np.float32))),
    "samples-of-objects": file("samples.npy", npy(np.array([{}], object), allow_pickle=True)),
    "samples-of-another-shape": file("samples.npy", npy(np.zeros((2, 4, 4, 2), np.int8))),
    "samples-promise": file("samples.npy", header(PROMISE)),
    "samples-header-of-code": file("samples.npy", header("__import__('os').system('false')")),
    "samples-header-nested": file("samples.npy", header("(" * 100)),
    "samples-pickle": file("samples.npy", b"\x80\x04]."),
    "samples-device": endless,
}  # fmt: skip


@pytest.fixture
def net(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "net"))


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_sentence(case: str, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DAMAGE[case](net)
    code = cli._run(["verify", str(net), "--port", "host"])
    said = capsys.readouterr().err.strip()
    assert code == 2, said
    assert "error: " in said
    assert "\n\n" not in said
    assert len(said) < 1200


def test_a_whole_artifact_is_verified(net: Path) -> None:
    assert cli._run(["verify", str(net), "--port", "host"]) == 0


@pytest.mark.parametrize("command", ["build", "flash", "profile", "verify"])
@pytest.mark.parametrize(
    "case", ["manifest-nested", "manifest-name-climbs", "manifest-board-unknown", "manifest-pipe"]
)
def test_every_command_refuses_a_damaged_manifest(
    command: str, case: str, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGE[case](net)
    assert cli._run([command, str(net)]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_constant_that_the_sources_do_not_have_is_named(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest(lambda m: m["layers"][0].update(arrays=["net_nowhere"]))(net)
    assert cli._run(["profile", str(net)]) == 2
    assert "a constant 'net_nowhere' in the manifest" in " ".join(capsys.readouterr().err.split())


BUILDS: dict[str, Edit] = {
    "gone": lambda net: None,
    "empty": file("build.json", b""),
    "list": file("build.json", b"[]"),
    "nested": file("build.json", DEEP),
    "not-utf8": file("build.json", b"\xff"),
    "numbers": file("build.json", b'{"board": 1, "env": 2, "seconds": "x", "sizes": 3, "published": 4}'),
    "nothing-published": file("build.json", b'{"env": "", "fingerprint": "", "edits": [], "published": {}}'),
    "pipe": lambda net: os.mkfifo(net / "build.json"),
    "folder": lambda net: (net / "build.json").mkdir(),
    "device": lambda net: (net / "build.json").symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("command", [("flash",), ("verify", "--emulate")], ids=["flash", "verify"])
@pytest.mark.parametrize("case", BUILDS)
def test_the_record_of_a_build_that_was_damaged_is_no_build(
    command: tuple[str, ...], case: str, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BUILDS[case](net)
    (net / "firmware/firmware.elf").write_bytes(b"no ELF")
    assert cli._run([*command, str(net)]) == 2
    assert "firmnet build" in (said := capsys.readouterr().err) or "build it with" in said


SOURCES: dict[str, Edit] = {
    "not-utf8": file("firmware/lib/net/net.c", b"\xff\xfe"),
    "pipe": pipe("firmware/lib/net/net.c"),
    "folder": lambda net: [
        (net / "firmware/lib/net/net.c").unlink(),
        (net / "firmware/lib/net/net.c").mkdir(),
    ],
    "no-c": file("firmware/lib/net/net.c", b"this is no C"),
    "gone": lambda net: shutil.rmtree(net / "firmware/lib"),
    "firmware-is-a-file": lambda net: [shutil.rmtree(net / "firmware"), (net / "firmware").write_text("")],
}


@pytest.mark.parametrize("command", [("profile",), ("verify", "--port", "host")], ids=["profile", "verify"])
@pytest.mark.parametrize("case", SOURCES)
def test_damaged_sources_are_one_error(
    command: tuple[str, ...], case: str, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SOURCES[case](net)
    assert cli._run([*command, str(net)]) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["manifest.json", "graph.json", "constants.npz", "samples.npy"])
def test_damage_of_any_byte_or_field_is_no_fault_of_ours(name: str, whole: Path, net: Path) -> None:
    """Seeded: half of the rounds change bytes, half a value of the JSON; the device is this computer."""
    rng = np.random.default_rng(11)
    content = (whole / name).read_bytes()
    codes = set()
    for round in range(60):
        damaged = shaken(content, rng) if name.endswith(".json") and round % 3 else spoilt(content, rng)
        (net / name).write_bytes(damaged)
        codes.add(cli._run(["verify", str(net), "--port", "host", "--layers"]))
    assert codes <= {0, 1, 2}
    assert 2 in codes


def spoilt(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, or the end cut off."""
    damaged = bytearray(content)
    for place in rng.integers(0, len(content), rng.integers(1, 6)):
        damaged[place] = rng.integers(256)
    return bytes(damaged[: rng.integers(len(damaged))] if rng.integers(4) == 0 else damaged)


def shaken(content: bytes, rng: np.random.Generator) -> bytes:
    """JSON with one value, anywhere in it, replaced by another thing."""
    tree = json.loads(content)
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict | list):
            for key in [*value] if isinstance(value, dict) else range(len(value)):
                places.append((value, key))
                visit(value[key])

    visit(tree)
    holder, key = places[rng.integers(len(places))]
    others = [None, -1, 0, 2**70, 1.5, "", "x", "__class__", [], {}, [[]], True, 10**9, float("nan"), 1e300]
    holder[key] = others[rng.integers(len(others))]
    return json.dumps(tree).encode()
