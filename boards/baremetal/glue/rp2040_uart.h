/* rp2040_uart.h: the registers of an RP2040's UART at UART_BASE, and what becomes of a rate. Data sheet, 4.2. */
#ifndef FN_RP2040_UART_H
#define FN_RP2040_UART_H

#include "registers.h"

#define UART(offset) REG(UART_BASE + (offset)) /* 4.2.8 */
#define UARTDR UART(0x00u)
#define UARTFR UART(0x18u)
#define UARTIBRD UART(0x24u)
#define UARTFBRD UART(0x28u)
#define UARTLCR_H UART(0x2Cu)
#define UARTCR UART(0x30u)
#define UARTIMSC UART(0x38u)
enum { FR_BUSY = 1u << 3, FR_RXFE = 1u << 4, FR_TXFF = 1u << 5, CR_ON = 1u << 0 | 1u << 8 | 1u << 9 };
enum { LCR_PARITY = 1u << 1, LCR_EVEN = 1u << 2, LCR_TWO_STOPS = 1u << 3, LCR_FIFOS = 1u << 4, LCR_8_BITS = 3u << 5 };
enum { INT_RX = 1u << 4, INT_RX_TIMEOUT = 1u << 6, FUNCTION_UART = 2u, DIVISOR_1 = 64u };

/* In 64ths of a sixteenth of a bit (4.2.7.1); of a bit at least, so DIVISOR_1 is the least that it takes. */
static uint32_t divisor_of(uint32_t hz, uint32_t baud)
{
    return (8u * hz / baud + 1u) / 2u;
}

/* `format` is of UARTLCR_H, which takes the divisor up, so it is written last. */
static void set_rate(uint32_t divisor, uint32_t format)
{
    UARTIBRD = divisor >> 6;
    UARTFBRD = divisor & 63u;
    UARTLCR_H = LCR_8_BITS | LCR_FIFOS | format;
}

#endif
