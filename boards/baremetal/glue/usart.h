/* usart.h: how are bytes sent at which rate, and the time told, over a USART and SysTick? What the glues of all such chips do
 * alike.
 *
 * Included behind the registers: MAY_SEND is true while a byte may be written to SENT, STATUS has TC where all bytes are sent.
 * BRR divides BAUD_CLOCK, by LEAST_DIVISOR or more. A glue without BAUD_CLOCK sets its rate itself.
 */
#ifndef FN_USART_H
#define FN_USART_H

#include "fn_board.h"
#include "registers.h"
#include "systick.h"

enum { TC = 1u << 6 };

void fn_board_poll(void)
{
}

void fn_board_idle(void)
{
    __asm volatile("wfi"); /* the next tick or byte wakes it */
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        while (!MAY_SEND) {
        }
        SENT = data[i];
    }
}

#if defined(BAUD_CLOCK)

static uint32_t divisor_of(uint32_t baud)
{
    return (uint32_t)((BAUD_CLOCK + baud / 2u) / baud);
}

static void start_usart(void)
{
    BRR = divisor_of(FN_BAUD);
    CR1 = CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE;
}

uint32_t fn_board_baud(uint32_t baud, int take)
{
    const uint32_t divisor = divisor_of(baud);
    const uint32_t had = divisor < LEAST_DIVISOR ? 0u : (uint32_t)(BAUD_CLOCK / divisor);
    if ((had > baud ? had - baud : baud - had) > baud / 50u) {
        return 0u;
    }
    if (take) {
        becomes(&STATUS, TC, TC);
        CR1 &= ~CR1_UE; /* newer USARTs take a divisor only while they are off */
        BRR = divisor;
        CR1 |= CR1_UE;
    }
    return baud;
}

#endif

uint32_t fn_board_ms(void)
{
    return systick_ms();
}

uint32_t fn_board_us(void)
{
    return systick_us();
}

#endif
