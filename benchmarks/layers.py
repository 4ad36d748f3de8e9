"""Is any single layer slow on a Cortex-M4? A sweep of some 580: cycles, price, other kernels, RAM, code.

    python benchmarks/layers.py [-k PATTERN] [--json] [--jobs N] [--beside FILE] [--chosen-only]
                                [--random N] [--seed S]

Every layer is compiled alone and run once in the simulator, its output compared with the oracle's; cycles
are those of `firmnet profile`, from entry of run() to its return. So is every other kernel that could run it,
always the portable C. docs/kernels.md says how to read the table.

-k PATTERN     layers whose label or kind contains it (a regular expression)
--json         the figures on stdout, people's table on stderr; what --beside reads
--beside FILE  an earlier run's --json: each layer's cycles then, and which became slower
--chosen-only  only the kernels that would be chosen, not what the others would take
--random N     N layers of chance, of every class and odd sizes, instead; --seed S draws others
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import numpy as np
from random_layers import random_layers
from single_layers import NAME, Layer, layers

from firmnet.codegen.model import Library, library
from firmnet.devices.runner import Model
from firmnet.errors import UserError, VerificationError
from firmnet.interpret import run_int
from firmnet.ir import Array, Graph
from firmnet.kernels import choices
from firmnet.ops import OPS
from firmnet.plan import Program, plan
from firmnet.profile.cycles import Instruction, cost, decode
from firmnet.profile.image import ProfiledImage, build
from firmnet.profile.recorders import BasicBlock, record_edges
from firmnet.profile.simulate import simulate
from firmnet.screen import Screen
from firmnet.targets import Isa

Chance = tuple[int, int] | None
"""How many layers of chance are swept, and their seed; None: those of single_layers.py."""
CORE = "cortex-m4f"
PORTABLE = "portable"
MOST_CODE_BYTES = 1000
MOST_STANDING = 1.10
"""How much longer a layer may take than the same layer lying down."""
CLOSE = 1.10
"""Prices and candidates within this are as good."""
FAR = 5
"""Kernels whose price is so many times that of the cheapest are not tried."""
EDGES = ("quantize", "arrange", "dequantize", "best")
"""Functions of a model's inputs and outputs, less their numbers: they belong to no layer."""


@dataclass(frozen=True)
class Figures:
    """What one kernel takes: modelled cycles, bytes of scratch, of the whole arena, and of code.

    `price`: the cycles that it says it takes.
    """

    kernel: str
    cycles: int
    scratch_bytes: int
    arena_bytes: int
    code_bytes: int
    price: int

    @property
    def priced(self) -> float:
        """The price over what it takes."""
        return self.price / self.cycles


@dataclass(frozen=True)
class Result:
    """One layer: the kernel that is chosen, and all others that could run it.

    `per`: cycles per multiply-accumulate, or per output element where there are none (`unit`). `cmsis` and
    `earlier`: cycles of CMSIS-NN and of the run beside it, where known. `shapes`: as the layer's.
    """

    label: str
    kind: str
    unit: str
    units: int
    chosen: Figures
    per: float
    others: tuple[Figures, ...] = ()
    cmsis: int | None = None
    earlier: int | None = None
    shapes: int = 1
    problems: list[str] = field(default_factory=list)

    @property
    def portable(self) -> int | None:
        return next((other.cycles for other in self.others if other.kernel == PORTABLE), None)

    @property
    def loss(self) -> float:
        """How many times longer than the fastest of all kernels the chosen one takes."""
        return self.chosen.cycles / min((o.cycles for o in self.others), default=self.chosen.cycles)


def measured(layer: Layer, chosen_only: bool = False) -> Result:
    """Runs a layer with every kernel that accepts it."""
    graph = layer.graph()
    inputs = _noise(graph)
    expected = run_int(graph, *inputs)
    ways = list(_ways(graph, chosen_only))
    found = [_figures(graph, *way, inputs, expected) for way in ways]
    macs = sum(OPS[node.op].macs(graph.call(node)) for node in graph.nodes)
    units = macs or expected.size
    return Result(
        layer.label,
        layer.kind,
        "MAC" if macs else "element",
        units,
        found[0],
        round(found[0].cycles / units, 3),
        tuple(found[1:]),
        _cmsis().get(layer.label),
        shapes=layer.shapes,
    )


