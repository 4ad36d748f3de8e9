/* rp2040_pins.c: fn_machine.h on an RP2040: GP0 to GP29, eight PWM slices, the converter behind GP26 to GP29, the watchdog.
 *
 * Sections are those of the RP2040's data sheet. It has no id of its own: the flash beside it has (rp2040_flash.c).
 */
#include "fn_board.h"
#include "fn_machine.h"
#include "registers.h"
#include "rp2040_rom.h"

#define PINS 30u

#define SET(address) REG((address) + 0x2000u) /* 2.1.2 */
#define CLEAR(address) REG((address) + 0x3000u)

#define RESETS_RESET 0x4000C000u /* 2.14.3 */
#define RESETS_DONE REG(0x4000C008u)
enum { BLOCK_ADC = 1u << 0, BLOCK_PINS = 1u << 5 | 1u << 8, BLOCK_PWM = 1u << 14 };

#define GPIO_CTRL(pin) REG(0x40014004u + 8u * (pin)) /* 2.19.6 */
#define PAD(pin) REG(0x4001C004u + 4u * (pin))
enum { FUNCTION_PWM = 4u, FUNCTION_SIO = 5u, FUNCTION_NONE = 31u };
enum { PAD_SCHMITT = 1u << 1, PAD_DOWN = 1u << 2, PAD_UP = 1u << 3, PAD_4_MA = 1u << 4, PAD_IN = 1u << 6, PAD_NO_OUT = 1u << 7 };

#define SIO(offset) REG(0xD0000000u + (offset)) /* 2.3.1.7 */
#define GPIO_IN SIO(0x04u)
#define GPIO_OUT SIO(0x10u)
#define GPIO_OUT_SET SIO(0x14u)
#define GPIO_OUT_CLR SIO(0x18u)
#define GPIO_OE SIO(0x20u)
#define GPIO_OE_SET SIO(0x24u)
#define GPIO_OE_CLR SIO(0x28u)

static uint32_t open_drain; /* a bit for each pin: those are driven low or not at all */

static void out_of_reset(uint32_t blocks)
{
    CLEAR(RESETS_RESET) = blocks;
    becomes(&RESETS_DONE, blocks, blocks);
}

int32_t fn_pin_numbered(uint32_t number)
{
    out_of_reset(BLOCK_PINS);
    return number < PINS ? (int32_t)number : FN_LACKS;
}

/* "GP0" to "GP29" */
int32_t fn_pin_called(const char *name)
{
    if (name[0] != 'G' || name[1] != 'P' || name[2] < '0' || name[2] > '9') {
        return FN_LACKS;
    }
    uint32_t number = (uint32_t)(name[2] - '0');
    if (name[3]) {
        if (name[3] < '0' || name[3] > '9' || name[4] || !number) {
            return FN_LACKS;
        }
        number = 10u * number + (uint32_t)(name[3] - '0');
    }
    return fn_pin_numbered(number);
}

int fn_pin_set(uint32_t pin, fn_pin_mode mode, fn_pin_pull pull)
{
    static const uint32_t pulls[] = {0u, PAD_UP, PAD_DOWN};
    const uint32_t bit = 1u << pin;
    const int high = fn_pin_driven(pin);
    open_drain = mode == FN_OPEN_DRAIN ? open_drain | bit : open_drain & ~bit;
    fn_pin_write(pin, high);
    if (mode == FN_OUT) {
        GPIO_OE_SET = bit;
    } else if (mode == FN_IN) {
        GPIO_OE_CLR = bit;
    }
    PAD(pin) = PAD_IN | PAD_4_MA | PAD_SCHMITT | pulls[pull];
    GPIO_CTRL(pin) = FUNCTION_SIO;
    return 0;
}

void fn_pin_write(uint32_t pin, int high)
{
    const uint32_t bit = 1u << pin;
    if (high) {
        if (open_drain & bit) {
            GPIO_OE_CLR = bit;
        }
        GPIO_OUT_SET = bit;
    } else {
        GPIO_OUT_CLR = bit;
        if (open_drain & bit) {
            GPIO_OE_SET = bit;
        }
    }
}

int fn_pin_read(uint32_t pin)
{
    return GPIO_IN >> pin & 1u;
}

