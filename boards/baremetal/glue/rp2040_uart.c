/* rp2040_uart.c: fn_board.h on an RP2040 by UART0, on GP0 (sends) and GP1 (receives), to which a probe or an adapter is wired. */
#include "fn_board.h"
#include "rp2040.h"

#define UART_BASE 0x40034000u
#include "rp2040_uart.h"

/* 2.19.6: which block drives a pin, and how */
#define GPIO_CTRL(pin) REG(0x40014004u + 8u * (pin))
#define PAD(pin) REG(0x4001C004u + 4u * (pin))
enum { PAD_IN = 1u << 6, PAD_PULLED_UP = 1u << 3, PAD_4_MA = 1u << 4, PAD_SCHMITT = 1u << 1 };

void SysTick_Handler(void)
{
}

/* So fine a divisor is near enough to every rate; one of a bit at least. */
uint32_t fn_board_baud(uint32_t baud, int take)
{
    if (divisor_of(core_hz, baud) < DIVISOR_1) {
        return 0u;
    }
    if (take) {
        while (UARTFR & FR_BUSY) {
        }
        set_rate(divisor_of(core_hz, baud), 0u);
    }
    return baud;
}

void fn_board_init(void)
{
    set_clock();
    restart(BLOCK_TIMER | BLOCK_IO_BANK0 | BLOCK_PADS_BANK0 | BLOCK_UART0);
    for (uint32_t pin = 0u; pin < 2u; pin++) { /* pulled up: an open line reads as idle */
        PAD(pin) = PAD_IN | PAD_4_MA | PAD_PULLED_UP | PAD_SCHMITT;
        GPIO_CTRL(pin) = FUNCTION_UART;
    }
    set_rate(divisor_of(core_hz, FN_BAUD), 0u);
    UARTCR = CR_ON;
    UARTIMSC = INT_RX | INT_RX_TIMEOUT;
    enable_interrupt(FN_UART_IRQ);
    start_tick();
}

void fn_uart_isr(void)
{
    while (!(UARTFR & FR_RXFE)) { /* which takes both reasons away */
        fn_received((uint8_t)UARTDR);
    }
}

void fn_board_poll(void)
{
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        while (UARTFR & FR_TXFF) {
        }
        UARTDR = data[i];
    }
}
