/* rp2040.h: what have the glues of an RP2040 in common? Clocks, blocks out of reset, time.
 *
 * Sections are those of the RP2040's data sheet. 125 MHz of PLL_SYS for the core and the peripherals, 48 MHz of PLL_USB for USB
 * and the converter, both from the crystal of 12 MHz. Where something does not become ready, the chip goes on with what it has.
 */
#ifndef FN_RP2040_H
#define FN_RP2040_H

#include "fn_board_config.h"
#include "registers.h"
#include "rp2040_boot2.h"
#include "rp2040_rom.h"

/* Every register has three more addresses, to write to some of its bits (2.1.2). */
#define SET(address) REG((address) + 0x2000u)
#define CLEAR(address) REG((address) + 0x3000u)

/* ---- blocks and their resets (2.14) ---- */

#define RESETS_RESET 0x4000C000u
#define RESETS_DONE REG(0x4000C008u)
enum {
    BLOCK_IO_BANK0 = 1u << 5,
    BLOCK_PADS_BANK0 = 1u << 8,
    BLOCK_PLL_SYS = 1u << 12,
    BLOCK_PLL_USB = 1u << 13,
    BLOCK_TIMER = 1u << 21,
    BLOCK_UART0 = 1u << 22,
    BLOCK_USBCTRL = 1u << 24,
};

/* As they come out of reset, whatever a bootloader did with them. */
static int restart(uint32_t blocks)
{
    SET(RESETS_RESET) = blocks;
    CLEAR(RESETS_RESET) = blocks;
    return becomes(&RESETS_DONE, blocks, blocks);
}

/* ---- clocks (2.15 to 2.18) ---- */

#define XOSC_CTRL REG(0x40024000u)
#define XOSC_STATUS REG(0x40024004u)
#define XOSC_STARTUP REG(0x4002400Cu)
enum { XOSC_ON = 0xFABu << 12 | 0xAA0u, XOSC_8_MS = 376u, XOSC_STABLE = 1u << 31 };

#define PLL_SYS 0x40028000u
#define PLL_USB 0x4002C000u
#define PLL_CS(pll) REG((pll) + 0x0u)
#define PLL_PWR(pll) ((pll) + 0x4u)
#define PLL_FBDIV_INT(pll) REG((pll) + 0x8u)
#define PLL_PRIM(pll) REG((pll) + 0xCu)
enum { CS_REFDIV_1 = 1u, CS_LOCK = 1u << 31, PWR_PD = 1u << 0, PWR_POSTDIVPD = 1u << 3, PWR_VCOPD = 1u << 5 };

#define CLK_REF_CTRL 0x40008030u
#define CLK_REF_DIV REG(0x40008034u)
#define CLK_REF_SELECTED REG(0x40008038u)
#define CLK_SYS_CTRL 0x4000803Cu
#define CLK_SYS_DIV REG(0x40008040u)
#define CLK_SYS_SELECTED REG(0x40008044u)
#define CLK_PERI_CTRL REG(0x40008048u)
#define CLK_USB_CTRL REG(0x40008054u)
#define CLK_USB_DIV REG(0x40008058u)
#define CLK_ADC_CTRL REG(0x40008060u)
#define CLK_ADC_DIV REG(0x40008064u)
#define CLK_SYS_RESUS_CTRL REG(0x40008078u)
enum { SRC_REF_ROSC = 0u, SRC_REF_XOSC = 2u, SRC_SYS_REF = 0u, SRC_SYS_AUX = 1u, SRC_BITS = 3u };
enum { AUX_BITS = 7u << 5, AUX_PLL_SYS = 0u, AUX_CLK_SYS = 0u, AUX_PLL_USB = 0u, CLK_ENABLE = 1u << 11, DIV_1 = 1u << 8 };

#define WATCHDOG_TICK REG(0x4005802Cu)
enum { TICK_ENABLE = 1u << 9, TICK_CYCLES = 12u };

#define CRYSTAL_HZ 12000000u
#define ROSC_HZ 6500000u /* about, and what the chip starts with */

static uint32_t core_hz = ROSC_HZ;

