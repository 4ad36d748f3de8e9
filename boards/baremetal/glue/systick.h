/* systick.h: milliseconds and microseconds from the core's own timer. */
#ifndef FN_SYSTICK_H
#define FN_SYSTICK_H

#include <stdint.h>

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define SYSTICK_PENDING (1u << 26)

static volatile uint32_t elapsed_ms;
static uint32_t ticks_per_ms;
static uint32_t latest_us;

void SysTick_Handler(void)
{
    elapsed_ms++;
}

static void systick_init(uint32_t clock_hz)
{
    ticks_per_ms = clock_hz / 1000u;
    SYST_RVR = ticks_per_ms - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7; /* core clock, interrupt, on */
}

static uint32_t systick_ms(void)
{
    return elapsed_ms;
}

static uint32_t systick_us(void)
{
    uint32_t ms, left, pending;
    do { /* read again when a tick fell in between */
        ms = elapsed_ms;
        pending = ICSR & SYSTICK_PENDING;
        left = SYST_CVR;
    } while (ms != elapsed_ms || pending != (ICSR & SYSTICK_PENDING));
    if (pending) { /* the counter began anew, and its interrupt has not been taken yet */
        ms++;
    }
    const uint32_t us = ms * 1000u + (ticks_per_ms - 1u - left) * 1000u / ticks_per_ms;
    if (latest_us - us > 10000u) { /* else an emulator's timer was late, and has stepped back a little: wait for it */
        latest_us = us;
    }
    return latest_us;
}

#endif
