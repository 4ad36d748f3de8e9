"""How do the four MLPerf Tiny networks do on a Cortex-M4? Cycles, RAM and flash, beside goals and CMSIS-NN.

    python benchmarks/mlperf_tiny.py [--json]

Cycles are modelled (zero wait states, from entry of run() to its return, first call after reset); cycles, RAM
and flash are of one ELF. RAM counts input, output, scratch, the rest of the arena, variables and peak stack.
Every network is also compared with the oracle on an emulated board. Seconds are this machine's.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import firmnet
from firmnet.assets import assets
from firmnet.errors import UserError, VerificationError
from firmnet.ir import Graph
from firmnet.profile import Profile, profile, profile_graph
from firmnet.screen import Screen

BOARD = "netduinoplus2"
KB = 1024


@dataclass(frozen=True)
class Target:
    """Cycles of the first bar, the goal and the best CMSIS-NN build; bytes that RAM and flash may take.

    `ram_limits_bytes` are for runs of their own, planned to fit.
    """

    name: str
    bar_cycles: int
    goal_cycles: int
    cmsis_cycles: int
    cmsis_ram_bytes: int
    cmsis_flash_bytes: int
    ram_bytes: int
    flash_bytes: int
    ram_limits_bytes: tuple[int, ...] = ()


TARGETS = (
    Target("vww", 11_500_000, 10_000_000, 28_800_000, 65_196, 267_928, 60 * KB, 268_000, (40 * KB, 32 * KB)),
    Target("kws", 4_000_000, 3_600_000, 9_070_000, 16_676, 52_308, 18 * KB, 52_000, (11 * KB,)),
    Target("ic", 15_500_000, 14_000_000, 36_200_000, 50_428, 102_544, 54 * KB, 102_500, (40 * KB, 24 * KB)),
    Target("ad", 420_000, 400_000, 714_000, 1_076, 277_276, 2_560, 282_000),
)
"""VWW first: its seconds to generate include those of loading PyTorch."""


@dataclass(frozen=True)
class Limited:
    """A run under a RAM limit: how much it takes and how long, or why there is none.

    `cost` is the part of its cycles that layers one by one, in as much RAM as they want, would spare.
    """

    ram_limit_bytes: int
    ram_bytes: int | None = None
    cycles: int | None = None
    cost: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Result:
    """What one network costs; `cycles_per_mac` and `vs_cmsis` (how many times faster) are ratios."""

    name: str
    cycles: int
    instructions: int
    ram_bytes: int
    flash_bytes: int
    macs: int
    cycles_per_mac: float
    vs_cmsis: float
    lower_bound_bytes: int
    stack_bytes: int
    code_bytes: int
    weights_bytes: int
    limited: tuple[Limited, ...]
    verified: int
    generate_seconds: float
    build_seconds: float | None = None


def measure(target: Target, folder: Path, built: bool) -> Result:
    """Generate, compare with the oracle, profile, perhaps also build the whole firmware."""
    began = time.perf_counter()
    source = assets("examples") / "mlperf_tiny.py"
    deployment = firmnet.compile(f"{source}:{target.name}", board=BOARD)
    artifact = deployment.save(folder / target.name)
    generated = time.perf_counter()
    if built:
        deployment.build(artifact.path)
    seconds = time.perf_counter() - generated
    verdict = deployment.verify(device="core", layers=True)
    if not verdict.ok:
        raise VerificationError(verdict.sentence())
    result = _result(target, profile(artifact), verdict.total, generated - began)
    limited = tuple(_limited(deployment.graph, limit) for limit in target.ram_limits_bytes)
    return replace(result, limited=limited, build_seconds=round(seconds, 1) if built else None)


def _result(target: Target, p: Profile, verified: int, generate_seconds: float) -> Result:
    assert p.cycles is not None
    return Result(
        name=target.name,
        cycles=p.cycles,
        instructions=p.instructions,
        ram_bytes=p.ram_bytes,
        flash_bytes=p.flash_bytes,
        macs=p.macs,
        cycles_per_mac=round(p.cycles / p.macs, 3),
        vs_cmsis=round(target.cmsis_cycles / p.cycles, 2),
        lower_bound_bytes=p.lower_bound_bytes,
        stack_bytes=p.stack_bytes,
        code_bytes=p.code_bytes,
        weights_bytes=p.weights_bytes,
        limited=(),
        verified=verified,
        generate_seconds=round(generate_seconds, 1),
    )


def _limited(graph: Graph, limit: int) -> Limited:
    try:
        p = profile_graph(graph, ram_limit_bytes=limit)
    except UserError as error:
        return Limited(limit, problem=str(error))
    assert p.cycles is not None
    before = p.one_by_one and p.one_by_one.cycles
    return Limited(limit, p.ram_bytes, p.cycles, round(p.cycles / before - 1, 5) if before else 0.0)


def show(results: Sequence[Result], screen: Screen) -> None:
    pairs = list(zip(results, TARGETS, strict=True))
    screen.line(f"MLPerf Tiny on a Cortex-M4 ({BOARD}), int8, every output equal to the oracle's", "bold")
    heads = ("", "Mcycles", "bar", "goal", "per MAC", "CMSIS-NN", "times faster", "instructions", "verified")
    rows = [
        (
            r.name,
            _within(r.cycles / 1e6, t.bar_cycles / 1e6, ".2f"),
            f"{t.bar_cycles / 1e6:g}",
            f"{t.goal_cycles / 1e6:g}",
            f"{r.cycles_per_mac:.2f}",
            f"{t.cmsis_cycles / 1e6:g}",
            f"{r.vs_cmsis:.2f}",
            f"{r.instructions:,}",
            str(r.verified),
        )
        for r, t in pairs
    ]
    screen.table(heads, rows)
    screen.line()
    heads = (
        "",
        "RAM B",
        "may be",
        "CMSIS-NN",
        "lower bound",
        "stack",
        "flash B",
        "may be",
        "CMSIS-NN",
        "code",
    )
    rows = [
        (
            r.name,
            _within(r.ram_bytes, t.ram_bytes),
            f"{t.ram_bytes:,}",
            f"{t.cmsis_ram_bytes:,}",
            f"{r.lower_bound_bytes:,}",
            f"{r.stack_bytes:,}",
            _within(r.flash_bytes, t.flash_bytes),
            f"{t.flash_bytes:,}",
            f"{t.cmsis_flash_bytes:,}",
            f"{r.code_bytes:,}",
        )
        for r, t in pairs
    ]
    screen.table(heads, rows)
    screen.line("(*: above what it may be; lower bound: no placement of the arena is smaller)")
    screen.line()
    for r in results:
        for limited in r.limited:
            screen.line(_limited_line(r.name, limited))
    first = results[0]
    screen.line(f"{first.name}: generated in {first.generate_seconds} s, built in {first.build_seconds} s")
    screen.result({"models": [asdict(result) for result in results]})


def _within(value: float, limit: float, form: str = ",") -> str:
    return f"{value:{form}}{'*' * (value > limit)}"


def _limited_line(name: str, limited: Limited) -> str:
    if limited.ram_bytes is None or limited.cycles is None:
        return f"{name} --ram-limit {limited.ram_limit_bytes}: {limited.problem}"
    took = f"{limited.ram_bytes:,} B of RAM, {limited.cycles:,} cycles, cost {limited.cost:+.2%}"
    return f"{name} --ram-limit {limited.ram_limit_bytes}: {took}"


def main(arguments: list[str]) -> int:
    screen = Screen(json="--json" in arguments)
    results = []
    try:
        with tempfile.TemporaryDirectory(prefix="firmnet-") as scratch:
            for target in TARGETS:
                with screen.waiting(f"measuring {target.name}"):
                    results.append(measure(target, Path(scratch), built=target is TARGETS[0]))
    except UserError as error:
        screen.error(str(error))
        return 2
    except VerificationError as error:
        screen.error(str(error))
        return 1
    show(results, screen)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
