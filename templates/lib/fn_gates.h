/* fn_gates.h: gates and states of recurrent layers. Python twin: generator/firmnet/ops/gates.py. */
#ifndef FN_GATES_H
#define FN_GATES_H

#include <stdint.h>
#include <string.h>

/* One of the offsets of 64 bits, which lie in flash as words. */
static inline int64_t fn_offset(const uint32_t *offsets, int32_t row)
{
    int64_t offset;
    memcpy(&offset, offsets + 2 * row, sizeof offset);
    return offset;
}

/* Where the sum of a row is that four rows share: eight words for each four of them. */
static inline int32_t fn_row(int32_t row)
{
    return (row >> 2) * 8 + (row & 3);
}

/* To what int32 holds, but for its least value. */
static inline int32_t fn_held(int64_t fine)
{
    return (int32_t)(fine < -INT32_MAX ? -INT32_MAX : fine > INT32_MAX ? INT32_MAX : fine);
}

/* Of steps of 2^-20, 0 .. 2^24 - 1, in units of 2^-22: the line between two of the entries, 1/32 apart. */
static inline int32_t fn_logistic(const int32_t *entries, uint32_t fine)
{
    const int32_t *entry = entries + (fine >> 15);
    return entry[0] + ((entry[1] - entry[0]) * (int32_t)(fine & 0x7fffu) >> 15);
}

static inline uint32_t fn_magnitude(int32_t fine, uint32_t most)
{
    const uint32_t size = fine < 0 ? 0u - (uint32_t)fine : (uint32_t)fine;
    return size < most ? size : most;
}

/* Steps of 2^-20 -> steps of 2^-15, 0 .. 32768. */
static inline int32_t fn_sigmoid(const int32_t *entries, int32_t fine)
{
    const int32_t above = (fn_logistic(entries, fn_magnitude(fine, 0xffffffu)) + 64) >> 7;
    return fine < 0 ? 32768 - above : above;
}

/* Steps of 2^-20 -> steps of 2^-15, -32768 .. 32768. */
static inline int32_t fn_tanh(const int32_t *entries, int32_t fine)
{
    const int32_t above = (fn_logistic(entries, 2u * fn_magnitude(fine, 0x7fffffu)) - (INT32_C(1) << 21) + 32) >> 6;
    return fine < 0 ? -above : above;
}

/* value / 2^shift of shift > 0, rounded half up, as int16 holds it. */
static inline int16_t fn_rounded_state(int64_t value, int32_t shift)
{
    const int64_t rounded = (value + (INT64_C(1) << (shift - 1))) >> shift;
    return (int16_t)(rounded < -32768 ? -32768 : rounded > 32767 ? 32767 : rounded);
}

#endif
