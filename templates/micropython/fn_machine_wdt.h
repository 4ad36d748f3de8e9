/* fn_machine_wdt.h: what is behind machine.WDT()? See machine_classes.c. */
#ifndef FN_MACHINE_WDT_H
#define FN_MACHINE_WDT_H

#include "extmod/modmachine.h"
#include "fn_machine.h"
#include "py/runtime.h"

struct _machine_wdt_obj_t {
    mp_obj_base_t base;
};

static const machine_wdt_obj_t the_watchdog = {{&machine_wdt_type}};

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms)
{
    if (id != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("there is one watchdog, WDT(0)"));
    }
    const int32_t done = timeout_ms > 0 ? fn_watchdog_start((uint32_t)timeout_ms) : FN_RANGE;
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
}

#endif
