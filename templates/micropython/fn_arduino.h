/* fn_arduino.h: what does a build on an Arduino core do about faults? See arduino_faults.c. */
#ifndef FN_ARDUINO_H
#define FN_ARDUINO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From here on faults are told, and what overflows so many bytes of stack below `stack_top` is one. Of a fault before the last
 * reset it tells for ever. */
void fn_watch_faults(const void *stack_top, uint32_t stack_bytes);

/* To be called in interrupts, every millisecond, where no unit guards the stack or a watchdog was started. */
void fn_look(void);
int fn_guard_is_painted(void);
void fn_look_every_ms(void); /* from now on, if nobody does */

void fn_tell_of_hang(void); /* if the watchdog's last reset was not told yet */

extern int fn_tells_of_fault; /* of what comes nothing is wanted any more */

#ifdef __cplusplus
}
#endif

#endif
