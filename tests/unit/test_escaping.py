"""Do names and labels of any kind stay names and labels in the C, Python and ini files that are generated?"""

import ast
import configparser
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from cases import cases_of

from firmnet.codegen.firmware import firmware
from firmnet.codegen.templates import c_comment, c_string, one_line, render
from firmnet.errors import UserError
from firmnet.ir import Graph, Node, Port
from firmnet.targets import load_board, needs

HOSTILE = (
    'a"; int evil; "',
    "*/ int evil; /*",
    "\\",
    "ends with \\",
    "what??/",
    "??=define evil",
    "first\nsecond = evil",
    "first\r\n#define EVIL",
    '""" + evil() + """',
    "{{ evil }}",
    "%s%n",
    "tab\tnul\0bell\a",
    "naïve 0123 Größe 名前 🙂",
    "line\u2028separator",
    "1" * 300,
)
BOARD = load_board("netduinoplus2")
NEEDS = needs(BOARD, "micropython")


def named(name: str) -> Graph:
    call = cases_of("linear")[0].call
    tensors = {tensor.name: tensor for tensor in (*call.inputs, call.output)}
    return Graph(
        name,
        (Node("y", "linear", call.attrs, ("x", "w", "b"), ("y",)),),
        tensors,
        (Port("x", "x"),),
        (Port("y", "y"),),
    )


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_c_strings_and_comments_hold_any_text(tmp_path: Path) -> None:
    prints = [
        f"/* {c_comment(text)} */ fwrite({c_string(text)}, 1, {len(text.encode())}, stdout);"
        for text in HOSTILE
    ]
    source = "#include <stdio.h>\nint main(void) {\n" + "\n".join(prints) + "\nreturn 0; }\n"
    (tmp_path / "x.c").write_text(source)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-trigraphs"]
    subprocess.run(["gcc", *flags, "x.c", "-o", "x"], cwd=tmp_path, check=True)
    assert (
        subprocess.run([tmp_path / "x"], capture_output=True, check=True).stdout == "".join(HOSTILE).encode()
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_board_of_any_name_changes_nothing_but_its_name(text: str) -> None:
    link, micropython = BOARD.link, BOARD.micropython
    chip = SimpleNamespace(**{**vars(BOARD.chip), "mcu": text, "line": BOARD.chip.line})
    board = SimpleNamespace(
        **{**vars(BOARD), "name": text, "chip": chip, "link": link, "micropython": micropython},
        second_uart_irq=BOARD.second_uart_irq,
    )
    header = render("project/fn_board_config.h.j2", board=board, needs=NEEDS, storage=None)
    plain = render("project/fn_board_config.h.j2", board=BOARD, needs=NEEDS, storage=None)
    assert len(header.splitlines()) == len(plain.splitlines())
    assert f"#define FN_BOARD_NAME {c_string(text)}\n" in header
    board.baremetal_env = BOARD.baremetal_env
    ini = render("project/platformio.ini.j2", model="net", board=board, micropython=True, mpy_flags="")
    parsed, wanted = configparser.ConfigParser(), configparser.ConfigParser()
    parsed.read_string(ini)
    wanted.read_string(
        render("project/platformio.ini.j2", model="net", board=BOARD, micropython=True, mpy_flags="")
    )
    assert parsed == wanted
    assert "\n" not in one_line(text)


@pytest.mark.parametrize("text", [*HOSTILE, "'", "\ud800"])
def test_labels_are_read_back_as_they_were(text: str) -> None:
    graph = named("net")
    labels = (text,) * graph.tensors["y"].size
    made = firmware(graph, BOARD, labels, version='0"; evil(); "')
    shim = ast.parse(made.files["frozen/net.py"])
    values = {
        node.targets[0].id: node.value
        for node in shim.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert ast.literal_eval(values["labels"]) == labels
    calls = {ast.unparse(node.func) for node in ast.walk(shim) if isinstance(node, ast.Call)}
    assert not any("evil" in call for call in calls)
    assert r'const char *const fn_version = "0\042; evil(); \042";' in made.files["src/deployed.c"]


@pytest.mark.parametrize(
    "name",
    ["fn", "fn_x", "_firmnet", "_x", "return", "class", "None", "gc", "machine", "math", "reent", "mbed",
     "arduino", "Net", "a b", "a-b", "../up", "", "1a", "a.b", "é", "a\n"],
)  # fmt: skip
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="a model cannot be called"):
        firmware(named(name), BOARD)


@pytest.mark.parametrize("name", ["int", "main", "model", "deployed", "fnord", "frozen", "x" * 60])
def test_a_name_that_only_looks_so_is_taken(name: str) -> None:
    assert f"lib/{name}/{name}.c" in firmware(named(name), BOARD).files
