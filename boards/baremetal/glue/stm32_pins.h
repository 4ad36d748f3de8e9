/* stm32_pins.h: what do the STM32F4, F7, H7 and L4 do alike with pins, timers and watchdog? Their glues' _pins.c files give the rest.
 *
 * Included behind these: GPIO_BASE, PORTS, PORT_CLOCKS (the register whose bits switch the ports on), TIMER_1, TIMER_1_CLOCKS and
 * TIMER_1_ON, TIMER_CLOCKS (of timers 2 to 5, from bit 0), UNIQUE_ID, RESET_FLAGS with FLAGS_POWER and FLAGS_FORGET, and
 * BUS_PRESCALER(bus), the field of RCC_CFGR, and SYSTEM_MEMORY, where the bootloader begins. What an H7 has elsewhere may be told
 * too: WATCHDOG_BASE, the flags of a watchdog and of the reset pin or software, BUS_HZ. Sections are those of RM0390; the registers
 * are the same in all.
 */
#ifndef FN_STM32_PINS_H
#define FN_STM32_PINS_H

#include <string.h>

#include "fn_board.h"
#include "fn_machine.h"
#include "registers.h"

#ifndef WATCHDOG_BASE
#define WATCHDOG_BASE 0x40003000u
#endif
#ifndef FLAGS_WATCHDOG
#define FLAGS_WATCHDOG (3u << 29)
#define FLAGS_PIN_OR_SOFTWARE (1u << 28 | 1u << 26)
#endif
#ifndef BUS_HZ /* of the bus whose clock the prescalers divide */
#define BUS_HZ fn_core_hz()
#endif

/* A pin is 16 * port + line: PA5 is 5, PB0 is 16. */
#define LINES 16u
#define PORT_OF(pin) ((pin) / LINES)
#define LINE_OF(pin) ((pin) % LINES)

#define GPIO(pin, offset) REG(GPIO_BASE + 0x400u * PORT_OF(pin) + (offset)) /* 7.4 */
#define MODER(pin) GPIO(pin, 0x00u)
#define OTYPER(pin) GPIO(pin, 0x04u)
#define PUPDR(pin) GPIO(pin, 0x0Cu)
#define IDR(pin) GPIO(pin, 0x10u)
#define ODR(pin) GPIO(pin, 0x14u)
#define BSRR(pin) GPIO(pin, 0x18u)
#define AFR(pin) GPIO(pin, 0x20u + 4u * (LINE_OF(pin) / 8u))
enum { MODE_INPUT = 0, MODE_OUTPUT = 1, MODE_FUNCTION = 2, MODE_ANALOG = 3 };

static void put(volatile uint32_t *address, uint32_t at, uint32_t bits, uint32_t value)
{
    *address = (*address & ~(((1u << bits) - 1u) << at)) | value << at;
}

static void pin_mode(uint32_t pin, uint32_t mode)
{
    put(&MODER(pin), 2u * LINE_OF(pin), 2u, mode);
}

static void pin_function(uint32_t pin, uint32_t function)
{
    put(&AFR(pin), 4u * (LINE_OF(pin) % 8u), 4u, function);
    pin_mode(pin, MODE_FUNCTION);
}

/* At least so long: what a converter's regulator takes. */
static inline void pause(uint32_t us)
{
    const uint32_t start = fn_board_us();
    while (fn_board_us() - start <= us) {
    }
}

/* "PA5", "PC13". A port that the chip has not keeps no clock; an emulator may have no such register. */
int32_t fn_pin_called(const char *name)
{
    if (name[0] != 'P' || name[1] < 'A' || name[1] >= 'A' + (int)PORTS || name[2] < '0' || name[2] > '9') {
        return FN_LACKS;
    }
    const uint32_t port = (uint32_t)(name[1] - 'A');
    uint32_t line = (uint32_t)(name[2] - '0');
    if (name[3]) {
        if (line != 1u || name[3] < '0' || name[3] > '5' || name[4]) {
            return FN_LACKS;
        }
        line = 10u + (uint32_t)(name[3] - '0');
    }
    PORT_CLOCKS |= 1u << port;
    if (!(PORT_CLOCKS >> port & 1u) && fn_board_clock_hz()) {
        return FN_LACKS;
    }
    return (int32_t)(LINES * port + line);
}

int fn_pin_set(uint32_t pin, fn_pin_mode mode, fn_pin_pull pull)
{
    put(&OTYPER(pin), LINE_OF(pin), 1u, mode == FN_OPEN_DRAIN);
    put(&PUPDR(pin), 2u * LINE_OF(pin), 2u, (uint32_t)pull);
    pin_mode(pin, mode == FN_IN ? MODE_INPUT : MODE_OUTPUT);
    return 0;
}

void fn_pin_write(uint32_t pin, int high)
{
    BSRR(pin) = 1u << (LINE_OF(pin) + (high ? 0u : LINES));
}

int fn_pin_read(uint32_t pin)
{
    return IDR(pin) >> LINE_OF(pin) & 1u;
}