/* The divisors come last: the oscillator of a PLL must be steady before they are switched on (2.18.2). */
static int start_pll(uint32_t pll, uint32_t times, uint32_t divisor_1, uint32_t divisor_2)
{
    PLL_CS(pll) = CS_REFDIV_1;
    PLL_FBDIV_INT(pll) = times;
    CLEAR(PLL_PWR(pll)) = PWR_PD | PWR_VCOPD;
    if (!becomes(&PLL_CS(pll), CS_LOCK, CS_LOCK)) {
        return 0;
    }
    PLL_PRIM(pll) = divisor_1 << 16 | divisor_2 << 12;
    CLEAR(PLL_PWR(pll)) = PWR_POSTDIVPD;
    return 1;
}

static void set_clock(void)
{
    CLK_SYS_RESUS_CTRL = 0u;
    XOSC_STARTUP = XOSC_8_MS; /* 8 · 12,000 of its cycles, in units of 256: some crystals are slow */
    XOSC_CTRL = XOSC_ON;
    if (!becomes(&XOSC_STATUS, XOSC_STABLE, XOSC_STABLE)) {
        return;
    }
    /* away from the PLLs, which a bootloader may have left on */
    CLEAR(CLK_SYS_CTRL) = SRC_BITS;
    becomes(&CLK_SYS_SELECTED, 1u << SRC_SYS_REF, 1u << SRC_SYS_REF);
    CLEAR(CLK_REF_CTRL) = SRC_BITS;
    becomes(&CLK_REF_SELECTED, 1u << SRC_REF_ROSC, 1u << SRC_REF_ROSC);
    restart(BLOCK_PLL_SYS | BLOCK_PLL_USB);
    CLK_REF_DIV = DIV_1;
    SET(CLK_REF_CTRL) = SRC_REF_XOSC;
    becomes(&CLK_REF_SELECTED, 1u << SRC_REF_XOSC, 1u << SRC_REF_XOSC);
    core_hz = CRYSTAL_HZ;
    WATCHDOG_TICK = TICK_ENABLE | TICK_CYCLES; /* microseconds, for the timer (4.7.2) */
    if (start_pll(PLL_SYS, 125u, 6u, 2u)) { /* 12 MHz · 125 / 6 / 2 */
        CLK_SYS_DIV = DIV_1;
        CLEAR(CLK_SYS_CTRL) = AUX_BITS;
        SET(CLK_SYS_CTRL) = AUX_PLL_SYS | SRC_SYS_AUX;
        if (becomes(&CLK_SYS_SELECTED, 1u << SRC_SYS_AUX, 1u << SRC_SYS_AUX)) {
            core_hz = FN_CLOCK_HZ;
        }
    }
    CLK_PERI_CTRL = AUX_CLK_SYS | CLK_ENABLE;
    if (start_pll(PLL_USB, 100u, 5u, 5u)) { /* 12 MHz · 100 / 5 / 5 */
        CLK_USB_DIV = DIV_1;
        CLK_USB_CTRL = AUX_PLL_USB | CLK_ENABLE;
        CLK_ADC_DIV = DIV_1;
        CLK_ADC_CTRL = AUX_PLL_USB | CLK_ENABLE;
    }
}

uint32_t fn_board_clock_hz(void)
{
    return on_a_chip() ? core_hz : 0u;
}

/* ---- time (4.6) ---- */

#define TIMER_HIGH REG(0x40054024u)
#define TIMER_LOW REG(0x40054028u)

uint32_t fn_board_us(void)
{
    return TIMER_LOW;
}

uint32_t fn_board_ms(void)
{
    uint32_t high, low;
    do { /* read again when the lower half overflowed in between */
        high = TIMER_HIGH;
        low = TIMER_LOW;
    } while (high != TIMER_HIGH);
    return (uint32_t)(((uint64_t)high << 32 | low) / 1000u);
}

void fn_board_idle(void)
{
    __asm volatile("wfi"); /* the next tick, at most 1 ms away, or the port wakes it */
}

/* ---- the tick ---- */

#define SYST_CSR REG(0xE000E010u)
#define SYST_RVR REG(0xE000E014u)
#define SYST_CVR REG(0xE000E018u)
enum { SYST_ON = 7u }; /* of the core's clock, with its interrupt */

static void start_tick(void)
{
    SYST_RVR = core_hz / 1000u - 1u;
    SYST_CVR = 0u;
    SYST_CSR = SYST_ON;
}

#endif
