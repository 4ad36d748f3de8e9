/* stm32f7_pins.c: fn_machine.h on an STM32F7. RM0385 (F74x). */
#include "fn_board.h"

#define UNIQUE_ID 0x1FF0F420u /* 41.1 */
#define SYSTEM_MEMORY 0x1FF00000u
#define HAS_DATA_CACHE 1
#define HAS_PORT_F_INPUTS 1
#define NEW_USART 1
#include "stm32f_pins.h"
