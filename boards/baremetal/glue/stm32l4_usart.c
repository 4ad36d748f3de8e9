/* stm32l4_usart.c: fn_board.h on an STM32L4 or L4+ at full clock, over USART1, USART2 or LPUART1 (FN_USART 1, 2, 0).
 *
 * Sections are those of RM0351 (L47x, L48x, L49x), in parentheses those of RM0432 (L4+) where it differs. The PLL is fed
 * by the MSI, which is on after reset with 4 MHz: no crystal is needed.
 */
#include "fn_board.h"
#include "registers.h"
#include "systick.h"

#define FLASH_ACR REG(0x40022000u) /* 3.7.1 */
enum { ACR_LATENCY = 0xFu, ACR_CACHES = 7u << 8 }; /* prefetch, instruction cache, data cache */

#define PWR_CR2 REG(0x40007004u) /* 5.4.2 */
#define PWR_SR2 REG(0x40007014u) /* 5.4.6 */
#define PWR_CR5 REG(0x40007080u) /* (5.4), L4+ only */
enum { CR2_IOSV = 1u << 9, SR2_VOSF = 1u << 10, CR5_R1MODE = 1u << 8 };

#define RCC_CR REG(0x40021000u)       /* 6.4.1 */
#define RCC_CFGR REG(0x40021008u)     /* 6.4.3 */
#define RCC_PLLCFGR REG(0x4002100Cu)  /* 6.4.4 */
#define RCC_AHB2ENR REG(0x4002104Cu)  /* 6.4.17 */
#define RCC_APB1ENR1 REG(0x40021058u) /* 6.4.19 */
#define RCC_APB1ENR2 REG(0x4002105Cu) /* 6.4.20 */
#define RCC_APB2ENR REG(0x40021060u)  /* 6.4.21 */
enum { CR_PLLON = 1u << 24, CR_PLLRDY = 1u << 25 };
enum { CFGR_SW = 3u, CFGR_SW_PLL = 3u, CFGR_SWS = 3u << 2, CFGR_SWS_PLL = 3u << 2, CFGR_HPRE = 0xFu << 4, CFGR_HPRE_2 = 8u << 4 };
enum { PLLCFGR_MSI = 1u, PLLCFGR_N = 8, PLLCFGR_R_ON = 1u << 24 }; /* M = 1 and R = 2 are zeros */
enum { APB1ENR1_PWR = 1u << 28 };

#define MSI_HZ 4000000u

/* The flash's wait states in voltage range 1: 3.3.3. */
#if defined(FN_STM32L4P5) || defined(FN_STM32L4Q5) || defined(FN_STM32L4R5) || defined(FN_STM32L4R7) \
    || defined(FN_STM32L4R9) || defined(FN_STM32L4S5) || defined(FN_STM32L4S7) || defined(FN_STM32L4S9)
#define HZ_PER_WAIT_STATE 20000000u
#define BOOST (FN_CLOCK_HZ > 80000000u)
#else
#define HZ_PER_WAIT_STATE 16000000u
#define BOOST 0
#endif

/* The LPUART (chapter 41) has the registers of a USART (40). */
#if FN_USART == 1 /* PB6 sends, PB7 receives: on the B-L475E-IOT01A wired to the ST-Link */
#define USART 0x40013800u
#define USART_ON() (RCC_APB2ENR |= 1u << 14)
#define PORT 1u
#define TX_PIN 6u
#define FUNCTION 7u
#elif FN_USART == 2 /* PA2 sends, PA3 receives: what a Nucleo-64's ST-Link is wired to */
#define USART 0x40004400u
#define USART_ON() (RCC_APB1ENR1 |= 1u << 17)
#define PORT 0u
#define TX_PIN 2u
#define FUNCTION 7u
#elif FN_USART == 0 /* LPUART1, PG7 sends, PG8 receives: what a Nucleo-144's ST-Link is wired to */
#define USART 0x40008000u
#define USART_ON() (RCC_APB1ENR2 |= 1u)
#define PORT 6u
#define TX_PIN 7u
#define FUNCTION 8u
#else
#error "FN_USART must be 1, 2 or 0 (LPUART1)"
#endif
#define RX_PIN (TX_PIN + 1u)

#define GPIO(offset) REG(0x48000000u + 0x400u * PORT + (offset)) /* chapter 8 */
#define MODER GPIO(0x00u)
#define PUPDR GPIO(0x0Cu)
#define AFR(pin) GPIO(0x20u + 4u * ((pin) / 8u))

static uint32_t core_hz = MSI_HZ;
static int on_a_chip; /* its flash keeps the wait states; an emulator has no such register */

static void to_full_clock(void)
{
    if (FN_CLOCK_HZ == MSI_HZ) {
        on_a_chip = 1;
        return;
    }
    const uint32_t wait_states = (FN_CLOCK_HZ - 1u) / HZ_PER_WAIT_STATE;
    RCC_APB1ENR1 |= APB1ENR1_PWR;
    becomes(&PWR_SR2, SR2_VOSF, 0); /* range 1, as after reset */
    if (BOOST) {
        PWR_CR5 &= ~CR5_R1MODE;
    }
    FLASH_ACR = (FLASH_ACR & ~ACR_LATENCY) | wait_states | ACR_CACHES;
    on_a_chip = becomes(&FLASH_ACR, ACR_LATENCY, wait_states);
    RCC_PLLCFGR = PLLCFGR_MSI | FN_CLOCK_HZ / (MSI_HZ / 2u) << PLLCFGR_N | PLLCFGR_R_ON;
    RCC_CR |= CR_PLLON;
    if (!becomes(&RCC_CR, CR_PLLRDY, CR_PLLRDY)) {
        return;
    }
    RCC_CFGR = (RCC_CFGR & ~(CFGR_SW | CFGR_HPRE)) | CFGR_SW_PLL | (BOOST ? CFGR_HPRE_2 : 0u);
    if (becomes(&RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL)) {
        core_hz = FN_CLOCK_HZ;
    }
    for (volatile uint32_t n = 0; BOOST && n < 100u; n++) { /* (5.1.8) above 80 MHz first half the clock, for 1 us */
    }
    RCC_CFGR &= ~CFGR_HPRE;
}

static void to_usart(uint32_t pin)
{
    const uint32_t at = 4u * (pin % 8u);
    AFR(pin) = (AFR(pin) & ~(0xFu << at)) | FUNCTION << at;
    MODER = (MODER & ~(3u << 2u * pin)) | 2u << 2u * pin;
}

#if FN_USART == 0 /* 41.4: its divider counts in 256ths */
#define BAUD_CLOCK (256u * (uint64_t)core_hz)
#define LEAST_DIVISOR 0x300u
#else
#define BAUD_CLOCK core_hz
#define LEAST_DIVISOR 16u /* a bit is sampled 16 times: 40.5.4 */
#endif
#include "new_usart.h"

void fn_board_init(void)
{
    to_full_clock();
    RCC_AHB2ENR |= 1u << PORT;
    if (PORT == 6u) {
        PWR_CR2 |= CR2_IOSV; /* port G's own supply is there: 5.1.1 */
    }
    USART_ON();
    to_usart(TX_PIN);
    to_usart(RX_PIN);
    PUPDR = (PUPDR & ~(3u << 2u * RX_PIN)) | 1u << 2u * RX_PIN; /* an open line reads as idle */
    start_usart();
    enable_interrupt(FN_UART_IRQ);
    systick_init(core_hz);
}

uint32_t fn_board_clock_hz(void)
{
    return on_a_chip ? core_hz : 0u;
}
