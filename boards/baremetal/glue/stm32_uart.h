/* stm32_uart.h: how does an STM32 drive the USART beside its port (FN_SECOND_UART)? RM0390, chapter 25, RM0385, chapter 31,
 * RM0433, chapter 48, and RM0351, chapter 40.
 *
 * Included behind TIMER_CLOCKS and TIMER_1_CLOCKS, the clocks of both buses, and NEW_USART: 1 where status and data have registers
 * of their own. USARTs 1 and 6 are on the faster bus; their clock is that of the bus. A chip that has its USART elsewhere than
 * below says where: USART_BASE, USART_CLOCKS and USART_ON, the bit there. FUNCTION_OF_USART_6 where that is not 8.
 */
#ifndef FN_STM32_UART_H
#define FN_STM32_UART_H

#include "second_uart.h"
#include "stm32_pins.h"

#if defined(FN_SECOND_UART)

#if !defined(USART_BASE)
#if FN_SECOND_UART == 1
#define USART_BASE 0x40011000u
#define USART_CLOCKS TIMER_1_CLOCKS
#define USART_ON (1u << 4)
#elif FN_SECOND_UART == 2
#define USART_BASE 0x40004400u
#define USART_CLOCKS TIMER_CLOCKS
#define USART_ON (1u << 17)
#elif FN_SECOND_UART == 3
#define USART_BASE 0x40004800u
#define USART_CLOCKS TIMER_CLOCKS
#define USART_ON (1u << 18)
#elif FN_SECOND_UART == 6
#define USART_BASE 0x40011400u
#define USART_CLOCKS TIMER_1_CLOCKS
#define USART_ON (1u << 5)
#endif
#endif

enum { ON_APB2 = FN_SECOND_UART == 1u || FN_SECOND_UART == 6u };

#if NEW_USART
#define USART_CR1 REG(USART_BASE + 0x00u)
#define USART_CR2 REG(USART_BASE + 0x04u)
#define USART_BRR REG(USART_BASE + 0x0Cu)
#define USART_SR REG(USART_BASE + 0x1Cu)
#define USART_ICR REG(USART_BASE + 0x20u)
#define USART_RDR REG(USART_BASE + 0x24u)
#define USART_TDR REG(USART_BASE + 0x28u)
enum { USART_UE = 1u << 0 };
#else
#define USART_SR REG(USART_BASE + 0x00u)
#define USART_RDR REG(USART_BASE + 0x04u)
#define USART_TDR USART_RDR
#define USART_BRR REG(USART_BASE + 0x08u)
#define USART_CR1 REG(USART_BASE + 0x0Cu)
#define USART_CR2 REG(USART_BASE + 0x10u)
enum { USART_UE = 1u << 13 };
#endif
enum { USART_RE = 1u << 2, USART_TE = 1u << 3, USART_RXNEIE = 1u << 5, USART_PS = 1u << 9, USART_PCE = 1u << 10, USART_M = 1u << 12 };
enum { USART_ORE = 1u << 3, USART_RXNE = 1u << 5, USART_TC = 1u << 6, USART_TXE = 1u << 7, USART_ERRORS = 0xFu };
enum { STOP_BITS = 12, TWO_STOP_BITS = 2u, FUNCTION_OF_USART_1_TO_3 = 7u };
#ifndef FUNCTION_OF_USART_6
#define FUNCTION_OF_USART_6 8u
#endif

int32_t fn_uart_open(uint32_t baud, fn_parity parity, uint32_t stop_bits)
{
    const int32_t pins[] = {fn_pin_called(FN_SECOND_UART_TX), fn_pin_called(FN_SECOND_UART_RX)};
    const uint32_t field = BUS_PRESCALER(ON_APB2 ? 2u : 1u) & 7u;
    const uint32_t hz = BUS_HZ >> (field < 4u ? 0u : field - 3u);
    const uint32_t divisor = baud ? (hz + baud / 2u) / baud : 0u;
    if (divisor < 16u || divisor > 0xFFFFu) {
        return FN_RANGE;
    }
    USART_CLOCKS |= USART_ON;
    for (uint32_t i = 0; i < 2u; i++) {
        const uint32_t pin = (uint32_t)pins[i];
        put(&OTYPER(pin), LINE_OF(pin), 1u, 0u);
        put(&PUPDR(pin), 2u * LINE_OF(pin), 2u, FN_PULL_UP); /* an open line reads as idle */
        pin_function(pin, FN_SECOND_UART <= 3u ? FUNCTION_OF_USART_1_TO_3 : FUNCTION_OF_USART_6);
    }
    USART_CR1 = 0;
    USART_BRR = divisor;
    USART_CR2 = stop_bits == 2u ? TWO_STOP_BITS << STOP_BITS : 0u;
    USART_CR1 = USART_UE | USART_RE | USART_TE | USART_RXNEIE
        | (parity ? USART_M | USART_PCE | (parity == FN_ODD ? USART_PS : 0u) : 0u);
    enable_interrupt(FN_SECOND_UART_IRQ);
    return 0;
}

void fn_uart_close(void)
{
    if (USART_CLOCKS & USART_ON) {
        USART_CR1 = 0;
    }
    went = came;
}

void fn_second_uart_isr(void)
{
#if NEW_USART
    USART_ICR = USART_ERRORS; /* an overrun would ask for ever */
    if (USART_SR & USART_RXNE) {
#else
    if (USART_SR & (USART_RXNE | USART_ORE)) { /* reading the data clears both */
#endif
        second_uart_received((uint8_t)USART_RDR);
    }
}

int fn_uart_put(uint8_t byte)
{
    if (!(USART_SR & USART_TXE)) {
        return 0;
    }
    USART_TDR = byte;
    return 1;
}

int fn_uart_sent(void)
{
    return !!(USART_SR & USART_TC);
}

#endif
#endif
