/* modfirmnet.c: how does Python on the board reach the model? The module `_firmnet`, the same for every model. */
#include <math.h>
#include <string.h>

#include "fn_board.h"
#include "fn_crc.h"
#include "fn_firmware.h"
#include "fn_run.h"
#include "py/binary.h"
#include "py/mphal.h"
#include "py/objarray.h"
#include "py/runtime.h"

/* ---- inputs and outputs by number, sizes ---- */

static uint32_t numbered(const char *what, mp_obj_t number_in, uint32_t count)
{
    const mp_int_t number = mp_obj_get_int(number_in);
    if (number < 0 || (mp_uint_t)number >= count) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s %d: the model has %ss 0 to %d"), what, (int)number, what,
            (int)count - 1);
    }
    return (uint32_t)number;
}

/* The argument at `at`, or the first where there is none. */
static const fn_input *input_of(size_t n_args, const mp_obj_t *args, size_t at)
{
    return &fn_deployed->inputs[n_args > at ? numbered("input", args[at], fn_deployed->input_count) : 0u];
}

static const fn_output *output_of(size_t n_args, const mp_obj_t *args, size_t at)
{
    return &fn_deployed->outputs[n_args > at ? numbered("output", args[at], fn_deployed->output_count) : 0u];
}

static char typecode(fn_dtype dtype)
{
    static const char codes[] = { 'b', 'B', 'h', 'i' }; /* in the order of fn_dtype */
    return codes[dtype];
}

static const char *type_name(fn_dtype dtype)
{
    static const char *const names[] = { "int8", "uint8", "int16", "int32" };
    return names[dtype];
}

static uint32_t values_in(uint32_t bytes, fn_dtype dtype)
{
    return bytes / fn_dtype_bytes(dtype);
}

static void expect_bytes(size_t expected, size_t got)
{
    if (got != expected) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("expected a buffer of %u bytes, got %u"),
            (unsigned)expected, (unsigned)got);
    }
}

static uint32_t layer_index(mp_obj_t index_in)
{
    return numbered("layer", index_in, fn_deployed->layer_count);
}

/* ---- running ---- */

#define SPARE_BYTES 512u /* beside the model's own stack: for what watches its layers, and for interrupts */

/* Python checks the stack only where it calls Python, so run() may be called with hardly any of it left. */
static void expect_stack(void)
{
    const uintptr_t sp = stack_pointer();
    if (sp < fn_stack_bottom || sp - fn_stack_bottom < fn_run_stack_bytes + SPARE_BYTES) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("too little stack is left to run the model"));
    }
}

