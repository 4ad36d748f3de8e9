/* mphalport.h: nothing beyond MicroPython's own HAL; see mphal.c. */
#include <stdint.h>

#include "shared/runtime/interrupt_char.h"

/* the core needs no pins */
#define mp_hal_pin_obj_t
