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

/* a + b, or the end of int32 that lies before it. */
static inline int32_t fn_sum(int32_t a, int32_t b)
{
    int32_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : b < 0 ? INT32_MIN : INT32_MAX;
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

/* Below every score: that of a key which is kept out. */
#define FN_KEPT_OUT (-(INT32_C(1) << 29))

/* What a score so far below the largest weighs, in units of 1/256 of a power of two: `powers` holds twice the weights of the first
 * 256 distances. */
static inline int32_t fn_weight(const uint16_t *powers, uint32_t distance)
{
    const uint32_t near = distance > 8191u ? 8191u : distance;
    return (int32_t)((((uint32_t)powers[near & 255u] >> (near >> 8)) + 1u) >> 1);
}

/* The same in units of 2^-16, between two of 257 powers of 30 bits, of which `drop` are more than twice a weight has. */
static inline int32_t fn_fine_weight(const uint32_t *powers, uint32_t distance, uint32_t drop)
{
    const uint32_t *const at = powers + (distance >> 8 & 255u);
    const uint32_t power = at[0] - ((at[0] - at[1]) * (distance & 255u) >> 8);
    const uint32_t down = (distance >> 16) + drop;
    return (int32_t)(((power >> (down > 31u ? 31u : down)) + 1u) >> 1);
}

/* How a row of weights makes results of its sums of values. */
typedef struct {
    int32_t multiplier, shift;
    int64_t added;
} fn_shares;

/* Of weights with this sum, 1 to 2^31 - 1; factor < 2^15. `shift` of the factor, with the bits that results keep; offset in 2^-16. */
static inline fn_shares fn_shares_of(uint32_t sum, int32_t factor, int32_t shift, int64_t offset)
{
    const int32_t up = __builtin_clz(sum);
    const int32_t down = 15 + shift - up;
    const fn_shares found = {
        (int32_t)((uint64_t)fn_inverse(sum << up) * (uint32_t)factor >> 16),
        down,
        down >= 16 ? offset * (INT64_C(1) << (down - 16)) : offset >> (16 - down),
    };
    return found;
}

/* A sum of weighed values as a result with so many bits more below the upper 32 of the product. */
static inline int32_t fn_share_of(int32_t sum, fn_shares shares, int32_t more, int32_t lo, int32_t hi)
{
    const int64_t v = (((int64_t)sum * shares.multiplier >> (32 - more)) + shares.added) >> shares.shift;
    return (int32_t)(v < lo ? lo : v > hi ? hi : v);
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

/* Whether a library computes with floats, some fifty instructions each time. */
#if (defined(__arm__) && !(defined(__ARM_FP) && (__ARM_FP & 4))) || (defined(__riscv) && !defined(__riscv_flen))
#define FN_SOFT_FLOAT 1
#else
#define FN_SOFT_FLOAT 0
#endif
/* Whether the core multiplies 32 bits by 32 into 32, no more. */
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
#define FN_NARROW_PRODUCTS 1
#else
#define FN_NARROW_PRODUCTS 0
#endif
#if defined(__GNUC__)
#define FN_SELDOM static __attribute__((noinline, unused))
#else
#define FN_SELDOM static inline
#endif

static inline uint32_t fn_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* float -> lo..hi at the model's edge; every step is rounded to float32 (build with -ffp-contract=off). NaN -> lo. */
static inline int32_t fn_quantize_float(float x, float reciprocal, float offset, int32_t lo, int32_t hi)
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

FN_SELDOM int32_t fn_quantize_at_border(float x, float reciprocal, float offset, int32_t lo, int32_t hi)
{
    return fn_quantize_float(x, reciprocal, offset, lo, hi);
}

/* The same to at most 16 bits without a float's arithmetic: x * reciprocal + offset in fixed point, the product less exact than
 * a float's. Where `near` a border, which is more than all that both have rounded, floats decide: of 8 bits once in 60 times
 * where the product is `narrow`, 16 bits by 16, else once in 16,000 times; of 16 bits once in 60. The constants fold away. */
static inline int32_t fn_quantize_by_bits(
    float x, float reciprocal, float offset, int32_t lo, int32_t hi, int32_t narrow)
{
    const int32_t points = hi < 256 ? 21 : 14; /* of fixed point */
    const uint32_t near = hi >= 256 ? 128u : narrow ? 16640u : 64u;
    const uint32_t r = fn_bits(reciprocal), bits = fn_bits(x);
    const int32_t start = (int32_t)(offset * (float)(1 << points));
    if ((r >> 23) - 16u >= 215u) { /* one of a model whose values are hardly numbers */
        return fn_quantize_at_border(x, reciprocal, offset, lo, hi);
    }
    const int32_t down = 284 - points - (int32_t)(r >> 23) - (int32_t)(bits << 1 >> 24);
    if (down > 31) {
        return start >> points;
    }
    if (down < 2) { /* beyond all borders */
        return bits >> 31 || bits << 1 > UINT32_C(0xff000000) ? lo : hi;
    }
    const uint32_t a = bits << 8 | UINT32_C(0x80000000), b = r << 8 | UINT32_C(0x80000000);
    const uint32_t b16 = (b >> 16) + (b >> 15 & (b < UINT32_C(0xffff8000)));
    const uint32_t product = narrow && hi < 256 ? (a >> 16) * b16 + (b16 >> 1) : (uint32_t)((uint64_t)a * b >> 32);
    const int32_t size = (int32_t)(product >> down);
    const int32_t v = (bits >> 31 ? -size : size) + start;
    if ((((uint32_t)v + near) & ((UINT32_C(1) << points) - 1u)) < 2u * near) {
        return fn_quantize_at_border(x, reciprocal, offset, lo, hi);
    }
    const int32_t whole = v >> points;
    return whole < lo ? lo : whole > hi ? hi : whole;
}

/* float -> lo..hi by the fastest of these that the core has. */
static inline int32_t fn_quantize_input(float x, float reciprocal, float offset, int32_t lo, int32_t hi)
{
    return FN_SOFT_FLOAT && hi <= INT16_MAX ? fn_quantize_by_bits(x, reciprocal, offset, lo, hi, FN_NARROW_PRODUCTS)
                                            : fn_quantize_float(x, reciprocal, offset, lo, hi);
}

/* scale * steps of a normal scale below 2^119 and at most 255 steps: 32 bits hold the product, which is rounded to 24, half to even. */
static inline float fn_scaled_by_bits(int32_t steps, float scale)
{
    const uint32_t s = fn_bits(scale), size = (uint32_t)(steps < 0 ? -steps : steps);
    uint32_t product = ((s & UINT32_C(0x7fffff)) | UINT32_C(0x800000)) * size;
    uint32_t exponent = (s >> 23) + 7u;
    if (product == 0u) {
        return 0.0f;
    }
    for (; !(product >> 31); product <<= 1) {
        exponent--;
    }
    const uint32_t kept = product >> 8;
    const uint32_t rounded = kept + ((product & 255u) + (kept & 1u) > 128u);
    const uint32_t bits = ((exponent << 23) + rounded) | (steps < 0 ? UINT32_C(0x80000000) : 0u); /* the first bit counts one up */
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Integer -> float at the model's edge: the product is rounded once, and before it a difference beyond 2^24. */
static inline float fn_dequantize_output(int32_t q, float scale, int32_t zero_point)
{
    const int32_t steps = q - zero_point;
    if (FN_SOFT_FLOAT && steps >= -255 && steps <= 255 && (fn_bits(scale) >> 23) - 1u < 245u) {
        return fn_scaled_by_bits(steps, scale);
    }
    return scale * (float)steps;
}

/* Of `count` values, each `step` behind the one before. Where there is an FPU, four at a time, which wait for each other less. */
#define FN_DEQUANTIZE_LINE(type) \
    static inline __attribute__((always_inline)) void fn_dequantize_##type##_line( \
        const type##_t *q, float *y, int32_t count, int32_t step, float scale, int32_t zero_point) \
    { \
        for (; !FN_SOFT_FLOAT && count >= 4; count -= 4, q += 4 * step, y += 4) { \
            const int32_t a = q[0], b = q[step], c = q[2 * step], d = q[3 * step]; \
            y[0] = fn_dequantize_output(a, scale, zero_point); \
            y[1] = fn_dequantize_output(b, scale, zero_point); \
            y[2] = fn_dequantize_output(c, scale, zero_point); \
            y[3] = fn_dequantize_output(d, scale, zero_point); \
        } \
        for (; count > 0; count--, q += step) { \
            *y++ = fn_dequantize_output(*q, scale, zero_point); \
        } \
    }
FN_DEQUANTIZE_LINE(int8)
FN_DEQUANTIZE_LINE(uint8)
FN_DEQUANTIZE_LINE(int16)
FN_DEQUANTIZE_LINE(int32)

/* Neither NaN nor infinite, by its bits. */
static inline int fn_is_finite(float x)
{
    return (fn_bits(x) & UINT32_C(0x7f800000)) != UINT32_C(0x7f800000);
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
#define FN_STORED(n, bits, store, place) "vmov %[t], s" #n "\n\tssat %[t], #" bits ", %[t]\n\t" store " %[t], [%[q]" place "]\n\t"
#define FN_BYTE_NEAR(n) FN_STORED(n, "8", "strb", ", %[at" #n "]")
#define FN_BYTE_FAR(n) FN_STORED(n, "8", "strb", "") "add %[q], %[q], %[ahead]\n\t"
#define FN_HALF_NEAR(n) FN_STORED(n, "16", "strh", ", %[at" #n "]")
#define FN_HALF_FAR(n) FN_STORED(n, "16", "strh", "") "add %[q], %[q], %[ahead]\n\t"
#define FN_AT(n) [at##n] "n"(n * step)
#define FN_PLACES , FN_AT(0), FN_AT(1), FN_AT(2), FN_AT(3), FN_AT(4), FN_AT(5), FN_AT(6), FN_AT(7), FN_AT(8), FN_AT(9), \
    FN_AT(10), FN_AT(11), FN_AT(12), FN_AT(13), FN_AT(14), FN_AT(15)
/* Sixteen at a time by the FPU: it rounds to nearest as it multiplies and adds, then towards minus infinity as it converts, and
 * remembers in FPSCR whether one was too large, infinite or NaN: the last bit of `odd`. */
#define FN_QUANTIZE_SIXTEENS(stored, places, then) \
    __asm volatile( \
        ".syntax unified\n\t" \
        "vmov s16, %[reciprocal]\n\t" \
        "vmov s17, %[offset]\n\t" \
        "vmrs %[near], fpscr\n\t" \
        "bic %[near], %[near], #0xC00000\n\t" /* round to nearest */ \
        "bic %[near], %[near], #1\n\t"        /* nothing invalid yet */ \
        "orr %[down], %[near], #0x800000\n\t" \
        "1:\n\t" \
        "vldmia %[x]!, {s0-s15}\n\t" \
        "vmsr fpscr, %[near]\n\t" \
        FN_SIXTEEN(FN_TIMES) \
        FN_SIXTEEN(FN_PLUS) \
        "vmsr fpscr, %[down]\n\t" \
        FN_SIXTEEN(FN_CONVERTED) \
        "vmrs %[t], fpscr\n\t" \
        "orr %[odd], %[odd], %[t]\n\t" \
        FN_SIXTEEN(stored) \
        then \
        "subs %[sixteens], %[sixteens], #1\n\t" \
        "bne 1b\n\t" \
        "vmsr fpscr, %[near]\n\t" \
        : [x] "+&r"(x), [q] "+&r"(q), [sixteens] "+&r"(sixteens), [near] "=&r"(near), [down] "=&r"(down), [t] "=&r"(t), \
        [odd] "+&r"(odd) \
        : [ahead] "r"(ahead), [reciprocal] "r"(reciprocal), [offset] "r"(offset) places \
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", \
        "s16", "s17")
/* A place that the instruction itself holds is stored to in a cycle; a register must be counted on. */
#define FN_NEAR_BYTES 273
static inline __attribute__((always_inline)) uint32_t fn_quantize_sixteens(
    const float *x, char *q, int32_t sixteens, int32_t bytes, int32_t step, float reciprocal, float offset)
{
    uint32_t near, down, t, odd = 0u;
    if (__builtin_constant_p(step) && step >= 0 && step <= FN_NEAR_BYTES) {
        const int32_t ahead = 16 * step;
        if (bytes == 1) {
            FN_QUANTIZE_SIXTEENS(FN_BYTE_NEAR, FN_PLACES, "add %[q], %[q], %[ahead]\n\t");
        } else {
            FN_QUANTIZE_SIXTEENS(FN_HALF_NEAR, FN_PLACES, "add %[q], %[q], %[ahead]\n\t");
        }
    } else {
        const int32_t ahead = step;
        if (bytes == 1) {
            FN_QUANTIZE_SIXTEENS(FN_BYTE_FAR, , "");
        } else {
            FN_QUANTIZE_SIXTEENS(FN_HALF_FAR, , "");
        }
    }
    return odd & 1u;
}
#endif

/* fn_quantize_input of `count` values to integers of 1 or 2 `bytes`, each `step` bytes behind the one before. Whether one may be
 * NaN or infinite. */
static inline __attribute__((always_inline)) uint32_t fn_quantize_line(
    const float *x, void *line, int32_t count, int32_t bytes, int32_t step, float reciprocal, float offset)
{
    char *q = line;
    uint32_t odd = 0u;
#if defined(FN_QUANTIZED_AT_ONCE)
    const int32_t whole = count / FN_QUANTIZED_AT_ONCE;
    if (whole > 0) {
        odd = fn_quantize_sixteens(x, q, whole, bytes, step, reciprocal, offset);
        x += whole * FN_QUANTIZED_AT_ONCE;
        q += whole * FN_QUANTIZED_AT_ONCE * step;
        count -= whole * FN_QUANTIZED_AT_ONCE;
    }
#endif
    for (; count > 0; count--) {
        odd |= !fn_is_finite(*x);
        if (bytes == 1) {
            *(int8_t *)(void *)q = (int8_t)fn_quantize_input(*x++, reciprocal, offset, INT8_MIN, INT8_MAX);
        } else {
            *(int16_t *)(void *)q = (int16_t)fn_quantize_input(*x++, reciprocal, offset, INT16_MIN, INT16_MAX);
        }
        q += step;
    }
    return odd;
}

/* The same, `step` values behind the one before. */
static inline uint32_t fn_quantize_int8(
    const float *x, int8_t *q, int32_t count, int32_t step, float reciprocal, float offset)
{
    return fn_quantize_line(x, q, count, 1, step, reciprocal, offset);
}

static inline uint32_t fn_quantize_int16(
    const float *x, int16_t *q, int32_t count, int32_t step, float reciprocal, float offset)
{
    return fn_quantize_line(x, q, count, 2, 2 * step, reciprocal, offset);
}

#endif
