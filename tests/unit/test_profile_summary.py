"""Does a profile tell people what it knows, and nothing that it does not know?"""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from firmnet.manifest import CascadeEntry
from firmnet.profile import HEADS, LaterRun, LayerProfile, OneByOne, Profile, lines, plot, rows

CONV = LayerProfile("conv", "conv2d", 2_000, 3_000, 4_000, 2.0, 150, 1_600, 40)
SCORES = LayerProfile("scores", "softmax", 0, 500, 1_000, None, 1_024, 24, 60)
PROFILE = Profile(
    name="tiny",
    core="cortex-m4f",
    cycle_model="Cortex-M4, zero wait states",
    board="netduinoplus2",
    clock_hz=1_000_000,
    flash_wait_states=5,
    latency_ms=5.04,
    macs=2_000,
    instructions=3_510,
    cycles=5_040,
    cycles_per_mac=2.52,
    unaligned_cycles=0,
    ram_bytes=1_100,
    arena_bytes=1_000,
    lower_bound_bytes=900,
    variables_bytes=20,
    stack_bytes=80,
    flash_bytes=2_500,
    code_bytes=1_200,
    weights_bytes=150,
    tables_bytes=1_150,
    layers=(CONV, SCORES),
    marks=12,
    cascades=(),
    one_by_one=None,
    elf=Path("program"),
)
M7 = replace(
    PROFILE,
    core="cortex-m7",
    cycle_model="not cycle-modelled",
    board=None,
    clock_hz=None,
    flash_wait_states=None,
    latency_ms=None,
    cycles=None,
    cycles_per_mac=None,
    unaligned_cycles=None,
    layers=tuple(
        replace(layer, cycles=None, cycles_per_mac=None, flash_read_bytes=None) for layer in (CONV, SCORES)
    ),
)


def test_rows() -> None:
    assert [dict(zip(HEADS, row, strict=True))["cycles"] for row in rows(PROFILE)] == [
        "4,000",
        "1,000",
        "5,040",
    ]
    assert rows(PROFILE)[1] == ("scores", "softmax", "0", "500", "1,000", "-", "24", "60")
    assert rows(PROFILE)[2] == ("whole model", "", "2,000", "3,510", "5,040", "2.52", "1,624", "80")


def test_rows_without_cycles() -> None:
    assert rows(M7)[0] == ("conv", "conv2d", "2,000", "3,000", "-", "-", "-", "40")
    assert rows(M7)[2][-2:] == ("-", "80")


def test_lines_tell_time_and_memory() -> None:
    text = "\n".join(lines(PROFILE))
    for part in (
        "5,040 modelled cycles with zero wait states",
        "5.04 ms at 1 MHz with zero wait states",
        "6.30 to 7.31 ms to be expected: the board's flash has 5 wait states at 1 MHz",
        "RAM       1,100 B: arena 1,000 with input, output and scratch (no placement is below 900), ",
        "variables 20, stack 80",
        "flash     2,500 B: code 1,200, weights 150, tables 1,150",
        "add up to 12 cycles more than the whole",
    ):
        assert part in text
    assert "aligned" not in text


def test_the_clock_of_the_bare_metal_build_is_told() -> None:
    told = lines(replace(PROFILE, baremetal_clock_hz=500_000, baremetal_latency_ms=10.08))
    assert "          10.08 ms at 0.5 MHz in the bare-metal build" in told
    assert not any("bare-metal" in line for line in lines(PROFILE))


def test_cascades_are_told_with_their_cost() -> None:
    cascades = CascadeEntry(("conv", "pool"), 6, 4, 90), CascadeEntry(("scores",), 2, 1, 0)
    told = lines(replace(PROFILE, cascades=cascades, one_by_one=OneByOne(3_500, 5_000, 1_600, 2_400)))
    at = told.index("cascades  conv to pool in 6 stripes of 4 rows")
    assert told[at + 1 : at + 3] == [
        "          scores in 2 stripes of 1 row",
        "          against layers one by one: +40 cycles (+0.80%), -600 B of arena, +100 B of flash",
    ]
    assert not any("cascades" in line for line in lines(PROFILE))


@pytest.mark.parametrize(
    ("profile", "later", "told"),
    [
        (
            PROFILE,
            ((3_510, 5_040), (3_510, 5_040)),
            "5,040 cycles in the first, as many in each of the next 2",
        ),
        (PROFILE, ((3_500, 5_000),), "5,040 cycles in the first, 5,000 in each of the next 1"),
        (
            PROFILE,
            ((1, 5_040), (1, 5_060)),
            "5,040 cycles in the first, 5,040 to 5,060 in each of the next 2",
        ),
        (M7, ((3_512, None),), "3,510 instructions in the first, 3,512 in each of the next 1"),
    ],
    ids=["alike", "less", "varying", "m7"],
)
def test_what_later_runs_take_is_told(
    profile: Profile, later: tuple[tuple[int, int | None], ...], told: str
) -> None:
    assert f"steps     {told}" in lines(replace(profile, later=tuple(LaterRun(*run) for run in later)))
    assert not any(line.startswith("steps") for line in lines(profile))


def test_unaligned_loads_are_told() -> None:
    assert any("and 64 cycles, not modelled" in line for line in lines(replace(PROFILE, unaligned_cycles=64)))


def test_lines_without_cycles_promise_none() -> None:
    text = "\n".join(lines(M7))
    assert "3,510 instructions; the cortex-m7 is not cycle-modelled" in text
    assert "ms" not in text.split()
    assert "12 instructions more" in text


@pytest.mark.parametrize(
    ("profile", "unit", "spent"),
    [(PROFILE, "modelled cycles", (4_000, 1_000)), (M7, "instructions", (3_000, 500))],
    ids=["m4", "m7"],
)
def test_plot_has_a_bar_per_layer(
    profile: Profile, unit: str, spent: tuple[int, ...], tmp_path: Path
) -> None:
    plot(profile, tmp_path / "time.svg")
    root = ElementTree.parse(tmp_path / "time.svg").getroot()
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"conv", "scores", unit} <= set(texts)
    assert f"tiny on {profile.board or 'cortex-m7'}: time per layer" in texts
    assert [text for text in texts if text and "%" in text] == [
        f"{n:,} ({n / sum(spent):.1%})" for n in spent
    ]


def test_plot_is_the_same_every_time(tmp_path: Path) -> None:
    plot(PROFILE, tmp_path / "a.svg")
    plot(PROFILE, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_short_time_is_not_called_nothing() -> None:
    short = "\n".join(lines(replace(PROFILE, latency_ms=0.00334, baremetal_latency_ms=None)))
    assert "latency   0.0033 ms at 1 MHz" in short
    assert "0.0042 to 0.0048 ms to be expected" in short
