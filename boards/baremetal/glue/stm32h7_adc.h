/* stm32h7_adc.h: how does an STM32H743 read a voltage? By its first or third converter, 16 bits, one reading at a time.
 *
 * Included behind stm32_pins.h. Sections are those of RM0433.
 */
#ifndef FN_STM32H7_ADC_H
#define FN_STM32H7_ADC_H

#include "stm32_pins.h"

#define RCC_D3CCIPR REG(0x58024458u) /* 8.7.21 */
#define RCC_AHB1ENR REG(0x580244D8u) /* 8.7.40 */
enum { ADCSEL = 3u << 16, ADCSEL_PER_CK = 2u << 16, ADC12_ON = 1u << 5, ADC3_ON = 1u << 24 };

#define ADC_1 0x40022000u /* 25.6 */
#define ADC_3 0x58026000u
#define ADC_ISR(adc) REG((adc) + 0x00u)
#define ADC_CR(adc) REG((adc) + 0x08u)
#define ADC_SMPR(adc, channel) REG((adc) + 0x14u + 4u * ((channel) / 10u))
#define ADC_PCSEL(adc) REG((adc) + 0x1Cu)
#define ADC_SQR1(adc) REG((adc) + 0x30u)
#define ADC_DR(adc) REG((adc) + 0x40u)
#define ADC_CCR(adc) REG((adc) + 0x308u) /* 25.7.2 */
enum { ISR_ADRDY = 1u << 0, ISR_EOC = 1u << 2 };
enum { CR_ADEN = 1u << 0, CR_ADSTART = 1u << 2, CR_ADCALLIN = 1u << 16 };
enum { CR_REGULATOR = 1u << 28, CR_DEEP_POWER_DOWN = 1u << 29, CR_ADCAL = 1u << 31 };
#define CR_COMMANDS (CR_ADCAL | 0x3Fu) /* what is set there begins something, and becomes 0 by itself */
enum { CCR_BY_8 = 4u << 18, SAMPLE_64_CYCLES = 5u };
#define WARM_UP_US 20u

typedef struct input {
    uint8_t pin, of_the_third, channel;
} input;

enum { PF = 80 };

/* The data sheet's pin table: channels of the first converter, and those that only the third has: of port F, and of PC2 and PC3, whose
 * pads are PC2_C and PC3_C. */
static const input inputs[] = {
    {PA + 0, 0, 16}, {PA + 1, 0, 17}, {PA + 2, 0, 14}, {PA + 3, 0, 15}, {PA + 4, 0, 18}, {PA + 5, 0, 19}, {PA + 6, 0, 3}, {PA + 7, 0, 7},
    {PB + 0, 0, 9}, {PB + 1, 0, 5},
    {PC + 0, 0, 10}, {PC + 1, 0, 11}, {PC + 2, 1, 0}, {PC + 3, 1, 1}, {PC + 4, 0, 4}, {PC + 5, 0, 8},
    {PF + 3, 1, 5}, {PF + 4, 1, 9}, {PF + 5, 1, 4}, {PF + 6, 1, 8}, {PF + 7, 1, 3}, {PF + 8, 1, 7}, {PF + 9, 1, 2}, {PF + 10, 1, 6},
    {PF + 11, 0, 2}, {PF + 12, 0, 6},
};

static const input *input_of(uint32_t pin)
{
    for (uint32_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        if (inputs[i].pin == pin) {
            return &inputs[i];
        }
    }
    return NULL;
}

static void command(uint32_t adc, uint32_t bits)
{
    ADC_CR(adc) = (ADC_CR(adc) & ~CR_COMMANDS) | bits;
}

/* 25.4.6 to 25.4.9: out of deep power down, its regulator on, calibrated for offset and linearity, then enabled. The clock is that of
 * the HSI (64 MHz) by 8, of which chips of revision V take half: so slow that neither needs its boost. */
static int32_t converter_on(uint32_t adc)
{
    if (ADC_CR(adc) & CR_ADEN) {
        return 0;
    }
    RCC_D3CCIPR = (RCC_D3CCIPR & ~(uint32_t)ADCSEL) | ADCSEL_PER_CK;
    if (adc == ADC_1) {
        RCC_AHB1ENR |= ADC12_ON;
        (void)RCC_AHB1ENR;
    } else {
        PORT_CLOCKS |= ADC3_ON; /* of the same register */
        (void)PORT_CLOCKS;
    }
    ADC_CCR(adc) = CCR_BY_8;
    ADC_CR(adc) &= ~(uint32_t)(CR_COMMANDS | CR_DEEP_POWER_DOWN);
    command(adc, CR_REGULATOR);
    pause(WARM_UP_US);
    command(adc, CR_ADCAL | CR_ADCALLIN);
    for (uint32_t tries = 0; ADC_CR(adc) & CR_ADCAL; tries++) { /* 165,010 of its clocks, so up to 41 ms */
        if (tries == 100u) {
            return FN_SILENT;
        }
        pause(1000u);
    }
    ADC_ISR(adc) = ISR_ADRDY;
    command(adc, CR_ADEN);
    return becomes(&ADC_ISR(adc), ISR_ADRDY, ISR_ADRDY) ? 0 : FN_SILENT;
}

int32_t fn_adc_open(uint32_t pin)
{
    const input *const from = input_of(pin);
    if (!from) {
        return FN_LACKS;
    }
    const uint32_t adc = from->of_the_third ? ADC_3 : ADC_1;
    const int32_t done = converter_on(adc);
    if (done < 0) {
        return done;
    }
    put(&PUPDR(pin), 2u * LINE_OF(pin), 2u, FN_PULL_NONE);
    pin_mode(pin, MODE_ANALOG);
    ADC_PCSEL(adc) |= 1u << from->channel;
    put(&ADC_SMPR(adc, from->channel), 3u * (from->channel % 10u), 3u, SAMPLE_64_CYCLES);
    return 0;
}

int32_t fn_adc_read(uint32_t pin)
{
    const input *const from = input_of(pin);
    const uint32_t adc = from->of_the_third ? ADC_3 : ADC_1;
    ADC_SQR1(adc) = (uint32_t)from->channel << 6; /* a sequence of one */
    ADC_ISR(adc) = ISR_EOC;
    command(adc, CR_ADSTART);
    if (!becomes(&ADC_ISR(adc), ISR_EOC, ISR_EOC)) {
        return FN_SILENT;
    }
    return (int32_t)(ADC_DR(adc) & 0xFFFFu);
}

#endif
