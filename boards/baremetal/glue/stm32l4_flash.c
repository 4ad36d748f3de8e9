/* stm32l4_flash.c: how is the flash of an STM32L4 with two banks erased and written? Sections of RM0351 and RM0432. */
#include "fn_files.h"
#include "registers.h"

#define FLASH 0x08000000u /* a firmware may begin behind a bootloader */
#define ACR REG(0x40022000u)  /* 3.7.1 */
#define KEYR REG(0x40022008u) /* 3.7.3 */
#define SR REG(0x40022010u)   /* 3.7.5 */
#define CR REG(0x40022014u)   /* 3.7.6 */
#define OPTR REG(0x40022020u) /* 3.7.8 */

enum { ACR_DCEN = 1u << 10, ACR_DCRST = 1u << 12, SR_EOP = 1u, SR_ERRORS = 0xC3FAu, SR_BSY = 1u << 16 };
enum { CR_PG = 1u, CR_PER = 1u << 1, CR_BKER = 1u << 11, CR_START = 1u << 16 };
#define CR_LOCK (1u << 31)
#define OPTR_DUAL (1u << 22) /* of an L4+: two banks of 4 KB pages */
#define BANK_BYTES (256u * FN_ERASE_BYTES)

int fn_flash_begin(void)
{
    return (CR & CR_LOCK) && (FN_ERASE_BYTES == 2048u || (OPTR & OPTR_DUAL));
}

static int ends(void)
{
    while (SR & SR_BSY) {
    }
    return (SR & SR_ERRORS) ? -1 : 0;
}

static void unlock(void)
{
    if (CR & CR_LOCK) {
        KEYR = 0x45670123u; /* 3.3.5 */
        KEYR = 0xCDEF89ABu;
    }
    SR = SR_ERRORS | SR_EOP; /* an error that is left stops what follows */
}

/* What was read before may still be in the data cache (3.3.4). */
static int lock(int failed)
{
    CR = CR_LOCK;
    const uint32_t acr = ACR;
    if (acr & ACR_DCEN) {
        ACR = acr & ~ACR_DCEN;
        ACR = (acr & ~ACR_DCEN) | ACR_DCRST;
        ACR = acr & ~ACR_DCEN;
        ACR = acr;
    }
    return failed;
}

int fn_flash_erase(uint32_t address) /* 3.3.6 */
{
    const uint32_t at = address - FLASH, page = at % BANK_BYTES / FN_ERASE_BYTES;
    unlock();
    CR = CR_PER | page << 3 | (at >= BANK_BYTES ? CR_BKER : 0u);
    CR |= CR_START;
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
