/* rp2040_uart.c: fn_board.h on an RP2040 by UART0, on GP0 (sends) and GP1 (receives), to which a probe or an adapter is wired. */
#include "fn_board.h"
#include "rp2040.h"

/* 4.2.8 */
#define UART(offset) REG(0x40034000u + (offset))
#define UARTDR UART(0x00u)
#define UARTFR UART(0x18u)
#define UARTIBRD UART(0x24u)
#define UARTFBRD UART(0x28u)
#define UARTLCR_H UART(0x2Cu)
#define UARTCR UART(0x30u)
#define UARTIMSC UART(0x38u)
enum { FR_BUSY = 1u << 3, FR_RXFE = 1u << 4, FR_TXFF = 1u << 5 };
enum { LCR_8_BITS = 3u << 5, LCR_FIFOS = 1u << 4, CR_ON = 1u << 0 | 1u << 8 | 1u << 9 };
enum { INT_RX = 1u << 4, INT_RX_TIMEOUT = 1u << 6 };

/* 2.19.6: which block drives a pin, and how */
#define GPIO_CTRL(pin) REG(0x40014004u + 8u * (pin))
#define PAD(pin) REG(0x4001C004u + 4u * (pin))
enum { FUNCTION_UART = 2u, PAD_IN = 1u << 6, PAD_PULLED_UP = 1u << 3, PAD_4_MA = 1u << 4, PAD_SCHMITT = 1u << 1 };

void SysTick_Handler(void)
{
}

/* In 64ths of a sixteenth of a bit (4.2.7.1). */
static uint32_t divisor_of(uint32_t baud)
{
    return (8u * core_hz / baud + 1u) / 2u;
}

static void set_baud(uint32_t baud)
{
    UARTIBRD = divisor_of(baud) >> 6;
    UARTFBRD = divisor_of(baud) & 63u;
    UARTLCR_H = LCR_8_BITS | LCR_FIFOS; /* which takes them up */
}

/* So fine a divisor is near enough to every rate; one of a bit at least. */
uint32_t fn_board_baud(uint32_t baud, int take)
{
    if (divisor_of(baud) < 64u) {
        return 0u;
    }
    if (take) {
        while (UARTFR & FR_BUSY) {
        }
        set_baud(baud);
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
    set_baud(FN_BAUD);
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
