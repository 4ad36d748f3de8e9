/* main.c: what runs after reset? The user's programs, then MicroPython's prompt; again after every soft reset. */
#include "fn_board.h"
#include "fn_files.h"
#include "fn_firmware.h"
#include "machine_pin.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/frozenmod.h"
#include "py/runtime.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "shared/runtime/softtimer.h"

/* Room below MicroPython's own stack limit for the C functions that do not check it, and for interrupts. */
#define STACK_MARGIN_BYTES 2048u
#define STACK_ABOVE_BYTES 256u /* what main() and its callers hold of the stack already */

uintptr_t fn_stack_bottom; /* see fn_run.h */

void gc_collect(void)
{
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
#if MICROPY_PY_MACHINE
    soft_timer_gc_mark_all();
#endif
    gc_collect_end();
}

/* An exception outside every handler: cannot happen at the prompt; a fault, which the board tells of. */
void nlr_jump_fail(void *value)
{
    (void)value;
    __builtin_trap();
}

/* boot.py, then the app or main.py, as MicroPython's own boards do it: what is frozen comes before a file of that name, and
 * a soft reset at the raw prompt starts boot.py alone. Returns whether a program asked for a soft reset. */
static int run_programs(void)
{
    int ended = pyexec_file_if_exists("boot.py");
    if (!(ended & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL) {
        if (fn_app) {
            mp_printf(&mp_plat_print, "running %s: Ctrl-C stops it\n", fn_app);
        }
        ended = pyexec_file_if_exists(fn_app ? fn_app : "main.py");
    }
    return ended & PYEXEC_FORCED_EXIT;
}

/* So long after a reset: Ctrl-C held down then leaves a prompt, whatever program lies in the file system. Without it, one that
 * lets no Ctrl-C through, or crashes, would be there for ever. */
#define HOLD_MS 300u

static int is_there(const char *file)
{
    return mp_find_frozen_module(file, NULL, NULL) == MP_IMPORT_STAT_FILE || mp_import_stat(file) == MP_IMPORT_STAT_FILE;
}

static int is_held(void)
{
    const uint32_t since = fn_board_ms();
    const int waits = is_there("boot.py") || is_there(fn_app ? fn_app : "main.py");
    while (waits && fn_boot == FN_BOOTS && fn_board_ms() - since < HOLD_MS) {
        fn_board_poll();
        fn_board_idle();
    }
    const int held = waits && fn_boot == FN_BOOTS_HELD;
    fn_boot = FN_BOOTED;
    if (held) {
        mp_hal_stdout_tx_str("MPY: Ctrl-C at reset, no program is started\r\n");
    }
    return held;
}

/* A frozen module does it, which a MicroPython without a model has not. */
static int mounts_files(void)
{
    return mp_find_frozen_module("firmnet_files.py", NULL, NULL) == MP_IMPORT_STAT_FILE;
}

static void mount_files(void)
{
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_import_name(MP_QSTR_firmnet_files, mp_const_none, MP_OBJ_NEW_SMALL_INT(0));
        nlr_pop();
    } else {
        mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(nlr.ret_val));
    }
}

static void prompt(void)
{
    int leave = 0;
    while (!leave) {
        if (pyexec_mode_kind == PYEXEC_MODE_RAW_REPL) {
            leave = pyexec_raw_repl();
        } else {
            fn_hold(0); /* what the host held at the raw prompt */
            leave = pyexec_friendly_repl();
        }
    }
}

/* Until a soft reset. Returns whether that was forced on a program that would not end: then none is started. */
static int run(int with_programs)
{
    nlr_buf_t abort;
    if (nlr_push(&abort) != 0) { /* mphal.c: Ctrl-C again and again */
        nlr_set_abort(NULL);
        fn_program_runs = 0;
        mp_hal_set_interrupt_char(-1);
        mp_hal_stdout_tx_str("\r\nMPY: what catches Ctrl-C was stopped\r\n");
        return 1;
    }
    nlr_set_abort(&abort);
    if (mounts_files()) {
        mount_files();
    }
    const int held = fn_boot != FN_BOOTED && is_held();
    fn_program_runs = with_programs && !held;
    const int again = fn_program_runs && run_programs();
    fn_program_runs = 0;
    if (!again) {
        prompt();
    }
    nlr_set_abort(NULL);
    nlr_pop();
    return 0;
}

void fn_runtime(uint32_t *heap_start, uint32_t *heap_end, uint32_t stack_bytes)
{
    fn_stack_bottom = (uintptr_t)__builtin_frame_address(0) + STACK_ABOVE_BYTES - stack_bytes;
    mp_cstack_init_with_sp_here(stack_bytes - STACK_ABOVE_BYTES - STACK_MARGIN_BYTES);
    if (mounts_files()) {
        heap_end = fn_files_begin(heap_start, heap_end);
    }
    for (int stopped = 0, soft = 0;; soft = 1) {
        gc_init(heap_start, heap_end);
        mp_init();
        fn_held = 0;
        machine_begin(soft);
        stopped = run(!stopped);
        mp_hal_stdout_tx_str("MPY: soft reboot\r\n");
        machine_end();
        gc_sweep_all();
        mp_deinit();
    }
}

#if !defined(ARDUINO)
extern uint32_t __heap_start[], __heap_end[], __stack_room_bytes[];
extern const uint8_t __image_end[];

uint32_t fn_image_end(void)
{
    return (uint32_t)__image_end;
}

int main(void)
{
    fn_board_init();
    fn_runtime(__heap_start, __heap_end, (uint32_t)__stack_room_bytes);
    return 0;
}
#endif
