/* faults.c: what an Arduino core does about faults, instead of our own start-up: nothing for ever, unless its handler is replaced. */
#include "faults.h"

/* Weak, and called as soon as a fault is there, as by stm32duino's table. */
__attribute__((weak)) void HardFault_Handler(void)
{
    for (;;) {
    }
}

__attribute__((naked)) void fn_fault(void)
{
    __asm volatile("ldr r2, =HardFault_Handler\n bx r2\n .ltorg");
}

/* Weak, and called every millisecond. */
__attribute__((weak)) void osSystickHandler(void)
{
}

__attribute__((weak)) void PendSV_Handler(void)
{
}

void fn_guard_stack(void)
{
}

void core_watchdog_tick(void);

void fn_check_guard(void)
{
    osSystickHandler();
    core_watchdog_tick();
}
