/* cmsdk_uart.c: fn_board.h on the Arm MPS2 machines that emulate a Cortex-M: UART 0 of the CMSDK, SysTick at 25 MHz. */
#include "fn_board.h"
#include "registers.h"
#include "systick.h"

#define UART(offset) (*(volatile uint32_t *)(0x40004000u + (offset)))
#define DATA UART(0x00u)
#define STATE UART(0x04u)
#define CTRL UART(0x08u)
#define INTCLEAR UART(0x0Cu)
#define BAUDDIV UART(0x10u)

enum { STATE_TX_FULL = 1u << 0, STATE_RX_FULL = 1u << 1 };
enum { CTRL_TX = 1u << 0, CTRL_RX = 1u << 1, CTRL_RX_INTERRUPT = 1u << 3 };
enum { INT_RX = 1u << 1 };

/* Bytes are sent as they are written: nothing but emulators has this UART. */
uint32_t fn_board_baud(uint32_t baud, int take)
{
    const uint32_t divisor = (FN_CLOCK_HZ + baud / 2u) / baud;
    const uint32_t had = divisor < 16u ? 0u : FN_CLOCK_HZ / divisor;
    if ((had > baud ? had - baud : baud - had) > baud / 50u) {
        return 0u;
    }
    if (take) {
        BAUDDIV = divisor;
    }
    return baud;
}

void fn_board_init(void)
{
    fn_board_baud(FN_BAUD, 1);
    CTRL = CTRL_TX | CTRL_RX | CTRL_RX_INTERRUPT;
    enable_interrupt(FN_UART_IRQ);
    systick_init(FN_CLOCK_HZ);
}

#define MAY_SEND (!(STATE & STATE_TX_FULL))
#define SENT DATA
#include "usart.h"

void fn_uart_isr(void)
{
    INTCLEAR = INT_RX;
    while (STATE & STATE_RX_FULL) {
        fn_received((uint8_t)DATA);
    }
}

uint32_t fn_board_clock_hz(void)
{
    return 0; /* nothing but emulators has this UART where we look for it */
}
