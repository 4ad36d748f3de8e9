/* stm32f_pins.h: where do the STM32F4 and F7, which are alike in it, have their pins, timers and USARTs?
 *
 * Included behind UNIQUE_ID and NEW_USART. Sections are those of RM0390 (F4) and RM0385 (F7).
 */
#ifndef FN_STM32F_PINS_H
#define FN_STM32F_PINS_H

#include "registers.h"

#define GPIO_BASE 0x40020000u
#define PORTS 11u
#define PORT_CLOCKS REG(0x40023830u) /* RCC_AHB1ENR, 6.3.10 and 5.3.10 */
#define TIMER_CLOCKS REG(0x40023840u) /* RCC_APB1ENR, 6.3.13 and 5.3.13 */
#define TIMER_1 0x40010000u
#define TIMER_1_CLOCKS REG(0x40023844u) /* RCC_APB2ENR, 6.3.14 and 5.3.14 */
#define TIMER_1_ON (1u << 0)
#define BUS_PRESCALER(bus) (REG(0x40023808u) >> ((bus) == 1u ? 10u : 13u)) /* RCC_CFGR, 6.3.3 and 5.3.3 */
#define RESET_FLAGS REG(0x40023874u) /* RCC_CSR, 6.3.21 and 5.3.21 */
#define FLAGS_POWER (1u << 27 | 1u << 25)
#define FLAGS_FORGET (1u << 24)

#include "stm32_pins.h"
#include "stm32_uart.h"
#include "stm32f4_adc.h"

#endif
