/* frozen.c: the Python modules in flash, as bytecode. scripts/micropython.py writes what is included here. */
#include "genhdr/frozen_modules.c"
