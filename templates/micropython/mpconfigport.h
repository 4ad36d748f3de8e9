/* mpconfigport.h: which MicroPython does a firmnet board carry? The core features and what talks to a network. */
#include <alloca.h>
#include <stdint.h>

#include "littlefs_names.h"

/* of fn_board.h, which differs from board to board: what MicroPython's own files include here does not */
void fn_board_idle(void);
void fn_poll(void); /* of mphal.c */

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
#define MICROPY_SCHEDULER_DEPTH (8)
#define MICROPY_SCHEDULER_STATIC_NODES (1)
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
#define MICROPY_PY_HASHLIB (1) /* mpremote asks for the SHA-256 of a file, and leaves it if it is the same */
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

/* what is wired to the chip: fn_machine.h. -DMICROPY_PY_MACHINE=0 leaves it out */
#ifndef MICROPY_PY_MACHINE
#define MICROPY_PY_MACHINE (1)
#endif
#if MICROPY_PY_MACHINE
#define MICROPY_PY_MACHINE_INCLUDEFILE "fn_machine_port.h"
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS (1)
#define MICROPY_PY_MACHINE_RESET (1)
#define MICROPY_PY_MACHINE_BOOTLOADER (1)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (1)
#define MICROPY_PY_MACHINE_PULSE (1)
#define MICROPY_PY_MACHINE_PIN_MAKE_NEW mp_pin_make_new
#define MICROPY_PY_MACHINE_SOFTI2C (1)
#define MICROPY_PY_MACHINE_I2C (1)
#define MICROPY_PY_MACHINE_SOFTSPI (1)
#define MICROPY_PY_MACHINE_SPI (1)
#define MICROPY_HW_SOFTSPI_MIN_DELAY (0)
#define MICROPY_HW_SOFTSPI_MAX_BAUDRATE (1000000) /* and as fast as the core can */
#define MICROPY_PY_MACHINE_TIMER (1)
#define MICROPY_PY_MACHINE_ADC (1)
#define MICROPY_PY_MACHINE_ADC_INCLUDEFILE "fn_machine_adc.h"
#define MICROPY_PY_MACHINE_ADC_CLASS_CONSTANTS
#define MICROPY_PY_MACHINE_PWM (1)
#define MICROPY_PY_MACHINE_PWM_INCLUDEFILE "fn_machine_pwm.h"
#define MICROPY_PY_MACHINE_UART (1)
#define MICROPY_STREAMS_NON_BLOCK (1) /* a read of a UART to which nothing has come is None */
#define MICROPY_PY_MACHINE_UART_INCLUDEFILE "fn_machine_uart.h"
#define MICROPY_PY_MACHINE_UART_CLASS_CONSTANTS
#define MICROPY_PY_MACHINE_WDT (1)
#define MICROPY_PY_MACHINE_WDT_INCLUDEFILE "fn_machine_wdt.h"
#define MICROPY_PY_MACHINE_EXTRA_GLOBALS                                        \
    {MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&machine_pin_type)},                  \
    {MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type)},              \
    {MP_ROM_QSTR(MP_QSTR_PWRON_RESET), MP_ROM_INT(FN_POWER_ON)},                \
    {MP_ROM_QSTR(MP_QSTR_HARD_RESET), MP_ROM_INT(FN_HARD)},                     \
    {MP_ROM_QSTR(MP_QSTR_WDT_RESET), MP_ROM_INT(FN_WATCHDOG)},                  \
    {MP_ROM_QSTR(MP_QSTR_DEEPSLEEP_RESET), MP_ROM_INT(FN_DEEP_SLEEP)},          \
    {MP_ROM_QSTR(MP_QSTR_SOFT_RESET), MP_ROM_INT(FN_SOFT)},
#endif

/* file systems: littlefs and ROMFS where the board has room (files.c), and `mpremote mount` lends the host's */
#define MICROPY_VFS (1)
#define MICROPY_VFS_LFS2 (1)
#define MICROPY_VFS_ROM (1)
#define MICROPY_VFS_ROM_IOCTL (1)
#define MICROPY_ENABLE_FINALISER (1) /* files that nobody closed */
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
        fn_poll();                        \
    }
#define MICROPY_VM_HOOK_LOOP MICROPY_VM_HOOK_POLL
#define MICROPY_VM_HOOK_RETURN MICROPY_VM_HOOK_POLL
#endif

/* every wait lets bytes in and may sleep until the next tick */
#define MICROPY_INTERNAL_EVENT_HOOK fn_poll()
#define MICROPY_INTERNAL_WFE(timeout_ms) fn_board_idle()

#define MP_STATE_PORT MP_STATE_VM
