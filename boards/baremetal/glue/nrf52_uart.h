/* nrf52_uart.h: how does an nRF52 drive the UART beside its port (FN_SECOND_UART)? By UARTE1, which takes each byte from memory.
 *
 * Included behind PIN_CNF, OUTSET and BIT. Chapter 6.34 of the nRF52840's product specification, 6.33 of the nRF52833's.
 */
#ifndef FN_NRF52_UART_H
#define FN_NRF52_UART_H

#if defined(FN_SECOND_UART)

#include "registers.h"
#include "second_uart.h"

#define UARTE(offset) REG(0x40028000u + (offset))
#define STARTRX UARTE(0x000u)
#define STOPRX UARTE(0x004u)
#define STARTTX UARTE(0x008u)
#define STOPTX UARTE(0x00Cu)
#define ENDRX UARTE(0x110u)
#define ENDTX UARTE(0x120u)
#define UARTE_ERROR UARTE(0x124u)
#define RXTO UARTE(0x144u)
#define TXSTOPPED UARTE(0x158u)
#define UARTE_INTENSET UARTE(0x304u)
#define UARTE_ERRORSRC UARTE(0x480u)
#define UARTE_ENABLE UARTE(0x500u)
#define UARTE_PSELTXD UARTE(0x50Cu)
#define UARTE_PSELRXD UARTE(0x514u)
#define UARTE_BAUDRATE UARTE(0x524u)
#define RXD_PTR UARTE(0x534u)
#define RXD_MAXCNT UARTE(0x538u)
#define TXD_PTR UARTE(0x544u)
#define TXD_MAXCNT UARTE(0x548u)
#define UARTE_CONFIG UARTE(0x56Cu)
enum { UARTE_ON = 8u, INT_ENDRX = 1u << 4, INT_ERROR = 1u << 9 };
enum { WITH_PARITY = 7u << 1, TWO_STOPS = 1u << 4, PARITY_IS_ODD = 1u << 8 };
#if defined(FN_NRF52833)
#define HAS_ODD_PARITY 1
#else
#define HAS_ODD_PARITY 0
#endif

#define UARTE_HZ 16000000u
#define LEAST_BAUD 1200u /* of the slowest rate in the register's table; the fastest takes 16 of its clock */
#define LEAST_CLOCKS 16u

static volatile uint8_t arrived, leaving; /* written and read by the UARTE itself */
static int sends;

/* A bit lasts as many whole clocks as go into 2^32 by the register, of which the lower 12 bits do not count: the middle of those
 * that give so many. */
static uint32_t rate_of(uint32_t clocks)
{
    const uint32_t middle = (uint32_t)((1ull << 33) / (2u * clocks + 1u));
    return (middle + 0x800u) & ~0xFFFu;
}

int32_t fn_uart_open(uint32_t baud, fn_parity parity, uint32_t stop_bits)
{
    const uint32_t tx = (uint32_t)fn_pin_called(FN_SECOND_UART_TX), rx = (uint32_t)fn_pin_called(FN_SECOND_UART_RX);
    const uint32_t clocks = baud < LEAST_BAUD ? 0u : (UARTE_HZ + baud / 2u) / baud;
    if (clocks < LEAST_CLOCKS) {
        return FN_RANGE;
    }
    if (parity == FN_ODD && !HAS_ODD_PARITY) {
        return FN_FORMAT;
    }
    fn_uart_close();
    OUTSET(tx) = BIT(tx);
    PIN_CNF(tx) = CNF_OUTPUT;
    PIN_CNF(rx) = CNF_UP; /* an open line reads as idle */
    UARTE_PSELTXD = tx;
    UARTE_PSELRXD = rx;
    UARTE_BAUDRATE = rate_of(clocks);
    UARTE_CONFIG = (stop_bits == 2u ? TWO_STOPS : 0u) | (parity ? WITH_PARITY : 0u) | (parity == FN_ODD ? PARITY_IS_ODD : 0u);
    UARTE_ENABLE = UARTE_ON;
    RXD_PTR = (uint32_t)&arrived;
    RXD_MAXCNT = 1u;
    TXD_PTR = (uint32_t)&leaving;
    TXD_MAXCNT = 1u;
    ENDRX = 0;
    UARTE_ERROR = 0;
    UARTE_INTENSET = INT_ENDRX | INT_ERROR;
    STARTRX = 1u;
    enable_interrupt(FN_SECOND_UART_IRQ);
    return 0;
}

void fn_uart_close(void)
{
    if (UARTE_ENABLE == UARTE_ON) {
        RXTO = 0;
        STOPRX = 1u;
        becomes(&RXTO, 1u, 1u);
        if (sends) {
            TXSTOPPED = 0;
            STOPTX = 1u;
            becomes(&TXSTOPPED, 1u, 1u);
        }
        UARTE_ENABLE = 0;
    }
    sends = 0;
    went = came;
}

/* What comes while nobody has started it again waits inside, a few bytes of it. */
void fn_second_uart_isr(void)
{
    if (UARTE_ERROR) {
        UARTE_ERROR = 0;
        UARTE_ERRORSRC = UARTE_ERRORSRC;
    }
    while (ENDRX) {
        ENDRX = 0;
        const uint8_t byte = arrived;
        STARTRX = 1u;
        second_uart_received(byte);
    }
}

int fn_uart_put(uint8_t byte)
{
    if (sends && !ENDTX) {
        return 0;
    }
    leaving = byte;
    ENDTX = 0;
    sends = 1;
    STARTTX = 1u;
    return 1;
}

int fn_uart_sent(void)
{
    return !sends || ENDTX;
}

#endif
#endif
