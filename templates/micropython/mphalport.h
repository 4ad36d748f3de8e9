/* mphalport.h: what does MicroPython need of interrupts and pins? The former by PRIMASK, the latter as machine_pin.c has them. */
#include <stdint.h>

#include "shared/runtime/interrupt_char.h"

/* What follows must not be interrupted by what delivers bytes and ticks. */
static inline uint32_t fn_interrupts_off(void)
{
#if defined(__arm__)
    uint32_t before;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(before)::"memory");
    return before;
#else
    return 0;
#endif
}

static inline void fn_interrupts_as(uint32_t before)
{
#if defined(__arm__)
    __asm volatile("msr primask, %0" ::"r"(before) : "memory");
#else
    (void)before;
#endif
}

#define MICROPY_BEGIN_ATOMIC_SECTION() fn_interrupts_off()
#define MICROPY_END_ATOMIC_SECTION(before) fn_interrupts_as(before)

/* shared/runtime/softtimer.c runs where Python runs: see machine.c */
#define MICROPY_PY_PENDSV_ENTER
#define MICROPY_PY_PENDSV_EXIT

/* SoftI2C, SoftSPI and time_pulse_us hold Pins. A bus without resistors of its own is pulled up by the chip. */
struct machine_pin_obj;
struct machine_pin_obj *machine_pin_of(void *given);
int machine_pin_read(const struct machine_pin_obj *self);
void machine_pin_write(const struct machine_pin_obj *self, int high);
const char *machine_pin_name(const struct machine_pin_obj *self);
void machine_pin_input(struct machine_pin_obj *self);
void machine_pin_output(struct machine_pin_obj *self);
void machine_pin_open_drain(struct machine_pin_obj *self);

#define MP_HAL_PIN_FMT "%s"
#define mp_hal_pin_obj_t struct machine_pin_obj *
#define mp_hal_get_pin_obj(given) machine_pin_of(given)
#define mp_hal_pin_name(pin) machine_pin_name(pin)
#define mp_hal_pin_read(pin) machine_pin_read(pin)
#define mp_hal_pin_write(pin, high) machine_pin_write(pin, high)
#define mp_hal_pin_input(pin) machine_pin_input(pin)
#define mp_hal_pin_output(pin) machine_pin_output(pin)
#define mp_hal_pin_open_drain(pin) machine_pin_open_drain(pin)
#define mp_hal_pin_od_low(pin) machine_pin_write(pin, 0)
#define mp_hal_pin_od_high(pin) machine_pin_write(pin, 1)
#define mp_hal_delay_us_fast(us) mp_hal_delay_us(us)
