/* stm32f4_usart.c: fn_board.h on an STM32F4 at full clock, over USART1 or USART2 (FN_USART). Sections are those of RM0390. */
#include "fn_board.h"
#include "registers.h"
#include "stm32f4_clock.h"
#include "systick.h"

#define GPIOA_MODER REG(0x40020000u) /* chapter 7 */
#define GPIOA_PUPDR REG(0x4002000Cu)
#define GPIOA_AFRL REG(0x40020020u)
#define GPIOA_AFRH REG(0x40020024u)

#if FN_USART == 1 /* PA9 sends, PA10 receives */
#define USART 0x40011000u
#define USART_ON() (RCC_APB2ENR |= 1u << 4)
#define BUS_DIVISOR APB2_DIVISOR
#define TX_PIN 9u
#elif FN_USART == 2 /* PA2 sends, PA3 receives: what a Nucleo's ST-Link is wired to */
#define USART 0x40004400u
#define USART_ON() (RCC_APB1ENR |= 1u << 17)
#define BUS_DIVISOR APB1_DIVISOR
#define TX_PIN 2u
#else
#error "FN_USART must be 1 or 2"
#endif
#define RX_PIN (TX_PIN + 1u)

#define SR REG(USART + 0x00u)  /* 25.6.1 */
#define DR REG(USART + 0x04u)  /* 25.6.2 */
#define BRR REG(USART + 0x08u) /* 25.6.3 */
#define CR1 REG(USART + 0x0Cu) /* 25.6.4 */

enum { SR_ORE = 1u << 3, SR_RXNE = 1u << 5, SR_TXE = 1u << 7 };
enum { CR1_RE = 1u << 2, CR1_TE = 1u << 3, CR1_RXNEIE = 1u << 5, CR1_UE = 1u << 13 };

static void to_usart(uint32_t pin)
{
    volatile uint32_t *afr = pin < 8u ? &GPIOA_AFRL : &GPIOA_AFRH;
    const uint32_t at = 4u * (pin % 8u);
    *afr = (*afr & ~(0xFu << at)) | (7u << at);
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 2u * pin)) | (2u << 2u * pin);
}

#define STATUS SR
#define BAUD_CLOCK (core_hz / BUS_DIVISOR)
#define LEAST_DIVISOR 16u /* a bit is sampled 16 times: 25.4.4 */
#define MAY_SEND (SR & SR_TXE)
#define SENT DR
#include "usart.h"

void fn_board_init(void)
{
    set_clock();
    RCC_AHB1ENR |= 1u; /* port A */
    USART_ON();
    to_usart(TX_PIN);
    to_usart(RX_PIN);
    GPIOA_PUPDR = (GPIOA_PUPDR & ~(3u << 2u * RX_PIN)) | (1u << 2u * RX_PIN); /* an open line reads as idle */
    start_usart();
    enable_interrupt(FN_UART_IRQ);
    systick_init(core_hz);
}

void fn_uart_isr(void)
{
    while (SR & (SR_RXNE | SR_ORE)) { /* reading DR clears both */
        fn_received((uint8_t)DR);
    }
}

uint32_t fn_board_clock_hz(void)
{
    return on_a_chip ? core_hz : 0u;
}
