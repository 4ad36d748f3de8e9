/* pins.c: which pin does a name mean, and where are the buses? What the board file says; then how the chip calls its pins. */
#include <stddef.h>
#include <string.h>

#include "fn_board.h"
#include "fn_machine.h"

static const struct {
    const char *name, *pin;
} board_pins[] = {FN_PIN_NAMES {NULL, NULL}};

const fn_i2c_pins fn_i2c_buses[] = {FN_I2C_PINS {FN_LACKS, NULL, NULL}};
const fn_spi_pins fn_spi_buses[] = {FN_SPI_PINS {FN_LACKS, NULL, NULL, NULL}};
#if defined(FN_SECOND_UART)
const int32_t fn_uart_id = FN_SECOND_UART;
#else
const int32_t fn_uart_id = FN_LACKS;
#endif

int32_t fn_pin_named(const char *name)
{
    for (uint32_t i = 0; board_pins[i].name; i++) {
        if (!strcmp(board_pins[i].name, name)) {
            return fn_pin_called(board_pins[i].pin);
        }
    }
    return fn_pin_called(name);
}

uint32_t fn_core_hz(void)
{
    const uint32_t hz = fn_board_clock_hz();
#if defined(ARDUINO)
    return hz ? hz : FN_OFFICIAL_CLOCK_HZ;
#else
    return hz ? hz : FN_CLOCK_HZ; /* an emulator does not tell */
#endif
}
