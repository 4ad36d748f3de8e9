/* second_uart.h: where do bytes wait that a UART beside the port has received? In a ring, until Python reads them. */
#ifndef FN_SECOND_UART_H
#define FN_SECOND_UART_H

#include <stdint.h>

#include "fn_machine.h"

#define WAITING_BYTES 256u /* a power of two */

static volatile uint8_t waiting[WAITING_BYTES];
static volatile uint32_t came, went;

/* In the interrupt. A full ring drops what comes. */
static void second_uart_received(uint8_t byte)
{
    if (came - went < WAITING_BYTES) {
        waiting[came % WAITING_BYTES] = byte;
        came++;
    }
}

uint32_t fn_uart_waiting(void)
{
    return came - went;
}

int fn_uart_get(void)
{
    return came == went ? -1 : waiting[went++ % WAITING_BYTES];
}

#endif
