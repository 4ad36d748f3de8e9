/* nrf5_pins.c: fn_machine.h on an nRF52833 or nRF52840. Chapters are those of the nRF52840's product specification. */
#include <string.h>

#include "fn_board.h"
#include "fn_machine.h"
#include "registers.h"

/* A pin is 32 * port + line: P1.08 is 40. */
#define PINS 48u

#define PORT(pin, offset) REG(0x50000000u + 0x300u * ((pin) / 32u) + (offset)) /* GPIO */
#define OUT(pin) PORT(pin, 0x504u)
#define OUTSET(pin) PORT(pin, 0x508u)
#define OUTCLR(pin) PORT(pin, 0x50Cu)
#define IN(pin) PORT(pin, 0x510u)
#define PIN_CNF(pin) PORT(pin, 0x700u + 4u * ((pin) % 32u))
#define BIT(pin) (1u << (pin) % 32u)
enum { CNF_OUTPUT = 1u << 0, CNF_NO_INPUT = 1u << 1, CNF_DOWN = 1u << 2, CNF_UP = 3u << 2, CNF_NEVER_HIGH = 6u << 8 };

int32_t fn_pin_numbered(uint32_t number)
{
    return number < PINS ? (int32_t)number : FN_LACKS;
}

/* "P0.13", "P1.08" */
int32_t fn_pin_called(const char *name)
{
    if (strlen(name) != 5u || name[0] != 'P' || (name[1] != '0' && name[1] != '1') || name[2] != '.') {
        return FN_LACKS;
    }
    const uint32_t tens = (uint32_t)(name[3] - '0'), ones = (uint32_t)(name[4] - '0');
    if (tens > 3u || ones > 9u || 10u * tens + ones > 31u) {
        return FN_LACKS;
    }
    return fn_pin_numbered(32u * (uint32_t)(name[1] - '0') + 10u * tens + ones);
}

int fn_pin_set(uint32_t pin, fn_pin_mode mode, fn_pin_pull pull)
{
    static const uint32_t modes[] = {0u, CNF_OUTPUT, CNF_OUTPUT | CNF_NEVER_HIGH}, pulls[] = {0u, CNF_UP, CNF_DOWN};
    PIN_CNF(pin) = modes[mode] | pulls[pull];
    return 0;
}

void fn_pin_write(uint32_t pin, int high)
{
    if (high) {
        OUTSET(pin) = BIT(pin);
    } else {
        OUTCLR(pin) = BIT(pin);
    }
}

int fn_pin_read(uint32_t pin)
{
    return !!(IN(pin) & BIT(pin));
}

int fn_pin_driven(uint32_t pin)
{
    return !!(OUT(pin) & BIT(pin));
}

/* ---- PWM: of three units each drives one pin, so that every pin has a frequency of its own ---- */

#define UNITS 3u
#define PWM(unit, offset) REG(0x4001C000u + ((unit) ? 0x4000u + 0x1000u * (unit) : 0u) + (offset))
#define PWM_STOP(unit) PWM(unit, 0x004u)
#define SEQSTART_0(unit) PWM(unit, 0x008u)
#define PWM_STOPPED(unit) PWM(unit, 0x104u)
#define PWM_ENABLE(unit) PWM(unit, 0x500u)
#define COUNTERTOP(unit) PWM(unit, 0x508u)
#define PWM_PRESCALER(unit) PWM(unit, 0x50Cu)
#define SEQ_PTR(unit) PWM(unit, 0x520u)
#define SEQ_CNT(unit) PWM(unit, 0x524u)
#define PSEL_OUT_0(unit) PWM(unit, 0x560u)
enum { MOST_COUNTS = 32767u, SLOWEST = 7u, HIGH_FIRST = 0x8000u };
#define PWM_HZ 16000000u
#define FULL_DUTY 65535u
#define NOBODY 0xFFFFFFFFu

static uint32_t whose[UNITS] = {NOBODY, NOBODY, NOBODY};
static uint16_t high_for[UNITS]; /* read by the unit itself */

static uint32_t unit_of(uint32_t pin)
{
    for (uint32_t unit = 0; unit < UNITS; unit++) {
        if (whose[unit] == pin) {
            return unit;
        }
    }
    return UNITS;
}

int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty)
{
    uint32_t unit = unit_of(pin), slower = 0;
    unit = unit < UNITS ? unit : unit_of(NOBODY);
    if (unit == UNITS) {
        return FN_LACKS;
    }
    while (slower < SLOWEST && (PWM_HZ >> slower) / hz > MOST_COUNTS) {
        slower++;
    }
    const uint32_t counts = (PWM_HZ >> slower) / hz;
    if (counts > MOST_COUNTS || counts < 3u) {
        return FN_RANGE;
    }
    whose[unit] = pin;
    fn_pin_write(pin, 0);
    PIN_CNF(pin) = CNF_OUTPUT;
    PSEL_OUT_0(unit) = pin;
    PWM_ENABLE(unit) = 1u;
    PWM_PRESCALER(unit) = slower;
    COUNTERTOP(unit) = counts;
    high_for[unit] = (uint16_t)(HIGH_FIRST | (uint32_t)(((uint64_t)duty * counts + FULL_DUTY / 2u) / FULL_DUTY));
    SEQ_PTR(unit) = (uint32_t)&high_for[unit];
    SEQ_CNT(unit) = 1u; /* goes on for ever */
    SEQSTART_0(unit) = 1u;
    return 0;
}

