// arduino_pins.cpp: fn_machine.h on an Arduino core: its pins by number and name, its converter, PWM and watchdog. Else nothing.
#if defined(ARDUINO)

#include <Arduino.h>
#include <stdlib.h>
#include <string.h>

#if defined(ARDUINO_ARCH_MBED) // whose Arduino.h has neither
#include <drivers/PwmOut.h>
#include <drivers/Watchdog.h>
#endif

#include "fn_arduino.h"
#include "fn_machine.h"

#if defined(PINS_COUNT)
#define PINS PINS_COUNT
#else
#define PINS NUM_DIGITAL_PINS
#endif

static const int32_t NONE = FN_LACKS; // of the type that the functions return

// As the core calls them, A0 first.
static const uint8_t analog_pins[] = {
#if defined(PIN_A0)
    PIN_A0,
#endif
#if defined(PIN_A1)
    PIN_A1,
#endif
#if defined(PIN_A2)
    PIN_A2,
#endif
#if defined(PIN_A3)
    PIN_A3,
#endif
#if defined(PIN_A4)
    PIN_A4,
#endif
#if defined(PIN_A5)
    PIN_A5,
#endif
#if defined(PIN_A6)
    PIN_A6,
#endif
#if defined(PIN_A7)
    PIN_A7,
#endif
};
#define ANALOG_PINS (sizeof analog_pins / sizeof analog_pins[0])

// ---- pins ----

enum { HIGH_LEVEL = 1, OPEN_DRAIN = 2, PULLED_UP = 4, DRIVEN = 8 };
static uint8_t kept[256]; // what was asked of each pin: not every core can be asked what it drives

int32_t fn_pin_numbered(uint32_t number)
{
    return number < PINS && number < sizeof kept ? (int32_t)number : NONE;
}

static int32_t behind(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) || name[n] < '0' || name[n] > '9') {
        return FN_LACKS;
    }
    char *end;
    const unsigned long number = strtoul(name + n, &end, 10);
    return *end || number > 255 ? NONE : (int32_t)number;
}

// "D13", "A0", "LED_BUILTIN"; on an STM32 "PA5" too, on an RP2040 "GP25".
int32_t fn_pin_called(const char *name)
{
    int32_t number = behind(name, "D");
    if (number >= 0) {
        return fn_pin_numbered((uint32_t)number);
    }
    number = behind(name, "A");
    if (number >= 0) {
        return (size_t)number < ANALOG_PINS ? analog_pins[number] : NONE;
    }
#if defined(LED_BUILTIN)
    if (!strcmp(name, "LED_BUILTIN")) {
        return LED_BUILTIN;
    }
#endif
#if defined(ARDUINO_ARCH_RP2040) || defined(TARGET_RP2040)
    number = behind(name, "GP");
    return number >= 0 ? fn_pin_numbered((uint32_t)number) : NONE;
#elif defined(ARDUINO_ARCH_STM32)
    if (name[0] != 'P' || name[1] < 'A' || name[1] > 'K') {
        return FN_LACKS;
    }
    const char prefix[] = {'P', name[1], 0};
    number = behind(name, prefix);
    if (number < 0 || number > 15) {
        return FN_LACKS;
    }
    const uint32_t pin = pinNametoDigitalPin((PinName)((name[1] - 'A') * 16 + number));
    return pin < NUM_DIGITAL_PINS && pin < sizeof kept ? (int32_t)pin : NONE;
#else
    return FN_LACKS;
#endif
}

static void put_level(uint32_t pin)
{
    if (kept[pin] & HIGH_LEVEL) {
        digitalWrite(pin, HIGH);
    } else {
        digitalWrite(pin, LOW);
    }
}

// An open drain is an output while low, and an input while let go.
static void put_open_drain(uint32_t pin)
{
    if (!(kept[pin] & HIGH_LEVEL)) {
        pinMode(pin, OUTPUT);
        digitalWrite(pin, LOW);
    } else if (kept[pin] & PULLED_UP) {
        pinMode(pin, INPUT_PULLUP);
    } else {
        pinMode(pin, INPUT);
    }
}

int fn_pin_set(uint32_t pin, fn_pin_mode mode, fn_pin_pull pull)
{
    kept[pin] = (uint8_t)((kept[pin] & HIGH_LEVEL) | (pull == FN_PULL_UP ? PULLED_UP : 0) | (mode != FN_IN ? DRIVEN : 0)
        | (mode == FN_OPEN_DRAIN ? OPEN_DRAIN : 0));
    if (mode == FN_OPEN_DRAIN) {
        put_open_drain(pin);
        return pull == FN_PULL_DOWN ? FN_LACKS : 0;
    }
    if (mode == FN_OUT) {
        put_level(pin); // before it is driven, where the core allows that
        pinMode(pin, OUTPUT);
        put_level(pin);
        return pull == FN_PULL_NONE ? 0 : FN_LACKS;
    }
    if (pull == FN_PULL_UP) {
        pinMode(pin, INPUT_PULLUP);
    } else if (pull == FN_PULL_DOWN) {
        pinMode(pin, INPUT_PULLDOWN);
    } else {
        pinMode(pin, INPUT);
    }
    return 0;
}

