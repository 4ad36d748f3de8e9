"""How is a profile told to people? A table of layers, and the whole in words."""

from collections.abc import Iterator

from .measure import LayerProfile, Profile

HEADS = ("layer", "kernel", "MACs", "instructions", "cycles", "cycles/MAC", "flash read B", "stack B")
MEASURED = (1.25, 1.45)
"""By how much boards with flash wait states took longer than their modelled time."""


def rows(profile: Profile) -> list[tuple[str, ...]]:
    """Cells under HEADS: one row per layer and one for the whole."""
    whole = LayerProfile(
        name="whole model",
        op="",
        macs=profile.macs,
        instructions=profile.instructions,
        cycles=profile.cycles,
        cycles_per_mac=profile.cycles_per_mac,
        flash_bytes=profile.weights_bytes + profile.tables_bytes,
        flash_read_bytes=_sum(layer.flash_read_bytes for layer in profile.layers),
        stack_bytes=profile.stack_bytes,
    )
    return [_row(layer) for layer in (*profile.layers, whole)]


def lines(profile: Profile) -> list[str]:
    """Time, RAM and flash of the whole model."""
    p = profile
    unit = "instructions" if p.cycles is None else "cycles"
    return [
        *([f"stream    {p.stream.title}"] if p.stream else []),
        *_time(p),
        f"RAM       {p.ram_bytes:,} B: arena {p.arena_bytes:,} with input, output and scratch "
        f"(no placement is below {p.lower_bound_bytes:,}), variables {p.variables_bytes:,}, "
        f"stack {p.stack_bytes:,}",
        *_states(p),
        f"flash     {p.flash_bytes:,} B: code {p.code_bytes:,}, weights {p.weights_bytes:,}, "
        f"tables {p.tables_bytes:,}",
        *_cascades(p),
        f"layers    add up to {p.marks:,} {unit} more than the whole, for marking where they end",
        "outputs   equal the oracle's, bit for bit",
    ]


def _cascades(p: Profile) -> Iterator[str]:
    """What runs in stripes, and what that is worth."""
    for i, each in enumerate(p.cascades):
        yield f"{'' if i else 'cascades':<9} {each.title}"
    if p.one_by_one:
        spent, before, unit = p.cycles, p.one_by_one.cycles, "cycles"
        if spent is None or before is None:
            spent, before, unit = p.instructions, p.one_by_one.instructions, "instructions"
        arena_bytes = p.arena_bytes - p.one_by_one.arena_bytes
        flash_bytes = p.flash_bytes - p.one_by_one.flash_bytes
        yield (
            f"          against layers one by one: {spent - before:+,} {unit} ({spent / before - 1:+.2%}), "
            f"{arena_bytes:+,} B of arena, {flash_bytes:+,} B of flash"
        )


def _row(layer: LayerProfile) -> tuple[str, ...]:
    numbers = (
        layer.instructions,
        layer.cycles,
        layer.cycles_per_mac,
        layer.flash_read_bytes,
        layer.stack_bytes,
    )
    return layer.name, layer.kernel or layer.op, f"{layer.macs:,}", *map(_cell, numbers)


def _cell(number: float | int | None) -> str:
    if number is None:
        return "-"
    return f"{number:.2f}" if isinstance(number, float) else f"{number:,}"


def _sum(numbers: Iterator[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(n for n in known if n is not None)


def _time(p: Profile) -> Iterator[str]:
    if p.cycles is None:
        yield f"time      {p.instructions:,} instructions; the {p.core} is not cycle-modelled"
        return
    yield f"time      {p.cycles:,} modelled cycles with zero wait states, {p.instructions:,} instructions"
    if p.unaligned_cycles:
        yield f"          and {p.unaligned_cycles:,} cycles, not modelled, for loads that are not aligned"
    if p.latency_ms is None or p.clock_hz is None:
        return
    yield f"latency   {_ms(p.latency_ms)} ms at {p.clock_hz / 1e6:g} MHz with zero wait states"
    if p.flash_wait_states:
        least, most = (p.latency_ms * factor for factor in MEASURED)
        yield (
            f"          {_ms(least)} to {_ms(most)} ms to be expected: the board's flash has "
            f"{p.flash_wait_states} wait states at {p.clock_hz / 1e6:g} MHz, of which its cache hides a part"
        )
    if p.baremetal_latency_ms is not None and p.baremetal_clock_hz is not None:
        yield (
            f"          {_ms(p.baremetal_latency_ms)} ms at {p.baremetal_clock_hz / 1e6:g} MHz in the "
            "bare-metal build"
        )


def _states(p: Profile) -> Iterator[str]:
    if p.state_bytes:
        yield f"states    {p.state_bytes:,} B of the arena are remembered"
    if p.later:
        unit = "instructions" if p.cycles is None else "cycles"
        first = p.instructions if p.cycles is None else p.cycles
        counted = sorted(run.instructions if run.cycles is None else run.cycles for run in p.later)
        least, most = counted[0], counted[-1]
        took = f"{least:,} to {most:,}" if least < most else "as many" if most == first else f"{most:,}"
        yield f"steps     {first:,} {unit} in the first, {took} in each of the next {len(counted)}"


def _ms(latency: float) -> str:
    """Two digits at least, however short."""
    return f"{latency:.2f}" if latency >= 1 else f"{latency:.2g}"