void fn_pwm_stop(uint32_t pin)
{
    const uint32_t unit = unit_of(pin);
    if (unit < UNITS) {
        PWM_STOPPED(unit) = 0;
        PWM_STOP(unit) = 1u;
        becomes(&PWM_STOPPED(unit), 1u, 1u);
        PWM_ENABLE(unit) = 0;
        PSEL_OUT_0(unit) = NOBODY;
        whose[unit] = NOBODY;
        fn_pin_set(pin, FN_IN, FN_PULL_NONE);
    }
}

/* ---- SAADC, 12 bits from 0 V to the supply: a quarter of either ---- */

#define SAADC(offset) REG(0x40007000u + (offset))
#define SAADC_START SAADC(0x000u)
#define SAADC_SAMPLE SAADC(0x004u)
#define SAADC_STOP SAADC(0x008u)
#define SAADC_STARTED SAADC(0x100u)
#define SAADC_END SAADC(0x104u)
#define SAADC_STOPPED SAADC(0x114u)
#define SAADC_ENABLE SAADC(0x500u)
#define SAADC_PSELP SAADC(0x510u)
#define SAADC_PSELN SAADC(0x514u)
#define SAADC_CONFIG SAADC(0x518u)
#define SAADC_RESOLUTION SAADC(0x5F0u)
#define SAADC_PTR SAADC(0x62Cu)
#define SAADC_MAXCNT SAADC(0x630u)
enum { GAIN_1_4 = 2u << 8, REFERENCE_IS_SUPPLY = 1u << 12, ACQUIRE_10_US = 2u << 16, BITS_12 = 2u };

static volatile int16_t sampled; /* written by the converter itself */

/* AIN0 to AIN7: P0.02 to P0.05, P0.28 to P0.31; counted from 1 */
static uint32_t input_of(uint32_t pin)
{
    return pin >= 2u && pin <= 5u ? pin - 1u : pin >= 28u && pin <= 31u ? pin - 23u : 0u;
}

int32_t fn_adc_open(uint32_t pin)
{
    if (!input_of(pin)) {
        return FN_LACKS;
    }
    PIN_CNF(pin) = CNF_NO_INPUT;
    SAADC_RESOLUTION = BITS_12;
    SAADC_CONFIG = GAIN_1_4 | REFERENCE_IS_SUPPLY | ACQUIRE_10_US;
    SAADC_PSELN = 0;
    SAADC_ENABLE = 1u;
    return 0;
}

static int done(volatile uint32_t *task, volatile uint32_t *event)
{
    *event = 0;
    *task = 1u;
    return becomes(event, 1u, 1u);
}

int32_t fn_adc_read(uint32_t pin)
{
    SAADC_PSELP = input_of(pin);
    SAADC_PTR = (uint32_t)&sampled;
    SAADC_MAXCNT = 1u;
    if (!done(&SAADC_START, &SAADC_STARTED) || !done(&SAADC_SAMPLE, &SAADC_END) || !done(&SAADC_STOP, &SAADC_STOPPED)) {
        return FN_SILENT;
    }
    const int32_t read = sampled < 0 ? 0 : sampled > 4095 ? 4095 : sampled; /* about 0 V it may be below */
    return read << 4 | read >> 8;
}

/* ---- the watchdog ---- */

#define WDT(offset) REG(0x40010000u + (offset))
#define WDT_START WDT(0x000u)
#define WDT_RUNS WDT(0x400u)
#define WDT_CRV WDT(0x504u)
#define WDT_RREN WDT(0x508u)
#define WDT_RR_0 WDT(0x600u)
enum { RELOAD = 0x6E524635u, MOST_MS = 131071000u, TICKS_PER_S = 32768u };

/* Once it runs, only a reset changes it. */
int32_t fn_watchdog_start(uint32_t ms)
{
    if (ms > MOST_MS) {
        return FN_RANGE;
    }
    const uint32_t ticks = (uint32_t)((uint64_t)ms * TICKS_PER_S / 1000u);
    if (WDT_RUNS & 1u) {
        if (WDT_CRV != ticks - 1u) {
            return FN_RANGE;
        }
    } else {
        WDT_CRV = ticks - 1u;
        WDT_RREN = 1u;
        WDT_START = 1u;
    }
    fn_watchdog_feed();
    return 0;
}

void fn_watchdog_feed(void)
{
    WDT_RR_0 = RELOAD;
}

/* ---- the chip ---- */

#define DEVICEID_0 REG(0x10000060u) /* FICR */
#define DEVICEID_1 REG(0x10000064u)

uint32_t fn_unique_id(uint8_t *id)
{
    const uint32_t words[] = {DEVICEID_0, DEVICEID_1};
    memcpy(id, words, sizeof words);
    return sizeof words;
}

#define RESETREAS REG(0x40000400u) /* POWER; a one written takes it away, none of them is power */
enum { REASON_PIN = 1u << 0, REASON_WATCHDOG = 1u << 1, REASON_OFF = 0xFu << 16 };

fn_reset_cause fn_why_reset(void)
{
    const uint32_t reasons = RESETREAS;
    RESETREAS = reasons;
    if (!reasons) {
        return FN_POWER_ON;
    }
    return reasons & REASON_WATCHDOG ? FN_WATCHDOG : reasons & REASON_OFF ? FN_DEEP_SLEEP : FN_HARD;
}

#include "nrf52_uart.h"
