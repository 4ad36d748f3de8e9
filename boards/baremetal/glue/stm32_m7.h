/* stm32_m7.h: what do the STM32F7 and H7 do alike? The core's caches, and USART3 on port D, wired to a Nucleo-144's ST-Link.
 *
 * Included behind GPIOD (where that port is), core_hz and APB1_DIVISOR (how much slower the USART's clock is than the core's).
 * Sections are those of RM0385 (F74x); RM0433 (H743) has the same registers.
 */
#ifndef FN_STM32_M7_H
#define FN_STM32_M7_H

#include "fn_board.h"
#include "registers.h"
#include "systick.h"

/* The core's own caches: Arm's manual of the Cortex-M7, 4.2 and 4.3. */
#define CCR REG(0xE000ED14u)
#define CCSIDR REG(0xE000ED80u)
#define CSSELR REG(0xE000ED84u)
#define ICIALLU REG(0xE000EF50u)
#define DCISW REG(0xE000EF60u)
enum { CCR_CACHES = 3u << 16 };

#if FN_USART != 3 /* PD8 sends, PD9 receives */
#error "FN_USART must be 3"
#endif
#define USART 0x40004800u
#define TX_PIN 8u
#define RX_PIN 9u

#define GPIOD_MODER REG(GPIOD + 0x00u) /* chapter 6 */
#define GPIOD_PUPDR REG(GPIOD + 0x0Cu)
#define GPIOD_AFRH REG(GPIOD + 0x24u)

#define BAUD_CLOCK (core_hz / APB1_DIVISOR)
#define LEAST_DIVISOR 16u /* a bit is sampled 16 times */
#include "new_usart.h"

/* What they hold after reset is arbitrary: emptied first. Nothing here shares memory with a DMA. */
static void caches_on(void)
{
    ICIALLU = 0;
    CSSELR = 0; /* the data cache: 32 bytes a line, so many sets and ways as it says */
    const uint32_t sets = (CCSIDR >> 13 & 0x7FFFu) + 1u, ways = (CCSIDR >> 3 & 0x3FFu) + 1u;
    for (uint32_t set = 0; set < sets; set++) {
        for (uint32_t way = 0; way < ways; way++) {
            DCISW = way << 30 | set << 5;
        }
    }
    __asm volatile("dsb\n isb" ::: "memory");
    CCR |= CCR_CACHES;
    __asm volatile("dsb\n isb" ::: "memory");
}

static void to_usart(uint32_t pin)
{
    const uint32_t at = 4u * (pin - 8u);
    GPIOD_AFRH = (GPIOD_AFRH & ~(0xFu << at)) | 7u << at;
    GPIOD_MODER = (GPIOD_MODER & ~(3u << 2u * pin)) | 2u << 2u * pin;
}

/* Once the clock is set, and port and USART have theirs. */
static void start_port(void)
{
    caches_on();
    to_usart(TX_PIN);
    to_usart(RX_PIN);
    GPIOD_PUPDR = (GPIOD_PUPDR & ~(3u << 2u * RX_PIN)) | 1u << 2u * RX_PIN; /* an open line reads as idle */
    start_usart();
    enable_interrupt(FN_UART_IRQ);
    systick_init(core_hz);
}

#endif
