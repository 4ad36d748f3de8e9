/* fn_machine_port.h: what does MicroPython's machine module ask of a port beside its classes? See machine_classes.c. */
#ifndef FN_MACHINE_PORT_H
#define FN_MACHINE_PORT_H

#include "extmod/modmachine.h"
#include "fn_machine.h"
#include "machine_pin.h"
#include "py/mphal.h"
#include "py/runtime.h"

static void mp_machine_idle(void)
{
    mp_event_wait_ms(1);
}

NORETURN static void mp_machine_reset(void)
{
    fn_reset();
}

NORETURN void mp_machine_bootloader(size_t n_args, const mp_obj_t *args)
{
    (void)n_args, (void)args;
    fn_bootloader();
    mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("this board has no bootloader that it could start: its probe writes it"));
}

static mp_int_t mp_machine_reset_cause(void)
{
    return machine_reset_cause_code;
}

static mp_obj_t mp_machine_unique_id(void)
{
    uint8_t id[FN_ID_BYTES];
    return mp_obj_new_bytes(id, fn_unique_id(id));
}

static mp_obj_t mp_machine_get_freq(void)
{
    return mp_obj_new_int_from_uint(fn_core_hz());
}

static void mp_machine_set_freq(size_t n_args, const mp_obj_t *args)
{
    (void)n_args, (void)args;
    mp_raise_ValueError(MP_ERROR_TEXT("the clock is set as the board starts, and stays: 'clock_hz' in its board file"));
}

/* The core sleeps until each tick; peripherals go on. Without a time: until something happens. */
static void mp_machine_lightsleep(size_t n_args, const mp_obj_t *args)
{
    if (n_args) {
        mp_hal_delay_ms((mp_uint_t)mp_obj_get_int(args[0]));
    } else {
        mp_event_wait_ms(1);
    }
}

NORETURN static void mp_machine_deepsleep(size_t n_args, const mp_obj_t *args)
{
    (void)n_args, (void)args;
    mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("this firmware has no deep sleep: lightsleep(ms) sleeps"));
}

#endif
