/* new_usart.h: the port over a USART of an STM32F7, H7 or L4, where status and data have registers of their own.
 *
 * Included behind USART (where it is), BAUD_CLOCK and LEAST_DIVISOR. RM0351 (L4) 40.8, RM0385 (F7) 31.8, RM0433 (H7) 48.8.
 */
#ifndef FN_NEW_USART_H
#define FN_NEW_USART_H

#include "registers.h"

#define CR1 REG(USART + 0x00u)
#define BRR REG(USART + 0x0Cu)
#define ISR REG(USART + 0x1Cu)
#define ICR REG(USART + 0x20u)
#define RDR REG(USART + 0x24u)
#define TDR REG(USART + 0x28u)
enum { CR1_UE = 1u << 0, CR1_RE = 1u << 2, CR1_TE = 1u << 3, CR1_RXNEIE = 1u << 5 };
enum { ISR_RXNE = 1u << 5, ISR_TXE = 1u << 7, ICR_ERRORS = 0xFu };

#define STATUS ISR
#define MAY_SEND (ISR & ISR_TXE)
#define SENT TDR
#include "usart.h"

void fn_uart_isr(void)
{
    ICR = ICR_ERRORS; /* an overrun would ask for ever */
    while (ISR & ISR_RXNE) {
        fn_received((uint8_t)RDR);
    }
}

#endif