void fn_pin_write(uint32_t pin, int high)
{
    kept[pin] = (uint8_t)((kept[pin] & ~HIGH_LEVEL) | (high ? HIGH_LEVEL : 0));
    if (kept[pin] & OPEN_DRAIN) {
        put_open_drain(pin);
    } else if (kept[pin] & DRIVEN) {
        put_level(pin);
    }
}

int fn_pin_read(uint32_t pin)
{
    return digitalRead(pin) == HIGH;
}

int fn_pin_driven(uint32_t pin)
{
    return kept[pin] & HIGH_LEVEL;
}

// ---- the converter: pins that have an A name ----

static int32_t analog_of(uint32_t pin)
{
    for (uint32_t i = 0; i < ANALOG_PINS; i++) {
#if defined(ARDUINO_ARCH_STM32) // the same pin may have several numbers
        if (digitalPinToPinName(analog_pins[i]) == digitalPinToPinName(pin)) {
#else
        if (analog_pins[i] == pin) {
#endif
            return analog_pins[i];
        }
    }
    return FN_LACKS;
}

int32_t fn_adc_open(uint32_t pin)
{
    return analog_of(pin) < 0 ? FN_LACKS : 0;
}

int32_t fn_adc_read(uint32_t pin)
{
    analogReadResolution(12);
    const uint32_t read = (uint32_t)analogRead((uint8_t)analog_of(pin)) & 0xFFFu;
    return (int32_t)(read << 4 | read >> 8);
}

// ---- PWM ----

#if defined(ARDUINO_ARCH_MBED)

#define UNITS 4u // so many the nRF52840 has, and running out would stop mbed
static struct {
    mbed::PwmOut *out;
    uint32_t pin;
} units[UNITS];

int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty)
{
    if (hz > 500000u) {
        return FN_RANGE;
    }
    uint32_t unit = UNITS;
    for (uint32_t i = 0; i < UNITS; i++) {
        if (units[i].out && units[i].pin == pin) {
            unit = i;
            break;
        }
        if (!units[i].out && unit == UNITS) {
            unit = i;
        }
    }
    if (unit == UNITS) {
        return FN_LACKS;
    }
    if (!units[unit].out) {
        units[unit].out = new mbed::PwmOut(digitalPinToPinName(pin));
        units[unit].pin = pin;
    }
    units[unit].out->period_us((int)(1000000u / hz));
    units[unit].out->write((float)duty / 65535.0f);
    return 0;
}

void fn_pwm_stop(uint32_t pin)
{
    for (uint32_t i = 0; i < UNITS; i++) {
        if (units[i].out && units[i].pin == pin) {
            delete units[i].out;
            units[i].out = nullptr;
            pinMode(pin, INPUT);
        }
    }
}

#elif defined(digitalPinHasPWM)

int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty)
{
    if (!digitalPinHasPWM(pin)) {
        return FN_LACKS;
    }
    analogWriteFrequency(hz);
    analogWriteResolution(16);
    analogWrite(pin, duty);
    return 0;
}

void fn_pwm_stop(uint32_t pin)
{
    pinMode(pin, INPUT);
}

#endif

// ---- the watchdog ----

#if defined(ARDUINO_ARCH_MBED) && DEVICE_WATCHDOG

int32_t fn_watchdog_start(uint32_t ms)
{
    mbed::Watchdog &watchdog = mbed::Watchdog::get_instance();
    if (ms > watchdog.get_max_timeout() || !watchdog.start(ms)) {
        return FN_RANGE;
    }
    fn_look_every_ms();
    return 0;
}

void fn_watchdog_feed(void)
{
    mbed::Watchdog::get_instance().kick();
}

#elif defined(ARDUINO_ARCH_STM32)

#if !defined(IWDG)
#define IWDG IWDG1
#endif
enum { KR_START = 0xCCCC, KR_UNLOCK = 0x5555, KR_FEED = 0xAAAA, MOST_RELOADS = 4096, SLOWEST = 6, KHZ = 32 };

int32_t fn_watchdog_start(uint32_t ms)
{
    uint32_t divisor = 0; // 4 by 2 to the power of it
    while (divisor <= SLOWEST && (uint64_t)ms * KHZ > (uint64_t)MOST_RELOADS << (divisor + 2u)) {
        divisor++;
    }
    if (divisor > SLOWEST) {
        return FN_RANGE;
    }
    const uint32_t reloads = (ms * KHZ) >> (divisor + 2u);
    IWDG->KR = KR_START;
    IWDG->KR = KR_UNLOCK;
    IWDG->PR = divisor;
    IWDG->RLR = reloads ? reloads - 1u : 0u;
    const uint32_t start = millis();
    while (IWDG->SR & 3u) {
        if (millis() - start > 100u) {
            return FN_SILENT;
        }
    }
    IWDG->KR = KR_FEED;
    return 0;
}

void fn_watchdog_feed(void)
{
    IWDG->KR = KR_FEED;
}

#endif

