/* core.h: the ends of a bare-metal image on an emulated core. */
#ifndef CORE_H
#define CORE_H

#include <stdint.h>

/* Exit codes beyond the runner's own. */
enum { CORE_FAULT = 70, CORE_NO_FILES = 74 };

/* Prints `message` (may be NULL) on the emulator's console and ends it. */
_Noreturn void core_exit(const char *message, uintptr_t code);
int main(void);

#endif
