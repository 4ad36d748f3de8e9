/* stm32f4_flash.c: how is the flash of an STM32F4 erased and written? Sections are those of RM0390. */
#include "fn_files.h"
#include "registers.h"

#define ACR REG(0x40023C00u)  /* 3.8.1 */
#define KEYR REG(0x40023C04u) /* 3.8.2 */
#define SR REG(0x40023C0Cu)   /* 3.8.4 */
#define CR REG(0x40023C10u)   /* 3.8.5 */

enum { SR_ERRORS = 0x1F2u, CR_SER = 1u << 1, CR_WORDS = 2u << 8 };
#include "stm32_flash.h"

int fn_flash_begin(void)
{
    return (CR & CR_LOCK) != 0;
}

/* 3.5.3; sectors 0 to 3 have 16 KB, 4 has 64, the others 128 (3.3), of which one takes one to two seconds. */
int fn_flash_erase(uint32_t address)
{
    const uint32_t sector = 4u + (address - FLASH) / FN_ERASE_BYTES;
    unlock();
    CR = CR_SER | CR_WORDS | sector << 3;
    CR |= CR_STRT;
    return lock(ends());
}

int fn_flash_write(uint32_t address, const void *data, uint32_t bytes) /* 3.5.4; words take 2.7 V or more */
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
        failed = ends();
    }
    return lock(failed);
}
