/* registers.h: what glue files have in common: a register by its address, waiting for one, interrupts. */
#ifndef FN_REGISTERS_H
#define FN_REGISTERS_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define NVIC_ISER(n) REG(0xE000E100u + 4u * (n))

/* Whether the register's bits become so within some 10 ms: what never does must not stop the board. */
static inline int becomes(volatile uint32_t *address, uint32_t mask, uint32_t value)
{
    for (uint32_t n = 0; n < 100000u; n++) {
        if ((*address & mask) == value) {
            return 1;
        }
    }
    return 0;
}

static inline void enable_interrupt(uint32_t number)
{
    NVIC_ISER(number / 32u) = 1u << (number % 32u);
}

#endif
