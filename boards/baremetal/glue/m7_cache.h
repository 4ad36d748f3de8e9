/* m7_cache.h: how does a Cortex-M7 forget what its data cache holds of some flash? Arm's architecture manual, DCIMVAC. */
#ifndef FN_M7_CACHE_H
#define FN_M7_CACHE_H

#include "registers.h"

#define DCIMVAC REG(0xE000EF5Cu)
#define LINE_BYTES 32u

static void changed(uint32_t address, uint32_t bytes)
{
    __asm volatile("dsb" ::: "memory");
    for (uint32_t at = address & ~(LINE_BYTES - 1u); at < address + bytes; at += LINE_BYTES) {
        DCIMVAC = at;
    }
    __asm volatile("dsb\n isb" ::: "memory");
}

#endif
