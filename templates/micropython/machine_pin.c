/* machine_pin.c: what is machine.Pin? A pin by the name that is printed on the board, over fn_machine.h. */
#include <stdio.h>
#include <string.h>

#include "extmod/modmachine.h"
#include "extmod/virtpin.h"
#include "fn_machine.h"
#include "machine_pin.h"
#include "py/mphal.h"
#include "py/runtime.h"

#if MICROPY_PY_MACHINE

#include "shared/runtime/mpirq.h"

#define AS_IT_IS 0xFFu /* a mode that nobody has set */

static int32_t numbered(mp_int_t number)
{
    const int32_t pin = number >= 0 ? fn_pin_numbered((uint32_t)number) : FN_LACKS;
    if (pin < 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("this board has no pin %d: give its name, as 'LED'"), (int)number);
    }
    return pin;
}

static int32_t named(const char *name)
{
    const int32_t pin = fn_pin_named(name);
    if (pin < 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("this board has no pin '%s'"), name);
    }
    return pin;
}

machine_pin_obj *machine_pin_of(mp_obj_t given)
{
    if (mp_obj_is_type(given, &machine_pin_type)) {
        return MP_OBJ_TO_PTR(given);
    }
    char digits[10];
    const char *name = digits;
    int32_t pin;
    if (mp_obj_is_int(given)) {
        const mp_int_t number = mp_obj_get_int(given);
        pin = numbered(number);
        snprintf(digits, sizeof digits, "%d", (int)number);
    } else {
        name = mp_obj_str_get_str(given);
        pin = named(name);
    }
    machine_pin_obj *made = mp_obj_malloc(machine_pin_obj, &machine_pin_type);
    made->pin = (uint32_t)pin;
    made->mode = AS_IT_IS;
    made->pull = FN_PULL_NONE;
    strncpy(made->name, name, sizeof made->name - 1u);
    made->name[sizeof made->name - 1u] = 0;
    return made;
}

void machine_pin_set_mode(machine_pin_obj *self, int mode, int pull)
{
    if (mode < FN_IN || mode > FN_OPEN_DRAIN) {
        mp_raise_ValueError(MP_ERROR_TEXT("a pin's mode is Pin.IN, Pin.OUT or Pin.OPEN_DRAIN"));
    }
    if (pull < FN_PULL_NONE || pull > FN_PULL_DOWN) {
        mp_raise_ValueError(MP_ERROR_TEXT("a pin's pull is None, Pin.PULL_UP or Pin.PULL_DOWN"));
    }
    if (fn_pin_set(self->pin, (fn_pin_mode)mode, (fn_pin_pull)pull) < 0) {
        machine_pin_lacks(self, "such pull");
    }
    self->mode = (uint8_t)mode;
    self->pull = (uint8_t)pull;
}

int machine_pin_read(const machine_pin_obj *self)
{
    return fn_pin_read(self->pin);
}

void machine_pin_write(const machine_pin_obj *self, int high)
{
    fn_pin_write(self->pin, high);
}

const char *machine_pin_name(const machine_pin_obj *self)
{
    return self->name;
}

void machine_pin_input(machine_pin_obj *self)
{
    machine_pin_set_mode(self, FN_IN, FN_PULL_NONE);
}

void machine_pin_output(machine_pin_obj *self)
{
    machine_pin_set_mode(self, FN_OUT, FN_PULL_NONE);
}

void machine_pin_open_drain(machine_pin_obj *self)
{
    fn_pin_write(self->pin, 1); /* let go of */
    machine_pin_set_mode(self, FN_OPEN_DRAIN, FN_PULL_UP);
}

NORETURN void machine_pin_lacks(const machine_pin_obj *self, const char *what)
{
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("pin '%s' has no %s"), self->name, what);
}

/* ---- what happens at pins: looked at in every tick, so a change that lasts less may be missed ---- */

#define WATCHED 8u

enum { RISING = 1, FALLING = 2 };

typedef struct watch {
    uint32_t pin;
    volatile uint8_t trigger; /* 0: nothing is waited for */
    uint8_t level, flags;
} watch;

static watch watches[WATCHED];