int fn_pin_driven(uint32_t pin)
{
    return GPIO_OUT >> pin & 1u;
}

/* ---- PWM (4.5): two neighbours share a slice ---- */

#define SLICE(pin, offset) REG(0x40050000u + 0x14u * ((pin) / 2u % 8u) + (offset))
#define PWM_CSR(pin) SLICE(pin, 0x00u)
#define PWM_DIV(pin) SLICE(pin, 0x04u) /* sixteenths */
#define PWM_CC(pin) SLICE(pin, 0x0Cu)
#define PWM_TOP(pin) SLICE(pin, 0x10u)
enum { CSR_ENABLE = 1u, DIV_1 = 16u, MOST_DIV = 255u * 16u + 15u };
#define MOST_COUNTS 65535u /* so that one more still fits: a duty of all of them is never low */
#define FULL_DUTY 65535u

int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty)
{
    const uint64_t sixteenths = (uint64_t)fn_core_hz() * DIV_1 / hz;
    uint64_t divisor = (sixteenths + MOST_COUNTS - 1u) / MOST_COUNTS;
    divisor = divisor < DIV_1 ? DIV_1 : divisor;
    const uint32_t counts = (uint32_t)(sixteenths / divisor);
    if (divisor > MOST_DIV || counts < 2u) {
        return FN_RANGE;
    }
    out_of_reset(BLOCK_PWM);
    const uint32_t at = 16u * (pin % 2u);
    PWM_DIV(pin) = (uint32_t)divisor;
    PWM_TOP(pin) = counts - 1u;
    const uint32_t high = (uint32_t)(((uint64_t)duty * counts + FULL_DUTY / 2u) / FULL_DUTY);
    PWM_CC(pin) = (PWM_CC(pin) & ~(0xFFFFu << at)) | high << at;
    PWM_CSR(pin) = CSR_ENABLE;
    PAD(pin) = PAD_IN | PAD_4_MA | PAD_SCHMITT;
    GPIO_CTRL(pin) = FUNCTION_PWM;
    return 0;
}

void fn_pwm_stop(uint32_t pin)
{
    fn_pin_set(pin, FN_IN, FN_PULL_NONE);
}

/* ---- the converter (4.9), 12 bits ---- */

#define FIRST_ANALOG 26u
#define ADC_CS REG(0x4004C000u)
#define ADC_RESULT REG(0x4004C004u)
enum { CS_EN = 1u << 0, CS_START = 1u << 2, CS_READY = 1u << 8, CS_CHANNEL = 12 };

int32_t fn_adc_open(uint32_t pin)
{
    if (pin < FIRST_ANALOG) {
        return FN_LACKS;
    }
    out_of_reset(BLOCK_ADC);
    PAD(pin) = PAD_NO_OUT;
    GPIO_CTRL(pin) = FUNCTION_NONE;
    ADC_CS = CS_EN;
    return becomes(&ADC_CS, CS_READY, CS_READY) ? 0 : FN_SILENT;
}

int32_t fn_adc_read(uint32_t pin)
{
    ADC_CS = CS_EN | (pin - FIRST_ANALOG) << CS_CHANNEL;
    ADC_CS = CS_EN | CS_START | (pin - FIRST_ANALOG) << CS_CHANNEL;
    if (!becomes(&ADC_CS, CS_READY, CS_READY)) {
        return FN_SILENT;
    }
    const uint32_t read = ADC_RESULT & 0xFFFu;
    return (int32_t)(read << 4 | read >> 8);
}

/* ---- the watchdog (4.7) and resets ---- */

#define PSM_WDSEL REG(0x40010008u) /* 2.13.5 */
enum { ALL_BUT_OSCILLATORS = 0x1FFFCu };
#define WATCHDOG_CTRL REG(0x40058000u)
#define WATCHDOG_LOAD REG(0x40058004u)
#define WATCHDOG_REASON REG(0x40058008u)
#define WATCHDOG_SCRATCH4 REG(0x4005801Cu)
enum { CTRL_ENABLE = 1u << 30, CTRL_TRIGGER = 1u << 31, REASON_TIMER = 1u << 0, REASON_FORCE = 1u << 1 };
#define MOST_LOAD 0xFFFFFFu
#define CHIP_RESET REG(0x40064008u) /* 2.10.6 */
enum { HAD_POR = 1u << 8, HAD_RUN = 1u << 16 };

