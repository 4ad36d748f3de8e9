// arduino.cpp: fn_board.h on an Arduino core: its Serial, its clock. Compiles to nothing without one.
#if defined(ARDUINO)

#include <Arduino.h>

#if defined(ARDUINO_ARCH_MBED)
#include <drivers/Ticker.h>
#endif

#include "fn_arduino.h"
#include "fn_board.h"

#if !defined(FN_HEAP_BYTES) || !defined(FN_STACK_BYTES)
#error "platformio.ini must define FN_HEAP_BYTES and FN_STACK_BYTES from the board file"
#endif

#if FN_HEAP_BYTES > 0
extern "C" {
uint32_t fn_heap[FN_HEAP_BYTES / 4]; // `firmnet build` reads its size by this name
}
#define HEAP fn_heap, fn_heap + sizeof fn_heap / sizeof fn_heap[0]
#else // the C runtime needs none
#define HEAP nullptr, nullptr
#endif

// How long a host that has the port open may take nothing before what is written is dropped.
static const uint32_t DEAF_MS = 2000u;
static bool deaf;

void fn_board_init(void)
{
    Serial.begin(FN_BAUD);
}

/* The core chooses the divisor, and the host tries the rate out. Two looks at the core's buffer are some milliseconds apart,
 * which bounds the rate. */
uint32_t fn_board_baud(uint32_t baud, int take)
{
    if (!FN_HAS_UART || baud > 1000000u) {
        return 0u;
    }
    if (take) {
        Serial.flush();
        Serial.end();
        Serial.begin(baud);
    }
    return baud;
}

/* A core may take less than it is given, or nothing for a while: stm32duino's USB does as soon as the host is slower than
 * 3 ms. So it is asked again while somebody has the port open, but not for ever: a program that opened it and does not read
 * must not stop the board. */
static void write_now(const uint8_t *data, uint32_t n)
{
    uint32_t since = fn_board_ms();
    while (n > 0) {
        const uint32_t sent = (uint32_t)Serial.write(data, n);
        if (sent > 0) {
            data += sent;
            n -= sent;
            since = fn_board_ms();
            deaf = false;
        } else if (deaf || !Serial) { // nobody there: dropped, as by a cable without a listener
            return;
        } else if (fn_board_ms() - since >= DEAF_MS) {
            deaf = true;
            return;
        } else {
            yield();
        }
    }
}

#if FN_HEAP_BYTES > 0 || FN_HAS_UART
static void send_gathered(void)
{
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    write_now(data, n);
}
#else // answers of the C runtime come in small parts, and a core on USB sends a packet for each call
static uint8_t gathered[64];
static uint32_t gathered_bytes;

static void send_gathered(void)
{
    const uint32_t n = gathered_bytes;
    gathered_bytes = 0;
    write_now(gathered, n);
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    for (; n > 0; n--) {
        gathered[gathered_bytes++] = *data++;
        if (gathered_bytes == sizeof gathered) {
            send_gathered();
        }
    }
}
#endif

static void tell_of_hang(void)
{
#if FN_HEAP_BYTES > 0
    fn_tell_of_hang(); // who sends something listens
#endif
}

// What the ring has no room for stays in Serial: a USB port then refuses the host's next packet until there is room.
void fn_board_poll(void)
{
    send_gathered();
    while ((fn_tells_of_fault || fn_receives()) && Serial.available() > 0) {
        tell_of_hang();
        const uint8_t byte = (uint8_t)Serial.read();
        deaf = false;
        if (!fn_tells_of_fault) {
            fn_received(byte);
        }
    }
}

void fn_board_idle(void)
{
#if defined(ARDUINO_ARCH_STM32)
    __WFI(); // the next tick, at most 1 ms away, or the interrupt of a byte wakes it
#else
    yield(); // on mbed the idle thread sleeps
#endif
}

uint32_t fn_board_ms(void)
{
    return millis();
}

uint32_t fn_board_us(void)
{
    return micros();
}

uint32_t fn_board_clock_hz(void)
{
#if defined(F_CPU)
    return F_CPU;
#else
    return 0;
#endif
}

#if defined(ARDUINO_ARCH_STM32)
extern "C" uint8_t _sidata[], _sdata[], _edata[]; // of the core's linker script: .data lies last in flash
#endif

// Of other cores it is not known what they keep in flash: then there is no room for files.
extern "C" uint32_t fn_image_end(void)
{
#if defined(ARDUINO_ARCH_STM32)
    return (uint32_t)(uintptr_t)(_sidata + (_edata - _sdata));
#else
    return UINT32_MAX;
#endif
}

void setup(void)
{
    fn_board_init();
}

#if defined(ARDUINO_ARCH_MBED) // no tick of the core's calls us
static mbed::Ticker ticks;

void fn_look_every_ms(void)
{
    ticks.attach(fn_look, std::chrono::milliseconds(1));
}
#else
void fn_look_every_ms(void)
{
}
#endif

void loop(void)
{
    fn_watch_faults(__builtin_frame_address(0), FN_STACK_BYTES);
    if (fn_guard_is_painted()) {
        fn_look_every_ms();
    }
    fn_runtime(HEAP, FN_STACK_BYTES);
}

#endif
