/* machine_pin.h: what is a Pin, for those who are given one? */
#ifndef FN_MACHINE_PIN_H
#define FN_MACHINE_PIN_H

#include "py/mphal.h"
#include "py/obj.h"

typedef struct machine_pin_obj {
    mp_obj_base_t base;
    uint32_t pin;
    uint8_t mode, pull; /* fn_pin_mode, fn_pin_pull */
    char name[10];      /* as it was asked for */
} machine_pin_obj;

machine_pin_obj *machine_pin_of(mp_obj_t given); /* a Pin, or the name of one; ValueError. More of it: mphalport.h */
void machine_pin_set_mode(machine_pin_obj *self, int mode, int pull);
NORETURN void machine_pin_lacks(const machine_pin_obj *self, const char *what); /* ValueError: PA5 has no … */

void machine_pins_look(void);   /* calls what waits for a change, in every tick */
void machine_pins_forget(void); /* before a soft reset */

extern mp_int_t machine_reset_cause_code;
#if MICROPY_PY_MACHINE
void machine_begin(int soft); /* before the first line of Python, and after every soft reset */
void machine_end(void);       /* before a soft reset */
#else
#define machine_begin(soft) (void)(soft)
#define machine_end() (void)0
#endif

#endif
