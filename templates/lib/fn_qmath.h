/* fn_qmath.h: the integer arithmetic of firmnet models. Python twin: generator/firmnet/qmath.py. */
#ifndef FN_QMATH_H
#define FN_QMATH_H

#include <stdint.h>
#include <string.h>

/* The smallest and largest int8 that a layer may write: saturation is the activation. */
static inline int8_t fn_clamp(int32_t v, int32_t lo, int32_t hi)
{
    return (int8_t)(v < lo ? lo : v > hi ? hi : v);
}

/* The same of int16. */
static inline int16_t fn_clamp_int16(int32_t v, int32_t lo, int32_t hi)
{
    return (int16_t)(v < lo ? lo : v > hi ? hi : v);
}

/* floor((acc * 2^pre_shift * multiplier + zero_point * 2^(32 + shift) + 2^(31 + shift)) / 2^(32 + shift)).
 * Right shifts of negative values are arithmetic on every compiler this code is built with (GCC, Clang);
 * left shifts of negative values would be undefined and are written as products. */
static inline int32_t fn_requantize(int32_t acc, int32_t multiplier, int32_t zero_point, int32_t shift, int32_t pre_shift)
{
    const int64_t product = (int64_t)(acc * (INT32_C(1) << pre_shift)) * multiplier;
    if (shift == 0) {
        return (int32_t)((product + INT64_C(0x80000000)) >> 32) + zero_point;
    }
    const int32_t high = (int32_t)(product >> 32);
    return (high + zero_point * (INT32_C(1) << shift) + (INT32_C(1) << (shift - 1))) >> shift;
}

/* The same for shift > 0 without a shift before, with rounding = zero_point * 2^shift + 2^(shift - 1). */
static inline int32_t fn_scale(int32_t acc, int32_t multiplier, int32_t rounding, int32_t shift)
{
    return ((int32_t)((int64_t)acc * multiplier >> 32) + rounding) >> shift;
}

/* fn_requantize of a product of at most 2^62 that has its pre-shift, to the bounds of any type. */
static inline int32_t fn_narrow(int64_t product, int32_t zero_point, int32_t shift, int32_t lo, int32_t hi)
{
    const int32_t v = shift == 0 ? (int32_t)((product + INT64_C(0x80000000)) >> 32) + zero_point
                                 : ((int32_t)(product >> 32) + zero_point * (INT32_C(1) << shift) + (INT32_C(1) << (shift - 1))) >> shift;
    return v < lo ? lo : v > hi ? hi : v;
}

/* value * multiplier, of 16 and 32 bits, without the last 16. */
static inline int32_t fn_part(int32_t value, int32_t multiplier)
{
    return (int32_t)((int64_t)value * multiplier >> 16);
}

/* sum / 2^shift, rounded down, to the bounds of any type. */
static inline int32_t fn_shifted(int64_t sum, int32_t shift, int32_t lo, int32_t hi)
{
    const int64_t v = sum >> shift;
    return (int32_t)(v < lo ? lo : v > hi ? hi : v);
}

/* a / b in steps of the result: a times its multiplier, requantized by a quotient of 2^31 - 1 and b, which is not 0. `half` is 2^31
 * where there is no shift. |a| < 2^16, 0 <= multiplier < 2^31, 0 <= doublings <= 16. */
static inline int32_t fn_quotient(int32_t a, int32_t b, int32_t multiplier, int32_t doublings, int64_t half, int32_t rounding, int32_t shift)
{
    const int64_t wide = ((int64_t)a * multiplier >> 16) * (INT64_C(1) << doublings);
    const int32_t scaled = (int32_t)(wide < INT32_MIN ? INT32_MIN : wide > INT32_MAX ? INT32_MAX : wide);
    return ((int32_t)(((int64_t)scaled * (INT32_MAX / b) + half) >> 32) + rounding) >> shift;
}

/* a / 0: what saturates, by the sign of a. */
static inline int32_t fn_by_zero(int32_t a, int32_t zero_point, int32_t lo, int32_t hi)
{
    return a > 0 ? hi : a < 0 ? lo : zero_point;
}

/* e^-d for a distance of 16 bits: the product of what its upper and its lower 8 bits stand for, rounded. */
static inline uint32_t fn_exponential(const uint32_t *coarse, const uint32_t *fine, int32_t distance, int32_t drop)
{
    const uint64_t product = (uint64_t)coarse[distance >> 8] * fine[distance & 255];
    return (uint32_t)((product + (UINT64_C(1) << (drop - 1))) >> drop);
}

/* floor((2^63 - 1) / divisor) of a divisor that takes up 32 bits: two digits of 16 bits, each tried with the divisor's upper half
 * and then at most two too large. */
