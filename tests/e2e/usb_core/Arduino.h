/* Arduino.h: an Arduino core with a USB port and pins, as far as arduino*.cpp need them, on the emulated machine of core.c. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

extern "C" {
unsigned long millis(void);
unsigned long micros(void);
void yield(void);
int core_take(uint32_t patience_ms); /* the next byte from the host, or -1 */
void core_put(uint8_t byte);
void setup(void);
void loop(void);

void pinMode(uint32_t pin, uint32_t mode);
void digitalWrite(uint32_t pin, uint32_t level);
int digitalRead(uint32_t pin);
void analogReadResolution(int bits);
int analogRead(uint32_t pin);
void analogWriteFrequency(uint32_t hz);
void analogWriteResolution(int bits);
void analogWrite(uint32_t pin, uint32_t value);
}

enum { LOW, HIGH };
enum { INPUT, OUTPUT, INPUT_PULLUP, INPUT_PULLDOWN };
#define NUM_DIGITAL_PINS 20
#define LED_BUILTIN 13
#define PIN_A0 14
#define PIN_A1 15
#define digitalPinHasPWM(pin) ((pin) == 3 || (pin) == 5)

/* What matters of a USB port: data come in packets of 64 bytes, as fast as they are read, and the host must wait while a
 * packet lies unread; nobody listens until the host opens the port; a busy host takes a part, or nothing for a while. */
class UsbSerial {
    uint8_t packet[64];
    int at, filled;
    bool opened;
    uint32_t seed;

public:
    void begin(unsigned long) {}
    void end() {}
    void flush() {}
    int available()
    {
        if (at == filled) {
            const int more = filled == 64 ? 20 : 0; /* behind a full packet the next is on its way */
            at = filled = 0;
            for (int byte = core_take(more); byte >= 0; byte = filled < 64 ? core_take(20) : -1) {
                packet[filled++] = (uint8_t)byte;
                opened = true;
            }
        }
        return filled - at;
    }
    int read() { return available() ? packet[at++] : -1; }
    size_t write(const uint8_t *data, size_t n)
    {
        seed = seed * 1664525u + 1013904223u;
        const uint32_t dice = seed >> 24;
        if (!opened || dice % 4 == 0) {
            return 0;
        }
        const size_t taken = n < dice % 64 + 1 ? n : dice % 64 + 1;
        for (size_t i = 0; i < taken; i++) {
            core_put(data[i]);
        }
        return taken;
    }
    operator bool() { return opened; }
};

inline UsbSerial Serial;

#endif
