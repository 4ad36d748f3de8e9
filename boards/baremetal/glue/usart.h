/* usart.h: how are bytes sent, and the time told, over a USART and SysTick? What the glues of all such chips do alike.
 *
 * Included behind the registers: MAY_SEND is true while a byte may be written to SENT.
 */
#ifndef FN_USART_H
#define FN_USART_H

#include "fn_board.h"
#include "systick.h"

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

uint32_t fn_board_ms(void)
{
    return systick_ms();
}

uint32_t fn_board_us(void)
{
    return systick_us();
}

#endif
