/* fn_machine_pwm.h: what is behind machine.PWM(pin)? See machine_classes.c. */
#ifndef FN_MACHINE_PWM_H
#define FN_MACHINE_PWM_H

#include <string.h>

#include "extmod/modmachine.h"
#include "fn_machine.h"
#include "machine_pin.h"
#include "py/runtime.h"

#define FULL 65535
#define NS_PER_S 1000000000ull

struct _machine_pwm_obj_t {
    mp_obj_base_t base;
    machine_pin_obj *pin;
    uint32_t hz;        /* 0: not yet set, and nothing runs */
    int32_t duty;       /* of FULL, or -1 where duty_ns counts */
    uint32_t duty_ns;
};

/* Which pins have one, so that a soft reset finds the others as they were. */
static uint32_t in_use[8];

static void remember(uint32_t pin, bool used)
{
    if (pin / 32u < MP_ARRAY_SIZE(in_use)) {
        in_use[pin / 32u] = (in_use[pin / 32u] & ~(1u << pin % 32u)) | (uint32_t)used << pin % 32u;
    }
}

void machine_pwm_stop_all(void);
void machine_pwm_stop_all(void)
{
    for (uint32_t pin = 0; pin < 32u * MP_ARRAY_SIZE(in_use); pin++) {
        if (in_use[pin / 32u] >> pin % 32u & 1u) {
            fn_pwm_stop(pin);
        }
    }
    memset(in_use, 0, sizeof in_use);
}

static uint32_t pwm_duty(const machine_pwm_obj_t *self)
{
    if (self->duty >= 0) {
        return (uint32_t)self->duty;
    }
    const uint64_t duty = ((uint64_t)self->duty_ns * self->hz * FULL + NS_PER_S / 2u) / NS_PER_S;
    return duty > FULL ? FULL : (uint32_t)duty;
}

static void pwm_apply(machine_pwm_obj_t *self)
{
    if (!self->hz) {
        return;
    }
    const int32_t done = fn_pwm_set(self->pin->pin, self->hz, pwm_duty(self));
    if (done == FN_RANGE) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("the timer of pin '%s' cannot run at %u Hz"), self->pin->name,
            (unsigned)self->hz);
    }
    if (done < 0) {
        machine_pin_lacks(self->pin, "PWM");
    }
    remember(self->pin->pin, true);
}

static void mp_machine_pwm_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind)
{
    (void)kind;
    const machine_pwm_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "PWM('%s', freq=%u, duty_u16=%u)", self->pin->name, (unsigned)self->hz, (unsigned)pwm_duty(self));
}

static void take_hz(machine_pwm_obj_t *self, mp_int_t hz)
{
    if (hz < 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("a frequency is 1 Hz or more"));
    }
    self->hz = (uint32_t)hz;
}

static void take_duty(machine_pwm_obj_t *self, mp_int_t duty)
{
    if (duty < 0 || duty > FULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("duty_u16 is 0 to 65535"));
    }
    self->duty = (int32_t)duty;
}

static void take_ns(machine_pwm_obj_t *self, mp_int_t ns)
{
    if (ns < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("duty_ns is 0 or more"));
    }
    self->duty = -1;
    self->duty_ns = (uint32_t)ns;
}

static void mp_machine_pwm_init_helper(machine_pwm_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args)
{
    enum { FREQ, DUTY_U16, DUTY_NS };
    static const mp_arg_t allowed[] = {
        {MP_QSTR_freq, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_duty_u16, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_duty_ns, MP_ARG_INT, {.u_int = -1}},
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, given);
    if (given[FREQ].u_int != -1) {
        take_hz(self, given[FREQ].u_int);
    }
    if (given[DUTY_U16].u_int != -1) {
        take_duty(self, given[DUTY_U16].u_int);
    } else if (given[DUTY_NS].u_int != -1) {
        take_ns(self, given[DUTY_NS].u_int);
    }
    pwm_apply(self);
}

static mp_obj_t mp_machine_pwm_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    machine_pwm_obj_t *self = mp_obj_malloc(machine_pwm_obj_t, type);
    self->pin = machine_pin_of(args[0]);
    self->hz = 0;
    self->duty = 0;
    self->duty_ns = 0;
    mp_map_t kw_args;
    mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
    mp_machine_pwm_init_helper(self, n_args - 1, args + 1, &kw_args);
    return MP_OBJ_FROM_PTR(self);
}

static void mp_machine_pwm_deinit(machine_pwm_obj_t *self)
{
    fn_pwm_stop(self->pin->pin);
    remember(self->pin->pin, false);
    self->hz = 0;
}

static mp_obj_t mp_machine_pwm_freq_get(machine_pwm_obj_t *self)
{
    return mp_obj_new_int_from_uint(self->hz);
}

static void mp_machine_pwm_freq_set(machine_pwm_obj_t *self, mp_int_t freq)
{
    take_hz(self, freq);
    pwm_apply(self);
}

static mp_obj_t mp_machine_pwm_duty_get_u16(machine_pwm_obj_t *self)
{
    return mp_obj_new_int_from_uint(pwm_duty(self));
}

static void mp_machine_pwm_duty_set_u16(machine_pwm_obj_t *self, mp_int_t duty)
{
    take_duty(self, duty);
    pwm_apply(self);
}

static mp_obj_t mp_machine_pwm_duty_get_ns(machine_pwm_obj_t *self)
{
    const uint64_t whole = (uint64_t)pwm_duty(self) * NS_PER_S;
    return mp_obj_new_int_from_uint(self->duty < 0 || !self->hz ? self->duty_ns : (uint32_t)(whole / FULL / self->hz));
}

static void mp_machine_pwm_duty_set_ns(machine_pwm_obj_t *self, mp_int_t ns)
{
    take_ns(self, ns);
    pwm_apply(self);
}

#endif
