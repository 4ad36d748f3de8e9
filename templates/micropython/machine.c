/* machine.c: when does what machine started begin and end? Timers with the tick, all of it with a soft reset; no import needed. */
#include "fn_board.h"
#include "fn_machine.h"
#include "machine_pin.h"
#include "py/runtime.h"

#if MICROPY_PY_MACHINE

#include "shared/runtime/softtimer.h"

mp_int_t machine_reset_cause_code;

/* ---- Timers: MicroPython's own, woken by the tick. Its heap is touched between instructions of Python alone. ---- */

static volatile uint32_t alarm_ms;
static volatile bool alarm_is_set;
static mp_sched_node_t alarm_node;

static void alarm_rings(mp_sched_node_t *node)
{
    (void)node;
    soft_timer_handler();
}

void machine_watchdog_look(void);

void fn_tick(void)
{
    machine_watchdog_look();
    if (alarm_is_set && (int32_t)(fn_board_ms() - alarm_ms) >= 0) {
        alarm_is_set = false;
        mp_sched_schedule_node(&alarm_node, alarm_rings);
    }
    machine_pins_look();
}

uint32_t soft_timer_get_ms(void)
{
    return fn_board_ms();
}

void soft_timer_schedule_at_ms(uint32_t ms)
{
    alarm_is_set = false;
    alarm_ms = ms;
    alarm_is_set = true;
}

/* ---- the beginning and the end ---- */

void machine_pwm_stop_all(void);

void machine_begin(int soft)
{
    machine_reset_cause_code = soft ? FN_SOFT : fn_why_reset();
}

void machine_end(void)
{
    alarm_is_set = false;
    soft_timer_deinit();
    machine_pins_forget();
    machine_pwm_stop_all();
    fn_uart_close();
}

#endif
