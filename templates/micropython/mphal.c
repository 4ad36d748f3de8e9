/* mphal.c: how does MicroPython reach the serial port and the clock? Through fn_board.h and one receive ring. */
#include "fn_board.h"
#include "fn_firmware.h"
#include "fn_machine.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/readline/readline.h"
#include "shared/runtime/interrupt_char.h"

/* Raw paste needs MICROPY_REPL_STDIN_BUFFER_MAX. While frames are served, Python may lend a larger one. */
static uint8_t own_ring[1024];

static volatile uint8_t *ring = own_ring;
static uint32_t ring_bytes = sizeof own_ring; /* one of them stays free */
static volatile uint32_t ring_head;           /* where the receiver writes, and only it changes this */
static volatile uint32_t ring_tail;           /* where the reader reads */

static uint32_t after(uint32_t at)
{
    return at + 1u < ring_bytes ? at + 1u : 0u;
}

static int ring_is_full(void)
{
    return after(ring_head) == ring_tail;
}

static uint8_t take_from_ring(void)
{
    const uint8_t byte = ring[ring_tail];
    ring_tail = after(ring_tail);
    return byte;
}

uint32_t fn_ring(uint8_t *memory, uint32_t bytes)
{
    uint8_t *const next = memory ? memory : own_ring;
    const uint32_t next_bytes = memory ? bytes : sizeof own_ring;
    if (next != ring) {
#if defined(__arm__)
        uint32_t masked;
        __asm volatile("mrs %0, primask\n cpsid i" : "=r"(masked)::"memory");
#endif
        uint32_t kept = 0;
        while (ring_head != ring_tail && kept + 1u < next_bytes) {
            next[kept++] = take_from_ring();
        }
        ring = next;
        ring_bytes = next_bytes;
        ring_head = kept;
        ring_tail = 0;
#if defined(__arm__)
        __asm volatile("msr primask, %0" ::"r"(masked) : "memory");
#endif
    }
    return ring_bytes - 1u < FN_UNATTENDED_BYTES ? ring_bytes - 1u : FN_UNATTENDED_BYTES;
}

/* A program that reads nothing must not shut Ctrl-C out: where it interrupts, a ring full for so long drops what comes. */
#define UNREAD_MS 1000u

static int full; /* since full_ms */
static uint32_t full_ms;

/* A program that the board has started, and that catches Ctrl-C so often, is stopped for good. What was typed is not: over a
 * bad line a host may type Ctrl-C many times. */
#define ENOUGH_CTRL_C 4

int fn_program_runs;
static volatile int caught; /* since something was read */

int fn_receives(void)
{
    const int was_full = full;
    full = ring_is_full();
    if (full && !was_full) {
        full_ms = fn_board_ms();
    }
    return !full || (mp_interrupt_char >= 0 && fn_board_ms() - full_ms >= UNREAD_MS);
}

int fn_held;

void fn_hold(int on)
{
    if (on != fn_held) {
        fn_held = on;
        if (on) {
            mp_sched_lock();
        } else {
            mp_sched_unlock();
        }
    }
}

volatile fn_boot_state fn_boot;

void fn_received(uint8_t byte)
{
    if (fn_boot != FN_BOOTED && byte == CHAR_CTRL_C) {
        fn_boot = FN_BOOTS_HELD;
        return;
    }
    if (byte == mp_interrupt_char) {
        const int unheard = MP_STATE_MAIN_THREAD(mp_pending_exception) != MP_OBJ_NULL; /* the one before: nobody caught it */
        if (fn_program_runs && !unheard && ++caught >= ENOUGH_CTRL_C) {
            mp_sched_vm_abort();
        }
        mp_sched_keyboard_interrupt();
        return;
    }
    if (!ring_is_full()) { /* a full ring drops what comes; the link notices by its CRC */
        ring[ring_head] = byte;
        ring_head = after(ring_head);
    }
}

/* What interrupts do not bring: bytes, and the tick where the board has none. */
void fn_poll(void)
{
    fn_board_poll();
#if MICROPY_PY_MACHINE
    fn_tick();
#endif
}

/* One turn of any wait: Ctrl-C and scheduled functions run here, and may raise. */
void fn_wait(void)
{
    fn_poll();
    mp_handle_pending(true);
    if (ring_head == ring_tail) {
        fn_board_idle();
    }
}

/* The next byte, or -1 when none is there. */
int fn_read_byte(void)
{
    if (ring_head == ring_tail) {
        fn_board_poll();
        if (ring_head == ring_tail) {
            return -1;
        }
    }
    if (mp_interrupt_char < 0) {
        caught = 0;
    }
    return take_from_ring();
}

int mp_hal_stdin_rx_chr(void)
{
    for (;;) {
        const int byte = fn_read_byte();
        if (byte >= 0) {
            return byte;
        }
        fn_wait();
    }
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags)
{
    fn_board_poll();
    const uintptr_t readable = ring_head != ring_tail ? MP_STREAM_POLL_RD : 0u;
    return flags & (readable | MP_STREAM_POLL_WR);
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t n)
{
    fn_board_write((const uint8_t *)text, (uint32_t)n);
    return n;
}

mp_uint_t mp_hal_ticks_ms(void)
{
    return fn_board_ms();
}

mp_uint_t mp_hal_ticks_us(void)
{
    return fn_board_us();
}

mp_uint_t mp_hal_ticks_cpu(void)
{
    return fn_board_us();
}

uint64_t mp_hal_time_ns(void)
{
    return (uint64_t)fn_board_ms() * 1000000u;
}

void mp_hal_delay_ms(mp_uint_t ms)
{
    const uint32_t start = fn_board_ms();
    do {
        fn_poll();
        mp_handle_pending(true);
        if (ms > 1u) {
            fn_board_idle();
        }
    } while (fn_board_ms() - start < ms);
}

void mp_hal_delay_us(mp_uint_t us)
{
    const uint32_t start = fn_board_us();
    while (fn_board_us() - start < us) {
    }
}
