/* stm32f4_clock.h: how does an STM32F4 or F7 get from its reset clock to FN_CLOCK_HZ? By the PLL, wait states and caches set.
 *
 * Sections are those of RM0390 (F446); RM0383 (F411), RM0368 (F401), RM0090 (F405, F407, F42x) and RM0385 (F74x) have the
 * same fields. The PLL is fed by the HSI, which is on after reset with 16 MHz, within 1 %: no crystal is needed.
 */
#ifndef FN_STM32F4_CLOCK_H
#define FN_STM32F4_CLOCK_H

#include "fn_board_config.h"
#include "registers.h"

#define PWR_CR REG(0x40007000u)  /* 5.4.1 */
#define PWR_CSR REG(0x40007004u) /* 5.4.2 */
enum { CR_SCALE_1 = 3u << 14, CR_ODEN = 1u << 16, CR_ODSWEN = 1u << 17, CSR_ODRDY = 1u << 16, CSR_ODSWRDY = 1u << 17 };

#define FLASH_ACR REG(0x40023C00u) /* 3.8.1 */
#if defined(FN_STM32F7)
enum { ACR_LATENCY = 7u, ACR_CACHES = 3u << 8 }; /* prefetch, accelerator (RM0385 3.7.1) */
#else
enum { ACR_LATENCY = 7u, ACR_CACHES = 7u << 8 }; /* prefetch, instruction cache, data cache */
#endif

#define RCC_CR REG(0x40023800u)      /* 6.3.1 */
#define RCC_PLLCFGR REG(0x40023804u) /* 6.3.2 */
#define RCC_CFGR REG(0x40023808u)    /* 6.3.3 */
#define RCC_AHB1ENR REG(0x40023830u) /* 6.3.10 */
#define RCC_APB1ENR REG(0x40023840u) /* 6.3.13 */
#define RCC_APB2ENR REG(0x40023844u) /* 6.3.14 */
enum { CR_HSIRDY = 1u << 1, CR_PLLON = 1u << 24, CR_PLLRDY = 1u << 25 };
enum { PLLCFGR_FIELDS = 0x0F437FFFu, PLLCFGR_M_8 = 8u, PLLCFGR_N = 6, PLLCFGR_Q_8 = 8u << 24 }; /* P = 2, of HSI: zeros */
enum { CFGR_SW = 3u, CFGR_SW_PLL = 2u, CFGR_SWS = 3u << 2, CFGR_SWS_PLL = 2u << 2 };
enum { CFGR_PPRE = 0x3Fu << 10, CFGR_PPRE1_2 = 4u << 10, CFGR_PPRE1_4 = 5u << 10, CFGR_PPRE2_2 = 4u << 13 };
enum { APB1ENR_PWR = 1u << 28 };

#define HSI_HZ 16000000u
#define PLL_STEP_HZ 1000000u       /* HSI / M * N / P: N of them */
#define HZ_PER_WAIT_STATE 30000000u /* 3.4.1, at 2.7 to 3.6 V */
#if defined(FN_STM32F7)
#define NEEDS_OVER_DRIVE (FN_CLOCK_HZ > 180000000u) /* RM0385 4.1.4 */
#else
#define NEEDS_OVER_DRIVE (FN_CLOCK_HZ > 168000000u)
#endif
#if defined(FN_STM32F410) || defined(FN_STM32F411) || defined(FN_STM32F412) || defined(FN_STM32F413) || defined(FN_STM32F423)
#define SCALE_IS_2 1 /* out of reset, good for 84 MHz: RM0383 5.4.1; the others have the best that they can */
#else
#define SCALE_IS_2 0
#endif

/* How much slower than the core the buses are: APB1 may have 42 MHz at least on every chip, APB2 84. */
#define FAST (FN_CLOCK_HZ > 100000000u)
#define APB1_DIVISOR (FN_CLOCK_HZ == HSI_HZ ? 1u : FAST ? 4u : 2u)
#define APB2_DIVISOR (FAST ? 2u : 1u)
#define PRESCALERS (FAST ? CFGR_PPRE1_4 | CFGR_PPRE2_2 : CFGR_PPRE1_2)

static uint32_t core_hz = HSI_HZ;
static int on_a_chip; /* QEMU's machine has no such clock controller: it reads 0, where silicon says that its HSI is ready */

/* 5.1.4: above 168 MHz the regulator must be told, while the PLL starts. */
static int over_drive(void)
{
    PWR_CR |= CR_ODEN;
    if (!becomes(&PWR_CSR, CSR_ODRDY, CSR_ODRDY)) {
        return 0;
    }
    PWR_CR |= CR_ODSWEN;
    return becomes(&PWR_CSR, CSR_ODSWRDY, CSR_ODSWRDY);
}

/* As out of reset: a bootloader that jumps here without one (DFU) leaves its own clock. */
static void to_reset_clock(void)
{
    RCC_CFGR &= ~CFGR_SW;
    becomes(&RCC_CFGR, CFGR_SWS, 0);
    RCC_CR &= ~CR_PLLON;
    becomes(&RCC_CR, CR_PLLRDY, 0);
}

/* What does not become ready leaves the clock as it is, at 16 MHz. */
static void to_full_clock(void)
{
    const uint32_t wait_states = (FN_CLOCK_HZ - 1u) / HZ_PER_WAIT_STATE;
    RCC_CFGR = (RCC_CFGR & ~CFGR_PPRE) | PRESCALERS;
    RCC_APB1ENR |= APB1ENR_PWR;
    if (SCALE_IS_2) {
        PWR_CR |= CR_SCALE_1; /* while the PLL is off */
    }
    RCC_PLLCFGR = (RCC_PLLCFGR & ~PLLCFGR_FIELDS) | PLLCFGR_M_8 | FN_CLOCK_HZ / PLL_STEP_HZ << PLLCFGR_N | PLLCFGR_Q_8;
    RCC_CR |= CR_PLLON;
    if (NEEDS_OVER_DRIVE && !over_drive()) {
        return;
    }
    FLASH_ACR = (FLASH_ACR & ~ACR_LATENCY) | wait_states | ACR_CACHES;
    if (!becomes(&FLASH_ACR, ACR_LATENCY, wait_states) || !becomes(&RCC_CR, CR_PLLRDY, CR_PLLRDY)) {
        return;
    }
    RCC_CFGR = (RCC_CFGR & ~CFGR_SW) | CFGR_SW_PLL;
    if (becomes(&RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL)) {
        core_hz = FN_CLOCK_HZ;
    }
}

static void set_clock(void)
{
    on_a_chip = (RCC_CR & CR_HSIRDY) != 0;
    if (!on_a_chip) {
        core_hz = 168000000u; /* the emulated machine's */
        return;
    }
    to_reset_clock();
    if (FN_CLOCK_HZ != HSI_HZ) {
        to_full_clock();
    }
}

#endif
