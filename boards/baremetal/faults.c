/* faults.c: what does a board say when its processor cannot go on? One line on the port, every second until it is reset.
 *
 * The line says why and where in numbers; firmnet, which has the firmware's symbols, says it in words (devices/crash.py).
 * What overflows the stack is such a fault too: below the stack lies a guard. Where the core has a stack limit or a memory
 * protection unit, touching it is the fault; elsewhere it is painted, and looked at in every tick. A Cortex-M0+ may have such a
 * unit, but keeps a fault's frame on the stack without fail or locks up in silence: its guard is painted too.
 * A program that a watchdog is about to end is told of alike, once.
 */
#include <stdint.h>

#include "faults.h"
#include "fn_board.h"
#include "fn_last_words.h"

#define ICSR REG(0xE000ED04u)
#define MPU_TYPE REG(0xE000ED90u)
#define MPU_CTRL REG(0xE000ED94u)
#define MPU_RNR REG(0xE000ED98u)
#define MPU_RBAR REG(0xE000ED9Cu)
#define MPU_RASR REG(0xE000EDA0u)

enum { ACTIVE = 0x1FFu, PENDSVSET = 1u << 28 };
enum { MPU_ON = 1u << 0, MPU_ELSE_AS_BEFORE = 1u << 2 };
enum { RASR_ON = 1u << 0, RASR_512_BYTES = 8u << 1, RASR_NO_CODE = 1u << 28 }; /* nobody may read or write: zeros */

#define PAINT 0x5AFEC0DEu
#define STRIDE 8u /* words: of so many one is looked at */
#define CYCLES_PER_TURN 4u /* or three */
#define KNOWN 7u

extern uint32_t __stack_guard[], _estack[];

#define GUARD_END (__stack_guard + FN_GUARD_BYTES / 4u)

static int guard_is_painted;

#if !defined(__ARM_ARCH_8M_MAIN__) && !defined(__ARM_ARCH_8_1M_MAIN__) && !defined(__ARM_ARCH_6M__)
static void forbid(void)
{
    const uint32_t regions = MPU_TYPE >> 8 & 0xFFu;
    MPU_CTRL = 0;
    for (uint32_t i = 0; i < regions; i++) { /* a bootloader may have left some */
        MPU_RNR = i;
        MPU_RASR = 0;
    }
    MPU_RBAR = (uint32_t)__stack_guard; /* of the last one, which prevails */
    MPU_RASR = RASR_ON | RASR_512_BYTES | RASR_NO_CODE;
    MPU_CTRL = MPU_ON | MPU_ELSE_AS_BEFORE;
    __asm volatile("dsb\n isb" ::: "memory");
}
#endif

void fn_guard_stack(void)
{
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
    __asm volatile("msr msplim, %0" ::"r"(GUARD_END));
#else
#if !defined(__ARM_ARCH_6M__)
    if (MPU_TYPE >> 8 & 0xFFu) {
        forbid();
        return;
    }
#endif
    if ((uint32_t)__stack_guard >= FN_RAM_ORIGIN) { /* else what overflows leaves the RAM */
        for (volatile uint32_t *word = __stack_guard; word < GUARD_END; word++) {
            *word = PAINT;
        }
        guard_is_painted = 1;
    }
#endif
}

/* ---- the line ---- */

/* Those that the stack tells of, the last first; one that is repeated, as by what calls itself, once. */
static void say_calls(uint32_t sp)
{
    const uint32_t *word = (const uint32_t *)(sp & ~3u);
    if (word < GUARD_END) { /* what overflowed it is not there */
        word = GUARD_END;
    }
    uint32_t told = 0;
    for (uint32_t left = CALLS; word < _estack && left > 0u; word++) {
        if (*word != told && is_return(*word)) {
            told = *word;
            say_word(told - 1u);
            left--;
        }
    }
}

/* `known`: why, pc, lr, sp, the stack's limit, CFSR, the address that was touched. */
static void say_line(const uint32_t *known)
{
    say("\r\n");
    sum = 0;
    say("firmnet fault");
    for (uint32_t i = 0; i < KNOWN; i++) {
        say_word(known[i]);
    }
    say(" calls");
    say_calls(known[3]);
    say(" sum");
    say_word(sum);
    say("\r\n");
}

