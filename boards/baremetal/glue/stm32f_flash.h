/* stm32f_flash.h: how is the flash of an STM32F4 or F7 erased and written? Sections are those of RM0390 (F4) and RM0385 (F7).
 *
 * Included behind SR_ERRORS and changed(address, bytes), what is to be done once that is other than caches hold it.
 */
#ifndef FN_STM32F_FLASH_H
#define FN_STM32F_FLASH_H

#include "fn_files.h"
#include "registers.h"

#define ACR REG(0x40023C00u)  /* 3.8.1 and 3.7.1 */
#define KEYR REG(0x40023C04u) /* 3.8.2 and 3.7.2 */
#define SR REG(0x40023C0Cu)   /* 3.8.4 and 3.7.4 */
#define CR REG(0x40023C10u)   /* 3.8.5 and 3.7.5 */

enum { CR_SER = 1u << 1, CR_WORDS = 2u << 8 };
#include "stm32_flash.h"

int fn_flash_begin(void)
{
    return (CR & CR_LOCK) != 0;
}

/* 3.5.3 and 3.3.6. Sectors 0 to 3 are an eighth of those from 5 on, 4 is a half of one (3.3 in both). One of 128 KB takes one to two
 * seconds, one of 256 KB twice as long. */
int fn_flash_erase(uint32_t address)
{
    const uint32_t sector = 4u + (address - FLASH) / FN_ERASE_BYTES;
    unlock();
    CR = CR_SER | CR_WORDS | sector << 3;
    CR |= CR_STRT;
    const int failed = lock(ends());
    changed(address, FN_ERASE_BYTES);
    return failed;
}

int fn_flash_write(uint32_t address, const void *data, uint32_t bytes) /* 3.5.4 and 3.3.7; words take 2.7 V or more */
{
    const uint8_t *from = data;
    int failed = 0;
    unlock();
    CR = CR_PG | CR_WORDS;
    for (uint32_t done = 0; done < bytes && !failed; done += 4u) {
        uint32_t word;
        for (uint32_t i = 0; i < 4u; i++) {
            ((uint8_t *)&word)[i] = from[done + i];
        }
        REG(address + done) = word;
        __asm volatile("dsb" ::: "memory"); /* it is a word of its own, and there before the controller is asked */
        failed = ends();
    }
    lock(failed);
    changed(address, bytes);
    return failed;
}

#endif