/* run(): the first is painted, so that the peak of the stack is known after any run. */
static mp_obj_t firmnet_run(void)
{
    expect_stack();
    if (!stack_peak_bytes) {
        painted_run(NULL, NULL);
    } else {
        timed_run(NULL, NULL);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_run_obj, firmnet_run);

/* The words in the buffer are little-endian, as the core is, and may be unaligned. */
static void continue_crc(void *context, uint32_t layer, const void *output, uint32_t bytes)
{
    uint8_t *word = (uint8_t *)context + 4u * layer;
    uint32_t crc;
    memcpy(&crc, word, 4u);
    crc = fn_crc32(crc, output, bytes);
    memcpy(word, &crc, 4u);
}

/* run_crc(buffer): runs; buffer of 4 bytes for each layer and state receives the CRC-32 of every layer's outputs, then of what
 * every state holds. */
static mp_obj_t firmnet_run_crc(mp_obj_t buffer_in)
{
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
    expect_bytes(4u * (fn_deployed->layer_count + fn_deployed->state_count), buffer.len);
    memset(buffer.buf, 0, buffer.len);
    expect_stack();
    painted_run(continue_crc, buffer.buf);
    for (uint32_t i = 0; i < fn_deployed->state_count; i++) {
        continue_crc(buffer.buf, fn_deployed->layer_count + i, fn_deployed->states[i].data, fn_deployed->states[i].bytes);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_run_crc_obj, firmnet_run_crc);

typedef struct copy_request {
    uint32_t layer;
    uint8_t *to; /* where its next piece goes */
} copy_request;

static void copy_piece(void *context, uint32_t layer, const void *output, uint32_t bytes)
{
    copy_request *request = (copy_request *)context;
    if (layer == request->layer) {
        memcpy(request->to, output, bytes);
        request->to += bytes;
    }
}

/* dump(layer, buffer): runs; buffer of layer_bytes(layer) bytes receives that layer's outputs. */
static mp_obj_t firmnet_dump(mp_obj_t layer_in, mp_obj_t buffer_in)
{
    const uint32_t layer = layer_index(layer_in);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
    expect_bytes(fn_deployed->layers[layer].bytes, buffer.len);
    copy_request request = {layer, buffer.buf};
    expect_stack();
    painted_run(copy_piece, &request);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(firmnet_dump_obj, firmnet_dump);

/* reset(): what the model remembers is as at the beginning, and the next run is step 0. */
static mp_obj_t firmnet_reset(void)
{
    fn_deployed->reset();
    steps = 0;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_reset_obj, firmnet_reset);

/* steps(): runs since the model was reset; steps(n): so many, where the states were set. */
static mp_obj_t firmnet_steps(size_t n_args, const mp_obj_t *args)
{
    if (n_args) {
        steps = (uint32_t)mp_obj_get_int_truncated(args[0]);
    }
    return mp_obj_new_int_from_uint(steps);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_steps_obj, 0, 1, firmnet_steps);

/* ---- inputs and outputs ---- */

/* The model's own memory as it is stored: values of its type, or bytes. */
static mp_obj_t memory(const void *data, uint32_t bytes, fn_dtype dtype, int flags, bool as_bytes)
{
    if (as_bytes) {
        return mp_obj_new_memoryview('B' | flags, bytes, (void *)data);
    }
    return mp_obj_new_memoryview((byte)(typecode(dtype) | flags), values_in(bytes, dtype), (void *)data);
}

/* input(i=0, as_bytes=False), output(i=0, as_bytes=False): a memoryview. */
static mp_obj_t firmnet_input(size_t n_args, const mp_obj_t *args)
{
    const fn_input *it = input_of(n_args, args, 0);
    return memory(it->data, it->bytes, it->dtype, MP_OBJ_ARRAY_TYPECODE_FLAG_RW, n_args > 1 && mp_obj_is_true(args[1]));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_input_obj, 0, 2, firmnet_input);

static mp_obj_t firmnet_output(size_t n_args, const mp_obj_t *args)
{
    const fn_output *it = output_of(n_args, args, 0);
    return memory(it->data, it->bytes, it->dtype, 0, n_args > 1 && mp_obj_is_true(args[1]));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_output_obj, 0, 2, firmnet_output);

/* state(i=0, as_bytes=False): a memoryview that may be written. The first run would reset what was never reset. */
static mp_obj_t firmnet_state(size_t n_args, const mp_obj_t *args)
{
    static bool begun;
    const mp_obj_t number = n_args ? args[0] : MP_OBJ_NEW_SMALL_INT(0);
    const fn_state *it = &fn_deployed->states[numbered("state", number, fn_deployed->state_count)];
    if (!begun && steps == 0u) {
        fn_deployed->reset();
    }
    begun = true;
    return memory(it->data, it->bytes, it->dtype, MP_OBJ_ARRAY_TYPECODE_FLAG_RW, n_args > 1 && mp_obj_is_true(args[1]));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_state_obj, 0, 2, firmnet_state);

static void quantize_aligned(const fn_input *input, const float *real)
{
    const int32_t bad = input->quantize(real);
    if (bad >= 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("value %d is %s: the model takes finite numbers"), (int)bad,
            isnan(real[bad]) ? "NaN" : "infinite");
    }
}

/* float32 anywhere: the FPU does not load unaligned words. */
static void quantize(const fn_input *input, const void *real, size_t bytes)
{
    if ((uintptr_t)real % sizeof(float) == 0) {
        quantize_aligned(input, (const float *)real);
        return;
    }
    float *aligned = (float *)m_malloc(bytes);
    memcpy(aligned, real, bytes);
    quantize_aligned(input, aligned);
    m_free(aligned);
}

static void quantize_doubles(const fn_input *input, const uint8_t *real, size_t count)
{
    float *single = (float *)m_malloc(sizeof(float) * count);
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, real + sizeof value * i, sizeof value);
        single[i] = (float)value;
    }
    quantize_aligned(input, single);
    m_free(single);
}

