/* littlefs.c: the file system's own code, which takes its memory from MicroPython and prints nothing. */
#define LFS2_NO_MALLOC
#define LFS2_NO_DEBUG
#define LFS2_NO_WARN
#define LFS2_NO_ERROR
#define LFS2_NO_ASSERT

#include "littlefs_names.h"
#include "lib/littlefs/lfs2.c"
#include "lib/littlefs/lfs2_util.c"