static void wait(uint32_t cycles)
{
    uint32_t turns = cycles / CYCLES_PER_TURN;
    __asm volatile(".syntax unified\n1: subs %0, #1\n bne 1b" : "+l"(turns)::"cc");
}

/* `sp`: where the processor put a frame of so many words, 0 of none. */
static __attribute__((noreturn)) void tell(uint32_t why, uint32_t sp, uint32_t words)
{
    __asm volatile("cpsid i" ::: "memory");
    const uint32_t status = CFSR, hz = fn_board_clock_hz();
    const uint32_t *const frame = (const uint32_t *)sp;
    const int in_ram = !(sp & 3u) && sp - FN_RAM_ORIGIN <= FN_RAM_BYTES - 4u * words;
    const int stacked = words && in_ram && !(status & NOT_STACKED);
    const uint32_t known[KNOWN] = {
        why,
        stacked ? frame[6] : 0u, /* pc */
        stacked ? frame[5] : 0u, /* lr */
        sp + 4u * words,
        (uint32_t)GUARD_END,
        status,
        status & MMARVALID ? MMFAR : status & BFARVALID ? BFAR : 0u,
    };
    for (;;) {
        say_line(known);
        for (uint32_t ms = 0; ms < 1000u; ms++) {
            wait((hz ? hz : FN_CLOCK_HZ) / 1000u);
            fn_board_poll(); /* where no interrupt comes, a host on USB still wants answers */
        }
    }
}

/* On the stack where it was, if there is room; else at its top, over the oldest that is there. */
__attribute__((naked, used)) void fn_fault(void)
{
    __asm volatile(
        ".syntax unified\n"
        "mov r0, sp\n"
        "mov r1, lr\n"
        "ldr r2, =__stack_guard + 1024\n"
        "ldr r3, =_estack\n"
        "cmp r0, r2\n"
        "blo 1f\n"
        "cmp r0, r3\n"
        "bls 2f\n"
        "1: mov sp, r3\n"
        "2: ldr r2, =fn_explain\n"
        "bx r2\n"
        ".ltorg");
}

/* A fault too, but where a chip's flash says by it that a place cannot be read (glue/stm32l4_flash.c). */
void NMI_Handler(void) __attribute__((weak, alias("fn_fault")));

/* `how` the processor came here: bit 4 says that no registers of the FPU were kept. */
__attribute__((noreturn, used)) void fn_explain(uint32_t sp, uint32_t how)
{
    tell(ICSR & ACTIVE, sp, how & 1u << 4 ? 8u : 26u);
}

void fn_check_guard(void)
{
    if (!guard_is_painted) {
        return;
    }
    for (volatile uint32_t *word = __stack_guard; word < GUARD_END; word += STRIDE) {
        if (*word != PAINT) {
            tell(0u, (uint32_t)__builtin_frame_address(0), 0u);
        }
    }
}

#if FN_HEAP_BYTES

/* ---- a watchdog that is about to bite ---- */

enum { WATCHDOG_IS_DUE = 513u }; /* instead of an exception's number, see devices/crash.py */

static volatile uint32_t unfed_ms;

/* From the tick, which has a frame of its own: what hangs is looked at as soon as it has returned. */
void fn_watchdog_is_due(uint32_t ms)
{
    if (ms) {
        unfed_ms = ms;
        ICSR = PENDSVSET;
    }
}

/* Said once, and back: who feeds the watchdog after all goes on. */
static __attribute__((used)) void tell_of_watchdog(const uint32_t *frame, uint32_t how)
{
    const uint32_t words = how & 1u << 4 ? 8u : 26u;
    const uint32_t known[KNOWN] = {
        WATCHDOG_IS_DUE, frame[6], frame[5], (uint32_t)(frame + words), (uint32_t)GUARD_END, 0u, unfed_ms,
    };
    say_line(known);
}

__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile(
        ".syntax unified\n"
        "mov r0, sp\n"
        "mov r1, lr\n"
        "ldr r2, =tell_of_watchdog\n"
        "bx r2\n"
        ".ltorg");
}

#endif
