/* nrf5_uart.c: fn_board.h on an nRF52833 or nRF52840 (and nRF51) by UART0, on the pins FN_TX_PIN and FN_RX_PIN (P1.08: 40).
 *
 * Chapters are those of the nRF52840's product specification. The clock of the core is always 64 MHz: what can be set is its
 * source, the crystal in place of the internal oscillator, and the cache of the flash. Time is TIMER0's: SysTick stands
 * still while the core sleeps.
 */
#include "fn_board.h"
#include "registers.h"

#if !defined(FN_TX_PIN) || !defined(FN_RX_PIN) || FN_TX_PIN > 47 || FN_RX_PIN > 47
#error "the board file must give FN_TX_PIN and FN_RX_PIN: 0 to 31 for P0, 32 to 47 for P1"
#endif

#define HFCLKSTART REG(0x40000000u) /* CLOCK */
#define HFCLKSTARTED REG(0x40000100u)
#define HFCLKSTAT REG(0x4000040Cu)
enum { CRYSTAL_RUNS = 1u << 16 | 1u };

#define ICACHECNF REG(0x4001E540u) /* NVMC */

#define UART(offset) REG(0x40002000u + (offset)) /* UART: universal asynchronous receiver/transmitter */
#define STARTRX UART(0x000u)
#define STARTTX UART(0x008u)
#define RXDRDY UART(0x108u)
#define TXDRDY UART(0x11Cu)
#define ERROR UART(0x124u)
#define INTENSET UART(0x304u)
#define ERRORSRC UART(0x480u)
#define ENABLE UART(0x500u)
#define PSELTXD UART(0x50Cu)
#define PSELRXD UART(0x514u)
#define RXD UART(0x518u)
#define TXD UART(0x51Cu)
#define BAUDRATE UART(0x524u)
enum { INT_RXDRDY = 1u << 2, INT_ERROR = 1u << 9, ENABLE_UART = 4u };

#define PORT(pin, offset) REG(0x50000000u + 0x300u * ((pin) / 32u) + (offset)) /* GPIO */
#define OUTSET(pin) PORT(pin, 0x508u)
#define PIN_CNF(pin) PORT(pin, 0x700u + 4u * ((pin) % 32u))
enum { OUTPUT = 3u, INPUT_PULLED_UP = 0xCu };

#define TIMER(offset) REG(0x40008000u + (offset)) /* TIMER */
#define TIMER_START TIMER(0x000u)
#define CAPTURE_0 TIMER(0x040u)
#define COMPARE_1 TIMER(0x144u)
#define TIMER_INTENSET TIMER(0x304u)
#define BITMODE TIMER(0x508u)
#define PRESCALER TIMER(0x510u)
#define CC_0 TIMER(0x540u)
#define CC_1 TIMER(0x544u)
enum { INT_COMPARE_1 = 1u << 17, BITS_32 = 3u, MEGAHERTZ = 4u, TIMER_IRQ = 8u };

#define SCR REG(0xE000ED10u)
#define NVIC_ICPR REG(0xE000E280u)
enum { SEVONPEND = 1u << 4 };

#define SYST_CSR REG(0xE000E010u)
#define SYST_RVR REG(0xE000E014u)
#define SYST_CVR REG(0xE000E018u)
enum { SYST_ON = 7u }; /* of the core's clock, with its interrupt */

static uint64_t elapsed_us;
static uint32_t counted_us;

void SysTick_Handler(void)
{
}

/* In an interrupt too: nothing may come between. */
static uint64_t count_us(void)
{
    uint32_t before;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(before)::"memory");
    CAPTURE_0 = 1;
    const uint32_t now = CC_0;
    elapsed_us += now - counted_us;
    counted_us = now;
    const uint64_t elapsed = elapsed_us;
    __asm volatile("msr primask, %0" ::"r"(before) : "memory");
    return elapsed;
}

static void start_timer(void)
{
    BITMODE = BITS_32;
    PRESCALER = MEGAHERTZ; /* 16 MHz by 2 to the power of 4 */
    TIMER_INTENSET = INT_COMPARE_1; /* wakes the core, see fn_board_idle: the NVIC does not pass it on */
    TIMER_START = 1;
    SCR |= SEVONPEND;
    SYST_RVR = FN_CLOCK_HZ / 1000u - 1u; /* the tick, while the core is awake */
    SYST_CVR = 0;
    SYST_CSR = SYST_ON;
}

/* What is written is on its way when fn_board_write() returns. A rate is a part of 16 MHz: of 2^32, in steps of 2^12. */
uint32_t fn_board_baud(uint32_t baud, int take)
{
    if (baud > 1000000u) {
        return 0u;
    }
    if (take) {
        BAUDRATE = (uint32_t)((((uint64_t)baud << 32) / 16000000u + 0x800u) & ~(uint64_t)0xFFFu);
    }
    return baud;
}

void fn_board_init(void)
{
    HFCLKSTART = 1;
    becomes(&HFCLKSTARTED, 1u, 1u);
#if defined(FN_NRF52833) || defined(FN_NRF52840)
    ICACHECNF = 1;
#endif
    OUTSET(FN_TX_PIN) = 1u << FN_TX_PIN % 32u;
    PIN_CNF(FN_TX_PIN) = OUTPUT;
    PIN_CNF(FN_RX_PIN) = INPUT_PULLED_UP; /* an open line reads as idle */
    PSELTXD = FN_TX_PIN;
    PSELRXD = FN_RX_PIN;
    fn_board_baud(FN_BAUD, 1);
    ENABLE = ENABLE_UART;
    STARTTX = 1;
    STARTRX = 1;
    INTENSET = INT_RXDRDY | INT_ERROR;
    start_timer();
    enable_interrupt(FN_UART_IRQ);
}

void fn_uart_isr(void)
{
    if (ERROR) {
        ERROR = 0;
        ERRORSRC = ERRORSRC;
    }
    while (RXDRDY) { /* six bytes may wait */
        RXDRDY = 0;
        fn_received((uint8_t)RXD);
    }
}

void fn_board_poll(void)
{
}

/* A byte that comes before the core sleeps leaves an event behind, so nothing is missed; the timer wakes after 1 ms. */
void fn_board_idle(void)
{
    COMPARE_1 = 0;
    NVIC_ICPR = 1u << TIMER_IRQ;
    CC_1 = (uint32_t)count_us() + 1000u;
    __asm volatile("wfe");
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        TXDRDY = 0;
        TXD = data[i];
        while (!TXDRDY) {
        }
    }
}

uint32_t fn_board_ms(void)
{
    return (uint32_t)(count_us() / 1000u);
}

uint32_t fn_board_us(void)
{
    return (uint32_t)count_us();
}

uint32_t fn_board_clock_hz(void)
{
    return (HFCLKSTAT & CRYSTAL_RUNS) == CRYSTAL_RUNS ? FN_CLOCK_HZ : 0u;
}
