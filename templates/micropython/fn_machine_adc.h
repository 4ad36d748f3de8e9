/* fn_machine_adc.h: what is behind machine.ADC(pin)? See machine_classes.c. */
#ifndef FN_MACHINE_ADC_H
#define FN_MACHINE_ADC_H

#include "extmod/modmachine.h"
#include "fn_machine.h"
#include "machine_pin.h"
#include "py/runtime.h"

struct _machine_adc_obj_t {
    mp_obj_base_t base;
    machine_pin_obj *pin;
};

NORETURN static void adc_is_silent(void)
{
    mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("the converter does not answer"));
}

static void mp_machine_adc_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind)
{
    (void)kind;
    const machine_adc_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "ADC('%s')", self->pin->name);
}

static mp_obj_t mp_machine_adc_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    machine_adc_obj_t *self = mp_obj_malloc(machine_adc_obj_t, type);
    self->pin = machine_pin_of(args[0]);
    const int32_t done = fn_adc_open(self->pin->pin);
    if (done == FN_SILENT) {
        adc_is_silent();
    }
    if (done < 0) {
        machine_pin_lacks(self->pin, "analog input");
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_int_t mp_machine_adc_read_u16(machine_adc_obj_t *self)
{
    const int32_t read = fn_adc_read(self->pin->pin);
    if (read < 0) {
        adc_is_silent();
    }
    return read;
}

#endif
