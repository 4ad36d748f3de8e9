/* arduino_faults.c: what does a build on an Arduino core say when its processor cannot go on? As on our own, one line on the
 * port, every second until it is reset (boards/baremetal/faults.c). Compiles to nothing without a core.
 *
 * A core's port lives on interrupts, and USB on the core's own threads: the handler itself can say nothing there. It notes what
 * it sees, and returns to a function that says it, on the stack of the program that is given up. Where it cannot, as within an
 * interrupt or while it tells already, it keeps the note in RAM that no start clears, and resets: then it is told first thing.
 * So is what hangs when a watchdog is about to bite, but the program goes on, and may feed it after all; once it has bitten, who
 * first sends something is told, and the board works as ever.
 */
#if defined(ARDUINO)

#include "fn_arduino.h"
#include "fn_board.h"
#include "fn_last_words.h"

#if defined(ARDUINO_ARCH_MBED)
#include "platform/mbed_error.h"
#endif

#define ICSR REG(0xE000ED04u)
#define VTOR ((volatile uint32_t *)REG(0xE000ED08u))
#define AIRCR REG(0xE000ED0Cu)
#define MPU_TYPE REG(0xE000ED90u)
#define MPU_CTRL REG(0xE000ED94u)
#define MPU_RNR REG(0xE000ED98u)
#define MPU_RBAR REG(0xE000ED9Cu)
#define MPU_RASR REG(0xE000EDA0u)
#define FPCCR REG(0xE000EF34u)
#define DCCMVAC REG(0xE000EF68u)

enum { ACTIVE = 0x1FFu, FIRST_FAULT = 3, LAST_FAULT = 6, PENDSVSET = 1u << 28, ON_THREAD_STACK = 1u << 1 };
enum { AIRCR_KEY = 0x5FAu << 16, AIRCR_GROUPS = 7u << 8, AIRCR_RESET = 1u << 2 };
enum { MPU_ON = 1u << 0, MPU_ELSE_AS_BEFORE = 1u << 2 };
enum { RASR_ON = 1u << 0, RASR_512_BYTES = 8u << 1, RASR_NO_CODE = 1u << 28 }; /* nobody may read or write: zeros */
enum { FPU_STATE_IS_DUE = 1u << 0 };
enum { TO_PROGRAM = 1u << 3, TO_THREAD_STACK = 1u << 2, WITHOUT_FPU = 1u << 4 }; /* of how an exception returns */
enum { THUMB = 1u << 24, FRAME_WORDS = 8u, FPU_FRAME_WORDS = 26u, PC = 6u, LR = 5u, PSR = 7u };

#define GUARD_BYTES 512u /* as on our own builds */
#define GUARD_WORDS (GUARD_BYTES / 4u)
#define PAINT 0x5AFEC0DEu
#define STRIDE 8u /* words: of so many one is looked at */
#define CACHE_LINE_BYTES 32u
#define MOST_LEAP_BYTES 1024u /* no function takes more at once, */
#define MOST_ABOVE_BYTES 256u /* nor who calls loop() */
#define OTHER_STACK_WORDS 128u /* of one whose end is not known */
#define REPEAT_MS 1000u
#define MAGIC 0x464E4641u

enum { PAINT_IS_GONE = 0u, CORE_GAVE_UP = 512u, WATCHDOG_WAS_DUE = 514u }; /* instead of an exception's number, see devices/crash.py */

/* `known`: which exception, pc, lr, sp, the stack's limit, CFSR, the address that was touched. `calls`: where the stack says
 * that calls return to, the last first; 0 behind them. */
typedef struct {
    uint32_t magic, known[7], calls[CALLS], sum, padding[3];
} note;

static volatile uint32_t *guard;

#if defined(TARGET_RP2040)
static __attribute__((section(".uninitialized_data.firmnet"))) note kept_note;
#define KEPT (&kept_note)
#elif defined(ARDUINO_ARCH_MBED)
static __attribute__((section(".noinit"))) note kept_note;
#define KEPT (&kept_note)
#else
/* Neither the stack nor malloc() of a running program reaches there. Where the stack comes first in RAM, with nothing below it, it
 * is the stack's own far end, which no start reaches. */
static note *kept_below_guard(void)
{
    const int is_room = (uint32_t)guard >= FN_RAM_ORIGIN + sizeof(note);
    return (note *)(is_room ? (uint32_t)guard - sizeof(note) : FN_RAM_ORIGIN);
}
#define KEPT kept_below_guard()
#endif

int fn_tells_of_fault;

