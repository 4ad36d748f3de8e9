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

/* What runs once around run(), over few values: small code is worth more there than fast code. */
#if defined(__GNUC__)
#define FN_EDGE static __attribute__((cold))
#else
#define FN_EDGE static
#endif

typedef struct fn_input {
    int8_t *data; /* write before every run(): the memory is reused while it runs */
    uint32_t bytes;
} fn_input;

typedef struct fn_layer {
    const char *name;
    uint32_t bytes; /* of its output */
} fn_layer;

/* Called when `bytes` more of layer `layer`'s output are ready, in order from its first byte; the pieces of different
 * layers may alternate. `output` is valid inside the observer only. */
typedef void (*fn_observer)(void *context, uint32_t layer, const int8_t *output, uint32_t bytes);

typedef struct fn_model {
    const char *name;
    const uint8_t *fingerprint; /* 32 bytes, SHA-256 over the generated files and the board */
    const fn_input *inputs;
    uint32_t input_count; /* 1 for a deployed model */
    const int8_t *output; /* valid until the next run() or write to input */
    uint32_t output_bytes;
    const fn_layer *layers;
    uint32_t layer_count;
    uint32_t arena_bytes;
    void (*run)(fn_observer observer, void *context); /* observer may be NULL */
    /* The edges, in the model's own order. quantize: float32 -> inputs[0]; returns the index of the first value that is
     * NaN or infinite, -1 when there is none. arrange: int8 -> inputs[0]. dequantize: output -> float32. best: the index
     * of the largest output, the first of equals, and its real value. */
    int32_t (*quantize)(const float *x);
    void (*arrange)(const int8_t *x);
    void (*dequantize)(float *y);
    uint32_t (*best)(float *value);
} fn_model;

#endif
