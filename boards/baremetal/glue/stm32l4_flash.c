/* stm32l4_flash.c: how is the flash of an STM32L4 with two banks erased and written? Sections of RM0351 and RM0432. */
#include "fn_files.h"
#include "registers.h"

#define ACR REG(0x40022000u)  /* 3.7.1 */
#define KEYR REG(0x40022008u) /* 3.7.3 */
#define SR REG(0x40022010u)   /* 3.7.5 */
#define CR REG(0x40022014u)   /* 3.7.6 */
#define ECCR REG(0x40022018u) /* 3.7.7 */
#define OPTR REG(0x40022020u) /* 3.7.8 */

enum { SR_ERRORS = 0xC3FAu, CR_PER = 1u << 1, CR_BKER = 1u << 11 };
#define OPTR_DUAL (1u << 22) /* of an L4+: two banks of 4 KB pages */
#define BANK_BYTES (256u * FN_ERASE_BYTES)
#include "stm32_flash.h"

int fn_flash_begin(void)
{
    return (CR & CR_LOCK) && (FN_ERASE_BYTES == 2048u || (OPTR & OPTR_DUAL));
}

int fn_flash_erase(uint32_t address) /* 3.3.6 */
{
    const uint32_t at = address - FLASH, page = at % BANK_BYTES / FN_ERASE_BYTES;
    unlock();
    CR = CR_PER | page << 3 | (at >= BANK_BYTES ? CR_BKER : 0u);
    CR |= CR_STRT;
    return lock(ends());
}

int fn_flash_write(uint32_t address, const void *data, uint32_t bytes) /* 3.3.7: two words at once */
{
    const uint8_t *from = data;
    int failed = 0;
    unlock();
    CR = CR_PG;
    for (uint32_t done = 0; done < bytes && !failed; done += 8u) {
        uint32_t words[2];
        for (uint32_t i = 0; i < 8u; i++) {
            ((uint8_t *)words)[i] = from[done + i];
        }
        REG(address + done) = words[0];
        REG(address + done + 4u) = words[1];
        failed = ends();
    }
    return lock(failed);
}

/* ---- 3.3.2: two words that the supply cut short are read as anything, and an interrupt that cannot be masked says so ---- */

#define ECCR_FAILED (1u << 31)
#define ECCR_ENABLE (1u << 24)
#define ECCR_BANK (FN_ERASE_BYTES == 2048u ? 1u << 19 : 1u << 21)
#if defined(FN_ROMFS_ORIGIN)
#define SPARE_ORIGIN FN_ROMFS_ORIGIN
#else
#define SPARE_ORIGIN FN_FILES_ORIGIN
#endif

/* Whether that was all, and among the files, whose own checksums find it. */
__attribute__((used)) int fn_flash_forgives(void)
{
    const uint32_t found = ECCR, at = (found & (BANK_BYTES - 1u)) + (found & ECCR_BANK ? BANK_BYTES : 0u) + FLASH;
    if (!(found & ECCR_FAILED) || at < SPARE_ORIGIN || at >= FN_FILES_ORIGIN + FN_FILES_BYTES) {
        return 0;
    }
    ECCR = ECCR_FAILED | (found & ECCR_ENABLE);
    return 1;
}

#if defined(__ARM_ARCH_7EM__)

#if defined(ARDUINO)
#define ANY_OTHER "HardFault_Handler"
#else
#define ANY_OTHER "fn_fault"
#endif

__attribute__((naked, used)) void NMI_Handler(void)
{
    __asm volatile(
        "push {r3, lr}\n"
        "bl fn_flash_forgives\n"
        "pop {r3, lr}\n"
        "cbz r0, 1f\n"
        "bx lr\n"
        "1: ldr r0, =" ANY_OTHER "\n"
        "bx r0\n"
        ".ltorg");
}

#endif
