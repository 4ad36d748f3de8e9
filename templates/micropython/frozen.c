/* frozen.c: the Python modules in flash, as bytecode. scripts/micropython_headers.py writes what is included here. */
#include "genhdr/frozen_modules.c"
