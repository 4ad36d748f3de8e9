/* main.c: what runs after reset? MicroPython's prompt, again after every soft reset. */
#include "fn_board.h"
#include "fn_firmware.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"

/* Room below MicroPython's own stack limit for the C functions that do not check it, and for interrupts. */
#define STACK_MARGIN_BYTES 2048u
#define STACK_ABOVE_BYTES 256u /* what main() and its callers hold of the stack already */

uintptr_t fn_stack_bottom; /* see fn_run.h */

void gc_collect(void)
{
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

/* An exception outside every handler: cannot happen at the prompt; a fault, which the board tells of. */
void nlr_jump_fail(void *value)
{
    (void)value;
    __builtin_trap();
}

static void prompt(void)
{
    int leave = 0;
    while (!leave) {
        leave = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
    }
}

void fn_runtime(uint32_t *heap_start, uint32_t *heap_end, uint32_t stack_bytes)
{
    fn_stack_bottom = (uintptr_t)__builtin_frame_address(0) + STACK_ABOVE_BYTES - stack_bytes;
    mp_cstack_init_with_sp_here(stack_bytes - STACK_ABOVE_BYTES - STACK_MARGIN_BYTES);
    for (;;) {
        gc_init(heap_start, heap_end);
        mp_init();
        prompt();
        mp_hal_stdout_tx_str("MPY: soft reboot\r\n");
        gc_sweep_all();
        mp_deinit();
    }
}

#if !defined(ARDUINO)
extern uint32_t __heap_start[], __heap_end[], __stack_room_bytes[];

int main(void)
{
    fn_board_init();
    fn_runtime(__heap_start, __heap_end, (uint32_t)__stack_room_bytes);
    return 0;
}
#endif
