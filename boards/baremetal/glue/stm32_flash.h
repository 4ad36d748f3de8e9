/* stm32_flash.h: how is the flash of an STM32F4 or L4 opened for changes, waited for, and closed again?
 *
 * Included behind ACR, KEYR, SR and CR, which lie elsewhere in each, and SR_ERRORS. RM0390 3.5.1 and 3.5.3, RM0351 3.3.4 and 3.3.5.
 */
#ifndef FN_STM32_FLASH_H
#define FN_STM32_FLASH_H

#include "fn_files.h"
#include "registers.h"

#define FLASH 0x08000000u /* a firmware may begin behind a bootloader */
enum { ACR_DCEN = 1u << 10, ACR_DCRST = 1u << 12, SR_EOP = 1u, SR_BSY = 1u << 16 };
enum { CR_PG = 1u, CR_STRT = 1u << 16 };
#define CR_LOCK (1u << 31)

/* The core waits meanwhile: it reads its code from the same flash. */
static int ends(void)
{
    while (SR & SR_BSY) {
    }
    return (SR & SR_ERRORS) ? -1 : 0;
}

static void unlock(void)
{
    if (CR & CR_LOCK) {
        KEYR = 0x45670123u;
        KEYR = 0xCDEF89ABu;
    }
    SR = SR_ERRORS | SR_EOP; /* an error that is left stops what follows */
}

/* What was read before may still be in the data cache. */
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

#endif
