"""Is what `firmnet profile` says true? By hand-counted loops, QEMU and the ELF."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from layered_networks import branches, residual
from pieces import halved_copy

from firmnet import api, cli
from firmnet.artifact import Artifact
from firmnet.devices import core
from firmnet.devices.compiled import STANDARD
from firmnet.devices.runner import Model
from firmnet.errors import VerificationError
from firmnet.ir import Graph
from firmnet.profile import cycles, profile_graph, recorders
from firmnet.profile.image import ProfiledImage, build, read
from firmnet.profile.simulate import simulate

REPO = Path(__file__).parents[2]
NETWORKS = (residual, branches)
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33")


@dataclass(frozen=True)
class Loop:
    """A run() in assembly, with r1 and r3 pointing at free memory, and what it takes."""

    text: str
    cycles: int
    instructions: int


LOOPS = {
    "multiply-accumulate": Loop(
        """
            movs r2, #100           @ 1
        1:  ldr r0, [r1]            @ 2
            ldr r12, [r1, #4]       @ 1, pipelined behind the load
            smlad r3, r0, r12, r3   @ 1
            subs r2, #1             @ 1
            bne 1b                  @ 3, 1 the last time
            bx lr                   @ 3
        """,
        1 + 100 * (2 + 1 + 1 + 1 + 3) - 2 + 3,
        1 + 100 * 5 + 1,
    ),
    "dependent-loads": Loop(
        """
            str r1, [r1]            @ 1
            movs r2, #100           @ 1
        1:  ldr r0, [r1]            @ 2
            ldr r12, [r0]           @ 2, the address was just loaded
            ldr r12, [r12]          @ 2, likewise, into its own address
            ldr r0, [r12]           @ 2, likewise
            subs r2, #1             @ 1
            bne 1b                  @ 3
            bx lr                   @ 3
        """,
        1 + 1 + 100 * (4 * 2 + 1 + 3) - 2 + 3,
        2 + 100 * 6 + 1,
    ),
    "loads-with-write-back": Loop(
        """
            movs r2, #10            @ 1
        1:  ldr r0, [r1], #4        @ 2
            ldr r12, [r1], #4       @ 1: its address was written back, not loaded
            ldrsb r0, [r1, #-8]!    @ 1
            subs r2, #1             @ 1
            bne 1b                  @ 3
            bx lr                   @ 3
        """,
        1 + 10 * (2 + 1 + 1 + 1 + 3) - 2 + 3,
        1 + 10 * 5 + 1,
    ),
    "stores": Loop(
        """
            movs r0, #8             @ 1
            movs r2, #100           @ 1
        1:  str r2, [r1]            @ 1
            strb r2, [r1, #4]       @ 1
            str r2, [r1, r0]        @ 2
            ldr r12, [r1]           @ 2
            str r12, [r1, #4]       @ 1
            ldr r12, [r1]           @ 2
            str r12, [r1, r0]       @ 1, pipelined behind the load
            subs r2, #1             @ 1
            bne 1b                  @ 3
            bx lr                   @ 3
        """,
        2 + 100 * (1 + 1 + 2 + 2 + 1 + 2 + 1 + 1 + 3) - 2 + 3,
        2 + 100 * 9 + 1,
    ),
    "several-registers": Loop(
        """
            push {r4-r7}            @ 5
            movs r2, #100           @ 1
        1:  ldm r1, {r4-r7}         @ 5
            stm r1, {r4-r7}         @ 5
            ldrd r4, r5, [r1]       @ 3
            strd r4, r5, [r1, #8]   @ 3
            ldr r4, [r1]            @ 2
            ldm r1, {r4, r5}        @ 3, never pipelined
            subs r2, #1             @ 1
            bne 1b                  @ 3
            pop {r4-r7}             @ 5
            bx lr                   @ 3
        """,
        5 + 1 + 100 * (5 + 5 + 3 + 3 + 2 + 3 + 1 + 3) - 2 + 5 + 3,
        2 + 100 * 8 + 2,
    ),
    "conditions": Loop(
        """
            movs r2, #100           @ 1
        1:  cmp r2, #50             @ 1
            it lt                   @ 0, folded onto 16 bits
            movlt r0, #1            @ 1, done or not
            cmp.w r2, #60           @ 1
            ite ge                  @ 1, not onto 32
            addge r0, #1            @ 1
            sublt r0, #1            @ 1
            subs r2, #1             @ 1
            bne 1b                  @ 3
            bx lr                   @ 3
        """,
        1 + 100 * (1 + 0 + 1 + 1 + 1 + 1 + 1 + 1 + 3) - 2 + 3,
        1 + 100 * 9 + 1,
    ),
    "branches": Loop(
        """
            push {r4, lr}           @ 3
            movs r0, #0             @ 1
            movs r2, #100           @ 1
        1:  bl 4f                   @ 3
            cbz r0, 2f              @ 3
            nop                     @ never
        2:  cbnz r0, 3f             @ 1
            b.w 3f                  @ 3
            nop                     @ never
        3:  subs r2, #1             @ 1
            bne 1b                  @ 3
            pop {r4, pc}            @ 5
        4:  bx lr                   @ 3
        """,
        3 + 1 + 1 + 100 * (3 + 3 + 3 + 1 + 3 + 1 + 3) - 2 + 5,
        3 + 100 * 7 + 1,
    ),
    "arithmetic": Loop(
        """
            movs r2, #100           @ 1
        1:  smmla r0, r1, r2, r3    @ 1
            ssat r0, #8, r0, asr #3 @ 1
            sxtb16 r0, r0, ror #8   @ 1
            smull r0, r12, r0, r2   @ 1
            udiv r0, r0, r2         @ 7
            mla r0, r0, r2, r3      @ 1
            subs r2, #1             @ 1
            bne 1b                  @ 3
            bx lr                   @ 3
        """,
        1 + 100 * (1 + 1 + 1 + 1 + 7 + 1 + 1 + 3) - 2 + 3,
        1 + 100 * 8 + 1,
    ),
    "floating-point": Loop(
        """
            movs r2, #100           @ 1
        1:  vldr s1, [r1]           @ 2
            vmla.f32 s0, s1, s2     @ 3
            vadd.f32 s3, s0, s1     @ 1 and 1 for s0
            vdiv.f32 s4, s5, s6     @ 14
            vmul.f32 s5, s1, s1     @ 1
            vstr s5, [r1]           @ 2 and 1 for s5
            subs r2, #1             @ 1
            bne 1b                  @ 3
            bx lr                   @ 3
        """,
        1 + 100 * (2 + 3 + 2 + 14 + 1 + 3 + 1 + 3) - 2 + 3,
        1 + 100 * 8 + 1,
    ),
}


def assembled(text: str) -> Model:
    """A model whose run() is this assembly, and whose output stays zero."""
    lines = "".join(
        f'        "{line}\\n"\n' for line in ["ldr r1, =memory", "mov r3, r1", *text.splitlines()]
    )
    source = f"""
#include "loop.h"
static int8_t input[4], output[4];
int8_t memory[64] __attribute__((aligned(8)));
static const fn_input inputs[1] = {{ {{ .data = input, .bytes = 4 }} }};
static const fn_output outputs[1] = {{ {{ .data = output, .bytes = 4 }} }};
static void reset(void)
{{
}}

__attribute__((naked)) static void run(fn_observer observer, void *context)
{{
    __asm__ volatile(".syntax unified\\n"
{lines}        ".ltorg\\n");
}}
const fn_model loop_model = {{ .inputs = inputs, .input_count = 1, .outputs = outputs, .run = run,
    .reset = reset }};
"""
    header = '#include "fn_model.h"\nextern const fn_model loop_model;\n'
    interface = (REPO / "templates" / "lib" / "fn_model.h").read_text()
    return Model("loop", {"loop.c": source, "loop.h": header, "fn_model.h": interface}, (4,), (4,), ())


def looped(text: str) -> ProfiledImage:
    return build(assembled(text), np.zeros(4, np.int8), "cortex-m4f")


def cost_of(image: ProfiledImage) -> cycles.Cost:
    run = simulate(image, "cortex-m4f", (4,), recorders.record_edges)
    (whole,) = run.regions
    return priced(image, whole.noted)


def priced(image: ProfiledImage, edges: recorders.Edges) -> cycles.Cost:
    return cycles.cost(edges, lambda at: cycles.decode(image.code(at), at.address))


@pytest.mark.parametrize("name", LOOPS)
def test_loops_take_what_was_counted_by_hand(name: str) -> None:
    loop = LOOPS[name]
    set_up = cycles.Cost(2, 2 + 1)  # ldr r1, =memory and mov r3, r1
    assert cost_of(looped(loop.text)) == cycles.Cost(loop.instructions, loop.cycles) + set_up


def test_stack_is_what_run_and_its_callees_take() -> None:
    image = looped("""
            push {r4, lr}           @ 8 bytes
            bl 1f
            pop {r4, pc}
        1:  push {r0}               @ 4
            sub sp, #100
            str r0, [sp]            @ 100, to their end
            add sp, #104
            bx lr
    """)
    assert simulate(image, "cortex-m4f", (4,), recorders.record_edges).regions[0].stack_bytes == 8 + 4 + 100


@pytest.mark.parametrize(
    ("last", "rest"),
    [
        ("blx r4\n nop\n pop {r4, pc}", cycles.Cost(2, 2 + 1 + 5)),
        ("mov r12, r4\n pop {r4, lr}\n bx r12", cycles.Cost(0, 2)),
    ],
    ids=["call", "tail-call"],
)
def test_pieces_of_a_layer_add_up(last: str, rest: cycles.Cost) -> None:
    """A mark is 2 instructions, `adds` and `b`; the 2 cycles that its `b` takes longer come behind it."""
    image = looped(f"""
            push {{r4, lr}}         @ layer 0: 6 instructions with 2 before it; 8 bytes
            mov r4, r0
            movs r1, #0
            blx r4
            str r4, [sp, #-40]!     @ layer 1: 4 instructions, 48 bytes
            add sp, #40
            movs r1, #1
            blx r4
            nop                     @ layer 0: 3
            movs r1, #0
            blx r4
            nop                     @ layer 1: 4
            nop
            movs r1, #1
            blx r4
            movs r1, #0             @ layer 0: 2 up to the call
            {last}
    """)
    run = simulate(image, "cortex-m4f", (4,), recorders.record_edges, observed=True)
    assert [region.layer for region in run.regions] == [0, 1, 0, 1, 0, None]
    counted = [priced(image, region.noted) for region in run.regions]
    tail = 2 if rest.instructions == 0 else 0
    assert [cost.instructions for cost in counted[:-1]] == [6 + 2, 4 + 2, 3 + 2, 4 + 2, 2 + tail + 2]
    assert counted[-1] == rest
    assert [max(region.stack_bytes for region in run.of(layer)) for layer in (0, 1)] == [8, 48]


def test_a_layer_in_pieces_costs_what_it_costs_whole(small: Artifact, tmp_path: Path) -> None:
    whole, pieces = api.profile(small), api.profile(halved_copy(small, tmp_path / "halved"))
    assert pieces.marks > whole.marks
    for one, two in zip(whole.layers, pieces.layers, strict=True):
        assert one.instructions < two.instructions < one.instructions + 20, one.name
        assert one.flash_read_bytes is not None
        assert two.flash_read_bytes == pytest.approx(one.flash_read_bytes, abs=20)
        assert two.stack_bytes == one.stack_bytes


@pytest.mark.parametrize("text", ["bkpt #1", "udf #0", "ldr r0, =0x60000000\n ldr r0, [r0]", "bx r1"])
def test_a_fault_is_told(text: str) -> None:
    with pytest.raises(VerificationError, match="never came to"):
        cost_of(looped(text))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_both_recorders_count_the_same(network: Callable[[], Graph]) -> None:
    image = read(profile_graph(network()).elf)
    in_c, in_python = (
        simulate(image, "cortex-m4f", (4,), recorder, observed=True)
        for recorder in (recorders.CEdges, recorders.PythonEdges)
    )
    assert in_c.regions == in_python.regions


@pytest.mark.parametrize("name", CORES)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_every_core_counts_instructions_and_says_whether_cycles_are_modelled(
    network: Callable[[], Graph], name: str
) -> None:
    profile = profile_graph(network(), name)
    if name in ("cortex-m4", "cortex-m4f"):
        assert profile.cycle_model == "Cortex-M4, zero wait states"
        assert profile.cycles is not None
        assert 1 < profile.cycles / profile.instructions < 2
    else:
        assert profile.cycle_model == "not cycle-modelled"
        assert profile.cycles is profile.cycles_per_mac is profile.latency_ms is None
        assert all(layer.cycles is layer.cycles_per_mac is None for layer in profile.layers)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_layers_add_up_to_the_whole(network: Callable[[], Graph]) -> None:
    profile = profile_graph(network())
    assert profile.cycles is not None
    layers = [layer.cycles or 0 for layer in profile.layers]
    assert min(layers) > 0
    behind_the_last = profile.cycles + profile.marks - sum(layers)
    assert 0 < behind_the_last < 40  # what run() does before it returns
    assert 0 < profile.marks < 20 * len(layers)


def test_qemu_counts_the_same_instructions(small: Artifact) -> None:
    profile = api.profile(small)
    with core.open(small, "netduinoplus2") as device:
        counted = device.run(small.samples[:1]).cycles
        per_layer = device.profile(small.samples[0])
    assert counted is not None
    assert profile.instructions == pytest.approx(int(counted[0]), rel=0.01)
    for layer, count in zip(profile.layers, per_layer, strict=True):
        assert layer.instructions == pytest.approx(int(count), rel=0.01, abs=30)  # abs: its observer's own


def test_memory_is_what_the_image_has(small: Artifact) -> None:
    profile = api.profile(small)
    with profile.elf.open("rb") as file:
        sections = {s.name: s["sh_size"] for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2}
    model = {name: size for name, size in sections.items() if not name.startswith(".harness")}
    in_ram = model.pop(".model.bss")
    assert profile.ram_bytes == in_ram + profile.stack_bytes
    assert profile.arena_bytes == small.manifest.arena_bytes == in_ram - profile.variables_bytes
    assert profile.flash_bytes == sum(model.values())
    assert profile.flash_bytes == profile.code_bytes + profile.weights_bytes + profile.tables_bytes
    constants = sum(layer.flash_bytes for layer in small.manifest.layers)
    assert constants == sum(layer.flash_bytes for layer in profile.layers)
    assert profile.weights_bytes == pytest.approx(constants, abs=4 * 4 * len(profile.layers))  # aligned
    assert profile.stack_bytes == max(layer.stack_bytes for layer in profile.layers)


def test_what_a_layer_reads_from_flash_is_at_least_its_weights(small: Artifact) -> None:
    for layer in api.profile(small).layers:
        assert layer.flash_read_bytes is not None
        assert layer.flash_read_bytes >= layer.flash_bytes, layer.name


def test_the_image_is_compiled_as_the_firmware_is(small: Artifact) -> None:
    library = json.loads((small.firmware / "lib" / "small" / "library.json").read_text())
    assert set(library["build"]["flags"]) <= set(STANDARD)


def test_wrong_results_are_refused(small: Artifact, tmp_path: Path) -> None:
    """The C that leaves out its last layer does not compute what the graph says."""
    damaged = replace(small, path=Path(shutil.copytree(small.path, tmp_path / "damaged")))
    last = small.manifest.layers[-1]
    source = damaged.firmware / "lib" / "small" / "small.c"
    text = source.read_text()
    call = f"    small__{last.name}__kernel("
    assert text.count(call) == 1
    source.write_text(text.replace(call, f"    if (0) small__{last.name}__kernel("))
    with pytest.raises(VerificationError, match="small computes something else on a simulated cortex-m4f: "):
        api.profile(damaged)


def test_other_boards_and_cores(small: Artifact) -> None:
    """The same kernels at another clock; other kernels where the core lacks instructions."""
    own, nano, m3 = (
        api.profile(small),
        api.profile(small, board="nano33ble"),
        api.profile(small, core="cortex-m3"),
    )
    assert nano.cycles == own.cycles
    assert nano.latency_ms == pytest.approx((own.latency_ms or 0) * 168 / 64)
    assert m3.instructions != own.instructions
    assert (own.flash_wait_states, nano.flash_wait_states, m3.flash_wait_states) == (5, 2, None)


def firmnet(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of one command line."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0), *capsys.readouterr()


def test_command_prints_and_draws(
    small: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "time.svg"
    code, out, _ = firmnet(capsys, "profile", str(small.path), "--plot", str(plot))
    assert code == 0
    expected = api.profile(small)
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    for layer in expected.layers:
        assert f"{layer.cycles:,}" in rows[layer.name]
    assert f"{expected.cycles:,} modelled cycles with zero wait states" in rows["time"]
    assert f"{expected.ram_bytes:,} B" in rows["RAM"]
    assert f"{expected.flash_bytes:,} B" in rows["flash"]
    texts = [text.text or "" for text in ElementTree.parse(plot).iter("{http://www.w3.org/2000/svg}text")]
    assert {layer.name for layer in expected.layers} < set(texts)
    assert [text for text in texts if "%" in text] == [
        f"{layer.cycles:,} ({layer.cycles / sum(each.cycles or 0 for each in expected.layers):.1%})"
        for layer in expected.layers
        if layer.cycles is not None
    ]


@pytest.mark.parametrize(
    ("name", "begin"), [("time.png", b"\x89PNG\r\n"), ("time.PNG", b"\x89PNG\r\n"), ("time.pdf", b"%PDF-")]
)
def test_the_suffix_is_the_format(
    small: Artifact, name: str, begin: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / name, tmp_path / f"again_{name}"]
    for path in paths:
        code, out, _ = firmnet(capsys, "profile", str(small.path), "--plot", str(path))
        assert code == 0
        assert str(path) in out
        assert path.read_bytes().startswith(begin)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_command_speaks_json(small: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = firmnet(capsys, "profile", str(small.path), "--core", "cortex-m7", "--json")
    said: dict[str, Any] = json.loads(out)
    expected = api.profile(small, core="cortex-m7")
    assert code == 0
    assert said["cycle_model"] == "not cycle-modelled"
    assert said["cycles"] is None
    assert said["instructions"] == expected.instructions
    assert [layer["name"] for layer in said["layers"]] == [layer.name for layer in expected.layers]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--core", "z80"), "unknown core 'z80'"),
        (("--board", "nano33bel"), "did you mean nano33ble"),
        (("--board", "nano33ble", "--core", "cortex-m4"), "choose a board or a core, not both"),
        (("--plot", "missing/time.svg"), "cannot write missing/time.svg"),
        (
            ("--plot", "time.jpg"),
            "a plot is drawn as .svg, .png, .pdf: 'time.jpg' has none of these suffixes",
        ),
        (("--plot", "time"), "has none of these suffixes"),
    ],
    ids=["core", "board", "both", "plot", "plot_format", "plot_without_format"],
)
def test_bad_input_is_named(
    small: Artifact, options: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = firmnet(capsys, "profile", str(small.path), *options)
    assert code == 2
    assert sentence in err
