/* stm32f7_usart.c: fn_board.h on an STM32F7 at full clock, over USART3 (FN_USART). Sections are those of RM0385 (F74x). */
#define FN_STM32F7 1
#include "fn_board.h"
#include "registers.h"
#include "stm32f4_clock.h"

#define GPIOD 0x40020C00u
#include "stm32_m7.h"

void fn_board_init(void)
{
    set_clock();
    RCC_AHB1ENR |= 1u << 3; /* port D */
    RCC_APB1ENR |= 1u << 18;
    start_port();
}

uint32_t fn_board_clock_hz(void)
{
    return on_a_chip ? core_hz : 0u;
}