static uint32_t load;

int32_t fn_watchdog_start(uint32_t ms)
{
    const uint64_t counts = 2000ull * ms; /* RP2040-E1: it counts twice in a microsecond */
    if (counts > MOST_LOAD) {
        return FN_RANGE;
    }
    load = (uint32_t)counts;
    WATCHDOG_CTRL = 0u;
    WATCHDOG_SCRATCH4 = 0u; /* the boot ROM begins as ever */
    PSM_WDSEL = ALL_BUT_OSCILLATORS;
    WATCHDOG_LOAD = load;
    WATCHDOG_CTRL = CTRL_ENABLE;
    return 0;
}

void fn_watchdog_feed(void)
{
    WATCHDOG_LOAD = load;
}

fn_reset_cause fn_why_reset(void)
{
    if (WATCHDOG_REASON & (REASON_TIMER | REASON_FORCE)) {
        return WATCHDOG_REASON & REASON_TIMER ? FN_WATCHDOG : FN_HARD;
    }
    return CHIP_RESET & HAD_POR ? FN_POWER_ON : CHIP_RESET & HAD_RUN ? FN_HARD : FN_UNKNOWN;
}

/* The core's own request would leave the blocks as they are. */
void fn_reset(void)
{
    WATCHDOG_SCRATCH4 = 0u;
    PSM_WDSEL = ALL_BUT_OSCILLATORS;
    WATCHDOG_CTRL = CTRL_TRIGGER;
    for (;;) {
    }
}

int32_t fn_bootloader(void)
{
    start_bootloader();
    return FN_LACKS;
}

/* ---- UART0 or UART1 beside the port (4.2), by a clock of the core's ---- */

#if defined(FN_SECOND_UART)

#include "second_uart.h"

#define UART_BASE (FN_SECOND_UART ? 0x40038000u : 0x40034000u)
#include "rp2040_uart.h"
enum { BLOCK_UART0 = 1u << 22, BLOCK_UART1 = 1u << 23 };

int32_t fn_uart_open(uint32_t baud, fn_parity parity, uint32_t stop_bits)
{
    const int32_t pins[] = {fn_pin_called(FN_SECOND_UART_TX), fn_pin_called(FN_SECOND_UART_RX)};
    const uint32_t divisor = baud ? divisor_of(fn_core_hz(), baud) : 0u;
    if (divisor < DIVISOR_1 || divisor >= 0x10000u * DIVISOR_1) {
        return FN_RANGE;
    }
    out_of_reset(FN_SECOND_UART ? BLOCK_UART1 : BLOCK_UART0);
    UARTCR = 0;
    set_rate(divisor,
        (stop_bits == 2u ? LCR_TWO_STOPS : 0u) | (parity ? LCR_PARITY | (parity == FN_EVEN ? LCR_EVEN : 0u) : 0u));
    for (uint32_t i = 0; i < 2u; i++) {
        PAD((uint32_t)pins[i]) = PAD_IN | PAD_4_MA | PAD_SCHMITT | PAD_UP; /* an open line reads as idle */
        GPIO_CTRL((uint32_t)pins[i]) = FUNCTION_UART;
    }
    UARTCR = CR_ON;
    UARTIMSC = INT_RX | INT_RX_TIMEOUT;
    enable_interrupt(FN_SECOND_UART_IRQ);
    return 0;
}

void fn_uart_close(void)
{
    if (RESETS_DONE & (FN_SECOND_UART ? BLOCK_UART1 : BLOCK_UART0)) {
        UARTCR = 0;
    }
    went = came;
}

void fn_second_uart_isr(void)
{
    while (!(UARTFR & FR_RXFE)) { /* which takes both reasons away */
        second_uart_received((uint8_t)UARTDR);
    }
}

int fn_uart_put(uint8_t byte)
{
    if (UARTFR & FR_TXFF) {
        return 0;
    }
    UARTDR = byte;
    return 1;
}

int fn_uart_sent(void)
{
    return !(UARTFR & FR_BUSY);
}

#endif