static inline uint32_t fn_inverse(uint32_t divisor)
{
    const uint32_t high = divisor >> 16, low = divisor & 0xffffu;
    uint32_t rest = UINT32_C(0x7fffffff), inverse = 0;
    for (int32_t digit = 0; digit < 2; digit++) {
        uint32_t tried = rest / high;
        const uint32_t part = tried * low;
        rest = (rest - tried * high) << 16 | 0xffffu;
        if (rest < part) {
            tried--;
            rest += divisor;
            if (rest >= divisor && rest < part) {
                tried--;
                rest += divisor;
            }
        }
        rest -= part;
        inverse = (inverse << 16) + tried;
    }
    return inverse;
}

/* floor((2^15 * e + floor(sum / 2)) / sum) of e <= sum <= 2^31, with inverse = floor((2^63 - 1) / (sum * 2^up)) and a sum that
 * takes up 32 bits when it is shifted: a product that is never too large, by one too small at most, and its rest. */
static inline uint32_t fn_share(uint32_t e, uint32_t sum, uint32_t inverse, int32_t up)
{
    const uint32_t near = (uint32_t)((uint64_t)(e << up) * inverse >> 32);
    const uint32_t share = (near + 32768u) >> 16;
    return share + ((e << 15) + sum / 2u - share * sum >= sum);
}

/* 1 / sqrt(square) of 1 .. 2^62 - 1 as root * 2^-30 * 2^-half_bits: a line as a first guess, then Newton's rounds. */
static inline uint32_t fn_reciprocal_root(uint64_t square, int32_t *half_bits)
{
    const int32_t half = (65 - __builtin_clzll(square)) / 2;
    const uint32_t v = (uint32_t)(half <= 16 ? square << (32 - 2 * half) : square >> (2 * half - 32));
    uint32_t root = UINT32_C(2289969188) - (uint32_t)((uint64_t)UINT32_C(1308569161) * v >> 32);
    for (int32_t round = 0; round < 3; round++) {
        const uint32_t product = (uint32_t)((uint64_t)v * (uint32_t)((uint64_t)root * root >> 32) >> 32);
        root = (uint32_t)((uint64_t)root * ((UINT32_C(3) << 28) - product) >> 29);
    }
    *half_bits = half;
    return root;
}

/* The largest integer whose square is not above this one, which is below 2^62: the square times its reciprocal root, one
 * round of Newton's, and what is left of that, at most a step or two. */
static inline uint32_t fn_root(uint64_t square)
{
    if (square == 0) {
        return 0;
    }
    int32_t half;
    const uint32_t reciprocal = fn_reciprocal_root(square, &half);
    const uint32_t v = (uint32_t)(half <= 16 ? square << (32 - 2 * half) : square >> (2 * half - 32));
    uint32_t root = (uint32_t)((uint64_t)v * reciprocal >> (62 - half));
    const int64_t left = (int64_t)(square - (uint64_t)root * root) >> 10;
    root += (uint32_t)(left * reciprocal >> (21 + half));
    while ((uint64_t)root * root > square) {
        root--;
    }
    while ((uint64_t)(root + 1) * (root + 1) <= square) {
        root++;
    }
    return root;
}

/* log2 of a value above 0, in units of 2^-16: each bit by a square. */
static inline int32_t fn_log2(uint32_t value)
{
    const int32_t whole = 31 - __builtin_clz(value);
    int32_t found = whole << 16;
    uint64_t m = value << (31 - whole);
    for (int32_t bit = 15; bit >= 0; bit--) {
        m = m * m >> 31;
        if (m >> 32) {
            found += INT32_C(1) << bit;
            m >>= 1;
        }
    }
    return found;
}

/* value / 2^drop, rounded half up. */
static inline int64_t fn_rounded(int64_t value, int32_t drop)
{
    return (value + (INT64_C(1) << (drop - 1))) >> drop;
}

/* high32(normal * multiplier) + offset, shifted: a normalized value with gain and shift. */
static inline int32_t fn_gained(int32_t normal, int32_t multiplier, int32_t offset, int32_t shift)
{
    return ((int32_t)((int64_t)normal * multiplier >> 32) + offset) >> shift;
}

/* float -> lo..hi at the model's edge; every step is rounded to float32 (build with -ffp-contract=off). NaN -> lo. */
static inline int32_t fn_quantize_input(float x, float reciprocal, float offset, int32_t lo, int32_t hi)
{
    const float t = x * reciprocal;
    const float v = t + offset;
    if (!(v >= (float)lo)) {
        return lo;
    }
    if (v >= (float)hi + 1.0f) { /* a power of two, of int32 too, where (float)hi is that already */
        return hi;
    }
    const int32_t whole = (int32_t)v; /* towards zero */
    return (float)whole > v ? whole - 1 : whole;
}

/* Integer -> float at the model's edge: the product is rounded once, and before it a difference beyond 2^24. */
static inline float fn_dequantize_output(int32_t q, float scale, int32_t zero_point)
{
    return scale * (float)(q - zero_point);
}

