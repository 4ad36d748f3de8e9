/* machine_bus.c: what are machine.I2C(id) and machine.SPI(id)? SoftI2C and SoftSPI on the pins that the board file gives a bus. */
#include <string.h>

#include "extmod/modmachine.h"
#include "fn_machine.h"
#include "machine_pin.h"
#include "py/runtime.h"

#if MICROPY_PY_MACHINE

static mp_obj_t text(const char *name)
{
    return mp_obj_new_str(name, strlen(name));
}

NORETURN static void no_bus(const char *kind, int32_t id, int32_t first)
{
    if (first < 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("this board's file names no pins for %s: Soft%s takes any"), kind, kind);
    }
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no %s(%d): this board has %s(%d)"), kind, (int)id, kind, (int)first);
}

#define HELD_US 1000u

/* A line that is held low would let scan() wait for each of its addresses. */
static mp_obj_t free_bus(mp_obj_t bus)
{
    const mp_machine_soft_i2c_obj_t *self = MP_OBJ_TO_PTR(bus);
    const mp_uint_t start = mp_hal_ticks_us();
    while (!machine_pin_read(self->scl)) {
        if (mp_hal_ticks_us() - start >= HELD_US) {
            mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("SCL, pin '%s', stays low: what holds it?"), self->scl->name);
        }
    }
    return bus;
}

/* I2C(id, *, scl, sda, freq=400000, timeout=50000): without id the first; pins given take the place of the board's. */
static mp_obj_t i2c_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args)
{
    (void)type;
    enum { ID, SCL, SDA, FREQ, TIMEOUT };
    static const mp_arg_t allowed[] = {
        {MP_QSTR_id, MP_ARG_INT, {.u_int = FN_LACKS}},
        {MP_QSTR_scl, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
        {MP_QSTR_sda, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
        {MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 400000}},
        {MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 50000}},
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed), allowed, given);
    const fn_i2c_pins *bus = fn_i2c_buses;
    while (bus->id >= 0 && given[ID].u_int != FN_LACKS && bus->id != given[ID].u_int) {
        bus++;
    }
    const bool both = given[SCL].u_obj != MP_OBJ_NULL && given[SDA].u_obj != MP_OBJ_NULL;
    if (bus->id < 0 && !(both && fn_i2c_buses[0].id < 0)) {
        no_bus("I2C", (int32_t)given[ID].u_int, fn_i2c_buses[0].id);
    }
    const mp_obj_t made[] = {
        given[SCL].u_obj != MP_OBJ_NULL ? given[SCL].u_obj : text(bus->scl),
        given[SDA].u_obj != MP_OBJ_NULL ? given[SDA].u_obj : text(bus->sda),
        MP_OBJ_NEW_QSTR(MP_QSTR_freq),
        mp_obj_new_int(given[FREQ].u_int),
        MP_OBJ_NEW_QSTR(MP_QSTR_timeout),
        mp_obj_new_int(given[TIMEOUT].u_int),
    };
    return free_bus(MP_OBJ_TYPE_GET_SLOT(&mp_machine_soft_i2c_type, make_new)(&mp_machine_soft_i2c_type, 2, 2, made));
}

MP_DEFINE_CONST_OBJ_TYPE(
    machine_i2c_type, MP_QSTR_I2C, MP_TYPE_FLAG_NONE, make_new, i2c_make_new, locals_dict, &mp_machine_i2c_locals_dict);

/* SPI(id, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=SPI.MSB, sck, mosi, miso) */
static mp_obj_t spi_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args)
{
    (void)type;
    enum { ID, BAUDRATE, POLARITY, PHASE, BITS, FIRSTBIT, SCK, MOSI, MISO };
    static const mp_arg_t allowed[] = {
        {MP_QSTR_id, MP_ARG_INT, {.u_int = FN_LACKS}},
        {MP_QSTR_baudrate, MP_ARG_INT, {.u_int = 1000000}},
        {MP_QSTR_polarity, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
        {MP_QSTR_phase, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
        {MP_QSTR_bits, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 8}},
        {MP_QSTR_firstbit, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = MICROPY_PY_MACHINE_SPI_MSB}},
        {MP_QSTR_sck, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
        {MP_QSTR_mosi, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
        {MP_QSTR_miso, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed), allowed, given);
    const fn_spi_pins *bus = fn_spi_buses;
    while (bus->id >= 0 && given[ID].u_int != FN_LACKS && bus->id != given[ID].u_int) {
        bus++;
    }
    const bool all = given[SCK].u_obj != MP_OBJ_NULL && given[MOSI].u_obj != MP_OBJ_NULL && given[MISO].u_obj != MP_OBJ_NULL;
    if (bus->id < 0 && !(all && fn_spi_buses[0].id < 0)) {
        no_bus("SPI", (int32_t)given[ID].u_int, fn_spi_buses[0].id);
    }
    const mp_obj_t made[] = {
        mp_obj_new_int(given[BAUDRATE].u_int),
        MP_OBJ_NEW_QSTR(MP_QSTR_polarity),
        mp_obj_new_int(given[POLARITY].u_int),
        MP_OBJ_NEW_QSTR(MP_QSTR_phase),
        mp_obj_new_int(given[PHASE].u_int),
        MP_OBJ_NEW_QSTR(MP_QSTR_bits),
        mp_obj_new_int(given[BITS].u_int),
        MP_OBJ_NEW_QSTR(MP_QSTR_firstbit),
        mp_obj_new_int(given[FIRSTBIT].u_int),
        MP_OBJ_NEW_QSTR(MP_QSTR_sck),
        given[SCK].u_obj != MP_OBJ_NULL ? given[SCK].u_obj : text(bus->sck),
        MP_OBJ_NEW_QSTR(MP_QSTR_mosi),
        given[MOSI].u_obj != MP_OBJ_NULL ? given[MOSI].u_obj : text(bus->mosi),
        MP_OBJ_NEW_QSTR(MP_QSTR_miso),
        given[MISO].u_obj != MP_OBJ_NULL ? given[MISO].u_obj : text(bus->miso),
    };
    return MP_OBJ_TYPE_GET_SLOT(&mp_machine_soft_spi_type, make_new)(&mp_machine_soft_spi_type, 1, 7, made);
}

MP_DEFINE_CONST_OBJ_TYPE(
    machine_spi_type, MP_QSTR_SPI, MP_TYPE_FLAG_NONE, make_new, spi_make_new, locals_dict, &mp_machine_spi_locals_dict);

#endif
