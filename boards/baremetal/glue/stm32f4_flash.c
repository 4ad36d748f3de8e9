/* stm32f4_flash.c: how is the flash of an STM32F4 erased and written? */
#include <stdint.h>

enum { SR_ERRORS = 0x1F2u };

/* Its data cache is the controller's own, and is emptied with the lock. */
static void changed(uint32_t address, uint32_t bytes)
{
    (void)address, (void)bytes;
}

#include "stm32f_flash.h"
