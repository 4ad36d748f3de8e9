"""Is a `.pt2` file data? None of these runs code, takes memory or ends in a traceback: each is refused."""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from firmnet import cli
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.frontends.torch import pt2

MARKER = "marker"
OPEN = f"open({MARKER!r}, 'w')"
MODEL, SAMPLES = "models/model.json", "data/sample_inputs/model.pt"
WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"

Files = dict[str, bytes]


class Marker:
    """What a pickle can do: this one creates a file where it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (MARKER, "w")


class Scaled(nn.Module):
    """Weights, a buffer and a constant, so that every part of the archive is there."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("step", torch.arange(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(nn.functional.linear(x, self.fc.weight, self.step + torch.tensor([1.0, 2.0, 3.0])))


def exported(module: nn.Module, *shape: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(*shape),), **options), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def good() -> Files:
    torch.manual_seed(0)
    with zipfile.ZipFile(io.BytesIO(exported(Scaled(), 1, 4))) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def written(path: Path, files: Files, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, content in files.items():
            out.writestr(f"archive/{name}", content)
    return path


def edited(files: Files, name: str, edit: Callable[[Any], object]) -> Files:
    content = json.loads(files[name])
    edit(content)
    return files | {name: json.dumps(content).encode()}


def model(edit: Callable[[Any], object]) -> Callable[[Files], Files]:
    return lambda files: edited(files, MODEL, edit)


def graph(edit: Callable[[Any], object]) -> Callable[[Files], Files]:
    return model(lambda program: edit(program["graph_module"]["graph"]))


def node(edit: Callable[[Any], object], index: int = 0) -> Callable[[Files], Files]:
    return graph(lambda inner: edit(inner["nodes"][index]))


def text(old: str, new: str, name: str = MODEL) -> Callable[[Files], Files]:
    """The file with a quoted text replaced everywhere."""

    def edit(files: Files) -> Files:
        before = files[name]
        after = before.replace(json.dumps(old).encode(), json.dumps(new).encode())
        assert before != after
        return files | {name: after}

    return edit


def pickled(config: str, folder: str) -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        entries = json.loads(files[config])
        first = next(iter(entries["config"].values()))
        first["use_pickle"] = True
        return files | {config: json.dumps(entries).encode(), folder + first["path_name"]: saved(Marker())}

    return edit


def constant(prefix: str, content: bytes) -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        entries = json.loads(files[CONSTANTS])
        first = next(iter(entries["config"].values()))
        first |= {"path_name": f"{prefix}0", "use_pickle": True, "tensor_meta": None}
        return files | {CONSTANTS: json.dumps(entries).encode(), f"data/constants/{prefix}0": content}

    return edit


def put(name: str, content: bytes = b"") -> Callable[[Files], Files]:
    return lambda files: files | {name: content}


def set_size(size: Any) -> Callable[[Files], Files]:
    def edit(inner: Any) -> None:
        inner["tensor_values"]["x"]["sizes"][0] = size

    return graph(edit)


def set_tree(tree: Any, of: str = "in_spec") -> Callable[[Files], Files]:
    def edit(program: Any) -> None:
        program["graph_module"]["module_call_graph"][0]["signature"][of] = json.dumps([1, tree])

    return model(edit)


def first_weight(edit: Callable[[Any], object]) -> Callable[[Files], Files]:
    return lambda files: edited(
        files, WEIGHTS, lambda c: edit(next(iter(c["config"].values()))["tensor_meta"])
    )


LEAF = {"type": None, "context": None, "children_spec": []}


def nested(kind: str, *children: Any) -> Any:
    """A structure of inputs or outputs in a tuple or list."""
    return {"type": kind, "context": "null", "children_spec": [*children]}


ENUM = json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "x"})
EXPRESSION = {"as_expr": {"expr_str": f"__import__('builtins').{OPEN}", "hint": None}}
TEXT_INPUT = {"constant_input": {"name": "flag", "value": {"as_string": f"'+str({OPEN})+'"}}}

