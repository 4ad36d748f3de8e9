// arduino.cpp: fn_board.h on an Arduino core: its Serial, its clock. Compiles to nothing without one.
#if defined(ARDUINO)

#include <Arduino.h>

#include "fn_board.h"

#if !defined(FN_HEAP_BYTES) || !defined(FN_STACK_BYTES)
#error "platformio.ini must define FN_HEAP_BYTES and FN_STACK_BYTES from the board file"
#endif

static uint32_t heap[FN_HEAP_BYTES / 4];

void fn_board_init(void)
{
    Serial.begin(FN_BAUD);
}

void fn_board_poll(void)
{
    while (Serial.available() > 0) {
        fn_received((uint8_t)Serial.read());
    }
}

void fn_board_idle(void)
{
    yield();
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    while (n > 0) {
        const uint32_t sent = (uint32_t)Serial.write(data, n);
        if (sent == 0) { // a USB port that nobody has opened takes nothing: drop, as a cable without a listener does
            return;
        }
        data += sent;
        n -= sent;
    }
}

uint32_t fn_board_ms(void)
{
    return millis();
}

uint32_t fn_board_us(void)
{
    return micros();
}

void setup(void)
{
    fn_board_init();
}

void loop(void)
{
    fn_micropython(heap, heap + sizeof heap / sizeof heap[0], FN_STACK_BYTES);
}

#endif
