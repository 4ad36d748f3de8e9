"""Is an artifact written whole, read back exactly, and refused when it is not one?"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import cases_of

from firmnet import folder
from firmnet.artifact import Artifact, save
from firmnet.errors import UserError
from firmnet.graph_file import graph_to_json
from firmnet.ir import Graph, Node, Port
from firmnet.manifest import FORMAT, Edge, LayerEntry, Manifest, StoredValue
from firmnet.ops import OPS

MACS, ARRAYS, KERNEL, RESCALE = 1, ("net_y_weight",), "portable/linear", "portable/rescale"


def one_layer() -> Graph:
    call = cases_of("linear")[0].call
    tensors = {tensor.name: tensor for tensor in (*call.inputs, call.output)}
    return Graph(
        "net",
        (Node("y", "linear", call.attrs, ("x", "w", "b"), ("y",)),),
        tensors,
        (Port("x", "x"),),
        (Port("y", "y"),),
    )


def manifest() -> Manifest:
    graph = one_layer()
    x, y = graph.tensors["x"], graph.tensors["y"]
    edges = [(Edge(t.name, t.shape, (), t.scale, t.zero_point),) for t in (x, y)]
    layer = LayerEntry("y", "linear", "fc: aten.linear", (StoredValue(y.shape),), MACS, 9, ARRAYS, KERNEL)
    return Manifest(FORMAT, "0.1", "net", "netduinoplus2", "00" * 32, (), *edges, (layer,), 4, 4, 448)


def samples() -> np.ndarray:
    return np.zeros((2, *manifest().input.shape[1:]), np.int8)


def write(path: Path, text: str = "int x;") -> Artifact:
    return save(path, manifest(), one_layer(), samples(), {"src/main.c": text})


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "net")
    artifact = Artifact.open(tmp_path / "net")
    assert replace(artifact.manifest, files={}) == manifest()
    assert Edge("x", (1, 2, 3, 4), (0, 2, 3, 1), 0.1, 3).model_shape == (1, 4, 2, 3)
    assert graph_to_json(artifact.graph) == graph_to_json(one_layer())
    np.testing.assert_array_equal(artifact.graph.tensors["w"].values, one_layer().tensors["w"].values)
    assert artifact.samples.shape == samples().shape


def test_a_layer_may_come_from_a_place_of_any_name(tmp_path: Path) -> None:
    graph = one_layer()
    odd = replace(graph.nodes[0], source="a\x1b[31m\n\ud800" + "x" * 9999)
    save(tmp_path / "net", manifest(), replace(graph, nodes=(odd,)), samples(), {})
    assert Artifact.open(tmp_path / "net").graph.nodes[0].source.startswith("a?[31m??xxx")


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_saving_again_keeps_compiled_objects_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write(tmp_path / "net")
    (tmp_path / "net/firmware/.pio").mkdir()
    (tmp_path / "net/firmware/.pio/object.o").write_text("compiled")
    before = (tmp_path / "net/graph.json").stat().st_mtime_ns
    write(tmp_path / "net", "int y;")
    assert (tmp_path / "net/firmware/.pio/object.o").read_text() == "compiled"
    assert (tmp_path / "net/firmware/src/main.c").read_text() == "int y;"
    assert (tmp_path / "net/graph.json").stat().st_mtime_ns == before, "an unchanged file was touched"
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("months of work")
    with pytest.raises(UserError, match="not a firmnet artifact: choose another directory with -o"):
        write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_current_directory_is_refused_before_it_would_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is the current directory, or holds it: choose another"):
        write(Path("."))
    write(Path("missing/../net"))
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_a_link_to_an_artifact_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "far" / "net")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "net")
    write(tmp_path / "link", "int y;")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far/net/firmware/src/main.c").read_text() == "int y;"
    assert sorted(p.name for p in tmp_path.rglob("*net*")) == ["net"]


def test_an_interrupted_save_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*paths: object) -> None:
        raise KeyboardInterrupt

    write(tmp_path / "net")
    before = contents(tmp_path / "net")
    monkeypatch.setattr("firmnet.folder._exchange", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "net", "int y;")
    assert contents(tmp_path) == {f"net/{name}": content for name, content in before.items()}


def test_opening_brings_back_what_a_killed_save_had_moved_away(tmp_path: Path) -> None:
    write(tmp_path / "net")
    (tmp_path / "net").rename(folder._beside(tmp_path / "net", "old"))
    assert Artifact.open(tmp_path / "net").edited() == ()
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_the_manifest_lists_what_was_written_and_edits_are_seen(tmp_path: Path) -> None:
    artifact = write(tmp_path / "net")
    assert {*artifact.manifest.files, "manifest.json"} == {*contents(tmp_path / "net")}
    assert artifact.edited() == ()
    (tmp_path / "net/firmware/src/main.c").write_text("int z;")
    (tmp_path / "net/samples.npy").unlink()
    assert Artifact.open(tmp_path / "net").edited() == ("firmware/src/main.c", "samples.npy")


def test_a_folder_with_a_foreign_manifest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "my browser extension", "version": 3}')
    (tmp_path / "thesis.txt").write_text("months of work")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"has a manifest\.json that firmnet did not write: choose another"):
        write(tmp_path)
    assert contents(tmp_path) == before


def test_what_the_user_put_into_an_artifact_stays(tmp_path: Path) -> None:
    write(tmp_path / "net")
    notes = {
        "notes.txt": "at 2 am: works",
        "firmware/src/board_test.c": "int t;",
        "firmware/lib/mine/mine.h": "",
        "measured/day 1/log.csv": "1,2",
    }
    for name, text in notes.items():
        (tmp_path / "net" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "net" / name).write_text(text)
    write(tmp_path / "net/inner")
    (tmp_path / "net/link").symlink_to("/nowhere")
    (tmp_path / "net/empty").mkdir()
    inner = contents(tmp_path / "net/inner")
    write(tmp_path / "net", "int y;")
    assert {name: (tmp_path / "net" / name).read_text() for name in notes} == notes
    assert contents(tmp_path / "net/inner") == inner
    assert (tmp_path / "net/link").is_symlink()
    assert (tmp_path / "net/empty").is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_what_a_build_added_and_what_is_not_generated_any_more_goes(tmp_path: Path) -> None:
    save(tmp_path / "net", manifest(), one_layer(), samples(), {"src/a.c": "", "src/b.c": ""})
    (tmp_path / "net/build.json").write_text("{}")
    (tmp_path / "net/firmware/firmware.elf").write_bytes(b"ELF")
    (tmp_path / "net/firmware/src/b.c").write_text("an edit of the user's")
    write(tmp_path / "net")
    assert {*contents(tmp_path / "net")} == {
        *("manifest.json", "graph.json", "constants.npz", "samples.npy"),
        *("firmware/src/main.c", "firmware/src/b.c"),
    }


def test_the_fingerprint_that_a_build_has_written_goes_with_its_model(tmp_path: Path) -> None:
    mark = "lib/net/net_fingerprint.c"
    save(tmp_path / "net", manifest(), one_layer(), samples(), {mark: "0"})
    (tmp_path / "net/firmware" / mark).write_text("as built")
    write(tmp_path / "net")
    assert not (tmp_path / "net/firmware/lib").exists()


IN_THE_WAY: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder-for-file": (lambda net: (net / "firmware/src/extra.c").mkdir(), "extra.c is no plain file"),
    "link-for-file": (lambda net: (net / "firmware/src/extra.c").symlink_to("/dev/null"), "no plain file"),
    "foreign-file": (
        lambda net: (net / "firmware/src/extra.c").write_text("mine"),
        "was not written by firmnet",
    ),
    "link-for-folder": (lambda net: (net / "firmware/include").symlink_to(net), "include is no folder"),
    "file-for-folder": (lambda net: (net / "firmware/include").write_text(""), "include is no folder"),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_stands_in_the_way_of_a_new_file_is_named_and_stays(tmp_path: Path, case: str) -> None:
    put, message = IN_THE_WAY[case]
    write(tmp_path / "net")
    put(tmp_path / "net")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=rf"{message}.*: move it away"):
        save(
            *(tmp_path / "net", manifest(), one_layer(), samples()),
            {"src/main.c": "int y;", "src/extra.c": "", "include/a.h": ""},
        )
    assert contents(tmp_path) == before


def test_an_artifact_of_an_older_firmnet_or_with_a_damaged_manifest_can_be_generated_again(
    tmp_path: Path,
) -> None:
    for damage in ('{"format": 1, "firmnet": "0", "fingerprint": "", "board": "", "layers": []}', "{", ""):
        write(tmp_path / "net")
        (tmp_path / "net/notes.txt").write_text("mine")
        (tmp_path / "net/manifest.json").write_text(damage)
        write(tmp_path / "net", "int y;")
        assert (tmp_path / "net/notes.txt").read_text() == "mine"
        assert Artifact.open(tmp_path / "net").edited() == ()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("")
    with pytest.raises(UserError, match="is a file"):
        write(tmp_path / "net")
    with pytest.raises(UserError, match="cannot write"):
        write(tmp_path / "net" / "deeper")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 99}', '{"format": 2, "name": 3}'])
def test_a_damaged_manifest_is_one_clear_sentence(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "net")
    (tmp_path / "net/manifest.json").write_text(damage)
    with pytest.raises(UserError, match="generate it again"):
        Artifact.open(tmp_path / "net")


@pytest.mark.parametrize("name", ["graph.json", "constants.npz", "samples.npy"])
def test_a_manifest_that_does_not_watch_what_the_oracle_reads_is_damaged(tmp_path: Path, name: str) -> None:
    write(tmp_path / "net")
    file = tmp_path / "net/manifest.json"
    raw = json.loads(file.read_text())
    del raw["files"][name]
    file.write_text(json.dumps(raw))
    with pytest.raises(UserError, match=rf"damaged \(its list of files lacks {name}\): generate it again"):
        Artifact.open(tmp_path / "net")


def test_layers_in_another_order_than_the_firmware_numbers_them_are_damage(tmp_path: Path) -> None:
    graph, made = one_layer(), manifest()
    again = Node("again", "rescale", OPS["rescale"].attrs(), ("y",), ("again",))
    tensors = {**graph.tensors, "again": replace(graph.tensors["y"], name="again")}
    graph = replace(graph, nodes=(*graph.nodes, again), tensors=tensors)
    layers = (*made.layers, replace(made.layers[0], name="again", op="rescale", macs=0, kernel=RESCALE))
    save(tmp_path / "net", replace(made, layers=layers), graph, samples(), {})
    _ = Artifact.open(tmp_path / "net").graph
    save(tmp_path / "net", replace(made, layers=layers[::-1]), graph, samples(), {})
    with pytest.raises(UserError, match="the layers of the manifest are not those of the graph"):
        _ = Artifact.open(tmp_path / "net").graph


CUT = b"PK\x03\x04" + bytes(200)  # the beginning of an archive


@pytest.mark.parametrize("damage", [b"", b"PK", CUT, None], ids=["empty", "two-bytes", "cut", "gone"])
@pytest.mark.parametrize("name", ["constants.npz", "samples.npy", "graph.json"])
def test_a_damaged_file_is_one_clear_sentence(tmp_path: Path, name: str, damage: bytes | None) -> None:
    write(tmp_path / "net")
    file = tmp_path / "net" / name
    file.unlink() if damage is None else file.write_bytes(damage)
    with pytest.raises(UserError, match=r"damaged .*: generate it again"):
        _ = (artifact := Artifact.open(tmp_path / "net")).graph, artifact.samples


@pytest.mark.parametrize(
    "damage", ["[]", "3", '{"name": "net"}', '{"name": "net", "tensors": 3, "nodes": []}']
)
def test_a_graph_of_another_form_is_one_clear_sentence(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "net")
    (tmp_path / "net/graph.json").write_text(damage)
    with pytest.raises(UserError, match=r"damaged .*: generate it again"):
        _ = Artifact.open(tmp_path / "net").graph
