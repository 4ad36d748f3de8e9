/* stm32f7_flash.c: how is the flash of an STM32F74x or F75x erased and written? */
#include <stdint.h>

enum { SR_ERRORS = 0xF2u };

#include "m7_cache.h"
#include "stm32f_flash.h"