static const uint32_t *top;
static int is_painted, is_after_reset, is_thread; /* as the program is on mbed, with a stack of its own */
static note seen;
static uint32_t own_stack[96] __attribute__((aligned(8), used)); /* of the handler: where it was there may be no room */

/* ---- what happened ---- */

/* One that is repeated, as by what calls itself, once. */
static void find_calls(const uint32_t *word, const uint32_t *end)
{
    uint32_t told = 0, n = 0;
    for (; word < end && n < CALLS; word++) {
        if (*word != told && is_return(*word)) {
            told = *word;
            seen.calls[n++] = told - 1u;
        }
    }
}

/* Whether it is the stack that is guarded: interrupts and threads of the core may have others. */
static int is_guarded(uint32_t sp)
{
    const uint32_t least = (uint32_t)guard - MOST_LEAP_BYTES;
    return sp - least <= (uint32_t)top + MOST_ABOVE_BYTES - least;
}

/* `sp`: where the processor put a frame of so many words, 0 of none. Only the first fault counts. */
static void find_words(uint32_t why, uint32_t sp, uint32_t words, uint32_t touched)
{
    if (seen.magic) {
        return;
    }
    const uint32_t status = CFSR;
    const uint32_t *const frame = (const uint32_t *)sp, *const limit = (const uint32_t *)guard + GUARD_WORDS;
    const int in_ram = !(sp & 3u) && sp - FN_RAM_ORIGIN <= FN_RAM_BYTES - 4u * words;
    const int stacked = words && in_ram && !(status & NOT_STACKED);
    const uint32_t before = sp + 4u * words;
    seen = (note){.magic = MAGIC};
    seen.known[0] = why;
    seen.known[1] = stacked ? frame[PC] : 0u;
    seen.known[2] = stacked ? frame[LR] : 0u;
    seen.known[3] = before;
    seen.known[5] = status;
    seen.known[6] = status & MMARVALID ? MMFAR : status & BFARVALID ? BFAR : touched;
    const uint32_t *word = (const uint32_t *)(before & ~3u), *end = top;
    if (why == PAINT_IS_GONE || is_guarded(before)) {
        seen.known[4] = (uint32_t)limit;
        word = word < limit ? limit : word; /* what overflowed it is not there */
    } else {
        const uint32_t *const of_ram = (const uint32_t *)(FN_RAM_ORIGIN + FN_RAM_BYTES);
        end = in_ram ? word + OTHER_STACK_WORDS : word;
        end = end < of_ram ? end : of_ram;
    }
    find_calls(word, end);
}

static uint32_t sum_of(const note *of)
{
    uint32_t total = 0;
    for (const uint32_t *word = &of->magic; word < &of->sum; word++) {
        total = total * 31u + *word;
    }
    return total;
}

/* What is in a cache would be lost. */
static void write_through(void)
{
#if defined(STM32F7xx) || defined(STM32H7xx)
    for (uint32_t at = 0; at < sizeof seen + CACHE_LINE_BYTES; at += CACHE_LINE_BYTES) {
        DCCMVAC = (uint32_t)KEPT + at;
    }
#endif
    __asm volatile("dsb" ::: "memory");
}

static void keep(void)
{
    seen.sum = sum_of(&seen);
    volatile uint32_t *const to = (volatile uint32_t *)KEPT;
    for (uint32_t i = 0; i < sizeof seen / 4u; i++) { /* a RAM that checks itself (ECC) may keep the last one back */
        to[i] = ((const uint32_t *)&seen)[i];
    }
    write_through();
}

static __attribute__((noreturn)) void tell_after_reset(void)
{
    if (!is_after_reset) {
        keep();
    }
    AIRCR = AIRCR_KEY | (AIRCR & AIRCR_GROUPS) | AIRCR_RESET;
    for (;;) {
    }
}

static int is_kept(const note *kept)
{
    return kept->magic == MAGIC && kept->sum == sum_of(kept);
}

/* ---- telling ---- */

static void say_note(void)
{
    say("\r\n");
    sum = 0;
    say("firmnet fault");
    for (uint32_t i = 0; i < sizeof seen.known / sizeof seen.known[0]; i++) {
        say_word(seen.known[i]);
    }
    say(" calls");
    for (uint32_t i = 0; i < CALLS && seen.calls[i]; i++) {
        say_word(seen.calls[i]);
    }
    say(" sum");
    say_word(sum);
    say("\r\n");
}

static __attribute__((noreturn)) void tell(void)
{
    for (;;) {
        say_note();
        for (const uint32_t since = fn_board_ms(); fn_board_ms() - since < REPEAT_MS;) {
            fn_board_poll();
            fn_board_idle();
        }
    }
}