/* Neither NaN nor infinite, by its bits. */
static inline int fn_is_finite(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & UINT32_C(0x7f800000)) != UINT32_C(0x7f800000);
}

/* The index of the first of so many values that is NaN or infinite; -1: there is none. */
static inline int32_t fn_first_infinite(const float *x, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        if (!fn_is_finite(x[i])) {
            return i;
        }
    }
    return -1;
}

#if defined(__thumb2__) && defined(__ARM_FP) && (__ARM_FP & 4)
#define FN_QUANTIZED_AT_ONCE 16
/* Line by line: a compiler that counts fewer lays constants too far away. */
#define FN_SIXTEEN(each) each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7) \
    each(8) each(9) each(10) each(11) each(12) each(13) each(14) each(15)
#define FN_TIMES(n) "vmul.f32 s" #n ", s" #n ", s16\n\t"
#define FN_PLUS(n) "vadd.f32 s" #n ", s" #n ", s17\n\t"
#define FN_CONVERTED(n) "vcvtr.s32.f32 s" #n ", s" #n "\n\t"
#define FN_STORE_ONE(n, place) "vmov %[t], s" #n "\n\tssat %[t], #8, %[t]\n\tstrb %[t], [%[q]" place "]\n\t"
#define FN_STORE_FOUR(a, b, c, d) \
    FN_STORE_ONE(a, "") FN_STORE_ONE(b, ", %[step]") FN_STORE_ONE(c, ", %[step], lsl #1") FN_STORE_ONE(d, ", %[three]") \
    "add %[q], %[q], %[step], lsl #2\n\t"
/* Sixteen at a time by the FPU: it rounds to nearest as it multiplies and adds, then towards minus infinity as it converts, and
 * remembers in FPSCR whether one was too large, infinite or NaN. Returns that. */
static inline uint32_t fn_quantize_sixteens(
    const float *x, int8_t *q, int32_t sixteens, int32_t step, float reciprocal, float offset)
{
    uint32_t near, down, t, odd = 0u;
    __asm volatile(
        ".syntax unified\n\t"
        "vmov s16, %[reciprocal]\n\t"
        "vmov s17, %[offset]\n\t"
        "vmrs %[near], fpscr\n\t"
        "bic %[near], %[near], #0xC00000\n\t" /* round to nearest */
        "bic %[near], %[near], #1\n\t"        /* nothing invalid yet */
        "orr %[down], %[near], #0x800000\n\t"
        "1:\n\t"
        "vldmia %[x]!, {s0-s15}\n\t"
        "vmsr fpscr, %[near]\n\t"
        FN_SIXTEEN(FN_TIMES)
        FN_SIXTEEN(FN_PLUS)
        "vmsr fpscr, %[down]\n\t"
        FN_SIXTEEN(FN_CONVERTED)
        "vmrs %[t], fpscr\n\t"
        "orr %[odd], %[odd], %[t]\n\t"
        FN_STORE_FOUR(0, 1, 2, 3)
        FN_STORE_FOUR(4, 5, 6, 7)
        FN_STORE_FOUR(8, 9, 10, 11)
        FN_STORE_FOUR(12, 13, 14, 15)
        "subs %[sixteens], %[sixteens], #1\n\t"
        "bne 1b\n\t"
        "vmsr fpscr, %[near]\n\t"
        : [x] "+&r"(x), [q] "+&r"(q), [sixteens] "+&r"(sixteens), [near] "=&r"(near), [down] "=&r"(down), [t] "=&r"(t),
        [odd] "+&r"(odd)
        : [step] "r"(step), [three] "r"(3 * step), [reciprocal] "r"(reciprocal), [offset] "r"(offset)
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15",
        "s16", "s17");
    return odd & 1u;
}
#endif

/* fn_quantize_input to int8 of `count` values, each `step` bytes behind the one before. Whether one may be NaN or infinite. */
static inline uint32_t fn_quantize_int8(
    const float *x, int8_t *q, int32_t count, int32_t step, float reciprocal, float offset)
{
    uint32_t odd = 0u;
#if defined(FN_QUANTIZED_AT_ONCE)
    const int32_t whole = count / FN_QUANTIZED_AT_ONCE;
    if (whole > 0) {
        odd = fn_quantize_sixteens(x, q, whole, step, reciprocal, offset);
        x += whole * FN_QUANTIZED_AT_ONCE;
        q += whole * FN_QUANTIZED_AT_ONCE * step;
        count -= whole * FN_QUANTIZED_AT_ONCE;
    }
#endif
    for (; count > 0; count--) {
        odd |= !fn_is_finite(*x);
        *q = (int8_t)fn_quantize_input(*x++, reciprocal, offset, -128, 127);
        q += step;
    }
    return odd;
}

#endif