/* quantize(buffer, i=0): float32 values in the model's own order become input i; ValueError for NaN and infinity. */
static mp_obj_t firmnet_quantize(size_t n_args, const mp_obj_t *args)
{
    const fn_input *input = input_of(n_args, args, 1);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(args[0], &buffer, MP_BUFFER_READ);
    expect_bytes(sizeof(float) * values_in(input->bytes, input->dtype), buffer.len);
    quantize(input, buffer.buf, buffer.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_quantize_obj, 1, 2, firmnet_quantize);

/* Quantized values in the model's own order. A buffer that is the input memory itself, or at no address of such a value,
 * is copied first. */
static void arrange(const fn_input *input, const uint8_t *x)
{
    const uint8_t *const memory = input->data;
    const bool apart = x + input->bytes <= memory || x >= memory + input->bytes;
    if (apart && (uintptr_t)x % fn_dtype_bytes(input->dtype) == 0) {
        input->arrange(x);
        return;
    }
    uint8_t *copy = (uint8_t *)m_malloc(input->bytes);
    memcpy(copy, x, input->bytes);
    input->arrange(copy);
    m_free(copy);
}

static void expect_values(const char *what, size_t expected, size_t got)
{
    if (got != expected) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("expected %u %s values, got %u"), (unsigned)expected, what,
            (unsigned)got);
    }
}

/* Unsigned bytes 0..255, where the input's quantization says what they stand for: their int8 is 128 less. */
static void load_pixels(const fn_input *input, const uint8_t *x)
{
    int8_t *q = input->data;
    arrange(input, x);
    for (uint32_t i = 0; i < input->bytes; i++) {
        q[i] = (int8_t)(q[i] ^ -128);
    }
}

/* Bytes without a type are quantized values or float32, told apart by their number; int32 has the number of float32. */
static void load_bytes(const fn_input *input, const mp_buffer_info_t *buffer, uint32_t n)
{
    if (buffer->len == input->bytes && input->dtype == FN_INT32) {
        mp_raise_ValueError(MP_ERROR_TEXT("bytes may be int32 or float32 here: give array('i') or array('f')"));
    } else if (buffer->len == input->bytes) {
        arrange(input, (const uint8_t *)buffer->buf);
    } else if (buffer->len == sizeof(float) * n) {
        quantize(input, buffer->buf, buffer->len);
    } else {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("expected %u %s values (%u bytes) or %u float32 values (%u bytes), got %u bytes"), (unsigned)n,
            type_name(input->dtype), (unsigned)input->bytes, (unsigned)n, (unsigned)(sizeof(float) * n),
            (unsigned)buffer->len);
    }
}

/* Inputs are written in their order: what is to be read from the memory of an earlier one is not there any more. Outputs
 * may lie in that memory too. */
static void expect_unwritten(const fn_input *input, const mp_buffer_info_t *buffer)
{
    const uint8_t *const x = buffer->buf;
    for (const fn_input *other = fn_deployed->inputs; other < input; other++) {
        const uint8_t *const memory = other->data;
        if (x < memory + other->bytes && memory < x + buffer->len) {
            mp_raise_msg_varg(&mp_type_ValueError,
                MP_ERROR_TEXT("the buffer for %s lies in the memory of %s, which is written first: give a copy of it"),
                input->name, other->name);
        }
    }
}

/* load(buffer, pixels=False, i=0): values of input i in the model's own order. Arrays of 'f' and 'd' are real numbers, of
 * the input's own type ('b' of int8) quantized ones; of 'B' pixels where `pixels` says that an int8 input takes them, else
 * they are refused, for they would be read as something else; so are all other numbers. bytes and bytearray are n quantized
 * values or n float32. */
