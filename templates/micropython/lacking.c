/* lacking.c: what does a board answer for what its chip has not, or what nobody has written for it yet? That it lacks it. */
#include "fn_machine.h"

#define LACKING __attribute__((weak))

LACKING int32_t fn_pin_called(const char *name)
{
    (void)name;
    return FN_LACKS;
}

LACKING int32_t fn_pin_numbered(uint32_t number)
{
    (void)number;
    return FN_LACKS;
}

LACKING int fn_pin_set(uint32_t pin, fn_pin_mode mode, fn_pin_pull pull)
{
    (void)pin, (void)mode, (void)pull;
    return FN_LACKS;
}

LACKING void fn_pin_write(uint32_t pin, int high)
{
    (void)pin, (void)high;
}

LACKING int fn_pin_read(uint32_t pin)
{
    (void)pin;
    return 0;
}

LACKING int fn_pin_driven(uint32_t pin)
{
    (void)pin;
    return 0;
}

LACKING int32_t fn_adc_open(uint32_t pin)
{
    (void)pin;
    return FN_LACKS;
}

LACKING int32_t fn_adc_read(uint32_t pin)
{
    (void)pin;
    return FN_LACKS;
}

LACKING int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty)
{
    (void)pin, (void)hz, (void)duty;
    return FN_LACKS;
}

LACKING void fn_pwm_stop(uint32_t pin)
{
    (void)pin;
}

LACKING int32_t fn_uart_open(uint32_t baud, fn_parity parity, uint32_t stop_bits)
{
    (void)baud, (void)parity, (void)stop_bits;
    return FN_LACKS;
}

LACKING void fn_uart_close(void)
{
}

LACKING uint32_t fn_uart_waiting(void)
{
    return 0;
}

LACKING int fn_uart_get(void)
{
    return -1;
}

LACKING int fn_uart_put(uint8_t byte)
{
    (void)byte;
    return 0;
}

LACKING int fn_uart_sent(void)
{
    return 1;
}

LACKING int32_t fn_watchdog_start(uint32_t ms)
{
    (void)ms;
    return FN_LACKS;
}

LACKING void fn_watchdog_feed(void)
{
}

LACKING void fn_watchdog_is_due(uint32_t ms)
{
    (void)ms;
}

LACKING uint32_t fn_unique_id(uint8_t *id)
{
    (void)id;
    return 0;
}

LACKING fn_reset_cause fn_why_reset(void)
{
    return FN_UNKNOWN;
}

LACKING int32_t fn_bootloader(void)
{
    return FN_LACKS;
}

/* Every Cortex-M has this one: Arm's architecture manual, Application Interrupt and Reset Control Register. */
LACKING void fn_reset(void)
{
    __asm volatile("dsb" ::: "memory");
    *(volatile uint32_t *)0xE000ED0Cu = 0x05FA0004u;
    for (;;) {
    }
}
