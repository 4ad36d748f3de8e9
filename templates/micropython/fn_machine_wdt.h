/* fn_machine_wdt.h: what is behind machine.WDT()? See machine_classes.c.
 *
 * Shortly before it resets a board whose program hangs, the board says where, or notes it: every family's watchdog is fed from
 * here alone.
 */
#ifndef FN_MACHINE_WDT_H
#define FN_MACHINE_WDT_H

#include "extmod/modmachine.h"
#include "fn_board.h"
#include "fn_machine.h"
#include "py/runtime.h"

struct _machine_wdt_obj_t {
    mp_obj_base_t base;
};

static const machine_wdt_obj_t the_watchdog = {{&machine_wdt_type}};

/* ---- who hangs ---- */

#if defined(ARDUINO) /* it is noted, and said after the reset */
#define WDT_LINE_MS 0u
#else
#define WDT_LINE_MS (160u * 10000u / FN_BAUD) /* of the line that is said; USB takes less */
#endif
#define WDT_LEAST_LEFT_MS (60u + WDT_LINE_MS)

static volatile uint32_t wdt_fed_ms, wdt_patience_ms; /* 0: there is nothing to tell */
static volatile bool wdt_has_told;

/* Some chips' watchdogs keep time badly: an eighth is left to them, a quarter at most, and nothing is told where that is too short. */
static uint32_t wdt_patience(uint32_t timeout_ms)
{
    const uint32_t eighth = timeout_ms / 8u, left = eighth > WDT_LEAST_LEFT_MS ? eighth : WDT_LEAST_LEFT_MS;
    return left <= timeout_ms / 4u ? timeout_ms - left : 0u;
}

static void wdt_is_fed(void)
{
    wdt_fed_ms = fn_board_ms();
    if (wdt_has_told) {
        wdt_has_told = false;
        fn_watchdog_is_due(0u);
    }
}

static int32_t wdt_start(uint32_t timeout_ms)
{
    const int32_t done = fn_watchdog_start(timeout_ms);
    if (done == 0) {
        wdt_is_fed();
        wdt_patience_ms = wdt_patience(timeout_ms);
    }
    return done;
}

/* In every tick. */
void machine_watchdog_look(void)
{
    const uint32_t unfed_ms = fn_board_ms() - wdt_fed_ms;
    if (wdt_patience_ms && !wdt_has_told && unfed_ms >= wdt_patience_ms) {
        wdt_has_told = true;
        fn_watchdog_is_due(unfed_ms);
    }
}

/* ---- the class ---- */

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms)
{
    if (id != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("there is one watchdog, WDT(0)"));
    }
    const int32_t done = timeout_ms > 0 ? wdt_start((uint32_t)timeout_ms) : FN_RANGE;
    if (done == FN_LACKS) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("this board has no watchdog"));
    }
    if (done == FN_RANGE) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the watchdog of this chip cannot wait %d ms"), (int)timeout_ms);
    }
    if (done < 0) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("the watchdog does not answer"));
    }
    return (machine_wdt_obj_t *)&the_watchdog;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self)
{
    (void)self;
    fn_watchdog_feed();
    wdt_is_fed();
}

#endif
