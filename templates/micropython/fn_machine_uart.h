/* fn_machine_uart.h: what is behind machine.UART(id)? The one UART beside the board's port. See machine_classes.c. */
#ifndef FN_MACHINE_UART_H
#define FN_MACHINE_UART_H

#include "extmod/modmachine.h"
#include "fn_machine.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

struct _machine_uart_obj_t {
    mp_obj_base_t base;
    uint32_t baud;
    fn_parity parity;
    uint8_t stop_bits;
    uint32_t timeout_ms;      /* for the first byte */
    uint32_t timeout_char_ms; /* between two */
};

static machine_uart_obj_t the_uart = {{&machine_uart_type}, 0, FN_NO_PARITY, 1, 0, 0};

static void mp_machine_uart_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind)
{
    (void)kind;
    static const char *const parities[] = {"None", "0", "1"};
    const machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "UART(%d, baudrate=%u, bits=8, parity=%s, stop=%u, timeout=%u, timeout_char=%u)", (int)fn_uart_id,
        (unsigned)self->baud, parities[self->parity], self->stop_bits, (unsigned)self->timeout_ms,
        (unsigned)self->timeout_char_ms);
}

static fn_parity parity_of(mp_obj_t given)
{
    return given == mp_const_none ? FN_NO_PARITY : mp_obj_get_int(given) & 1 ? FN_ODD : FN_EVEN;
}

static void mp_machine_uart_init_helper(machine_uart_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args)
{
    enum { BAUDRATE, BITS, PARITY, STOP, TIMEOUT, TIMEOUT_CHAR };
    static const mp_arg_t allowed[] = {
        {MP_QSTR_baudrate, MP_ARG_INT, {.u_int = 115200}},
        {MP_QSTR_bits, MP_ARG_INT, {.u_int = 8}},
        {MP_QSTR_parity, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_stop, MP_ARG_INT, {.u_int = 1}},
        {MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
        {MP_QSTR_timeout_char, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed), allowed, given);
    if (given[BITS].u_int != 8 || given[STOP].u_int < 1 || given[STOP].u_int > 2) {
        mp_raise_ValueError(MP_ERROR_TEXT("a UART has 8 bits and 1 or 2 stop bits here"));
    }
    self->parity = parity_of(given[PARITY].u_obj);
    self->stop_bits = (uint8_t)given[STOP].u_int;
    self->timeout_ms = given[TIMEOUT].u_int < 0 ? 0u : (uint32_t)given[TIMEOUT].u_int;
    self->timeout_char_ms = given[TIMEOUT_CHAR].u_int < 0 ? 0u : (uint32_t)given[TIMEOUT_CHAR].u_int;
    self->baud = given[BAUDRATE].u_int > 0 ? (uint32_t)given[BAUDRATE].u_int : 0u;
    const int32_t done = fn_uart_open(self->baud, self->parity, self->stop_bits);
    if (done == FN_RANGE) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("a UART of this chip cannot run at %d baud"), (int)given[BAUDRATE].u_int);
    }
    if (done == FN_FORMAT) {
        mp_raise_ValueError(MP_ERROR_TEXT("a UART of this chip has no such parity"));
    }
    if (done < 0) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("this board has no UART beside its port"));
    }
}

static mp_obj_t mp_machine_uart_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    if (fn_uart_id < 0) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("this board has no UART beside its port"));
    }
    const mp_int_t id = mp_obj_get_int(args[0]);
    if (id != fn_uart_id) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no UART(%d): beside its port this board has UART(%d)"), (int)id,
            (int)fn_uart_id);
    }
    mp_map_t kw_args;
    mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
    mp_machine_uart_init_helper(&the_uart, n_args - 1, args + 1, &kw_args);
    return MP_OBJ_FROM_PTR(&the_uart);
}

static void mp_machine_uart_deinit(machine_uart_obj_t *self)
{
    fn_uart_close();
    self->baud = 0;
}

static mp_int_t mp_machine_uart_any(machine_uart_obj_t *self)
{
    (void)self;
    return (mp_int_t)fn_uart_waiting();
}

static bool mp_machine_uart_txdone(machine_uart_obj_t *self)
{
    return !self->baud || fn_uart_sent();
}

/* Whether `ready` within so long; Ctrl-C and Timers run meanwhile. */
static bool becomes_ready(bool (*ready)(void), uint32_t timeout_ms)
{
    const mp_uint_t start = mp_hal_ticks_ms();
    while (!ready()) {
        if (mp_hal_ticks_ms() - start >= timeout_ms) {
            return false;
        }
        mp_event_handle_nowait();
    }
    return true;
}

static bool has_come(void)
{
    return fn_uart_waiting() != 0;
}

static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *buffer, mp_uint_t size, int *errcode)
{
    const machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_uint_t n = 0;
    while (n < size && becomes_ready(has_come, n ? self->timeout_char_ms : self->timeout_ms)) {
        ((uint8_t *)buffer)[n++] = (uint8_t)fn_uart_get();
    }
    if (n == 0 && size) {
        *errcode = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return n;
}

#define UNSENT_MS 1000u /* so long no byte takes at any rate: the UART is off */

static mp_uint_t mp_machine_uart_write(mp_obj_t self_in, const void *buffer, mp_uint_t size, int *errcode)
{
    const machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    for (mp_uint_t n = 0; n < size; n++) {
        const mp_uint_t start = mp_hal_ticks_ms();
        while (!self->baud || !fn_uart_put(((const uint8_t *)buffer)[n])) {
            if (!self->baud || mp_hal_ticks_ms() - start >= UNSENT_MS) {
                *errcode = MP_EIO;
                return MP_STREAM_ERROR;
            }
            mp_event_handle_nowait();
        }
    }
    return size;
}

static mp_uint_t mp_machine_uart_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode)
{
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_POLL) {
        return (arg & MP_STREAM_POLL_RD && has_come() ? MP_STREAM_POLL_RD : 0u) | (arg & MP_STREAM_POLL_WR);
    }
    if (request == MP_STREAM_FLUSH) {
        const mp_uint_t start = mp_hal_ticks_ms();
        while (!mp_machine_uart_txdone(self)) {
            if (mp_hal_ticks_ms() - start >= UNSENT_MS) {
                *errcode = MP_ETIMEDOUT;
                return MP_STREAM_ERROR;
            }
            mp_event_handle_nowait();
        }
        return 0;
    }
    *errcode = MP_EINVAL;
    return MP_STREAM_ERROR;
}

#endif