static mp_obj_t firmnet_load(size_t n_args, const mp_obj_t *args)
{
    const fn_input *input = input_of(n_args, args, 2);
    mp_buffer_info_t buffer;
    if (mp_obj_is_str(args[0]) || !mp_get_buffer(args[0], &buffer, MP_BUFFER_READ)) {
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("expected an array, bytes or a list of numbers, got '%s'"),
            mp_obj_get_type_str(args[0]));
    }
    expect_unwritten(input, &buffer);
    const uint32_t n = values_in(input->bytes, input->dtype);
    const bool is_view = mp_obj_is_type(args[0], &mp_type_memoryview);
    const bool is_plain = mp_obj_is_type(args[0], &mp_type_bytes) || buffer.typecode == BYTEARRAY_TYPECODE;
    const int code = buffer.typecode == 'l' ? 'i' : buffer.typecode; /* 32 bits both */
    if (is_plain || (is_view && code == 'B' && buffer.len == sizeof(float) * n)) {
        load_bytes(input, &buffer, n);
    } else if (code == 'f') {
        expect_values("float32", n, buffer.len / sizeof(float));
        quantize(input, buffer.buf, buffer.len);
    } else if (code == 'd') {
        expect_values("float64", n, buffer.len / sizeof(double));
        quantize_doubles(input, buffer.buf, n);
    } else if (code == typecode(input->dtype)) {
        expect_values(type_name(input->dtype), n, buffer.len / fn_dtype_bytes(input->dtype));
        arrange(input, buffer.buf);
    } else if (code == 'B' && n_args > 1 && mp_obj_is_true(args[1])) {
        expect_values("uint8", n, buffer.len);
        load_pixels(input, buffer.buf);
    } else if (code == 'B' && input->dtype == FN_INT8) {
        mp_raise_ValueError(
            MP_ERROR_TEXT("unsigned bytes mean nothing to this model: give floats, or int8 as array('b')"));
    } else {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("expected %s or float32 values, got type '%c'"),
            type_name(input->dtype), buffer.typecode);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_load_obj, 1, 3, firmnet_load);

/* best(i=0): (index, real value) of the largest value of output i in the model's own order, the first of equals. */
static mp_obj_t firmnet_best(size_t n_args, const mp_obj_t *args)
{
    float value;
    const uint32_t index = output_of(n_args, args, 0)->best(&value);
    mp_obj_t pair[2] = {mp_obj_new_int_from_uint(index), mp_obj_new_float(value)};
    return mp_obj_new_tuple(2, pair);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_best_obj, 0, 1, firmnet_best);

/* ---- the short way of predict(), for models with one input and one output of scores ---- */

typedef struct quick_predict {
    mp_obj_base_t base;
    mp_obj_t whole; /* predict() as it stands in Python */
    mp_obj_t labels;
    mp_obj_t pixels; /* see load() */
} quick_predict;

/* One array or bytes: all that Python would do with it. Everything else Python does, or refuses. */
static mp_obj_t quick_predict_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    const quick_predict *self = (const quick_predict *)MP_OBJ_TO_PTR(self_in);
    mp_buffer_info_t buffer;
    if (n_args != 1 || n_kw || mp_obj_is_str(args[0]) || !mp_get_buffer(args[0], &buffer, MP_BUFFER_READ)) {
        return mp_call_function_n_kw(self->whole, n_args, n_kw, args);
    }
    const mp_obj_t given[2] = {args[0], self->pixels};
    firmnet_load(2, given);
    firmnet_run();
    float score;
    const uint32_t index = fn_deployed->outputs[0].best(&score);
    size_t count;
    mp_obj_t *labels;
    mp_obj_get_array(self->labels, &count, &labels);
    mp_obj_t pair[2] = {index < count ? labels[index] : mp_obj_new_int_from_uint(index), mp_obj_new_float(score)};
    return mp_obj_new_tuple(2, pair);
}

static MP_DEFINE_CONST_OBJ_TYPE(quick_predict_type, MP_QSTR_predict, MP_TYPE_FLAG_NONE, call, quick_predict_call);

/* quick(predict, labels, pixels): predict() with that short way. */
static mp_obj_t firmnet_quick(mp_obj_t whole, mp_obj_t labels, mp_obj_t pixels)
{
    quick_predict *made = mp_obj_malloc(quick_predict, &quick_predict_type);
    made->whole = whole;
    made->labels = labels;
    made->pixels = pixels;
    return MP_OBJ_FROM_PTR(made);
}
static MP_DEFINE_CONST_FUN_OBJ_3(firmnet_quick_obj, firmnet_quick);

