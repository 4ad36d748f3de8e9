/* stm32l4_pins.c: fn_machine.h on an STM32L4 or L4+. Sections are those of RM0351, in parentheses those of RM0432. */
#include "fn_board.h"
#include "registers.h"

#define GPIO_BASE 0x48000000u
#define PORTS 9u
#define PORT_CLOCKS REG(0x4002104Cu)  /* RCC_AHB2ENR, 6.4.17 */
#define TIMER_CLOCKS REG(0x40021058u) /* RCC_APB1ENR1, 6.4.19 */
#define TIMER_1 0x40012C00u
#define TIMER_1_CLOCKS REG(0x40021060u) /* RCC_APB2ENR, 6.4.21 */
#define TIMER_1_ON (1u << 11)
#define BUS_PRESCALER(bus) (REG(0x40021008u) >> ((bus) == 1u ? 8u : 11u)) /* RCC_CFGR, 6.4.3 */
#define UNIQUE_ID 0x1FFF7590u /* 48.1 (57.1) */
#define RESET_FLAGS REG(0x40021094u) /* RCC_CSR, 6.4.29 */
#define FLAGS_POWER (1u << 27)
#define FLAGS_FORGET (1u << 23)

#define SYSTEM_MEMORY 0x1FFF0000u
#define SYSCFG_CLOCKS TIMER_1_CLOCKS
#define SYSCFG_ON (1u << 0)
#define MEMORY_REMAP REG(0x40010000u) /* SYSCFG_MEMRMP, 9.2.1 */
#define SYSTEM_MEMORY_AT_0 1u

#define NEW_USART 1
#if FN_SECOND_UART == 1 /* chapter 40 */
#define USART_BASE 0x40013800u
#define USART_CLOCKS TIMER_1_CLOCKS
#define USART_ON (1u << 14)
#elif FN_SECOND_UART == 4
#define USART_BASE 0x40004C00u
#define USART_CLOCKS TIMER_CLOCKS
#define USART_ON (1u << 19)
#endif

#include "stm32_pins.h"
#include "stm32_uart.h"

/* ---- the first converter, 12 bits, one reading at a time: chapter 18 (21) ---- */

#define ADC(offset) REG(0x50040000u + (offset))
#define ADC_ISR ADC(0x00u)
#define ADC_CR ADC(0x08u)
#define ADC_SMPR(channel) ADC(0x14u + 4u * ((channel) / 10u))
#define ADC_SQR1 ADC(0x30u)
#define ADC_DR ADC(0x40u)
#define ADC_CCR ADC(0x308u)
#define ASCR(pin) GPIO(pin, 0x2Cu) /* 8.5.12: the switch between pin and converter; L47x and L48x alone */
enum { ADC_ON = 1u << 13, ISR_ADRDY = 1u << 0, ISR_EOC = 1u << 2 };
enum { CR_ADEN = 1u << 0, CR_ADSTART = 1u << 2, CR_REGULATOR = 1u << 28, CR_ADCAL = 1u << 31 };
enum { CCR_BUS_BY_4 = 3u << 16, SAMPLE_92_CYCLES = 5u };
#define WARM_UP_US 20u

/* PC0 to PC3, PA0 to PA7, PC4, PC5, PB0, PB1: channels 1 to 16, as in the data sheet's pin table. */
static int32_t channel_of(uint32_t pin)
{
    const uint32_t line = LINE_OF(pin);
    switch (PORT_OF(pin)) {
    case 0:
        return line < 8u ? (int32_t)line + 5 : FN_LACKS;
    case 1:
        return line < 2u ? (int32_t)line + 15 : FN_LACKS;
    case 2:
        return line < 4u ? (int32_t)line + 1 : line < 6u ? (int32_t)line + 9 : FN_LACKS;
    default:
        return FN_LACKS;
    }
}

/* 18.4.6 and 18.4.8: out of deep power down, its regulator on, calibrated, then enabled. */
static int32_t converter_on(void)
{
    PORT_CLOCKS |= ADC_ON;
    if (ADC_CR & CR_ADEN) {
        return 0;
    }
    ADC_CCR = CCR_BUS_BY_4;
    ADC_CR = 0;
    ADC_CR = CR_REGULATOR;
    pause(WARM_UP_US);
    ADC_CR = CR_REGULATOR | CR_ADCAL;
    if (!becomes(&ADC_CR, CR_ADCAL, 0)) {
        return FN_SILENT;
    }
    pause(1u); /* some cycles of its clock lie between the two */
    ADC_ISR = ISR_ADRDY;
    ADC_CR = CR_REGULATOR | CR_ADEN;
    return becomes(&ADC_ISR, ISR_ADRDY, ISR_ADRDY) ? 0 : FN_SILENT;
}

int32_t fn_adc_open(uint32_t pin)
{
    const int32_t channel = channel_of(pin);
    if (channel < 0) {
        return FN_LACKS;
    }
    const int32_t done = converter_on();
    if (done < 0) {
        return done;
    }
    put(&PUPDR(pin), 2u * LINE_OF(pin), 2u, FN_PULL_NONE);
    pin_mode(pin, MODE_ANALOG);
    ASCR(pin) |= 1u << LINE_OF(pin);
    put(&ADC_SMPR((uint32_t)channel), 3u * ((uint32_t)channel % 10u), 3u, SAMPLE_92_CYCLES);
    return 0;
}

int32_t fn_adc_read(uint32_t pin)
{
    ADC_SQR1 = (uint32_t)channel_of(pin) << 6; /* a sequence of one */
    ADC_ISR = ISR_EOC;
    ADC_CR = CR_REGULATOR | CR_ADEN | CR_ADSTART;
    if (!becomes(&ADC_ISR, ISR_EOC, ISR_EOC)) {
        return FN_SILENT;
    }
    const uint32_t read = ADC_DR & 0xFFFu;
    return (int32_t)(read << 4 | read >> 8);
}