def _ways(graph: Graph, chosen_only: bool) -> Iterator[tuple[str, Library]]:
    """Name and C of every kernel that accepts the layer: the one that is chosen, portable C, all others."""
    chosen = library(graph, isa=Isa.DSP)
    yield _names(chosen.program), chosen
    if chosen_only:
        return
    yield PORTABLE, library(graph, isa=Isa.SCALAR, cascades=())
    computed = [node for node in graph.nodes if not OPS[node.op].view]
    if len(computed) > 1:
        return
    cheapest, *others = choices(computed[0].op, graph.call(computed[0]), Isa.DSP)
    for other in others:
        if other.kernel.isa > Isa.SCALAR and other.cycles < FAR * cheapest.cycles:
            yield other.label, library(graph, isa=Isa.DSP, program=_by(graph, other.label))


def _by(graph: Graph, label: str) -> Program:
    """The program in which the only layer runs by the kernel so called."""
    return plan(
        graph,
        isa=Isa.DSP,
        cascades=(),
        choose=lambda ways: next(way for way in ways if way.label == label),
    )


def _names(program: Program) -> str:
    """The kernels of a program, in the order in which they run."""
    return ", ".join(dict.fromkeys(each.label for chosen in program.choices.values() for each in chosen))


def _noise(graph: Graph) -> list[Array]:
    rng = np.random.default_rng(0)
    given = [graph.tensors[port.tensor] for port in graph.inputs]
    return [rng.integers(t.dtype.low, t.dtype.high + 1, t.shape).astype(t.dtype.numpy) for t in given]


def _figures(graph: Graph, kernel: str, made: Library, inputs: Sequence[Array], expected: Array) -> Figures:
    """Raises VerificationError when the kernel does not compute what the oracle says."""
    layer_bytes = tuple(layer.byte_count for layer in made.layers)
    model = Model(NAME, dict(made.files), tuple(x.nbytes for x in inputs), (expected.nbytes,), layer_bytes)
    image = build(model, np.concatenate([x.ravel().view(np.uint8) for x in inputs]), CORE)
    run = simulate(image, CORE, model.output_bytes, record_edges)
    wrong = int(np.count_nonzero(run.output != expected.ravel().view(np.uint8)))
    if wrong:
        raise VerificationError(f"{kernel}: {wrong} of {expected.size} values differ from the oracle's")

    @cache
    def block(at: BasicBlock) -> tuple[Instruction, ...]:
        return decode(image.code(at), at.address)

    (whole,) = run.regions
    scratch = sum(bytes_ for step in made.program.steps for bytes_ in step.buffers.values())
    cycles = cost(whole.noted, block).cycles
    sizes = scratch, made.program.arena_bytes, _code_bytes(image)
    return Figures(kernel, cycles, *sizes, round(made.program.cycles))


def _code_bytes(image: ProfiledImage) -> int:
    """run() and what it calls."""
    edges = (size for name, size in image.symbol_bytes.items() if name.rpartition("_")[0] in EDGES)
    return image.bytes_of("text") - sum(edges)


@cache
def _cmsis() -> Mapping[str, int]:
    """Cycles of CMSIS-NN for layers of these labels, on the same simulator."""
    return dict(json.loads((Path(__file__).parent / "cmsis_nn.json").read_text()))


# --- what is wrong with it


def judged(results: Sequence[Result], swept: Mapping[str, Layer]) -> None:
    """Writes down, for every result, which limit it breaks and which other kernel would have been faster."""
    by_label = {result.label: result for result in results}
    for result in results:
        layer = swept[result.label]
        lying = by_label.get(layer.lying or "")
        result.problems.extend(_problems(result, layer, lying))


