/* fn_model.h: what every firmnet model tells its surroundings, so that they need not know which model it is. */
#ifndef FN_MODEL_H
#define FN_MODEL_H

#include <stdint.h>

/* A layer's function. Inlined into run() it would have too few registers, and run() the frames of all layers; and GCC 12,
 * when it sees into a function that is not inlined, may take it for one that writes nothing and drop the call. */
#if defined(__GNUC__) && !defined(__clang__)
#define FN_KERNEL static __attribute__((noipa))
#else
#define FN_KERNEL static __attribute__((noinline))
#endif

/* Goes before a loop. Cores with eight registers to compute in spill what GCC writes out in full, more than run() may take of
 * the stack. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__thumb__) && !defined(__thumb2__)
#define FN_ROLLED _Pragma("GCC unroll 1")
#else
#define FN_ROLLED
#endif

/* Lets nothing be known of a value: else GCC writes what lies between two tests of it once for each result. */
#if defined(__GNUC__)
#define FN_UNKNOWN(value) __asm__("" : "+r"(value))
#else
#define FN_UNKNOWN(value)
#endif

/* What runs once around run(), over few values: small code is worth more there than fast code. */
#if defined(__GNUC__)
#define FN_EDGE static __attribute__((cold))
#else
#define FN_EDGE static
#endif

typedef enum fn_dtype { FN_INT8, FN_UINT8, FN_INT16, FN_INT32 } fn_dtype;

/* The edges work in the model's own order. quantize: from float32; returns the index of the first value that is NaN or
 * infinite, -1 when there is none. arrange: from values of the input's type. */
typedef struct fn_input {
    const char *name;
    void *data; /* write before every run(): the memory is reused while it runs */
    uint32_t bytes;
    fn_dtype dtype;
    int32_t (*quantize)(const float *x);
    void (*arrange)(const void *x);
} fn_input;

/* dequantize: to float32. best: the index of the largest value, the first of equals, and what it really is. */
typedef struct fn_output {
    const char *name;
    const void *data; /* valid until the next run() or write to an input */
    uint32_t bytes;
    fn_dtype dtype;
    void (*dequantize)(float *y);
    uint32_t (*best)(float *value);
} fn_output;

/* What the model remembers from one run() to the next. */
typedef struct fn_state {
    const char *name;
    void *data;
    uint32_t bytes;
    fn_dtype dtype;
} fn_state;

typedef struct fn_layer {
    const char *name;
    uint32_t bytes; /* of its outputs */
} fn_layer;

/* Called when `bytes` more of layer `layer`'s outputs are ready, in order from their first byte; the pieces of different
 * layers may alternate. `output` is valid inside the observer only. */
typedef void (*fn_observer)(void *context, uint32_t layer, const void *output, uint32_t bytes);

typedef struct fn_model {
    const char *name;
    const uint8_t *fingerprint; /* 32 bytes, SHA-256 over the generated files and the board */
    const fn_input *inputs;
    uint32_t input_count;
    const fn_output *outputs;
    uint32_t output_count;
    const fn_state *states;
    uint32_t state_count;
    const fn_layer *layers;
    uint32_t layer_count;
    uint32_t arena_bytes;
    void (*run)(fn_observer observer, void *context); /* observer may be NULL */
    void (*reset)(void); /* the states are as at the beginning; not needed before the first run() */
} fn_model;

static inline uint32_t fn_dtype_bytes(fn_dtype dtype)
{
    return dtype == FN_INT32 ? 4u : dtype == FN_INT16 ? 2u : 1u;
}

#endif
