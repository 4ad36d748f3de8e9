/* stm32f4_adc.h: how does an STM32F4 or F7 read a voltage? By its first converter, 12 bits, one reading at a time. RM0390, chapter 13.
 *
 * HAS_PORT_F_INPUTS: port F has inputs too, of the third converter (RM0385, chapter 15).
 */
#ifndef FN_STM32F4_ADC_H
#define FN_STM32F4_ADC_H

#include "stm32_pins.h"

#define ADC_CLOCKS REG(0x40023844u) /* RCC_APB2ENR */
#define ADC(pin, offset) REG(0x40012000u + (PORT_OF(pin) == PORT_F ? 0x200u : 0u) + (offset))
#define ADC_SR(pin) ADC(pin, 0x00u)    /* 13.13.1 */
#define ADC_CR2(pin) ADC(pin, 0x08u)   /* 13.13.3 */
#define ADC_SMPR1(pin) ADC(pin, 0x0Cu) /* 13.13.4 */
#define ADC_SMPR2(pin) ADC(pin, 0x10u)
#define ADC_SQR1(pin) ADC(pin, 0x2Cu) /* 13.13.9 */
#define ADC_SQR3(pin) ADC(pin, 0x34u)
#define ADC_DR(pin) ADC(pin, 0x4Cu)
#define ADC_CCR REG(0x40012304u) /* 13.13.16 */
enum { PORT_F = 5u, ADC_1_ON = 1u << 8, ADC_3_ON = 1u << 10, SR_EOC = 1u << 1, CR2_ADON = 1u << 0, CR2_SWSTART = 1u << 30, CCR_BY_4 = 1u << 16 };
enum { SAMPLE_84_CYCLES = 4u }; /* enough for sources of some ten kilohms */

/* PA0 to PA7, PB0, PB1, PC0 to PC5, PF3 to PF10: the data sheet's pin table. */
static int32_t channel_of(uint32_t pin)
{
    const uint32_t line = LINE_OF(pin);
    switch (PORT_OF(pin)) {
    case 0:
        return line < 8u ? (int32_t)line : FN_LACKS;
    case 1:
        return line < 2u ? (int32_t)line + 8 : FN_LACKS;
    case 2:
        return line < 6u ? (int32_t)line + 10 : FN_LACKS;
#if defined(HAS_PORT_F_INPUTS)
    case PORT_F: {
        static const int8_t of_line_3_on[] = {9, 14, 15, 4, 5, 6, 7, 8};
        return line >= 3u && line <= 10u ? of_line_3_on[line - 3u] : FN_LACKS;
    }
#endif
    default:
        return FN_LACKS;
    }
}

int32_t fn_adc_open(uint32_t pin)
{
    const int32_t channel = channel_of(pin);
    if (channel < 0) {
        return FN_LACKS;
    }
    pin_mode(pin, MODE_ANALOG);
    put(&PUPDR(pin), 2u * LINE_OF(pin), 2u, FN_PULL_NONE);
    ADC_CLOCKS |= PORT_OF(pin) == PORT_F ? ADC_3_ON : ADC_1_ON;
    ADC_CCR = CCR_BY_4; /* of the bus: at most 36 MHz */
    if (channel < 10) {
        put(&ADC_SMPR2(pin), 3u * (uint32_t)channel, 3u, SAMPLE_84_CYCLES);
    } else {
        put(&ADC_SMPR1(pin), 3u * ((uint32_t)channel - 10u), 3u, SAMPLE_84_CYCLES);
    }
    ADC_CR2(pin) = CR2_ADON;
    return 0;
}

int32_t fn_adc_read(uint32_t pin)
{
    ADC_SQR1(pin) = 0; /* a sequence of one */
    ADC_SQR3(pin) = (uint32_t)channel_of(pin);
    ADC_SR(pin) = 0;
    ADC_CR2(pin) = CR2_ADON | CR2_SWSTART;
    if (!becomes(&ADC_SR(pin), SR_EOC, SR_EOC) && fn_board_clock_hz()) { /* QEMU's never says so */
        return FN_SILENT;
    }
    const uint32_t read = ADC_DR(pin) & 0xFFFu;
    return (int32_t)(read << 4 | read >> 8);
}

#endif