/* dequantize(buffer, i=0): output i in the model's own order as float32, into an array('f') of as many values. */
static mp_obj_t firmnet_dequantize(size_t n_args, const mp_obj_t *args)
{
    const fn_output *output = output_of(n_args, args, 1);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(args[0], &buffer, MP_BUFFER_WRITE);
    expect_bytes(sizeof(float) * values_in(output->bytes, output->dtype), buffer.len);
    if ((uintptr_t)buffer.buf % sizeof(float) != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("expected a buffer at a word's address, such as an array('f')"));
    }
    output->dequantize((float *)buffer.buf);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_dequantize_obj, 1, 2, firmnet_dequantize);

/* ---- what the model says of itself ---- */

static mp_obj_t firmnet_name(void)
{
    return mp_obj_new_str(fn_deployed->name, strlen(fn_deployed->name));
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_name_obj, firmnet_name);

/* version(): of the firmnet that wrote this firmware. */
static mp_obj_t firmnet_version(void)
{
    return mp_obj_new_str(fn_version, strlen(fn_version));
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_version_obj, firmnet_version);

static mp_obj_t firmnet_fingerprint(void)
{
    return mp_obj_new_bytes(fn_deployed->fingerprint, 32);
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_fingerprint_obj, firmnet_fingerprint);

static mp_obj_t port(const char *name, fn_dtype dtype, uint32_t bytes)
{
    mp_obj_t told[3] = {mp_obj_new_str(name, strlen(name)), mp_obj_new_str(type_name(dtype), strlen(type_name(dtype))),
        mp_obj_new_int_from_uint(bytes)};
    return mp_obj_new_tuple(3, told);
}

/* ports(): of each input, each output and each state (name, type, bytes), in three lists. */
static mp_obj_t firmnet_ports(void)
{
    const fn_model *model = fn_deployed;
    mp_obj_t lists[3] = {mp_obj_new_list(0, NULL), mp_obj_new_list(0, NULL), mp_obj_new_list(0, NULL)};
    for (uint32_t i = 0; i < model->input_count; i++) {
        mp_obj_list_append(lists[0], port(model->inputs[i].name, model->inputs[i].dtype, model->inputs[i].bytes));
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        mp_obj_list_append(lists[1], port(model->outputs[i].name, model->outputs[i].dtype, model->outputs[i].bytes));
    }
    for (uint32_t i = 0; i < model->state_count; i++) {
        mp_obj_list_append(lists[2], port(model->states[i].name, model->states[i].dtype, model->states[i].bytes));
    }
    return mp_obj_new_tuple(3, lists);
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_ports_obj, firmnet_ports);

