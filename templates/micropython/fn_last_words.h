/* fn_last_words.h: of what is the line made in which a board says why its processor stopped? For the one file that says it;
 * devices/crash.py reads it. */
#ifndef FN_LAST_WORDS_H
#define FN_LAST_WORDS_H

#include <stdint.h>

#include "fn_board.h"

#define REG(address) (*(volatile uint32_t *)(address))
#if defined(__ARM_ARCH_6M__) /* does not tell */
#define CFSR 0u
#define MMFAR 0u
#define BFAR 0u
#else
#define CFSR REG(0xE000ED28u)
#define MMFAR REG(0xE000ED34u)
#define BFAR REG(0xE000ED38u)
#endif
enum { MMARVALID = 1u << 7, BFARVALID = 1u << 15, NOT_STACKED = 1u << 4 | 1u << 12 | 1u << 20 };

#define CALLS 6u
#define WORD_DIGITS 8u

/* Whether a word is where a call returns to: Thumb code behind a BL, or a BLX by register. */
static int is_return(uint32_t word)
{
    const uint16_t *const code = (const uint16_t *)(word - 1u);
    if (!(word & 1u) || word - 5u - FN_FLASH_ORIGIN >= FN_FLASH_BYTES - 4u) {
        return 0;
    }
    return (code[-1] & 0xFF87u) == 0x4780u || ((code[-2] & 0xF800u) == 0xF000u && (code[-1] & 0xD000u) == 0xD000u);
}

static uint32_t sum; /* of the line's characters */

static void say(const char *text)
{
    uint32_t n = 0;
    while (text[n]) {
        sum = sum * 31u + (uint8_t)text[n++];
    }
    fn_board_write((const uint8_t *)text, n);
}

static void say_word(uint32_t value)
{
    char text[WORD_DIGITS + 2u] = " ";
    for (uint32_t i = WORD_DIGITS; i > 0u; i--, value >>= 4) {
        const uint32_t digit = value & 15u;
        text[i] = (char)(digit + (digit < 10u ? '0' : 'a' - 10u));
    }
    text[WORD_DIGITS + 1u] = 0;
    say(text);
}

#endif