int fn_pin_driven(uint32_t pin)
{
    return ODR(pin) >> LINE_OF(pin) & 1u;
}

/* ---- PWM: timers 1 to 5, 17.4 and 18.4 ---- */

typedef struct route {
    uint8_t pin, timer, channel; /* both from 1 */
} route;

enum { PA = 0, PB = 16, PC = 32, PD = 48, PE = 64 };

/* The data sheets' tables of alternate functions: where a channel comes out at several pins, each may be taken. */
static const route routes[] = {
    {PA + 0, 2, 1}, {PA + 1, 2, 2}, {PA + 2, 2, 3}, {PA + 3, 2, 4}, {PA + 5, 2, 1}, {PA + 6, 3, 1}, {PA + 7, 3, 2},
    {PA + 8, 1, 1}, {PA + 9, 1, 2}, {PA + 10, 1, 3}, {PA + 11, 1, 4}, {PA + 15, 2, 1},
    {PB + 0, 3, 3}, {PB + 1, 3, 4}, {PB + 3, 2, 2}, {PB + 4, 3, 1}, {PB + 5, 3, 2}, {PB + 6, 4, 1}, {PB + 7, 4, 2},
    {PB + 8, 4, 3}, {PB + 9, 4, 4}, {PB + 10, 2, 3}, {PB + 11, 2, 4},
    {PC + 6, 3, 1}, {PC + 7, 3, 2}, {PC + 8, 3, 3}, {PC + 9, 3, 4},
    {PD + 12, 4, 1}, {PD + 13, 4, 2}, {PD + 14, 4, 3}, {PD + 15, 4, 4},
    {PE + 9, 1, 1}, {PE + 11, 1, 2}, {PE + 13, 1, 3}, {PE + 14, 1, 4},
};

#define TIMER(timer, offset) REG(((timer) == 1u ? TIMER_1 : 0x40000000u + 0x400u * ((timer) - 2u)) + (offset))
#define CR1(timer) TIMER(timer, 0x00u)
#define EGR(timer) TIMER(timer, 0x14u)
#define CCMR(timer, channel) TIMER(timer, 0x18u + 4u * (((channel) - 1u) / 2u))
#define CCER(timer) TIMER(timer, 0x20u)
#define PSC(timer) TIMER(timer, 0x28u)
#define ARR(timer) TIMER(timer, 0x2Cu)
#define CCR(timer, channel) TIMER(timer, 0x34u + 4u * ((channel) - 1u))
#define BDTR TIMER(1u, 0x44u)
enum { CR1_CEN = 1u << 0, CR1_ARPE = 1u << 7, EGR_UG = 1u << 0, CCMR_PWM = 0x68u, BDTR_MOE = 1u << 15 };
enum { FUNCTION_OF_1_AND_2 = 1u, FUNCTION_OF_THE_OTHERS = 2u };

#define MOST_COUNTS 65535u /* so that one more still fits: a duty of all of them is never low */
#define FULL_DUTY 65535u

static const route *route_of(uint32_t pin)
{
    for (uint32_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (routes[i].pin == pin) {
            return &routes[i];
        }
    }
    return NULL;
}

static void timer_on(uint32_t timer)
{
    if (timer == 1u) {
        TIMER_1_CLOCKS |= TIMER_1_ON;
    } else {
        TIMER_CLOCKS |= 1u << (timer - 2u);
    }
}

/* 6.2: a timer counts twice as fast as its bus, unless that is undivided. */
static uint32_t timer_hz(uint32_t timer)
{
    const uint32_t field = BUS_PRESCALER(timer == 1u ? 2u : 1u) & 7u;
    return field < 4u ? BUS_HZ : BUS_HZ / (1u << (field - 4u));
}

/* What is written first takes effect at the end of a period. A timer that the chip has not keeps nothing. */
int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty)
{
    const route *const to = route_of(pin);
    if (!to) {
        return FN_LACKS;
    }
    timer_on(to->timer);
    const uint32_t counts = timer_hz(to->timer) / hz, divisor = counts / (MOST_COUNTS + 1u) + 1u;
    if (counts < 2u || divisor > 0x10000u) {
        return FN_RANGE;
    }
    const uint32_t top = counts / divisor - 1u;
    const int anew = !(CR1(to->timer) & CR1_CEN) || PSC(to->timer) != divisor - 1u || ARR(to->timer) != top;
    PSC(to->timer) = divisor - 1u;
    ARR(to->timer) = top;
    if (ARR(to->timer) != top) {
        return FN_LACKS;
    }
    CCR(to->timer, to->channel) = (uint32_t)(((uint64_t)duty * (top + 1u) + FULL_DUTY / 2u) / FULL_DUTY);
    put(&CCMR(to->timer, to->channel), 8u * ((to->channel - 1u) % 2u), 8u, CCMR_PWM);
    put(&CCER(to->timer), 4u * (to->channel - 1u), 4u, 1u);
    if (to->timer == 1u) {
        BDTR |= BDTR_MOE;
    }
    if (anew) {
        EGR(to->timer) = EGR_UG;
        CR1(to->timer) |= CR1_ARPE | CR1_CEN;
    }
    OTYPER(pin) &= ~(1u << LINE_OF(pin));
    pin_function(pin, to->timer <= 2u ? FUNCTION_OF_1_AND_2 : FUNCTION_OF_THE_OTHERS);
    return 0;
}