static mp_obj_t firmnet_arena_bytes(void)
{
    return mp_obj_new_int_from_uint(fn_deployed->arena_bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_arena_bytes_obj, firmnet_arena_bytes);

static mp_obj_t firmnet_layer_count(void)
{
    return mp_obj_new_int_from_uint(fn_deployed->layer_count);
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_layer_count_obj, firmnet_layer_count);

static mp_obj_t firmnet_layer_bytes(mp_obj_t layer_in)
{
    return mp_obj_new_int_from_uint(fn_deployed->layers[layer_index(layer_in)].bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_layer_bytes_obj, firmnet_layer_bytes);

static mp_obj_t firmnet_layer_name(mp_obj_t layer_in)
{
    const char *name = fn_deployed->layers[layer_index(layer_in)].name;
    return mp_obj_new_str(name, strlen(name));
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_layer_name_obj, firmnet_layer_name);

/* ---- what lies in memory, so that the host can compare it with what was built ---- */

static bool lies_in(uint32_t address, uint32_t bytes, uint32_t origin, uint32_t size)
{
    return bytes <= size && address - origin <= size - bytes; /* below the origin the difference wraps round */
}

/* image(request): of three little-endian words, address, bytes, and a CRC-32 to continue over them. Elsewhere than in flash
 * and RAM an access may stop the board, and is refused. */
static mp_obj_t firmnet_image(mp_obj_t request_in)
{
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(request_in, &buffer, MP_BUFFER_READ);
    uint32_t request[3];
    expect_bytes(sizeof(request), buffer.len);
    memcpy(request, buffer.buf, sizeof(request));
    if (!lies_in(request[0], request[1], FN_FLASH_ORIGIN, FN_FLASH_BYTES)
        && !lies_in(request[0], request[1], FN_RAM_ORIGIN, FN_RAM_BYTES)) {
        mp_raise_ValueError(MP_ERROR_TEXT("neither in flash nor in RAM"));
    }
    return mp_obj_new_int_from_uint(fn_crc32(request[2], (const void *)(uintptr_t)request[0], request[1]));
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_image_obj, firmnet_image);

/* clock_hz(): of the core; None where an emulator does not tell. */
static mp_obj_t firmnet_clock_hz(void)
{
    const uint32_t clock_hz = fn_board_clock_hz();
    return clock_hz ? mp_obj_new_int_from_uint(clock_hz) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_clock_hz_obj, firmnet_clock_hz);

/* ---- counters ---- */

static mp_obj_t firmnet_last_us(void)
{
    return mp_obj_new_int_from_uint(last_us);
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_last_us_obj, firmnet_last_us);

static mp_obj_t firmnet_stack_peak(void)
{
    return mp_obj_new_int_from_uint(stack_peak_bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_0(firmnet_stack_peak_obj, firmnet_stack_peak);

/* ---- the serial port, as bytes ---- */

/* crc32(buffer, crc=0): continues crc over buffer, as zlib's crc32. */
static mp_obj_t firmnet_crc32(size_t n_args, const mp_obj_t *args)
{
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(args[0], &buffer, MP_BUFFER_READ);
    const uint32_t crc = n_args > 1 ? (uint32_t)mp_obj_get_int_truncated(args[1]) : 0u;
    return mp_obj_new_int_from_uint(fn_crc32(crc, buffer.buf, (uint32_t)buffer.len));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_crc32_obj, 1, 2, firmnet_crc32);

/* read(buffer, timeout_ms): fills buffer; gives up when timeout_ms pass without a byte. Returns how many came. */
static mp_obj_t firmnet_read(mp_obj_t buffer_in, mp_obj_t timeout_in)
{
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
    const uint32_t timeout_ms = (uint32_t)mp_obj_get_int(timeout_in);
    uint32_t since = fn_board_ms();
    size_t n = 0;
    while (n < buffer.len) {
        const int byte = fn_read_byte();
        if (byte >= 0) {
            ((uint8_t *)buffer.buf)[n++] = (uint8_t)byte;
            since = fn_board_ms();
        } else if (fn_board_ms() - since >= timeout_ms) {
            break;
        } else {
            fn_wait();
        }
    }
    return mp_obj_new_int_from_uint(n);
}
static MP_DEFINE_CONST_FUN_OBJ_2(firmnet_read_obj, firmnet_read);

/* write(buffer): the bytes as they are, without the line-end translation of print. */
static mp_obj_t firmnet_write(mp_obj_t buffer_in)
{
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_READ);
    fn_board_write(buffer.buf, (uint32_t)buffer.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_write_obj, firmnet_write);

/* hold(on): from then on no scheduled function runs, such as a Timer's; until it is let go, or a person is at the prompt.
 * Returns whether it was so before. */
static mp_obj_t firmnet_hold(mp_obj_t on)
{
    const int before = fn_held;
    fn_hold(mp_obj_is_true(on));
    return mp_obj_new_bool(before);
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_hold_obj, firmnet_hold);

/* ring(buffer): what comes waits in it from now on, instead of the port's own ring; None: in that again, and keep the buffer
 * until then. Returns how many bytes may come while the model runs. */
static mp_obj_t firmnet_ring(mp_obj_t buffer_in)
{
    mp_buffer_info_t buffer = {0};
    if (buffer_in != mp_const_none) {
        mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
        if (buffer.len < 2u) {
            mp_raise_ValueError(MP_ERROR_TEXT("such a ring holds nothing"));
        }
    }
    return mp_obj_new_int_from_uint(fn_ring(buffer.buf, (uint32_t)buffer.len));
}
static MP_DEFINE_CONST_FUN_OBJ_1(firmnet_ring_obj, firmnet_ring);

/* baud(rate=0, take=False): the rate, where the port can have it, else 0; with `take` it has it from now on.
 * A rate of 0 is that of the board file. */
static mp_obj_t firmnet_baud(size_t n_args, const mp_obj_t *args)
{
    const uint32_t wanted = n_args ? (uint32_t)mp_obj_get_int_truncated(args[0]) : 0u;
    return mp_obj_new_int_from_uint(fn_board_baud(wanted ? wanted : FN_BAUD, n_args > 1 && mp_obj_is_true(args[1])));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(firmnet_baud_obj, 0, 2, firmnet_baud);

static const mp_rom_map_elem_t firmnet_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__firmnet)},
    {MP_ROM_QSTR(MP_QSTR_input), MP_ROM_PTR(&firmnet_input_obj)},
    {MP_ROM_QSTR(MP_QSTR_output), MP_ROM_PTR(&firmnet_output_obj)},
    {MP_ROM_QSTR(MP_QSTR_ports), MP_ROM_PTR(&firmnet_ports_obj)},
    {MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&firmnet_reset_obj)},
    {MP_ROM_QSTR(MP_QSTR_state), MP_ROM_PTR(&firmnet_state_obj)},
    {MP_ROM_QSTR(MP_QSTR_steps), MP_ROM_PTR(&firmnet_steps_obj)},
    {MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&firmnet_load_obj)},
    {MP_ROM_QSTR(MP_QSTR_quantize), MP_ROM_PTR(&firmnet_quantize_obj)},
    {MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&firmnet_run_obj)},
    {MP_ROM_QSTR(MP_QSTR_run_crc), MP_ROM_PTR(&firmnet_run_crc_obj)},
    {MP_ROM_QSTR(MP_QSTR_dump), MP_ROM_PTR(&firmnet_dump_obj)},
    {MP_ROM_QSTR(MP_QSTR_best), MP_ROM_PTR(&firmnet_best_obj)},
    {MP_ROM_QSTR(MP_QSTR_quick), MP_ROM_PTR(&firmnet_quick_obj)},
    {MP_ROM_QSTR(MP_QSTR_dequantize), MP_ROM_PTR(&firmnet_dequantize_obj)},
    {MP_ROM_QSTR(MP_QSTR_name), MP_ROM_PTR(&firmnet_name_obj)},
    {MP_ROM_QSTR(MP_QSTR_version), MP_ROM_PTR(&firmnet_version_obj)},
    {MP_ROM_QSTR(MP_QSTR_fingerprint), MP_ROM_PTR(&firmnet_fingerprint_obj)},
    {MP_ROM_QSTR(MP_QSTR_arena_bytes), MP_ROM_PTR(&firmnet_arena_bytes_obj)},
    {MP_ROM_QSTR(MP_QSTR_layer_count), MP_ROM_PTR(&firmnet_layer_count_obj)},
    {MP_ROM_QSTR(MP_QSTR_layer_bytes), MP_ROM_PTR(&firmnet_layer_bytes_obj)},
    {MP_ROM_QSTR(MP_QSTR_layer_name), MP_ROM_PTR(&firmnet_layer_name_obj)},
    {MP_ROM_QSTR(MP_QSTR_image), MP_ROM_PTR(&firmnet_image_obj)},
    {MP_ROM_QSTR(MP_QSTR_clock_hz), MP_ROM_PTR(&firmnet_clock_hz_obj)},
    {MP_ROM_QSTR(MP_QSTR_last_us), MP_ROM_PTR(&firmnet_last_us_obj)},
    {MP_ROM_QSTR(MP_QSTR_stack_peak), MP_ROM_PTR(&firmnet_stack_peak_obj)},
    {MP_ROM_QSTR(MP_QSTR_crc32), MP_ROM_PTR(&firmnet_crc32_obj)},
    {MP_ROM_QSTR(MP_QSTR_hold), MP_ROM_PTR(&firmnet_hold_obj)},
    {MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&firmnet_read_obj)},
    {MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&firmnet_write_obj)},
    {MP_ROM_QSTR(MP_QSTR_ring), MP_ROM_PTR(&firmnet_ring_obj)},
    {MP_ROM_QSTR(MP_QSTR_baud), MP_ROM_PTR(&firmnet_baud_obj)},
};
static MP_DEFINE_CONST_DICT(firmnet_globals, firmnet_globals_table);

const mp_obj_module_t firmnet_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&firmnet_globals,
};
MP_REGISTER_MODULE(MP_QSTR__firmnet, firmnet_module);
