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

/* Whether there is no unit that guards the stack, so that fn_look_at_guard() must be called in interrupts again and again. */
int fn_guard_is_painted(void);
void fn_look_at_guard(void);

extern int fn_tells_of_fault; /* of what comes nothing is wanted any more */

#ifdef __cplusplus
}
#endif

#endif
