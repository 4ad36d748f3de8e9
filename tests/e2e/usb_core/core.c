/* core.c: what an Arduino core does on the emulated M4 machine: main(), the clock, bytes from and to the host.
 *
 * The interrupt only wakes; bytes stay in the UART until they are read: QEMU keeps what nobody has read in the host's
 * socket, as USB keeps it in the host.
 */
#include "fn_board.h"
#include "registers.h"
#include "systick.h"

#define UART(offset) (*(volatile uint32_t *)(0x40004000u + (offset)))
#define DATA UART(0x00u)
#define STATE UART(0x04u)
#define CTRL UART(0x08u)
#define INTCLEAR UART(0x0Cu)
#define BAUDDIV UART(0x10u)

void setup(void);
void loop(void);

unsigned long millis(void)
{
    return systick_ms();
}

unsigned long micros(void)
{
    return systick_us();
}

void yield(void)
{
    __asm volatile("wfi"); /* the next tick or byte wakes it */
}

int core_take(uint32_t patience_ms)
{
    const uint32_t start = systick_ms();
    while (!(STATE & 2u)) {
        if (systick_ms() - start >= patience_ms) {
            return -1;
        }
        yield();
    }
    return (int)(DATA & 0xFFu);
}

void core_put(uint8_t byte)
{
    while (STATE & 1u) {
    }
    DATA = byte;
}

/* ---- pins: what was asked of them, for the test to look at. One that nobody drives reads as it is pulled. ---- */

struct {
    uint32_t mode, level, pwm_hz, pwm_value;
} core_pins[20];
enum { INPUT, OUTPUT, INPUT_PULLUP, INPUT_PULLDOWN };
static uint32_t frequency = 1000, read_bits = 10, write_bits = 8;

void pinMode(uint32_t pin, uint32_t mode)
{
    core_pins[pin].mode = mode;
    core_pins[pin].pwm_hz = 0;
}

/* As on stm32duino: what is no output takes no level. */
void digitalWrite(uint32_t pin, uint32_t level)
{
    if (core_pins[pin].mode == OUTPUT) {
        core_pins[pin].level = level;
    }
}

int digitalRead(uint32_t pin)
{
    return core_pins[pin].mode == OUTPUT ? (int)core_pins[pin].level : core_pins[pin].mode == INPUT_PULLUP;
}

void analogReadResolution(int bits)
{
    read_bits = (uint32_t)bits;
}

int analogRead(uint32_t pin)
{
    return (int)((pin << 10) >> (14u - read_bits)) & ((1 << read_bits) - 1);
}

void analogWriteFrequency(uint32_t hz)
{
    frequency = hz;
}

void analogWriteResolution(int bits)
{
    write_bits = (uint32_t)bits;
}

void analogWrite(uint32_t pin, uint32_t value)
{
    core_pins[pin].pwm_hz = frequency;
    core_pins[pin].pwm_value = value << (16u - write_bits);
}

void fn_uart_isr(void)
{
    INTCLEAR = 2;
}

/* ---- the watchdog: by ticks, of which QEMU loses some on a busy machine, while its own watchdogs go on ---- */

#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
enum { RESET = 0x05FA0004 };
static volatile uint32_t patience_ms, unfed_ms;

int32_t fn_watchdog_start(uint32_t ms)
{
    patience_ms = ms;
    unfed_ms = 0;
    return 0;
}

void fn_watchdog_feed(void)
{
    unfed_ms = 0;
}

void core_watchdog_tick(void)
{
    unfed_ms++;
    if (patience_ms && unfed_ms >= patience_ms) {
        AIRCR = RESET;
    }
}

/* As on mbed, if a test sets it: the program has a stack of its own, interrupts have another, and their table lies in RAM. */
const volatile uint32_t core_has_threads = 0;

#define VTOR (*(volatile uint32_t *)0xE000ED08u)
enum { VECTORS = 64, ON_OWN_STACK = 2 };

static void become_thread(void)
{
    static uint32_t table[VECTORS] __attribute__((aligned(256))), stack[256] __attribute__((aligned(8)));
    for (uint32_t i = 0; i < VECTORS; i++) {
        table[i] = ((const uint32_t *)VTOR)[i];
    }
    table[3] = (uint32_t)table; /* a handler of its own, of no use */
    VTOR = (uint32_t)table;
    __asm volatile("mov r0, sp\n msr psp, r0\n msr control, %0\n isb\n msr msp, %1" ::"r"(ON_OWN_STACK), "r"(stack + 256) : "r0");
}

int main(void)
{
    BAUDDIV = 16;
    CTRL = 3u | 8u; /* send, receive, interrupt when a byte is there */
    enable_interrupt(FN_UART_IRQ);
    systick_init(FN_CLOCK_HZ);
    if (core_has_threads) {
        become_thread();
    }
    setup();
    for (;;) {
        loop();
    }
}