MP_REGISTER_ROOT_POINTER(void *machine_pin_irqs[8]); /* of each watch the mp_irq_obj_t */
#define IRQ(i) ((mp_irq_obj_t *)MP_STATE_PORT(machine_pin_irqs)[i])

/* In an interrupt, or in a wait. */
void machine_pins_look(void)
{
    for (uint32_t i = 0; i < WATCHED; i++) {
        watch *const it = &watches[i];
        if (it->trigger) {
            const uint8_t level = (uint8_t)fn_pin_read(it->pin), edge = level ? RISING : FALLING;
            if (level != it->level) {
                it->level = level;
                if (it->trigger & edge) {
                    it->flags = edge;
                    mp_irq_handler(IRQ(i));
                }
            }
        }
    }
}

void machine_pins_forget(void)
{
    for (uint32_t i = 0; i < WATCHED; i++) {
        watches[i].trigger = 0;
        MP_STATE_PORT(machine_pin_irqs)[i] = NULL;
    }
}

/* The pin's, else a free one. */
static uint32_t watch_of(const machine_pin_obj *self)
{
    uint32_t unused = WATCHED;
    for (uint32_t i = WATCHED; i-- > 0u;) {
        if (!IRQ(i)) {
            unused = i;
        } else if (watches[i].pin == self->pin) {
            return i;
        }
    }
    return unused;
}

static mp_uint_t irq_trigger(mp_obj_t self_in, mp_uint_t trigger)
{
    watch *const it = &watches[watch_of(MP_OBJ_TO_PTR(self_in))];
    it->trigger = 0;
    it->level = (uint8_t)fn_pin_read(it->pin);
    it->trigger = (uint8_t)(trigger & (RISING | FALLING));
    return 0;
}

static mp_uint_t irq_info(mp_obj_t self_in, mp_uint_t what)
{
    const watch *const it = &watches[watch_of(MP_OBJ_TO_PTR(self_in))];
    return what == MP_IRQ_INFO_FLAGS ? it->flags : it->trigger;
}

static const mp_irq_methods_t irq_methods = {.trigger = irq_trigger, .info = irq_info};

/* irq(handler=None, trigger=Pin.IRQ_RISING | Pin.IRQ_FALLING, hard=False) */
static mp_obj_t pin_irq(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args)
{
    enum { HANDLER, TRIGGER, HARD };
    static const mp_arg_t allowed[] = {
        {MP_QSTR_handler, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_trigger, MP_ARG_INT, {.u_int = RISING | FALLING}},
        {MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, {.u_bool = false}},
    };
    machine_pin_obj *self = MP_OBJ_TO_PTR(args[0]);
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, args + 1, kw_args, MP_ARRAY_SIZE(allowed), allowed, given);
    if (given[HARD].u_bool) {
        mp_raise_ValueError(MP_ERROR_TEXT("a pin's function runs between instructions here: hard=False"));
    }
    const uint32_t i = watch_of(self);
    if (i == WATCHED) {
        mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("%d pins are watched already"), (int)WATCHED);
    }
    if (!IRQ(i)) {
        mp_irq_obj_t *made = mp_irq_new(&irq_methods, args[0]);
        watches[i].pin = self->pin;
        MP_STATE_PORT(machine_pin_irqs)[i] = made;
    }
    if (n_args > 1 || kw_args->used) {
        irq_trigger(args[0], 0);
        IRQ(i)->parent = args[0];
        IRQ(i)->handler = given[HANDLER].u_obj;
        irq_trigger(args[0], given[HANDLER].u_obj == mp_const_none ? 0u : (mp_uint_t)given[TRIGGER].u_int);
    }
    return MP_OBJ_FROM_PTR(IRQ(i));
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_irq_obj, 1, pin_irq);

/* ---- Pin ---- */

static void pin_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind)
{
    (void)kind;
    static const char *const modes[] = {"IN", "OUT", "OPEN_DRAIN"};
    static const char *const pulls[] = {"", ", PULL_UP", ", PULL_DOWN"};
    const machine_pin_obj *self = MP_OBJ_TO_PTR(self_in);
    if (self->mode == AS_IT_IS) {
        mp_printf(print, "Pin('%s')", self->name);
    } else {
        mp_printf(print, "Pin('%s', %s%s)", self->name, modes[self->mode], pulls[self->pull]);
    }
}

