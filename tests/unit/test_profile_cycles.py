"""Does every kind of instruction have the price that the Cortex-M4's manual gives it?"""

import pytest

from firmnet.profile import cycles
from firmnet.profile.recorders import BasicBlock

BX_LR = "7047"
NOP = "00bf"

# machine code, assembly, cycles where it does not branch, more when it does
ALONE = [
    ("4018", "adds r0, r0, r1", 1, 0),
    ("21fb0200", "smlad r0, r1, r2, r0", 1, 0),
    ("81fb0203", "smull r0, r3, r1, r2", 1, 0),
    ("91fbf2f0", "sdiv r0, r1, r2", 7, 0),
    ("0868", "ldr r0, [r1]", 2, 0),
    ("51f8040b", "ldr r0, [r1], #4", 2, 0),
    ("5df804fb", "ldr pc, [sp], #4", 2, 3),
    ("0860", "str r0, [r1]", 1, 0),
    ("8850", "str r0, [r1, r2]", 2, 0),
    ("d1e90002", "ldrd r0, r2, [r1]", 3, 0),
    ("c1e90002", "strd r0, r2, [r1]", 3, 0),
    ("91e80d00", "ldm.w r1, {r0, r2, r3}", 4, 0),
    ("0dc1", "stm r1!, {r0, r2, r3}", 4, 0),
    ("10b5", "push {r4, lr}", 3, 0),
    ("10bc", "pop {r4}", 2, 0),
    ("10bd", "pop {r4, pc}", 3, 2),
    (BX_LR, "bx lr", 1, 2),
    ("fee7", "b .", 1, 2),
    ("fed1", "bne .", 1, 2),
    ("00b1", "cbz r0, .+4", 1, 2),
    ("dfe800f0", "tbb [pc, r0]", 3, 2),
    ("9f46", "mov pc, r3", 1, 2),
    ("08bf", "it eq", 1, 0),
    ("eff31080", "mrs r0, primask", 2, 0),
    ("00ee810a", "vmla.f32 s0, s1, s2", 3, 0),
    ("80ee810a", "vdiv.f32 s0, s1, s2", 14, 0),
    ("30ee810a", "vadd.f32 s0, s1, s2", 1, 0),
    ("91ed000a", "vldr s0, [r1]", 2, 0),
    ("91ed000b", "vldr d0, [r1]", 3, 0),
    ("2ded048b", "vpush {d8, d9}", 5, 0),
    ("00ee101a", "vmov s0, r1", 1, 0),
]  # fmt: skip

# two instructions and what both take together
PAIRS = [
    ("0868" "4b68", "ldr r0, [r1]; ldr r3, [r1, #4]", 3),
    ("0868" "0368", "ldr r0, [r1]; ldr r3, [r0]", 4),
    ("0968" "0b68", "ldr r1, [r1]; ldr r3, [r1]", 4),
    ("51f8040b" "0b68", "ldr r0, [r1], #4; ldr r3, [r1]", 3),
    ("0868" "4860", "ldr r0, [r1]; str r0, [r1, #4]", 3),
    ("0868" "8850", "ldr r0, [r1]; str r0, [r1, r2]", 3),
    ("8850" "0868", "str r0, [r1, r2]; ldr r0, [r1]", 4),
    ("0868" "0dc9", "ldr r0, [r1]; ldm r1!, {r0, r2, r3}", 6),
    ("0828" "08bf", "cmp r0, #8; it eq", 1),
    ("b0f1080f" "08bf", "cmp.w r0, #8; it eq", 2),
    ("30ee810a" "70ee000a", "vadd.f32 s0, s1, s2; vadd.f32 s1, s0, s0", 3),
    ("30ee810a" "71ee212a", "vadd.f32 s0, s1, s2; vadd.f32 s5, s2, s3", 2),
]  # fmt: skip


def decoded(code: str) -> tuple[cycles.Instruction, ...]:
    return cycles.decode(bytes.fromhex(code), 0x0800_0000)


@pytest.mark.parametrize(("code", "text", "price", "taken"), ALONE, ids=[row[1] for row in ALONE])
def test_price_of_one(code: str, text: str, price: int, taken: int) -> None:
    (one,) = decoded(code)
    assert one.mnemonic.split(".")[0] == text.split()[0].split(".")[0]
    assert (one.cycles, one.taken) == (price, taken)


@pytest.mark.parametrize(("code", "text", "price"), PAIRS, ids=[row[1] for row in PAIRS])
def test_price_of_neighbours(code: str, text: str, price: int) -> None:
    pair = decoded(code)
    assert [one.mnemonic.split(".")[0] for one in pair] == [
        each.split()[0].split(".")[0] for each in text.split("; ")
    ]
    assert cycles.straight(pair) == price


@pytest.mark.parametrize("condition", cycles.CONDITION_CODES)
def test_a_condition_does_not_change_the_price(condition: str) -> None:
    """IT and LDR under each of the conditions, and their branch."""
    number = ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"].index(
        condition
    )
    it, load = decoded(f"{number << 4 | 8:02x}bf0868")
    (branch,) = decoded(f"fe{0xD0 | number:02x}")
    assert (it.kind, load.kind, load.cycles) == ("it", "load", 2)
    assert load.mnemonic == f"ldr{condition}"
    assert (branch.cycles, branch.taken) == (1, 2)


def test_edges_become_cycles() -> None:
    """A loop of two blocks: the first falls through nine times of ten, the second always jumps back."""
    code = {BasicBlock(0x100, 4): "086810b1", BasicBlock(0x104, 4): "4868fbe7", BasicBlock(0x10A, 2): BX_LR}
    load_and_test, load_and_jump, leave = code
    edges = {
        (None, load_and_test): 1,
        (load_and_test, load_and_jump): 9,
        (load_and_jump, load_and_test): 9,
        (load_and_test, leave): 1,
        (leave, BasicBlock(0x200, 0)): 1,
    }
    spent = cycles.cost(edges, lambda block: decoded(code[block]) if block.size else ())
    first, second = 10 * (2 + 1) + 1 * 2, 9 * (2 + 3)
    assert spent == cycles.Cost(10 * 2 + 9 * 2 + 1, first + second + 3)


def test_bytes_that_are_no_instructions_are_refused() -> None:
    with pytest.raises(ValueError, match="no Thumb instructions: ffff"):
        decoded("ffff")
