/* named.c: the parts of MicroPython that say which board this is. Compiled here, so that all others are one for every board. */
#include "fn_board.h"

#include "extmod/modos.c"
#include "py/modsys.c"
#include "shared/runtime/pyexec.c"
