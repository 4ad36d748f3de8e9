/* stm32f4_pins.c: fn_machine.h on an STM32F4. RM0390; RM0383, RM0368 and RM0090 have the same. */
#include "fn_board.h"

#define UNIQUE_ID 0x1FFF7A10u /* 34.1 */
#define SYSTEM_MEMORY 0x1FFF0000u
#define SYSCFG_CLOCKS REG(0x40023844u) /* RCC_APB2ENR, 6.3.14 */
#define SYSCFG_ON (1u << 14)
#define MEMORY_REMAP REG(0x40013800u) /* SYSCFG_MEMRMP, 8.2.1 */
#define SYSTEM_MEMORY_AT_0 1u
#define NEW_USART 0
#include "stm32f_pins.h"
