/* fn_firmware.h: the one model of this firmware, named in deployed.c; the stack of main.c, the receive ring of mphal.c. */
#ifndef FN_FIRMWARE_H
#define FN_FIRMWARE_H

#include "fn_model.h"

extern const fn_model *const fn_deployed;
extern const char *const fn_version; /* of firmnet */
extern const char *const fn_app; /* the frozen file that starts at boot, or NULL */
extern const uint32_t fn_run_stack_bytes; /* the most that its run() takes */

/* Ctrl-C between reset and the first program, which it keeps from starting (main.c, mphal.c). */
typedef enum { FN_BOOTS, FN_BOOTS_HELD, FN_BOOTED } fn_boot_state;
extern volatile fn_boot_state fn_boot;

extern int fn_program_runs; /* of mphal.c: what the board has started, and nobody typed */
extern int fn_held; /* of mphal.c: scheduled functions wait */
void fn_hold(int on);

int fn_read_byte(void);

/* What comes waits in this memory, or, where it is NULL, in the port's own ring; how many bytes may wait while nobody looks. */
uint32_t fn_ring(uint8_t *memory, uint32_t bytes);
void fn_wait(void);

#endif