/* The value is there before the pin is driven, so that no other is ever seen. */
static void pin_set_up(machine_pin_obj *self, size_t n_args, const mp_obj_t *args, mp_map_t *kw_args)
{
    enum { MODE, PULL, VALUE };
    static const mp_arg_t allowed[] = {
        {MP_QSTR_mode, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_pull, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, args, kw_args, MP_ARRAY_SIZE(allowed), allowed, given);
    if (given[VALUE].u_obj != MP_OBJ_NULL) {
        fn_pin_write(self->pin, mp_obj_is_true(given[VALUE].u_obj));
    }
    const mp_obj_t pull = given[PULL].u_obj;
    if (given[MODE].u_int >= 0) {
        machine_pin_set_mode(self, (int)given[MODE].u_int, pull == mp_const_none ? FN_PULL_NONE : (int)mp_obj_get_int(pull));
    }
}

mp_obj_t mp_pin_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    machine_pin_obj *self = machine_pin_of(args[0]);
    mp_map_t kw_args;
    mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
    pin_set_up(self, n_args - 1, args + 1, &kw_args);
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t pin_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args)
{
    pin_set_up(MP_OBJ_TO_PTR(args[0]), n_args - 1, args + 1, kw_args);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_init_obj, 1, pin_init);

static mp_obj_t pin_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    const machine_pin_obj *self = MP_OBJ_TO_PTR(self_in);
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    if (n_args == 0) {
        return MP_OBJ_NEW_SMALL_INT(fn_pin_read(self->pin));
    }
    fn_pin_write(self->pin, mp_obj_is_true(args[0]));
    return mp_const_none;
}

static mp_obj_t pin_value(size_t n_args, const mp_obj_t *args)
{
    return pin_call(args[0], n_args - 1, 0, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static mp_obj_t pin_on(mp_obj_t self_in)
{
    machine_pin_write(MP_OBJ_TO_PTR(self_in), 1);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_on_obj, pin_on);

static mp_obj_t pin_off(mp_obj_t self_in)
{
    machine_pin_write(MP_OBJ_TO_PTR(self_in), 0);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_off_obj, pin_off);

static mp_obj_t pin_toggle(mp_obj_t self_in)
{
    const machine_pin_obj *self = MP_OBJ_TO_PTR(self_in);
    fn_pin_write(self->pin, !fn_pin_driven(self->pin));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_toggle_obj, pin_toggle);

static mp_uint_t pin_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode)
{
    (void)errcode;
    const machine_pin_obj *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
    case MP_PIN_READ:
        return (mp_uint_t)fn_pin_read(self->pin);
    case MP_PIN_WRITE:
        fn_pin_write(self->pin, arg != 0);
        return 0;
    default:
        return (mp_uint_t)-1;
    }
}

static const mp_rom_map_elem_t pin_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj)},
    {MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_high), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_low), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_toggle), MP_ROM_PTR(&pin_toggle_obj)},
    {MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&pin_irq_obj)},
    {MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(FN_IN)},
    {MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(FN_OUT)},
    {MP_ROM_QSTR(MP_QSTR_OPEN_DRAIN), MP_ROM_INT(FN_OPEN_DRAIN)},
    {MP_ROM_QSTR(MP_QSTR_PULL_UP), MP_ROM_INT(FN_PULL_UP)},
    {MP_ROM_QSTR(MP_QSTR_PULL_DOWN), MP_ROM_INT(FN_PULL_DOWN)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_RISING), MP_ROM_INT(RISING)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_FALLING), MP_ROM_INT(FALLING)},
};
static MP_DEFINE_CONST_DICT(pin_locals, pin_locals_table);

static const mp_pin_p_t pin_protocol = {.ioctl = pin_ioctl};

MP_DEFINE_CONST_OBJ_TYPE(machine_pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE, make_new, mp_pin_make_new, print, pin_print, call,
    pin_call, protocol, &pin_protocol, locals_dict, &pin_locals);

#endif
