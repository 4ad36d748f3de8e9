/* stm32h7_usart.c: fn_board.h on an STM32H743 at full clock, over USART3 (FN_USART). Sections are those of RM0433.
 *
 * The PLL is fed by the HSI, which is on after reset with 64 MHz, within 1 %: no crystal is needed. Above 400 MHz the regulator must
 * be overdriven, which chips before revision V cannot be: they, and those where it does not become ready, go on at 400 MHz.
 */
#include "fn_board.h"
#include "fn_board_config.h"
#include "registers.h"

#define FLASH_ACR REG(0x52002000u) /* 4.9.1 */
enum { ACR_FIELDS = 0x3Fu, ACR_RESET = 0x37u, ACR_DELAY = 4 };

#define PWR_CSR1 REG(0x58024804u) /* 6.8.2 */
#define PWR_CR3 REG(0x5802480Cu)  /* 6.8.4 */
#define PWR_D3CR REG(0x58024818u) /* 6.8.6 */
enum { CSR1_ACTVOSRDY = 1u << 13, CR3_BYPASS = 1u << 0, CR3_LDOEN = 1u << 1 };
enum { D3CR_VOSRDY = 1u << 13, D3CR_SCALE_1 = 3u << 14 };

#define SYSCFG_PWRCR REG(0x5800042Cu) /* 12.3.10 */
enum { PWRCR_ODEN = 1u << 0 };

#define RCC 0x58024400u
#define RCC_CR REG(RCC + 0x00u)        /* 8.7.2 */
#define RCC_CFGR REG(RCC + 0x10u)      /* 8.7.7 */
#define RCC_D1CFGR REG(RCC + 0x18u)    /* 8.7.8 */
#define RCC_D2CFGR REG(RCC + 0x1Cu)    /* 8.7.9 */
#define RCC_D3CFGR REG(RCC + 0x20u)    /* 8.7.10 */
#define RCC_PLLCKSELR REG(RCC + 0x28u) /* 8.7.11 */
#define RCC_PLLCFGR REG(RCC + 0x2Cu)   /* 8.7.12 */
#define RCC_PLL1DIVR REG(RCC + 0x30u)  /* 8.7.13 */
#define RCC_D2CCIP2R REG(RCC + 0x54u)  /* 8.5.8 */
#define RCC_AHB4ENR REG(RCC + 0xE0u)   /* 8.7.43 */
#define RCC_APB1LENR REG(RCC + 0xE8u)  /* 8.7.45 */
#define RCC_APB4ENR REG(RCC + 0xF4u)   /* 8.7.48 */
enum { CR_HSION = 1u << 0, CR_HSIRDY = 1u << 2, CR_HSIDIV = 3u << 3, CR_PLL1ON = 1u << 24, CR_PLL1RDY = 1u << 25 };
enum { CFGR_SW = 7u, CFGR_SW_PLL1 = 3u, CFGR_SWS = 7u << 3, CFGR_SWS_PLL1 = 3u << 3 };
enum { D1CFGR_AHB_2_APB3_2 = 8u | 4u << 4, D2CFGR_APB1_2_APB2_2 = 4u << 4 | 4u << 8, D3CFGR_APB4_2 = 4u << 4 };
enum { PLLCKSELR_FIELDS = 3u | 63u << 4, PLLCKSELR_M_16 = 16u << 4 }; /* of HSI: zeros */
enum { PLLCFGR_FIELDS = 0xFu | 7u << 16, PLLCFGR_FROM_4_TO_8_MHZ = 2u << 2, PLLCFGR_P = 1u << 16 };
enum { PLL1DIVR_P_Q_R_2 = 1u << 9 | 1u << 16 | 1u << 24 };

/* The bus to the SRAM, and the chip's revision: 60.5.8. */
#define AXI_TARG7_FN_MOD REG(0x51008108u)
#define REVISION (REG(0x5C001000u) >> 16)
enum { REVISION_X = 0x2001, REVISION_V = 0x2003, ONE_READ = 1 };

#define HSI_HZ 64000000u
#define PLL_STEP_HZ 2000000u /* HSI / M / P: N of them */
#define SCALE_1_HZ 400000000u

/* How much slower than the core on its PLL the flash is, and in either case APB1. */
#define FLASH_DIVISOR 2u
#define APB1_DIVISOR (FN_CLOCK_HZ == HSI_HZ ? 1u : 4u)

static uint32_t core_hz = HSI_HZ;

#define GPIOD 0x58020C00u
#include "stm32_m7.h"

/* What is read back has arrived, before anything is asked of it. */
static void set_bits(volatile uint32_t *address, uint32_t bits)
{
    *address |= bits;
    (void)*address;
}

