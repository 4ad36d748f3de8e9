/* stm32f1_usart.c: fn_board.h on an STM32F103 at 72 MHz, over USART1 or USART2 (FN_USART). Sections are those of RM0008. */
#include "fn_board.h"
#include "registers.h"
#include "systick.h"

#define RCC_CR REG(0x40021000u)      /* 7.3.1 */
#define RCC_CFGR REG(0x40021004u)    /* 7.3.2 */
#define RCC_APB2ENR REG(0x40021018u) /* 7.3.7 */
#define RCC_APB1ENR REG(0x4002101Cu) /* 7.3.8 */
#define FLASH_ACR REG(0x40022000u)   /* 3.3.3 */
#define GPIOA_CRL REG(0x40010800u)   /* 9.2.1 */
#define GPIOA_CRH REG(0x40010804u)   /* 9.2.2 */
#define GPIOA_ODR REG(0x4001080Cu)   /* 9.2.4 */

enum { CR_HSIRDY = 1u << 1, CR_HSEON = 1u << 16, CR_HSERDY = 1u << 17, CR_PLLON = 1u << 24, CR_PLLRDY = 1u << 25 };
enum { CFGR_SW_PLL = 2u, CFGR_SWS = 3u << 2, CFGR_SWS_PLL = 2u << 2, CFGR_PPRE1_2 = 4u << 8 };
enum { CFGR_PLLSRC_HSE = 1u << 16, CFGR_PLLMUL_9 = 7u << 18, CFGR_PLLMUL_16 = 14u << 18 };
enum { ACR_LATENCY_2 = 2u, ACR_PRFTBE = 1u << 4 };
enum { PIN_ALTERNATE = 0xBu, PIN_PULLED = 0x8u }; /* 9.1.11: push-pull at 50 MHz; an input with a resistor */

#if FN_USART == 1 /* PA9 sends, PA10 receives; on APB2, as fast as the core */
#define USART 0x40013800u
#define TX_PIN 9u
#define BUS_DIVISOR 1u
#elif FN_USART == 2 /* PA2 sends, PA3 receives; on APB1, half as fast */
#define USART 0x40004400u
#define TX_PIN 2u
#define BUS_DIVISOR 2u
#else
#error "FN_USART must be 1 or 2"
#endif
#define RX_PIN (TX_PIN + 1u)

#define SR REG(USART + 0x00u) /* 27.6.1 */
#define DR REG(USART + 0x04u) /* 27.6.2 */
#define BRR REG(USART + 0x08u) /* 27.6.3 */
#define CR1 REG(USART + 0x0Cu) /* 27.6.4 */

enum { SR_ORE = 1u << 3, SR_RXNE = 1u << 5, SR_TXE = 1u << 7 };
enum { CR1_RE = 1u << 2, CR1_TE = 1u << 3, CR1_RXNEIE = 1u << 5, CR1_UE = 1u << 13 };

/* 72 MHz: the crystal's 8, nine times; 64 where the crystal does not start: half of HSI's 8, sixteen times (7.2.3). Two wait
 * states above 48 MHz, and APB1 may not go beyond 36. A bootloader may have set another clock before. QEMU's machine has no
 * RCC (it reads 0, where silicon says that its HSI is ready) and runs at 24 MHz. */
static uint32_t set_clock(void)
{
    if (!(RCC_CR & CR_HSIRDY)) {
        return 24000000u;
    }
    RCC_CFGR = 0u;
    becomes(&RCC_CFGR, CFGR_SWS, 0u);
    RCC_CR = (RCC_CR & ~CR_PLLON) | CR_HSEON;
    const int crystal = becomes(&RCC_CR, CR_HSERDY, CR_HSERDY);
    FLASH_ACR = ACR_LATENCY_2 | ACR_PRFTBE;
    RCC_CFGR = CFGR_PPRE1_2 | (crystal ? CFGR_PLLSRC_HSE | CFGR_PLLMUL_9 : CFGR_PLLMUL_16);
    RCC_CR |= CR_PLLON;
    if (!becomes(&RCC_CR, CR_PLLRDY, CR_PLLRDY)) {
        return 8000000u;
    }
    RCC_CFGR |= CFGR_SW_PLL;
    becomes(&RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL);
    return crystal ? FN_CLOCK_HZ : 64000000u;
}

static void set_pin(uint32_t pin, uint32_t mode)
{
    volatile uint32_t *control = pin < 8u ? &GPIOA_CRL : &GPIOA_CRH;
    const uint32_t at = 4u * (pin % 8u);
    *control = (*control & ~(0xFu << at)) | (mode << at);
}

static uint32_t core_hz;

#define STATUS SR
#define BAUD_CLOCK (core_hz / BUS_DIVISOR)
#define LEAST_DIVISOR 16u /* a bit is sampled 16 times: 27.3.4 */
#define MAY_SEND (SR & SR_TXE)
#define SENT DR
#include "usart.h"

void fn_board_init(void)
{
    const uint32_t clock_hz = core_hz = set_clock();
    RCC_APB2ENR |= 1u << 2; /* port A */
#if FN_USART == 1
    RCC_APB2ENR |= 1u << 14;
#else
    RCC_APB1ENR |= 1u << 17;
#endif
    GPIOA_ODR |= 1u << RX_PIN; /* pulled up: an open line reads as idle */
    set_pin(TX_PIN, PIN_ALTERNATE);
    set_pin(RX_PIN, PIN_PULLED);
    start_usart();
    enable_interrupt(FN_UART_IRQ);
    systick_init(clock_hz);
}

void fn_uart_isr(void)
{
    while (SR & (SR_RXNE | SR_ORE)) { /* reading DR clears both */
        fn_received((uint8_t)DR);
    }
}

uint32_t fn_board_clock_hz(void)
{
    return RCC_CR & CR_HSIRDY ? core_hz : 0u;
}