// ---- the chip ----

#if defined(UID_BASE)

uint32_t fn_unique_id(uint8_t *id)
{
    memcpy(id, (const void *)UID_BASE, 12u);
    return 12u;
}

#elif defined(NRF52840_XXAA)

uint32_t fn_unique_id(uint8_t *id)
{
    memcpy(id, (const void *)0x10000060u, 8u); // FICR, DEVICEID
    return 8u;
}

#endif

#if defined(TARGET_RP2040)

extern "C" void flash_get_unique_id(uint8_t *id); // of the core: the flash cannot be read meanwhile

uint32_t fn_unique_id(uint8_t *id)
{
    noInterrupts();
    flash_get_unique_id(id);
    interrupts();
    return 8u;
}

#endif

#if defined(ARDUINO_ARCH_STM32) && defined(RCC_FLAG_PINRST)

fn_reset_cause fn_why_reset(void)
{
    fn_reset_cause cause = FN_UNKNOWN;
    if (__HAL_RCC_GET_FLAG(RCC_FLAG_PINRST) || __HAL_RCC_GET_FLAG(RCC_FLAG_SFTRST)) {
        cause = FN_HARD;
    }
#if defined(RCC_FLAG_PORRST)
    if (__HAL_RCC_GET_FLAG(RCC_FLAG_PORRST)) {
        cause = FN_POWER_ON;
    }
#elif defined(RCC_FLAG_BORRST)
    if (__HAL_RCC_GET_FLAG(RCC_FLAG_BORRST)) {
        cause = FN_POWER_ON;
    }
#endif
#if defined(RCC_FLAG_IWDGRST)
    if (__HAL_RCC_GET_FLAG(RCC_FLAG_IWDGRST)) {
        cause = FN_WATCHDOG;
    }
#elif defined(RCC_FLAG_IWDG1RST)
    if (__HAL_RCC_GET_FLAG(RCC_FLAG_IWDG1RST)) {
        cause = FN_WATCHDOG;
    }
#endif
    __HAL_RCC_CLEAR_RESET_FLAGS();
    return cause;
}

#endif

#if defined(TARGET_RP2040)

// The core's own request would leave the blocks as they are: the watchdog resets all but the oscillators.
void fn_reset(void)
{
    *(volatile uint32_t *)0x4005801Cu = 0u; // the boot ROM begins as ever
    *(volatile uint32_t *)0x40010008u = 0x1FFFCu;
    *(volatile uint32_t *)0x40058000u = 1u << 31;
    for (;;) {
    }
}

#endif

// ---- the bootloader ----

#if defined(ARDUINO_ARCH_MBED) && defined(SERIAL_CDC)

// What the core does when its port is touched at 1,200 baud.
int32_t fn_bootloader(void)
{
    _ontouch1200bps_();
    return FN_LACKS;
}

#elif defined(ARDUINO_ARCH_STM32)

// Where it begins in system memory, by AN2606.
#if defined(STM32F4xx) || defined(STM32L4xx)
#define SYSTEM_MEMORY 0x1FFF0000u
#elif defined(STM32F7xx)
#define SYSTEM_MEMORY 0x1FF00000u
#elif defined(STM32H743xx)
#define SYSTEM_MEMORY 0x1FF09800u
#endif

#if defined(SYSTEM_MEMORY)

// It wants the chip as it comes out of reset. What is asked for outlives that in the stack, far below what a start takes of it.
extern "C" uint32_t _estack[];
#define ASKED ((volatile uint32_t *)((uintptr_t)_estack - 1024u))
#define ASKED_FOR_BOOTLOADER 0x746F6F62u

int32_t fn_bootloader(void)
{
    noInterrupts();
    ASKED[0] = ASKED_FOR_BOOTLOADER;
    ASKED[1] = ~ASKED_FOR_BOOTLOADER;
    __DSB();
#if defined(STM32F7xx) || defined(STM32H743xx)
    SCB->DCCMVAC = (uint32_t)(uintptr_t)ASKED; // from the data cache to memory
#endif
    NVIC_SystemReset();
    return FN_LACKS;
}

static void at_reset(void)
{
    if (ASKED[0] != ASKED_FOR_BOOTLOADER || ASKED[1] != ~ASKED_FOR_BOOTLOADER) {
        return;
    }
    ASKED[0] = 0;
#if defined(__HAL_SYSCFG_REMAPMEMORY_SYSTEMFLASH)
    __HAL_RCC_SYSCFG_CLK_ENABLE();
    __HAL_SYSCFG_REMAPMEMORY_SYSTEMFLASH();
#endif
    SCB->VTOR = SYSTEM_MEMORY;
    const uint32_t *const vectors = (const uint32_t *)(uintptr_t)SYSTEM_MEMORY;
    __asm volatile("dsb\n isb\n msr msp, %0\n bx %1" ::"r"(vectors[0]), "r"(vectors[1]) : "memory");
}

// Before the core's own constructors, which set clocks.
__attribute__((section(".preinit_array"), used)) static void (*const begin_with_this)(void) = at_reset;

#endif
#endif

#endif
