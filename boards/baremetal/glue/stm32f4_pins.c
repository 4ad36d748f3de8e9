/* stm32f4_pins.c: fn_machine.h on an STM32F4. RM0390; RM0383, RM0368 and RM0090 have the same. */
#include "fn_board.h"

#define UNIQUE_ID 0x1FFF7A10u /* 34.1 */
#define NEW_USART 0
#include "stm32f_pins.h"
