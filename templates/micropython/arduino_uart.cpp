// arduino_uart.cpp: the UART beside the port on an Arduino core: the core's own, on the pins of the board file. Else nothing.
#if defined(ARDUINO)

#include <Arduino.h>

#include "fn_board_config.h"
#include "fn_machine.h"

#if defined(FN_SECOND_UART) && (defined(ARDUINO_ARCH_STM32) || defined(ARDUINO_ARCH_MBED))

static bool is_open;

#if defined(ARDUINO_ARCH_MBED) // which sends a byte at a time and does not tell when it has left

typedef arduino::UART core_uart;
static uint32_t put_at_us, byte_us;

#define OF_PINS(tx, rx) ((int)(tx), (int)(rx))

#if defined(NRF52840_XXAA)
// mbed rounds any other rate down to one of these, and stops at another format.
static const uint32_t rates[] = {1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 76800, 115200, 230400, 250000, 460800,
    921600, 1000000};

static int32_t refusal(uint32_t baud, fn_parity parity, uint32_t stop_bits)
{
    for (uint32_t rate : rates) {
        if (rate == baud) {
            return parity == FN_ODD || stop_bits == 2u ? FN_FORMAT : 0;
        }
    }
    return FN_RANGE;
}
#else
static int32_t refusal(uint32_t baud, fn_parity, uint32_t)
{
    return baud < 300u || baud > 1000000u ? FN_RANGE : 0;
}
#endif

#else // stm32duino, which keeps what is to be sent

typedef HardwareSerial core_uart;

#define OF_PINS(tx, rx) ((uint32_t)(rx), (uint32_t)(tx))

// Below, the divisor of an undivided bus would not fit.
static int32_t refusal(uint32_t baud, fn_parity, uint32_t)
{
    return baud < 2400u || baud > 1000000u ? FN_RANGE : 0;
}

#endif

static core_uart &second(void)
{
    static core_uart it OF_PINS(fn_pin_called(FN_SECOND_UART_TX), fn_pin_called(FN_SECOND_UART_RX));
    return it;
}

static uint16_t format_of(fn_parity parity, uint32_t stop_bits)
{
    static const uint16_t one[] = {SERIAL_8N1, SERIAL_8E1, SERIAL_8O1}, two[] = {SERIAL_8N2, SERIAL_8E2, SERIAL_8O2};
    return stop_bits == 2u ? two[parity] : one[parity];
}

int32_t fn_uart_open(uint32_t baud, fn_parity parity, uint32_t stop_bits)
{
    if (fn_pin_called(FN_SECOND_UART_TX) < 0 || fn_pin_called(FN_SECOND_UART_RX) < 0) {
        return FN_LACKS;
    }
    const int32_t refused = refusal(baud, parity, stop_bits);
    if (refused) {
        return refused;
    }
    fn_uart_close();
    second().begin(baud, format_of(parity, stop_bits));
    is_open = true;
#if defined(ARDUINO_ARCH_MBED)
    byte_us = 12000000u / baud + 1u;
    put_at_us = micros() - 2u * byte_us;
#endif
    return second() ? 0 : FN_LACKS;
}

void fn_uart_close(void)
{
    if (is_open) {
        second().end();
    }
    is_open = false;
}

uint32_t fn_uart_waiting(void)
{
    return is_open ? (uint32_t)second().available() : 0u;
}

int fn_uart_get(void)
{
    return is_open ? second().read() : -1;
}

#if defined(ARDUINO_ARCH_MBED)

int fn_uart_put(uint8_t byte)
{
    if (!is_open || !second().write(byte)) {
        return 0;
    }
    put_at_us = micros();
    return 1;
}

int fn_uart_sent(void)
{
    return micros() - put_at_us >= 2u * byte_us;
}

#else

int fn_uart_put(uint8_t byte)
{
    return is_open && second().availableForWrite() > 0 && second().write(byte) == 1u;
}

int fn_uart_sent(void)
{
    return !is_open || second().availableForWrite() == SERIAL_TX_BUFFER_SIZE - 1;
}

#endif

#endif
#endif