def _problems(r: Result, layer: Layer, lying: Result | None) -> Iterator[str]:
    cycles = r.chosen.cycles
    if layer.most is not None and r.per > layer.most:
        yield f"{r.per:.2f} cycles per {r.unit}, at most {layer.most:g}"
    if lying and cycles > MOST_STANDING * lying.chosen.cycles:
        yield f"{cycles / lying.chosen.cycles:.2f} times the same layer lying down"
    if r.portable is not None and cycles > r.portable:
        yield f"{cycles / r.portable:.2f} times the portable kernel"
    if r.cmsis is not None and cycles > r.cmsis:
        yield f"{cycles / r.cmsis:.2f} times CMSIS-NN"
    best = min(r.others, key=lambda other: other.cycles, default=r.chosen)
    if best.kernel != PORTABLE and best.cycles < cycles:
        yield f"{best.kernel} would take {best.cycles:,}, {cycles / best.cycles:.2f} times less"
    if not _close(r.chosen):
        yield f"priced {r.chosen.priced:.2f} times what it takes"
    if layer.most_ram_bytes is not None and r.chosen.arena_bytes > layer.most_ram_bytes:
        yield f"an arena of {r.chosen.arena_bytes:,} B, at most {layer.most_ram_bytes:,}"
    if r.chosen.code_bytes > MOST_CODE_BYTES * layer.shapes:
        each = f" for each of {layer.shapes} shapes" if layer.shapes > 1 else ""
        yield f"{r.chosen.code_bytes // layer.shapes:,} B of code{each}, at most {MOST_CODE_BYTES:,}"
    if r.earlier is not None and cycles > 1.01 * r.earlier:
        yield f"{cycles / r.earlier:.2f} times the run beside it"


def _close(figures: Figures) -> bool:
    return 1 / CLOSE <= figures.priced <= CLOSE


# --- for people

HEADS = (
    *("layer", "kernel", "cycles", "per", "", "price", "portable", "others", "CMSIS-NN", "earlier"),
    *("scratch", "arena", "code"),
)


def show(results: Sequence[Result], screen: Screen) -> None:
    screen.line(f"{len(results)} single layers on a Cortex-M4, every output equal to the oracle's", "bold")
    screen.table(HEADS, [_row(result) for result in results])
    screen.line(
        "(times in others, CMSIS-NN, earlier and portable: how much longer they take than the kernel chosen)"
    )
    screen.line()
    troubled = [result for result in results if result.problems]
    for result in troubled:
        for problem in result.problems:
            screen.line(f"{result.label}: {problem}")
    screen.line()
    for line in summary(results):
        screen.line(line)
    screen.result({"layers": [asdict(result) for result in results]})


def _row(r: Result) -> tuple[str, ...]:
    def beside(cycles: int | None) -> str:
        return "-" if cycles is None else f"{cycles / r.chosen.cycles:.2f} x"

    others = ", ".join(
        f"{other.kernel} {beside(other.cycles)}" for other in r.others if other.kernel != PORTABLE
    )
    return (
        r.label + "*" * bool(r.problems),
        r.chosen.kernel,
        f"{r.chosen.cycles:,}",
        f"{r.per:.2f}",
        r.unit,
        f"{r.chosen.priced:.2f} x",
        beside(r.portable),
        others or "-",
        beside(r.cmsis),
        beside(r.earlier),
        f"{r.chosen.scratch_bytes:,}",
        f"{r.chosen.arena_bytes:,}",
        f"{r.chosen.code_bytes:,}",
    )