HOSTILE: dict[str, tuple[Callable[[Files], Files], str]] = {
    "pickled-samples": (put(SAMPLES, saved(((Marker(),), {}))), "brings code in its sample inputs"),
    "bare-pickle-as-samples": (put(SAMPLES, pickle.dumps(Marker())), "is not a torch.export archive"),
    "pickled-weight": (pickled(WEIGHTS, "data/weights/"), "has a pickled weight"),
    "pickled-constant": (pickled(CONSTANTS, "data/constants/"), "has a pickled weight"),
    "script-object": (constant("custom_obj_", saved(Marker())), "'data/constants/custom_obj_0'"),
    "opaque-object": (constant("opaque_obj_", pickle.dumps(Marker())), "'data/constants/opaque_obj_0'"),
    "weights-of-the-old-format": (
        put("data/weights/model.pt", saved({"w": Marker()})),
        "'data/weights/model.pt'",
    ),
    "constants-of-the-old-format": (
        put("data/constants/model.pt", saved({"w": Marker()})),
        "no exported network",
    ),
    "compiled-library": (
        put("data/aotinductor/model/model.so", b"\x7fELF"),
        "'data/aotinductor/model/model.so'",
    ),
    "second-model": (put("models/other.json", b"{}"), "'models/other.json'"),
    "size-expression": (set_size(EXPRESSION), "has a dynamic shape"),
    "size-expression-elsewhere": (
        graph(lambda inner: inner["sym_int_values"].update(s=EXPRESSION)),
        "has a dynamic shape",
    ),
    "guard": (model(lambda program: program["guards_code"].append(OPEN)), "has a guard"),
    "system-call": (node(lambda n: n.update(target="torch.os.system")), "'torch.os.system'"),
    "builtin": (node(lambda n: n.update(target="_operator.call")), "'_operator.call'"),
    "class-of-the-namespace": (
        node(lambda n: n.update(target="torch.ops.aten.__class__.mro")),
        "__class__.mro",
    ),
    "operator-that-loads-code": (
        node(lambda n: n.update(target="torch.ops.load_library")),
        "no plain operator",
    ),
    "operator-that-writes-files": (
        node(lambda n: n.update(target="torch.ops.aten.from_file.default")),
        "from_file",
    ),
    "operator-cut-short": (
        node(lambda n: n.update(target="torch.ops.aten.softmax.in")),
        "'torch.ops.aten.softmax.in'",
    ),
    "operator-of-torchscript": (
        node(lambda n: n.update(target="torch.ops.aten.save.default")),
        "no plain operator",
    ),
    "operator-of-a-library": (
        node(lambda n: n.update(target="torch.ops.mylib.op.default")),
        "torch.ops.mylib.op",
    ),
    "higher-order-operator": (node(lambda n: n.update(target="torch.ops.higher_order.cond")), "higher_order"),
    "extension-operator": (node(lambda n: n.update(target="#executorch:op")), "'#executorch:op'"),
    "operator-as-argument": (
        node(lambda n: n["inputs"][0].update(arg={"as_operator": "torch.os.system"})),
        "hands an operator to an operator",
    ),
    "code-in-a-value-name": (text("x", f"x\n    {OPEN}"), "has a value of the odd name"),
    "name-of-torch-itself": (text("x", "torch"), "has a value of the odd name 'torch'"),
    "name-of-the-module": (text("linear", "self"), "has a value of the odd name 'self'"),
    "code-in-a-node-name": (node(lambda n: n.update(name=f"a; {OPEN}")), "has a value of the odd name"),
    "code-in-an-argument-name": (
        node(lambda n: n["inputs"][0].update(name=f"a={OPEN},b")),
        "has an argument of",
    ),
    "code-in-a-weight-name": (text("fc.weight", f'fc.weight"){OPEN}#'), "has a weight of the odd name"),
    "class-as-weight-name": (text("fc.weight", "__class__.weight"), "that Python reserves"),
    "code-in-the-arguments-of-forward": (
        model(
            lambda program: program["graph_module"]["module_call_graph"][0]["signature"].update(
                forward_arg_names=[f"x={OPEN}"]
            )
        ),
        "has a value of the odd name",
    ),
    "code-in-a-text-input": (
        model(lambda program: program["graph_module"]["signature"]["input_specs"].append(TEXT_INPUT)),
        "has an operator with the odd text",
    ),
    "module-imported-by-inputs": (
        set_tree({"type": "builtins.tuple", "context": ENUM, "children_spec": [LEAF]}),
        "has inputs or outputs in a 'builtins.tuple'",
    ),
    "class-of-inputs": (
        set_tree({"type": "builtins.defaultdict", "context": "{}", "children_spec": []}),
        "'builtins.defaultdict'",
    ),
    "places-for-more-inputs": (
        set_tree(nested("builtins.tuple", nested("builtins.tuple", LEAF, LEAF))),
        "is called with places for 2 inputs and has 1",
    ),
    "places-for-more-outputs": (
        set_tree(nested("builtins.tuple", LEAF, LEAF, LEAF), "out_spec"),
        "is called with places for 3 outputs and has 1",
    ),
    "two-outputs-of-one-name": (
        set_tree(
            {"type": "builtins.dict", "context": '["a", "a"]', "children_spec": [LEAF, LEAF]}, "out_spec"
        ),
        "has inputs or outputs in a 'builtins.dict'",
    ),
    "outputs-fewer-than-their-names": (
        set_tree({"type": "builtins.dict", "context": '["a", "b"]', "children_spec": [LEAF]}, "out_spec"),
        "has inputs or outputs in a 'builtins.dict'",
    ),
    "name-that-climbs": (put("../../marker", b""), "odd name"),
    "name-with-backslash": (put("data\\marker", b""), "odd name"),
    "deep-nesting": (put(MODEL, b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "is nested too deeply"),
    "huge-tensor": (set_size({"as_int": 10**11}), "which no microcontroller holds"),
    "negative-size": (set_size({"as_int": -4}), "is damaged"),
    "size-true": (set_size({"as_int": True}), "is damaged"),
    "weight-beyond-its-bytes": (put("data/weights/weight_0", bytes(44)), "has too few bytes"),
    "weight-of-huge-stride": (
        first_weight(lambda m: m["strides"][0].update(as_int=10**9)),
        "has too few bytes",
    ),
    "weight-of-another-shape": (
        first_weight(lambda m: m.update(sizes=[{"as_int": 2}, {"as_int": 2}])),
        "gives 'fc.weight' two shapes or types",
    ),
    "weight-of-no-type": (first_weight(lambda m: m.update(dtype=28)), "two shapes or types"),
    "calls-a-number": (
        model(lambda program: program["graph_module"].update(module_call_graph=5)),
        "is not a torch.export archive",
    ),
    "inputs-a-list": (set_tree([]), "is not a torch.export archive"),
    "inputs-of-no-keys": (
        set_tree({"type": "builtins.dict", "context": None, "children_spec": []}),
        "is not a torch.export archive",
    ),
    "not-json": (put(MODEL, b"import os"), "is not a torch.export archive"),
    "not-utf8": (put(MODEL, b"\xff\xfe{"), "is not a torch.export archive"),
    "list-for-a-model": (put(MODEL, b"[]"), "is damaged"),
    "no-model": (
        lambda files: {k: v for k, v in files.items() if k != MODEL},
        "is not a torch.export archive",
    ),
    "big-endian": (put("byteorder", b"big"), "big-endian"),
}


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `firmnet generate` says of the file, which must be bad input in one sentence."""
    code = cli._run(["generate", str(path), "--board", "netduinoplus2", "-o", str(path.parent / "made")])
    said = capsys.readouterr().err
    assert code == 2, said
    assert not (path.parent / "made").exists()
    return said


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_of_it_runs(
    case: str,
    good: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit, complaint = HOSTILE[case]
    monkeypatch.chdir(tmp_path)
    said = refused(written(tmp_path / "net.pt2", edit(good)), capsys)
    assert complaint in " ".join(said.split())
    assert not list(tmp_path.rglob(MARKER))


def test_a_bomb_is_refused_by_what_it_declares(
    good: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(written(tmp_path / "net.pt2", good).read_bytes())
    entry = content.rindex(b"archive/data/weights/weight_0") - 46  # in the archive's directory at its end
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    (tmp_path / "net.pt2").write_bytes(content)
    assert "unpacks to more than 512 MiB" in " ".join(refused(tmp_path / "net.pt2", capsys).split())


def test_a_value_between_layers_that_would_take_all_memory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(io.BytesIO(exported(nn.Sequential(nn.ReLU(), nn.ReLU()), 1, 4, 4))) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}

    def padded(first: Any) -> None:
        first["target"] = "torch.ops.aten.constant_pad_nd.default"
        first["inputs"].append({"name": "pad", "arg": {"as_ints": [0, 10**9]}, "kind": 1})

    said = refused(written(tmp_path / "net.pt2", node(padded)(files)), capsys)
    assert "(1, 4, 1000000004), which no microcontroller holds" in " ".join(said.split())


@pytest.mark.parametrize("name", ["/etc/passwd", "__MACOSX/._model", "other/models/model.json", "notes"])
def test_a_part_outside_the_archives_folder_is_named(good: Files, tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "net.pt2", good)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"")
    with pytest.raises(UserError, match=f"has a part of the odd name '{re.escape(name)}'"):
        load(str(path))


def test_a_part_that_is_there_twice_is_refused(
    good: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "net.pt2", good)
    with zipfile.ZipFile(path, "a") as out, pytest.warns(UserWarning, match="Duplicate"):
        out.writestr(f"archive/{MODEL}", "{}")
    assert "twice" in refused(path, capsys)


def test_the_format_of_old_torch_is_refused_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as out:
        out.writestr("version", "8.20")
        out.writestr("serialized_exported_program.json", "{}")
        out.writestr("serialized_state_dict.pt", saved(Marker()))
    assert "is not a torch.export archive" in " ".join(refused(tmp_path / "net.pt2", capsys).split())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(200), b"{}"], ids=["empty", "cut", "json"])
def test_what_is_no_archive_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.pt2").write_bytes(content)
    assert "is not a torch.export archive" in " ".join(refused(tmp_path / "net.pt2", capsys).split())


def test_damage_of_any_byte_is_no_fault_of_ours(good: Files, tmp_path: Path) -> None:
    """Seeded: bytes of the archive and values of its JSON are changed at random."""
    rng = np.random.default_rng(7)
    whole = written(tmp_path / "whole.pt2", good).read_bytes()
    for round in range(60):
        if round % 2:
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole), rng.integers(1, 8)):
                damaged[place] = rng.integers(256)
            (tmp_path / "net.pt2").write_bytes(damaged)
        else:
            name = (MODEL, WEIGHTS, CONSTANTS)[round // 2 % 3]
            written(tmp_path / "net.pt2", good | {name: shaken(good[name], rng)})
        with suppress(UserError):  # nothing else: the damage is named, or does not matter
            load(str(tmp_path / "net.pt2"))


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
    others = [None, -1, 2**70, 1.5, "", "x", "__class__", [], {}, [[]], True, 10**9, "NaN", {"as_int": -1}]
    holder[key] = others[rng.integers(len(others))]
    return json.dumps(tree).encode()


class Strided(nn.Module):
    """Weights that share one storage, a transposed slice, a broadcast row, and a buffer of another type."""

    def __init__(self) -> None:
        super().__init__()
        base = torch.randn(8, 4)
        self.slice = nn.Parameter(base[2:5])
        self.turned = nn.Parameter(base.t()[1:4, 0:6:2])
        self.row = nn.Parameter(torch.randn(1, 3).expand(3, 3))
        self.register_buffer("bias16", torch.randn(3).half())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.linear(x, self.slice, self.bias16.float())
        return nn.functional.linear(nn.functional.linear(y, self.turned), self.row)


@pytest.mark.parametrize("module", [Scaled(), Strided()], ids=["plain", "strided-shared-half"])
def test_an_ordinary_file_gives_the_very_weights(module: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(exported(module, 1, 4))
    program = pt2.load(tmp_path / "net.pt2")
    wanted = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert {*program.state_dict} == {*wanted}
    for name, tensor in wanted.items():
        assert program.state_dict[name].dtype == tensor.dtype
        assert torch.equal(program.state_dict[name], tensor), name
    x = torch.randn(1, 4)
    assert torch.equal(program.module()(x), module(x))
    assert load(str(tmp_path / "net.pt2")).graph.nodes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_weights_of_other_floats_are_taken_as_they_are(dtype: torch.dtype, tmp_path: Path) -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4).to(dtype))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.weight.float())

    (tmp_path / "net.pt2").write_bytes(exported(module := Cast(), 1, 4))
    graph = load(str(tmp_path / "net.pt2")).graph
    (weight,) = (t.real for t in graph.tensors.values() if t.data is not None and t.shape == (3, 4))
    np.testing.assert_array_equal(weight, module.weight.detach().double().numpy())


def test_a_batch_of_any_size_is_refused_with_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = torch.export.Dim("batch")
    (tmp_path / "net.pt2").write_bytes(exported(Scaled(), 2, 4, dynamic_shapes={"x": {0: batch}}))
    assert "export it without dynamic_shapes" in " ".join(refused(tmp_path / "net.pt2", capsys).split())