/* Gives the program up: tell() is where the exception returns to, with its stack empty. `interrupts`: the stack of those. */
static __attribute__((noreturn)) void return_to_tell(uint32_t how, uint32_t interrupts)
{
    uint32_t *const frame = (uint32_t *)((uint32_t)top & ~7u) - FRAME_WORDS;
    for (uint32_t i = 0; i < FRAME_WORDS; i++) {
        frame[i] = 0u;
    }
    frame[PC] = (uint32_t)tell & ~1u;
    frame[PSR] = THUMB;
#if defined(__ARM_FP)
    FPCCR &= ~FPU_STATE_IS_DUE; /* of the program, whose frame is no more */
#endif
#if !defined(__ARM_ARCH_6M__)
    CFSR = CFSR; /* ones clear it */
    __asm volatile("msr basepri, %0" ::"r"(0));
#endif
    if (how & TO_THREAD_STACK) {
        __asm volatile("msr psp, %0" ::"r"(frame));
    } else {
        interrupts = (uint32_t)frame;
    }
    __asm volatile("msr msp, %0\n cpsie i\n isb\n bx %1" ::"r"(interrupts), "r"(how | WITHOUT_FPU) : "memory");
    __builtin_unreachable();
}

/* `how` the exception would return: bit 4 says that no registers of the FPU were kept. */
__attribute__((noreturn, used)) void fn_note_fault(uint32_t sp, uint32_t how, uint32_t interrupts)
{
    find_words(ICSR & ACTIVE, sp, how & WITHOUT_FPU ? FRAME_WORDS : FPU_FRAME_WORDS, 0u);
    if (!(how & TO_PROGRAM) || fn_tells_of_fault) {
        tell_after_reset();
    }
    fn_tells_of_fault = 1;
    return_to_tell(how, interrupts);
}

/* On a stack of its own. */
__attribute__((naked, used)) void fn_catch_fault(void)
{
    __asm volatile(
        ".syntax unified\n"
        "mrs r2, msp\n"
        "mov r0, r2\n"
        "mov r1, lr\n"
        "movs r3, #4\n"
        "tst r1, r3\n"
        "beq 1f\n"
        "mrs r0, psp\n"
        "1: ldr r3, =own_stack + 384\n"
        "mov sp, r3\n"
        "ldr r3, =fn_note_fault\n"
        "bx r3\n"
        ".ltorg");
}

#if defined(ARDUINO_ARCH_MBED)
/* The core itself gives up: out of memory, a mutex in an interrupt, … */
void mbed_error_hook(const mbed_error_ctx *context)
{
    find_words(CORE_GAVE_UP, (uint32_t)__builtin_frame_address(0), 0u, (uint32_t)context->error_status);
    __builtin_trap(); /* the handler has what it needs, and goes on */
}
#else
/* The core's are weak, and do nothing for ever. */
__attribute__((naked)) void HardFault_Handler(void)
{
    __asm volatile(".syntax unified\n ldr r2, =fn_catch_fault\n bx r2\n .ltorg");
}
/* Weak here too, for a chip's flash may say by it that a place cannot be read (flash.c); it comes before the core's. */
void NMI_Handler(void) __attribute__((weak, alias("HardFault_Handler")));
#if !defined(__ARM_ARCH_6M__)
void MemManage_Handler(void) __attribute__((alias("HardFault_Handler")));
void BusFault_Handler(void) __attribute__((alias("HardFault_Handler")));
void UsageFault_Handler(void) __attribute__((alias("HardFault_Handler")));
#endif

/* stm32duino calls it every millisecond. */
void osSystickHandler(void)
{
    fn_look();
}
#endif

/* Of a program with a stack of its own, what an interrupt put there. */
static uint32_t thread_stack(void)
{
    uint32_t sp;
    __asm volatile("mrs %0, psp" : "=r"(sp));
    return sp;
}

/* mbed's handlers are its own, and its table lies in RAM. */
static void take_vectors(void)
{
    if ((uint32_t)VTOR - FN_RAM_ORIGIN < FN_RAM_BYTES) {
        for (uint32_t i = FIRST_FAULT; i <= LAST_FAULT; i++) {
            VTOR[i] = (uint32_t)fn_catch_fault;
        }
        __asm volatile("dsb\n isb" ::: "memory");
    }
}

/* ---- the stack ---- */

int fn_guard_is_painted(void)
{
    return is_painted;
}