def summary(results: Sequence[Result]) -> Iterator[str]:
    """How many layers break which kind of limit, and how wrong the choice was."""
    yield f"{sum(not r.problems for r in results)} of {len(results)} layers keep every limit"
    slower = [r for r in results if r.portable is not None and r.chosen.cycles > r.portable]
    yield f"slower than portable C: {len(slower)}"
    known = [r for r in results if r.cmsis is not None]
    behind = [r for r in known if r.cmsis is not None and r.chosen.cycles > r.cmsis]
    yield f"slower than CMSIS-NN: {len(behind)} of {len(known)} known"
    wrong = [r for r in results if r.loss > CLOSE]
    worst = max(results, key=lambda r: r.loss)
    at_worst = f"at worst {worst.loss:.2f} times ({worst.label})"
    yield f"another kernel more than 10 % faster: {len(wrong)}, {at_worst}"
    for whose, figures in [
        ("of the kernels chosen", [(r.label, r.chosen) for r in results]),
        ("of all others", [(r.label, other) for r in results for other in r.others]),
    ]:
        yield from _prices(whose, figures)
    for r in results:
        if r.shapes > 1:
            yield f"code of a {r.label}: {r.chosen.code_bytes // r.shapes:,} B each"
    results = [r for r in results if r.shapes == 1]
    if not results:
        return
    large = [r for r in results if r.chosen.code_bytes > MOST_CODE_BYTES]
    most = max(results, key=lambda r: r.chosen.code_bytes)
    mean = sum(r.chosen.code_bytes for r in results) // len(results)
    yield (
        f"code: on average {mean:,} B, above {MOST_CODE_BYTES:,} B: {len(large)}, "
        f"at most {most.chosen.code_bytes:,} B ({most.label})"
    )


def _prices(whose: str, known: Sequence[tuple[str, Figures]]) -> Iterator[str]:
    if known:
        off = sum(not _close(figures) for _, figures in known)
        label, worst = max(known, key=lambda each: max(each[1].priced, 1 / each[1].priced))
        where = f"{worst.priced:.2f} times what {worst.kernel} takes ({label})"
        yield f"prices {whose} more than 10 % off: {off} of {len(known)}, at worst {where}"


# --- the sweep


def sweep(
    wanted: Sequence[Layer], jobs: int, chosen_only: bool, chance: Chance, screen: Screen
) -> list[Result]:
    """All results in the order of the layers; layers that fail are told and left out."""
    results = []
    with ProcessPoolExecutor(jobs) as pool, screen.waiting(f"sweeping {len(wanted)} layers"):
        works = [(layer.label, chosen_only, chance) for layer in wanted]
        for layer, answer in zip(wanted, pool.map(_by_label, works), strict=True):
            if isinstance(answer, str):
                screen.error(f"{layer.label}: {answer}")
            else:
                results.append(answer)
    return results


def _by_label(job: tuple[str, bool, Chance]) -> Result | str:
    label, chosen_only, chance = job
    try:
        return measured(_all(chance)[label], chosen_only)
    except (UserError, VerificationError, ValueError, OverflowError) as error:
        return str(error)


@cache
def _all(chance: Chance) -> Mapping[str, Layer]:
    found = random_layers(*chance) if chance else layers()
    return {layer.label: layer for layer in found}


def beside(results: Sequence[Result], earlier: Any) -> list[Result]:
    """With the cycles of an earlier run."""
    known = {layer["label"]: int(layer["chosen"]["cycles"]) for layer in earlier["layers"]}
    return [replace(result, earlier=known.get(result.label)) for result in results]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-k", metavar="PATTERN", default="", dest="pattern", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help=argparse.SUPPRESS)
    parser.add_argument("--beside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--chosen-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--random", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    chance = (options.random, options.seed) if options.random else None
    swept = _all(chance)
    screen = Screen(json=options.json)
    wanted = [
        layer for layer in swept.values() if re.search(options.pattern, f"{layer.label} ({layer.kind})")
    ]
    if not wanted:
        screen.error(f"no layer is called {options.pattern!r}")
        return 2
    results = sweep(wanted, options.jobs, options.chosen_only, chance, screen)
    if not results:
        return 1
    if options.beside:
        results = beside(results, json.loads(options.beside.read_text()))
    judged(results, swept)
    show(results, screen)
    return 0 if len(results) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
