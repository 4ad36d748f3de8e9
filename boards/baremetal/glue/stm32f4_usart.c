/* stm32f4_usart.c: fn_board.h on an STM32F4 at its reset clock (16 MHz HSI), over USART1 or USART2 (FN_USART). */
#include "fn_board.h"
#include "systick.h"

#define REG(address) (*(volatile uint32_t *)(address))

#define RCC_CR REG(0x40023800u)
#define RCC_AHB1ENR REG(0x40023830u)
#define RCC_APB1ENR REG(0x40023840u)
#define RCC_APB2ENR REG(0x40023844u)
#define GPIOA_MODER REG(0x40020000u)
#define GPIOA_PUPDR REG(0x4002000Cu)
#define GPIOA_AFRL REG(0x40020020u)
#define GPIOA_AFRH REG(0x40020024u)

#if FN_USART == 1 /* PA9 sends, PA10 receives */
#define USART 0x40011000u
#define TX_PIN 9u
#elif FN_USART == 2 /* PA2 sends, PA3 receives: what a Nucleo's ST-Link is wired to */
#define USART 0x40004400u
#define TX_PIN 2u
#else
#error "FN_USART must be 1 or 2"
#endif
#define RX_PIN (TX_PIN + 1u)

#define SR REG(USART + 0x00u)
#define DR REG(USART + 0x04u)
#define BRR REG(USART + 0x08u)
#define CR1 REG(USART + 0x0Cu)

enum { SR_ORE = 1u << 3, SR_RXNE = 1u << 5, SR_TXE = 1u << 7 };
enum { CR1_RE = 1u << 2, CR1_TE = 1u << 3, CR1_RXNEIE = 1u << 5, CR1_UE = 1u << 13 };

static void to_usart(uint32_t pin)
{
    volatile uint32_t *afr = pin < 8u ? &GPIOA_AFRL : &GPIOA_AFRH;
    const uint32_t at = 4u * (pin % 8u);
    *afr = (*afr & ~(0xFu << at)) | (7u << at);
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 2u * pin)) | (2u << 2u * pin);
}

/* QEMU's machine has no RCC (it reads 0, where silicon says that its HSI is ready) and runs at 168 MHz. */
static uint32_t core_clock_hz(void)
{
    return RCC_CR & 2u ? FN_CLOCK_HZ : 168000000u;
}

void fn_board_init(void)
{
    RCC_AHB1ENR |= 1u; /* port A */
#if FN_USART == 1
    RCC_APB2ENR |= 1u << 4;
#else
    RCC_APB1ENR |= 1u << 17;
#endif
    to_usart(TX_PIN);
    to_usart(RX_PIN);
    GPIOA_PUPDR = (GPIOA_PUPDR & ~(3u << 2u * RX_PIN)) | (1u << 2u * RX_PIN); /* an open line reads as idle */
    BRR = (FN_CLOCK_HZ + FN_BAUD / 2u) / FN_BAUD;
    CR1 = CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE;
    enable_interrupt(FN_UART_IRQ);
    systick_init(core_clock_hz());
}

void fn_uart_isr(void)
{
    if (SR & (SR_RXNE | SR_ORE)) { /* reading DR clears both */
        fn_received((uint8_t)DR);
    }
}

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
        while (!(SR & SR_TXE)) {
        }
        DR = data[i];
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

uint32_t fn_board_clock_hz(void)
{
    return RCC_CR & 2u ? FN_CLOCK_HZ : 0u;
}
