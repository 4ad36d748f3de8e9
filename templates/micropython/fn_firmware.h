/* fn_firmware.h: the one model of this firmware, named in deployed.c, and the receive ring of mphal.c. */
#ifndef FN_FIRMWARE_H
#define FN_FIRMWARE_H

#include "fn_model.h"

extern const fn_model *const fn_deployed;
extern const char *const fn_version; /* of firmnet */

int fn_read_byte(void);
void fn_wait(void);

#endif
