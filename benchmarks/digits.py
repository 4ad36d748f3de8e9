"""What does the digits network cost? Seconds to generate and build, memory and instructions per layer kind.

    python benchmarks/digits.py [--json]

Times are this machine's; bytes and instructions are the same everywhere (instructions are not cycles).
"""

import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

import firmnet
from firmnet.artifact import Artifact
from firmnet.assets import assets
from firmnet.build import BuildReport
from firmnet.codegen.model import Layer
from firmnet.devices import core
from firmnet.errors import UserError
from firmnet.plan import plan
from firmnet.screen import Screen
from firmnet.targets import core_named, isa, load_board
from firmnet.toolchain import run

BOARD = "netduinoplus2"
ISA = isa(load_board(BOARD).chip.core)
SEPARATE = ("-fno-inline-functions-called-once", "-fno-inline-functions", "-fno-inline-small-functions")
"""Every kernel stays a function, so that it has a size; the firmware itself inlines them."""


@dataclass(frozen=True)
class KindCost:
    """All layers of one op; `ram_bytes` is the most that one of them needs: inputs, output, scratch."""

    op: str
    layers: int
    macs: int
    constant_bytes: int
    code_bytes: int
    ram_bytes: int
    instructions: int


@dataclass(frozen=True)
class Report:
    train_seconds: float
    generate_seconds: float
    build_seconds: float
    rebuild_seconds: float
    instructions: int
    build: BuildReport
    kinds: tuple[KindCost, ...]


def measure(path: Path) -> Report:
    """Everything, with the artifact in `path`."""
    sys.path.insert(0, str(assets("examples")))
    digits = import_module("digits")  # with training data and torch: only when it runs

    began = time.perf_counter()
    parts = digits.model()
    trained = time.perf_counter()
    deployment = firmnet.compile(
        parts["module"], parts["calibration"], board=BOARD, name="digits", labels=parts["labels"]
    )
    artifact = deployment.save(path)
    generated = time.perf_counter()
    build = deployment.build(path)
    built = time.perf_counter()
    deployment.build(path)
    rebuilt = time.perf_counter()
    with core.open(artifact, BOARD) as device:
        counted = device.run(artifact.samples[:1]).cycles
        assert counted is not None
        per_layer = [int(n) for n in device.profile(artifact.samples[0])]
    return Report(
        trained - began,
        generated - trained,
        built - generated,
        rebuilt - built,
        int(counted[0]),
        build,
        tuple(_kinds(artifact, deployment.firmware.layers, per_layer)),
    )


def _kinds(artifact: Artifact, kernels: Sequence[Layer], instructions: list[int]) -> Iterator[KindCost]:
    layers = list(zip(artifact.manifest.layers, instructions, strict=True))
    code, ram = _code_bytes(artifact, kernels), _ram_bytes(artifact)
    for op in dict.fromkeys(layer.op for layer, _ in layers):
        mine = [(layer, count) for layer, count in layers if layer.op == op]
        yield KindCost(
            op,
            len(mine),
            sum(layer.macs for layer, _ in mine),
            sum(layer.flash_bytes for layer, _ in mine),
            code[op],
            max(ram[layer.name] for layer, _ in mine),
            sum(count for _, count in mine),
        )


def _code_bytes(artifact: Artifact, kernels: Sequence[Layer]) -> Counter[str]:
    """Bytes of code per op, compiled as for the board but not inlined; what ops share is the first one's."""
    name = artifact.manifest.name
    core = core_named(load_board(BOARD).chip.core)
    flags = (*core.cflags, "-std=c11", "-O3", "-ffp-contract=off", *SEPARATE)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.o"
        command: list[str | Path] = ["arm-none-eabi-gcc", *flags, "-c", f"{name}.c", "-o", target]
        run(command, what="compiling the model", cwd=artifact.firmware / "lib" / name)
        with target.open("rb") as file:
            table: Any = ELFFile(file).get_section_by_name(".symtab")
            symbols = list(table.iter_symbols())
    code: Counter[str] = Counter()
    for symbol in symbols:
        called = re.compile(rf"\b{re.escape(symbol.name.split('.')[0])}\(")
        if symbol["st_info"]["type"] == "STT_FUNC":
            owner = (k.op for k in kernels if any(called.search(f.text) for f in k.functions.values()))
            code[next(owner, "")] += symbol["st_size"]
    return code


def _ram_bytes(artifact: Artifact) -> dict[str, int]:
    """Arena bytes that each layer needs while it runs; a shared place (in-place result, view) counts once."""
    graph = artifact.graph
    program = plan(graph, isa=ISA)
    needed = {}
    for step in program.steps:
        (node,) = step.nodes
        names = {*graph.activations(node), node.output}
        places = [range(program.offsets[n], program.offsets[n] + graph.tensors[n].size) for n in names]
        scratch = step.choice.scratch_bytes if step.choice else 0
        needed[node.name] = len(set().union(*places)) + scratch
    return needed


def show(report: Report, screen: Screen) -> None:
    sizes = report.build.sizes
    screen.line(f"digits on {BOARD}", "bold")
    screen.line(
        f"generate      {report.generate_seconds:8.1f} s (after {report.train_seconds:.1f} s of training)"
    )
    screen.line(
        f"build         {report.build_seconds:8.1f} s (again, unchanged: {report.rebuild_seconds:.1f} s)"
    )
    screen.line(f"instructions  {report.instructions:8,} per inference")
    screen.line(f"model flash   {sizes.model_flash_bytes:8,} B of {sizes.flash_bytes:,} B firmware")
    screen.line(
        f"model RAM     {sizes.arena_bytes:8,} B arena; {sizes.heap_bytes:,} B of heap for MicroPython"
    )
    screen.line()
    heads = ("kind", "layers", "MACs", "constants B", "code B", "RAM B", "instructions")
    rows = [
        (
            k.op,
            *(
                f"{n:,}"
                for n in (k.layers, k.macs, k.constant_bytes, k.code_bytes, k.ram_bytes, k.instructions)
            ),
        )
        for k in report.kinds
    ]
    screen.table(heads, rows)
    screen.result(asdict(report))


def main(arguments: list[str]) -> int:
    screen = Screen(json="--json" in arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="firmnet-") as scratch:
            show(measure(Path(scratch) / "digits"), screen)
    except UserError as error:
        screen.error(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
