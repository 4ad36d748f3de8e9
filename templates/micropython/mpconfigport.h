/* mpconfigport.h: which MicroPython does a firmnet board carry? The core features and what talks to a network. */
#include <alloca.h>
#include <stdint.h>

/* of fn_board.h, which differs from board to board: what MicroPython's own files include here does not */
void fn_board_poll(void);
void fn_board_idle(void);

typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;
#define MP_SSIZE_MAX (0x7fffffff)

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_CORE_FEATURES)

/* the interpreter */
#define MICROPY_ENABLE_COMPILER (1)
#define MICROPY_ENABLE_GC (1)
#define MICROPY_ENABLE_SOURCE_LINE (1)
#define MICROPY_ERROR_REPORTING (MICROPY_ERROR_REPORTING_NORMAL)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (128)
#define MICROPY_STACK_CHECK (1)
#define MICROPY_KBD_EXCEPTION (1)
#define MICROPY_ENABLE_VM_ABORT (1)
#define MICROPY_ENABLE_SCHEDULER (1)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((mp_uint_t)(p) | 1))
#define MICROPY_USE_INTERNAL_PRINTF (0)
#define MICROPY_GC_ALLOC_THRESHOLD (0)

/* modules compiled into flash: the model's own, and what it imports */
#define MICROPY_MODULE_FROZEN_MPY (1)
#define MICROPY_QSTR_EXTRA_POOL mp_qstr_frozen_const_pool

/* machine code from Python: @micropython.native, @micropython.viper, @micropython.asm_thumb */
#if defined(__thumb2__)
#define MICROPY_EMIT_THUMB (1)
#define MICROPY_EMIT_INLINE_THUMB (1)
#endif

/* the prompt; mpremote's raw paste counts on half of the receive ring */
#define MICROPY_HELPER_REPL (1)
#define MICROPY_REPL_INFO (0)
#define MICROPY_REPL_STDIN_BUFFER_MAX (512)
#define MICROPY_PY_BUILTINS_HELP (1)
#define MICROPY_PY_BUILTINS_HELP_MODULES (1)

/* the language, beyond the core */
#define MICROPY_PY_FSTRINGS (1)
#define MICROPY_PY_BUILTINS_BYTEARRAY (1)
#define MICROPY_PY_BUILTINS_MEMORYVIEW (1)
#define MICROPY_PY_BUILTINS_BYTES_HEX (1)
#define MICROPY_PY_BUILTINS_SLICE (1)
#define MICROPY_PY_BUILTINS_ROUND_INT (1)
#define MICROPY_PY_BUILTINS_STR_SPLITLINES (1)
#define MICROPY_PY_ALL_SPECIAL_METHODS (1)

/* libraries */
#define MICROPY_PY_ARRAY (1)
#define MICROPY_PY_ARRAY_SLICE_ASSIGN (1)
#define MICROPY_PY_BINASCII (1)
#define MICROPY_PY_GC (1)
#define MICROPY_PY_IO (1)
#define MICROPY_PY_IO_IOBASE (1)
#define MICROPY_PY_JSON (1)
#define MICROPY_PY_MICROPYTHON_MEM_INFO (1)
#define MICROPY_PY_OS (1)
#define MICROPY_PY_RANDOM (1)
#define MICROPY_PY_SELECT (1)
#define MICROPY_PY_STRUCT (1)
#define MICROPY_PY_SYS (1)
#define MICROPY_PY_SYS_PATH (1)
#define MICROPY_PY_SYS_PLATFORM "firmnet"
#define MICROPY_PY_SYS_STDFILES (1)
#define MICROPY_PY_SYS_STDIO_BUFFER (1)
#define MICROPY_PY_TIME (1)

/* file systems: none on the board, but `mpremote mount` can lend the host's */
#define MICROPY_VFS (1)
#define MICROPY_READER_VFS (1)
#define MICROPY_PY_VFS (1)
#define FFCONF_H "lib/oofatfs/ffconf.h" /* types only: no FAT code is compiled */

/* FN_BOARD_NAME and FN_MCU_NAME come from the board file; only named.c knows them */
#define MICROPY_HW_BOARD_NAME FN_BOARD_NAME
#define MICROPY_HW_MCU_NAME FN_MCU_NAME

/* where interrupts do not deliver bytes (the Arduino cores), the running program must look for Ctrl-C itself */
#if defined(ARDUINO)
#define MICROPY_VM_HOOK_COUNT (64)
#define MICROPY_VM_HOOK_INIT static unsigned int vm_hook_divisor = MICROPY_VM_HOOK_COUNT;
#define MICROPY_VM_HOOK_POLL              \
    if (--vm_hook_divisor == 0) {         \
        vm_hook_divisor = MICROPY_VM_HOOK_COUNT; \
        fn_board_poll();                  \
    }
#define MICROPY_VM_HOOK_LOOP MICROPY_VM_HOOK_POLL
#define MICROPY_VM_HOOK_RETURN MICROPY_VM_HOOK_POLL
#endif

/* every wait lets bytes in and may sleep until the next tick */
#define MICROPY_INTERNAL_EVENT_HOOK fn_board_poll()
#define MICROPY_INTERNAL_WFE(timeout_ms) fn_board_idle()

#define MP_STATE_PORT MP_STATE_VM
