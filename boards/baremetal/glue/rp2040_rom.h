/* rp2040_rom.h: what is in the boot ROM of an RP2040? Functions, found by two letters (2.8.3 of its data sheet). */
#ifndef FN_RP2040_ROM_H
#define FN_RP2040_ROM_H

#include "registers.h"

/* It begins at 0, where compilers suppose that nothing lies. */
static inline uint32_t rom_word(uint32_t address)
{
    __asm volatile("" : "+r"(address));
    return REG(address);
}

#define ROM_MAGIC rom_word(0x10u)
#define ROM_FUNCTIONS (rom_word(0x14u) & 0xFFFFu)
#define ROM_LOOKUP (rom_word(0x18u) & 0xFFFFu)
enum { MAGIC_BITS = 0xFFFFFFu, MAGIC = 'M' | 'u' << 8 | 1u << 16 };

/* A chip's ROM has versions from 1; in an emulator there is none, or a stand-in that calls itself 0. */
static inline int on_a_chip(void)
{
    return (ROM_MAGIC & MAGIC_BITS) == MAGIC && ROM_MAGIC >> 24;
}

/* The address of a function of the ROM by its two letters; 0 where there is none. */
static inline uint32_t rom_function(uint32_t first, uint32_t second)
{
    typedef uint32_t (*lookup)(uint32_t table, uint32_t code);
    if ((ROM_MAGIC & MAGIC_BITS) != MAGIC) {
        return 0u;
    }
    return ((lookup)ROM_LOOKUP)(ROM_FUNCTIONS, first | second << 8);
}

/* The bootloader, which shows its drive (2.8.3.1.5); returns where there is none. */
static inline void start_bootloader(void)
{
    typedef void (*reset_usb_boot)(uint32_t activity_pins, uint32_t interfaces_off);
    const uint32_t found = rom_function('U', 'B');
    if (found) {
        ((reset_usb_boot)found)(0u, 0u);
    }
}

#endif