/* As out of reset: a bootloader that jumps here without one (DFU) leaves its own clock. */
static void to_reset_clock(void)
{
    FLASH_ACR |= ACR_RESET;
    RCC_CR |= CR_HSION;
    becomes(&RCC_CR, CR_HSIRDY, CR_HSIRDY);
    RCC_CFGR &= ~CFGR_SW;
    becomes(&RCC_CFGR, CFGR_SWS, 0);
    RCC_CR &= ~CR_PLL1ON;
    becomes(&RCC_CR, CR_PLL1RDY, 0);
    RCC_CR &= ~CR_HSIDIV;
    RCC_D1CFGR = 0;
    RCC_D2CFGR = 0;
    RCC_D3CFGR = 0;
}

/* 6.6.2: the highest scale is the second one, overdriven. */
static int over_drive(void)
{
    set_bits(&RCC_APB4ENR, 1u << 1); /* SYSCFG */
    set_bits(&SYSCFG_PWRCR, PWRCR_ODEN);
    if (becomes(&PWR_D3CR, D3CR_VOSRDY, D3CR_VOSRDY)) {
        return 1;
    }
    SYSCFG_PWRCR &= ~PWRCR_ODEN;
    return 0;
}

/* The clock that the voltage is good for. 6.4.1: it can be raised once it is settled, after power-on, what supplies the core. */
static uint32_t raise_voltage(void)
{
    PWR_CR3 = (PWR_CR3 & ~CR3_BYPASS) | CR3_LDOEN;
    if (!becomes(&PWR_CSR1, CSR1_ACTVOSRDY, CSR1_ACTVOSRDY)) {
        return HSI_HZ;
    }
    set_bits(&PWR_D3CR, D3CR_SCALE_1);
    if (!becomes(&PWR_D3CR, D3CR_VOSRDY, D3CR_VOSRDY)) {
        return HSI_HZ;
    }
    if (FN_CLOCK_HZ <= SCALE_1_HZ) {
        return FN_CLOCK_HZ;
    }
    return REVISION >= REVISION_V && over_drive() ? FN_CLOCK_HZ : SCALE_1_HZ;
}

/* Table 17, the same for the two highest scales: wait states, and the delay of its signals. */
static uint32_t flash_timing(uint32_t bus_hz)
{
    const uint32_t wait_states = bus_hz <= 210000000u ? (bus_hz - 1u) / 70000000u : bus_hz <= 225000000u ? 3u : 4u;
    const uint32_t delay = bus_hz <= 70000000u ? 0u : bus_hz <= 185000000u ? 1u : 2u;
    return wait_states | delay << ACR_DELAY;
}

/* 8.5.5. What does not become ready leaves the clock as it is, at 64 MHz. */
static void to_pll(uint32_t hz)
{
    RCC_PLLCKSELR = (RCC_PLLCKSELR & ~PLLCKSELR_FIELDS) | PLLCKSELR_M_16;
    RCC_PLLCFGR = (RCC_PLLCFGR & ~PLLCFGR_FIELDS) | PLLCFGR_FROM_4_TO_8_MHZ | PLLCFGR_P;
    RCC_PLL1DIVR = (hz / PLL_STEP_HZ - 1u) | PLL1DIVR_P_Q_R_2;
    RCC_CR |= CR_PLL1ON;
    const uint32_t timing = flash_timing(hz / FLASH_DIVISOR);
    FLASH_ACR = (FLASH_ACR & ~ACR_FIELDS) | timing;
    if (!becomes(&FLASH_ACR, ACR_FIELDS, timing) || !becomes(&RCC_CR, CR_PLL1RDY, CR_PLL1RDY)) {
        return;
    }
    RCC_CFGR = (RCC_CFGR & ~CFGR_SW) | CFGR_SW_PLL1;
    if (becomes(&RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL1)) {
        core_hz = hz;
    }
}

static void set_clock(void)
{
    to_reset_clock();
    if (FN_CLOCK_HZ == HSI_HZ) {
        return;
    }
    RCC_D1CFGR = D1CFGR_AHB_2_APB3_2;
    RCC_D2CFGR = D2CFGR_APB1_2_APB2_2;
    RCC_D3CFGR = D3CFGR_APB4_2;
    const uint32_t hz = raise_voltage();
    if (hz != HSI_HZ) {
        to_pll(hz);
    }
}

void fn_board_init(void)
{
    if (REVISION < REVISION_X) {
        AXI_TARG7_FN_MOD = ONE_READ; /* ES0392, 2.2: else what is read of the SRAM may be wrong */
    }
    set_clock();
    RCC_D2CCIP2R &= ~7u; /* USART3's clock is that of its bus */
    set_bits(&RCC_AHB4ENR, 1u << 3); /* port D */
    set_bits(&RCC_APB1LENR, 1u << 18);
    start_port();
}

uint32_t fn_board_clock_hz(void)
{
    return core_hz;
}
