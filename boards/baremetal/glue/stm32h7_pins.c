/* stm32h7_pins.c: fn_machine.h on an STM32H743. Sections are those of RM0433. */
#include "fn_board.h"
#include "registers.h"

#define GPIO_BASE 0x58020000u
#define PORTS 11u
#define PORT_CLOCKS REG(0x580244E0u)  /* RCC_AHB4ENR, 8.7.43 */
#define TIMER_CLOCKS REG(0x580244E8u) /* RCC_APB1LENR, 8.7.45 */
#define TIMER_1 0x40010000u
#define TIMER_1_CLOCKS REG(0x580244F0u) /* RCC_APB2ENR, 8.7.47 */
#define TIMER_1_ON (1u << 0)
#define BUS_PRESCALER(bus) (REG(0x5802441Cu) >> ((bus) == 1u ? 4u : 8u)) /* RCC_D2CFGR, 8.7.9 */
#define BUS_HZ (fn_core_hz() >> (REG(0x58024418u) >> 3 & 1u))           /* RCC_D1CFGR, 8.7.8: halved, or not divided */
#define WATCHDOG_BASE 0x58004800u
#define UNIQUE_ID 0x1FF1E800u         /* 61.1 */
#define RESET_FLAGS REG(0x580244D0u) /* RCC_RSR, 8.7.39 */
#define FLAGS_POWER (1u << 23 | 1u << 21)
#define FLAGS_WATCHDOG (1u << 28 | 1u << 26)
#define FLAGS_PIN_OR_SOFTWARE (1u << 24 | 1u << 22)
#define FLAGS_FORGET (1u << 16)

#define SYSTEM_MEMORY 0x1FF09800u
#define HAS_DATA_CACHE 1
#define NEW_USART 1
#define FUNCTION_OF_USART_6 7u

#include "stm32_pins.h"
#include "stm32_uart.h"
#include "stm32h7_adc.h"