/* In an interrupt. */
static void look_at_guard(void)
{
    for (uint32_t i = 0; is_painted && i < GUARD_WORDS; i += STRIDE) {
        if (guard[i] != PAINT) {
            if (is_thread) {
                find_words(PAINT_IS_GONE, thread_stack(), FRAME_WORDS, 0u);
            } else {
                find_words(PAINT_IS_GONE, (uint32_t)__builtin_frame_address(0), 0u, 0u);
            }
            tell_after_reset();
        }
    }
}

/* A Cortex-M0+ may have the unit, but locks up in silence where a fault's frame does not fit the stack. */
static void guard_stack(void)
{
#if !defined(__ARM_ARCH_6M__)
    const uint32_t regions = MPU_TYPE >> 8 & 0xFFu;
    if (regions) {
        MPU_RNR = regions - 1u; /* the last one prevails */
        MPU_RBAR = (uint32_t)guard;
        MPU_RASR = RASR_ON | RASR_512_BYTES | RASR_NO_CODE;
        MPU_CTRL |= MPU_ON | MPU_ELSE_AS_BEFORE;
        __asm volatile("dsb\n isb" ::: "memory");
        return;
    }
#endif
    for (uint32_t i = 0; i < GUARD_WORDS; i++) {
        guard[i] = PAINT;
    }
    is_painted = 1;
}

/* ---- a watchdog that is about to bite ---- */

#if FN_HEAP_BYTES > 0

static volatile uint32_t unfed_ms; /* and what hangs is not noted yet */
static volatile int hang_is_noted;
static int hang_is_told = 1;

__attribute__((weak)) void machine_watchdog_look(void) /* of what has no machine */
{
}

void fn_watchdog_is_due(uint32_t ms)
{
    unfed_ms = ms;
    if (!ms && hang_is_noted) {
        hang_is_noted = 0;
        KEPT->magic = 0u;
        write_through();
    }
}

/* Again in the next tick, if it was another thread's stack. */
static __attribute__((used)) void note_hang(uint32_t sp, uint32_t words)
{
    if (!unfed_ms || seen.magic) {
        return;
    }
    find_words(WATCHDOG_WAS_DUE, sp, words, unfed_ms);
    keep();
    seen.magic = 0u; /* a fault may come yet */
    hang_is_noted = hang_is_told = 1;
    if (is_guarded(sp)) {
        unfed_ms = 0u;
    }
}

#if !defined(ARDUINO_ARCH_MBED)
/* As soon as the tick has returned: that has a frame of its own. stm32duino has no use for it. */
__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile(
        ".syntax unified\n"
        "mov r0, sp\n"
        "movs r1, #8\n"
        "mov r2, lr\n"
        "lsls r2, r2, #27\n"
        "bmi 1f\n"
        "movs r1, #26\n"
        "1: ldr r2, =note_hang\n"
        "bx r2\n"
        ".ltorg");
}
#endif

/* In an interrupt. */
static void look_at_hang(void)
{
    machine_watchdog_look();
    if (unfed_ms && is_thread) {
        note_hang(thread_stack(), FRAME_WORDS);
    } else if (unfed_ms) {
        ICSR = PENDSVSET;
    }
}

void fn_tell_of_hang(void)
{
    if (!hang_is_told) {
        hang_is_told = 1;
        say_note();
    }
}

/* Whether it was a watchdog that ended what was before. */
static int was_hang(void)
{
    if (seen.known[0] != WATCHDOG_WAS_DUE) {
        return 0;
    }
    seen.magic = 0u;
    hang_is_told = 0;
    return 1;
}

#else

static void look_at_hang(void)
{
}

static int was_hang(void)
{
    return 0;
}

#endif

/* ---- the beginning ---- */

void fn_look(void)
{
    if (!fn_tells_of_fault) {
        look_at_guard();
        look_at_hang();
    }
}

void fn_watch_faults(const void *stack_top, uint32_t stack_bytes)
{
    uint32_t control;
    __asm volatile("mrs %0, control" : "=r"(control));
    is_thread = control & ON_THREAD_STACK;
    top = (const uint32_t *)stack_top;
    guard = (volatile uint32_t *)((((uint32_t)top - stack_bytes) & ~(GUARD_BYTES - 1u)) - GUARD_BYTES);
    take_vectors();
    note *const kept = KEPT;
    if (is_kept(kept)) {
        seen = *kept;
        if (!was_hang()) {
            kept->magic = 0u;
            is_after_reset = fn_tells_of_fault = 1; /* the next reset is for good */
            tell();
        }
    }
    kept->magic = 0u;
    write_through();
    guard_stack();
}

#endif