void fn_pwm_stop(uint32_t pin)
{
    const route *const to = route_of(pin);
    if (to) {
        put(&CCER(to->timer), 4u * (to->channel - 1u), 4u, 0u);
        pin_mode(pin, MODE_INPUT);
    }
}

/* ---- the independent watchdog, chapter 20: an oscillator of its own, of some 32 kHz ---- */

#define IWDG_KR REG(WATCHDOG_BASE + 0x00u)
#define IWDG_PR REG(WATCHDOG_BASE + 0x04u)
#define IWDG_RLR REG(WATCHDOG_BASE + 0x08u)
#define IWDG_SR REG(WATCHDOG_BASE + 0x0Cu)
enum { KR_START = 0xCCCCu, KR_UNLOCK = 0x5555u, KR_FEED = 0xAAAAu, SR_BUSY = 3u, MOST_RELOADS = 4096u, SLOWEST = 6u };
#define KHZ 32u

int32_t fn_watchdog_start(uint32_t ms)
{
    uint32_t divisor = 0; /* 4 by 2 to the power of it */
    while (divisor < SLOWEST && (uint64_t)ms * KHZ > (uint64_t)MOST_RELOADS << (divisor + 2u)) {
        divisor++;
    }
    if ((uint64_t)ms * KHZ > (uint64_t)MOST_RELOADS << (divisor + 2u)) {
        return FN_RANGE;
    }
    const uint32_t reloads = (ms * KHZ) >> (divisor + 2u);
    IWDG_KR = KR_START;
    IWDG_KR = KR_UNLOCK;
    IWDG_PR = divisor;
    IWDG_RLR = reloads ? reloads - 1u : 0u;
    if (!becomes(&IWDG_SR, SR_BUSY, 0)) {
        return FN_SILENT;
    }
    IWDG_KR = KR_FEED;
    return 0;
}

void fn_watchdog_feed(void)
{
    IWDG_KR = KR_FEED;
}

/* ---- the chip ---- */

enum { ID_BYTES = 12u };

uint32_t fn_unique_id(uint8_t *id)
{
    memset(id, 0, ID_BYTES);
    if (fn_board_clock_hz()) { /* an emulator has nothing there */
        memcpy(id, (const void *)UNIQUE_ID, ID_BYTES);
    }
    return ID_BYTES;
}

fn_reset_cause fn_why_reset(void)
{
    const uint32_t flags = RESET_FLAGS;
    RESET_FLAGS |= FLAGS_FORGET;
    if (flags & FLAGS_WATCHDOG) {
        return FN_WATCHDOG;
    }
    if (flags & FLAGS_POWER) {
        return FN_POWER_ON;
    }
    return flags & FLAGS_PIN_OR_SOFTWARE ? FN_HARD : FN_UNKNOWN;
}

/* ---- the bootloader in system memory (AN2606), which wants the chip as it comes out of reset ---- */

extern uint32_t __stack_guard[]; /* of cortexm.ld; above it lies the end of the stack, which nobody needs any more then */
#define ASKED ((volatile uint32_t *)((uintptr_t)__stack_guard + 512u))
#define ASKED_FOR_BOOTLOADER 0x746F6F62u /* "boot" */
#define VTOR REG(0xE000ED08u)
#define DCCMVAC REG(0xE000EF68u) /* of a Cortex-M7: what is in the data cache is written to memory */

int32_t fn_bootloader(void)
{
    if (!fn_board_clock_hz()) { /* an emulator has nothing there */
        return FN_LACKS;
    }
    __asm volatile("cpsid i" ::: "memory");
    ASKED[0] = ASKED_FOR_BOOTLOADER;
    ASKED[1] = ~ASKED_FOR_BOOTLOADER;
    __asm volatile("dsb" ::: "memory");
#if defined(HAS_DATA_CACHE)
    DCCMVAC = (uint32_t)ASKED;
#endif
    fn_reset();
}

/* Memory keeps what is in it over a reset. */
void fn_at_reset(void)
{
    if (ASKED[0] != ASKED_FOR_BOOTLOADER || ASKED[1] != ~ASKED_FOR_BOOTLOADER) {
        return;
    }
    ASKED[0] = 0;
#if defined(MEMORY_REMAP) /* system memory at 0, as the pin BOOT0 does it */
    SYSCFG_CLOCKS |= SYSCFG_ON;
    (void)SYSCFG_CLOCKS;
    MEMORY_REMAP = SYSTEM_MEMORY_AT_0;
#endif
    VTOR = SYSTEM_MEMORY;
    __asm volatile("dsb\n isb\n msr msp, %0\n bx %1" ::"r"(REG(SYSTEM_MEMORY)), "r"(REG(SYSTEM_MEMORY + 4u)) : "memory");
}

#endif
