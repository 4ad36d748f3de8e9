/* fn_dsp.h: the Armv7E-M DSP extension: dot products and copies, with the same results in plain C everywhere else. */
#ifndef FN_DSP_H
#define FN_DSP_H

#include <stdint.h>
#include <string.h>

#include "fn_qmath.h"

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
/* Marks a function that is one block of assembly and saves what it must by itself. It may not be inlined or
 * lose arguments that no C reads, and its callers must know what it overwrites. */
#define FN_ASM __attribute__((naked, noinline, noclone, unused))
#define FN_ASM_CLOBBERS "r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory"

/* Marks what runs around assembly, which takes nearly all of the time: small code is worth more there. */
#define FN_SMALL __attribute__((cold))
/* Marks what is called from such code and fast itself. */
#define FN_APART __attribute__((noinline, unused))

/* acc + sum of four products of int8 lanes: SXTB16 spreads bytes 0, 2 and 1, 3 to 16 bits, SMLAD multiplies pairs. */
static inline int32_t fn_dot4(const int8_t *a, const int8_t *b, int32_t acc)
{
    uint32_t x, y, x02, x13, y02, y13;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    __asm__("sxtb16 %0, %1" : "=r"(x02) : "r"(x));
    __asm__("sxtb16 %0, %1" : "=r"(y02) : "r"(y));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(x13) : "r"(x));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(y13) : "r"(y));
    __asm__("smlad %0, %1, %2, %3" : "=r"(acc) : "r"(x02), "r"(y02), "r"(acc));
    __asm__("smlad %0, %1, %2, %3" : "=r"(acc) : "r"(x13), "r"(y13), "r"(acc));
    return acc;
}
#else
#define FN_SMALL
#define FN_APART __attribute__((unused))

static inline int32_t fn_dot4(const int8_t *a, const int8_t *b, int32_t acc)
{
    return acc + a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}
#endif

/* Columns of `values` int8 each -> int16. Of every four values the middle two change places: that is how SXTB16
 * spreads a word; weights are packed to match. Behind each column, `out` skips out_gap int16 and `in` in_gap bytes. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
FN_ASM static void fn_expand(int16_t *out, const int8_t *in, int32_t columns, int32_t values, int32_t out_gap, int32_t in_gap)
{
    (void)out;
    (void)in;
    (void)columns;
    (void)values;
    (void)out_gap;
    (void)in_gap;
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "1:\n" /* a column; r12: values left, less those of the next step */
        "subs r12, r3, #16\n"
        "blt 3f\n"
        "2:\n"
        "ldr r4, [r1], #4\n"
        "ldr r6, [r1], #4\n"
        "ldr r8, [r1], #4\n"
        "ldr r10, [r1], #4\n"
        "sxtb16 r5, r4, ror #8\n"
        "sxtb16 r4, r4\n"
        "sxtb16 r7, r6, ror #8\n"
        "sxtb16 r6, r6\n"
        "sxtb16 r9, r8, ror #8\n"
        "sxtb16 r8, r8\n"
        "sxtb16 r11, r10, ror #8\n"
        "sxtb16 r10, r10\n"
        "str r4, [r0], #4\n"
        "str r5, [r0], #4\n"
        "str r6, [r0], #4\n"
        "str r7, [r0], #4\n"
        "str r8, [r0], #4\n"
        "str r9, [r0], #4\n"
        "str r10, [r0], #4\n"
        "str r11, [r0], #4\n"
        "subs r12, #16\n"
        "bge 2b\n"
        "3:\n"
        "adds r12, #12\n"
        "blt 5f\n"
        "4:\n"
        "ldr r4, [r1], #4\n"
        "sxtb16 r5, r4, ror #8\n"
        "sxtb16 r4, r4\n"
        "str r4, [r0], #4\n"
        "str r5, [r0], #4\n"
        "subs r12, #4\n"
        "bge 4b\n"
        "5:\n"
        "adds r12, #4\n"
        "beq 7f\n"
        "6:\n"
        "ldrsb r4, [r1], #1\n"
        "strh r4, [r0], #2\n"
        "subs r12, #1\n"
        "bne 6b\n"
        "7:\n"
        "ldr r4, [sp, #36]\n" /* the gaps */
        "ldr r5, [sp, #40]\n"
        "add r0, r0, r4, lsl #1\n"
        "add r1, r1, r5\n"
        "subs r2, #1\n"
        "bgt 1b\n"
        "pop {r4-r11, pc}\n" ::: FN_ASM_CLOBBERS);
}
#else
static inline void fn_expand(int16_t *out, const int8_t *in, int32_t columns, int32_t values, int32_t out_gap, int32_t in_gap)
{
    for (; columns > 0; columns--, out += values + out_gap, in += values + in_gap) {
        int32_t i = 0;
        for (; i + 4 <= values; i += 4) {
            const int16_t four[4] = {in[i], in[i + 2], in[i + 1], in[i + 3]};
            memcpy(out + i, four, sizeof four);
        }
        for (; i < values; i++) {
            out[i] = in[i];
        }
    }
}
#endif

/* Columns of `values` int16, out_gap apart, all of one value: the padding around an expanded image. */
static inline void fn_fill(int16_t *out, int32_t columns, int32_t values, int32_t out_gap, int16_t value)
{
    const uint32_t two = (uint16_t)value * 0x10001u;
    if (out_gap == 0) {
        values *= columns;
        columns = values > 0;
    }
    for (; columns > 0; columns--, out += out_gap) {
        int32_t left = values;
        for (; left >= 8; left -= 8, out += 8) {
            memcpy(out, &two, sizeof two);
            memcpy(out + 2, &two, sizeof two);
            memcpy(out + 4, &two, sizeof two);
            memcpy(out + 6, &two, sizeof two);
        }
        for (; left > 0; left--) {
            *out++ = value;
        }
    }
}

FN_APART static void fn_fill_apart(int16_t *out, int32_t columns, int32_t values, int32_t out_gap, int16_t value)
{
    fn_fill(out, columns, values, out_gap, value);
}

/* Two channels' sums over words of weights c0k0, c1k0, c0k1, c1k1 and expanded inputs. */
static inline void fn_dot_pair(const int16_t *x, const int32_t *w, int32_t pairs, int32_t *even, int32_t *odd)
{
    for (int32_t i = 0; i < pairs; i++) {
        for (int32_t j = 0; j < 2; j++) {
            const int32_t weights = (int16_t)(uint16_t)((uint32_t)w[i] >> 16 * j);
            *even += (int8_t)(uint8_t)weights * x[2 * i + j];
            *odd += (weights >> 8) * x[2 * i + j];
        }
    }
}

/* The same where a halfword is 256 * c1 + c0. */
static inline void fn_dot_joined(const int16_t *x, const int32_t *w, int32_t pairs, int32_t *even, int32_t *odd)
{
    for (int32_t i = 0; i < pairs; i++) {
        for (int32_t j = 0; j < 2; j++) {
            const int32_t weights = (int16_t)(uint16_t)((uint32_t)w[i] >> 16 * j);
            const int32_t c0 = (int8_t)(uint8_t)weights;
            *even += c0 * x[2 * i + j];
            *odd += (weights - c0) / 256 * x[2 * i + j];
        }
    }
}

/* acc + one channel's sum over words of two int16 weights each and expanded inputs. */
static inline int32_t fn_dot_wide(const int16_t *x, const int32_t *w, int32_t pairs, int32_t acc)
{
    for (int32_t i = 0; i < pairs; i++) {
        acc += (int16_t)(uint16_t)w[i] * x[2 * i] + (int16_t)(uint16_t)((uint32_t)w[i] >> 16) * x[2 * i + 1];
    }
    return acc;
}

/* y = groups * 8 channels of one row of inputs: w is the stream of octet_stream (packing.py), x the inputs expanded by
 * fn_expand, parts times steps * 4 of them; requantized with rounding = zero_point * 2^shift + 2^(shift - 1), shift > 0.
 * The sums of odd channels keep within 24 bits in each of the parts, fn_linear8 has one, fn_linear8_parts more.
 *
 * r4-r7: sums of channels 0, 2, 4, 6; r8-r11: those and 256 times channels 1, 3, 5, 7; r1, r2: w, x, walking.
 * Stack: 0 y, 4 end of y, 8 x, 12 end of x's part, 16 where to enter the loop; with parts 20 a part's bytes, 24 end of x,
 * 28-40 odd channels' sums over earlier parts; behind frame and registers: steps, rounding, shift, parts. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define FN_MAC(even, odd, w, x) \
    "smlad " odd ", " w ", " x ", " odd "\n" \
    "sxtb16 " w ", " w "\n" \
    "smlad " even ", " w ", " x ", " even "\n"
#define FN_STEP /* 4 inputs by 8 channels: 128 bytes of code */ \
    "ldr r0, [r2], #4\n" \
    "ldr r3, [r1], #4\n" \
    "ldr r12, [r1], #4\n" \
    "ldr lr, [r1], #4\n" \
    FN_MAC("r4", "r8", "r3", "r0") FN_MAC("r5", "r9", "r12", "r0") FN_MAC("r6", "r10", "lr", "r0") \
    "ldr r3, [r1], #4\n" \
    "ldr r12, [r2], #4\n" \
    "ldr lr, [r1], #4\n" \
    FN_MAC("r7", "r11", "r3", "r0") FN_MAC("r4", "r8", "lr", "r12") \
    "ldm r1!, {r0, r3, lr}\n" \
    FN_MAC("r5", "r9", "r0", "r12") FN_MAC("r6", "r10", "r3", "r12") FN_MAC("r7", "r11", "lr", "r12")
#define FN_BEGIN(frame, steps) /* r4: a part's bytes */ \
    "push {r4-r11, lr}\n" \
    "sub sp, #" frame "\n" \
    "add r3, r0, r3, lsl #3\n" \
    "str r0, [sp]\n" \
    "str r3, [sp, #4]\n" \
    "ldr r3, [sp, #" steps "]\n" \
    "str r2, [sp, #8]\n" \
    "lsl r4, r3, #3\n" \
    "sub r3, #1\n" /* the first round takes 1 to 8 steps */ \
    "and r3, #7\n" \
    "add r3, #1\n" \
    "adr r5, 3f\n" \
    "sub r5, r5, r3, lsl #7\n" \
    "orr r5, #1\n" \
    "str r5, [sp, #16]\n" \
    "add r5, r2, r4\n" \
    "str r5, [sp, #12]\n"
#define FN_EVEN_BIASES "ldm r1!, {r4-r7}\n"
#define FN_PART \
    "ldr r0, [sp, #16]\n" \
    "mov r8, r4\n" \
    "mov r9, r5\n" \
    "mov r10, r6\n" \
    "mov r11, r7\n" \
    "bx r0\n" \
    ".p2align 2\n" \
    "2:\n" FN_STEP FN_STEP FN_STEP FN_STEP FN_STEP FN_STEP FN_STEP FN_STEP \
    "3:\n" \
    "ldr r0, [sp, #12]\n" \
    "cmp r2, r0\n" \
    "bne 2b\n" \
    "sub r8, r8, r4\n" \
    "sub r9, r9, r5\n" \
    "sub r10, r10, r6\n" \
    "sub r11, r11, r7\n"
#define FN_ODD_BIASES \
    "ldm r1!, {r0, r3, r12, lr}\n" \
    "add r8, r0, r8, asr #8\n" \
    "add r9, r3, r9, asr #8\n" \
    "add r10, r12, r10, asr #8\n" \
    "add r11, lr, r11, asr #8\n"
#define FN_PUT(even, odd) \
    "ldm r1!, {r0, r3}\n" \
    "smmla " even ", " even ", r0, lr\n" \
    "smmla " odd ", " odd ", r3, lr\n" \
    "asr " even ", " even ", r12\n" \
    "asr " odd ", " odd ", r12\n" \
    "ssat " even ", #8, " even "\n" \
    "ssat " odd ", #8, " odd "\n" \
    "strb " even ", [r2], #1\n" \
    "strb " odd ", [r2], #1\n"
#define FN_END(frame, rounding, shift) \
    "ldr r2, [sp]\n" \
    "ldr lr, [sp, #" rounding "]\n" \
    "ldr r12, [sp, #" shift "]\n" \
    FN_PUT("r4", "r8") FN_PUT("r5", "r9") FN_PUT("r6", "r10") FN_PUT("r7", "r11") \
    "ldr r0, [sp, #4]\n" \
    "cmp r2, r0\n" \
    "str r2, [sp]\n" \
    "ldr r2, [sp, #8]\n" \
    "bne 1b\n" \
    "add sp, #" frame "\n" \
    "pop {r4-r11, pc}\n"
FN_ASM static void fn_linear8(int8_t *y, const int32_t *w, const int16_t *x, int32_t groups, int32_t steps, int32_t rounding, int32_t shift)
{
    (void)y;
    (void)w;
    (void)x;
    (void)groups;
    (void)steps;
    (void)rounding;
    (void)shift;
    __asm__ volatile(
        FN_BEGIN("20", "56")
        "1:\n" FN_EVEN_BIASES
        FN_PART
        FN_ODD_BIASES
        FN_END("20", "60", "64") ::: FN_ASM_CLOBBERS);
}
FN_ASM static void fn_linear8_parts(int8_t *y, const int32_t *w, const int16_t *x, int32_t groups, int32_t steps, int32_t rounding, int32_t shift, int32_t parts)
{
    (void)y;
    (void)w;
    (void)x;
    (void)groups;
    (void)steps;
    (void)rounding;
    (void)shift;
    (void)parts;
    __asm__ volatile(
        FN_BEGIN("44", "80")
        "str r4, [sp, #20]\n"
        "ldr r5, [sp, #92]\n"
        "mla r5, r5, r4, r2\n"
        "str r5, [sp, #24]\n"
        "1:\n"
        "ldr r0, [sp, #20]\n"
        "mov r3, #0\n"
        "add r0, r2, r0\n"
        "str r0, [sp, #12]\n"
        "strd r3, r3, [sp, #28]\n"
        "strd r3, r3, [sp, #36]\n"
        FN_EVEN_BIASES
        "4:\n" FN_PART
        "ldrd r0, r3, [sp, #28]\n"
        "ldrd r12, lr, [sp, #36]\n"
        "add r8, r0, r8, asr #8\n"
        "add r9, r3, r9, asr #8\n"
        "add r10, r12, r10, asr #8\n"
        "add r11, lr, r11, asr #8\n"
        "ldr r0, [sp, #24]\n"
        "cmp r2, r0\n"
        "beq 5f\n"
        "strd r8, r9, [sp, #28]\n"
        "strd r10, r11, [sp, #36]\n"
        "ldr r0, [sp, #20]\n"
        "add r0, r2, r0\n"
        "str r0, [sp, #12]\n"
        "b 4b\n"
        "5:\n"
        "ldm r1!, {r0, r3, r12, lr}\n"
        "add r8, r8, r0\n"
        "add r9, r9, r3\n"
        "add r10, r10, r12\n"
        "add r11, r11, lr\n"
        FN_END("44", "84", "88") ::: FN_ASM_CLOBBERS);
}
#else
static inline void fn_linear8_parts(int8_t *y, const int32_t *w, const int16_t *x, int32_t groups, int32_t steps, int32_t rounding, int32_t shift, int32_t parts)
{
    for (steps *= parts; groups > 0; groups--, w += 16 + 8 * steps) {
        for (int32_t c = 0; c < 8; c += 2) {
            const int32_t *odd_bias = w + 4 + 8 * steps, *multiplier = odd_bias + 4;
            int32_t sums[2] = {w[c / 2], odd_bias[c / 2]};
            for (int32_t i = 0; i < 2 * steps; i++) {
                fn_dot_joined(x + 2 * i, w + 4 + 4 * i + c / 2, 1, &sums[0], &sums[1]);
            }
            for (int32_t j = 0; j < 2; j++) {
                const int32_t high = (int32_t)((int64_t)sums[j] * multiplier[c + j] >> 32);
                const int32_t v = (high + rounding) >> shift;
                *y++ = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
            }
        }
    }
}
static inline void fn_linear8(int8_t *y, const int32_t *w, const int16_t *x, int32_t groups, int32_t steps, int32_t rounding, int32_t shift)
{
    fn_linear8_parts(y, w, x, groups, steps, rounding, shift, 1);
}
#endif

/* Copies words forwards, so that they may come to lie over places that were read. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
FN_ASM static void fn_copy_words(void *to, const void *from, int32_t words)
{
    (void)to;
    (void)from;
    (void)words;
    __asm__ volatile(
        "push {r4-r10, lr}\n"
        "subs r2, #8\n"
        "blt 2f\n"
        "1:\n"
        "ldm r1!, {r3-r10}\n"
        "stm r0!, {r3-r10}\n"
        "subs r2, #8\n"
        "bge 1b\n"
        "2:\n"
        "adds r2, #8\n"
        "beq 4f\n"
        "3:\n"
        "ldr r3, [r1], #4\n"
        "str r3, [r0], #4\n"
        "subs r2, #1\n"
        "bne 3b\n"
        "4:\n"
        "pop {r4-r10, pc}\n" ::: FN_ASM_CLOBBERS);
}
#else
static inline void fn_copy_words(void *to, const void *from, int32_t words)
{
    memmove(to, from, (size_t)words * 4);
}
#endif

/* `words` words at `to` are overwritten by those `distance` bytes behind: rows that are needed again move to the front. */
static inline void fn_shift(int8_t *to, int32_t distance, int32_t words)
{
    fn_copy_words(to, to + distance, words);
}

/* Lanes of four columns p0 ... p3, `channels` ≥ 4 words of bytes 0, 2, 1, 3 each; behind a lane, the columns are
 * `step` bytes further. SEL takes bytes 0 and 2 of its first operand, 1 and 3 of its second. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
FN_ASM static void fn_lanes(int8_t *to, const int8_t *p0, const int8_t *p1, const int8_t *p2, const int8_t *p3, int32_t channels, int32_t lanes, int32_t step)
{
    (void)to;
    (void)p0;
    (void)p1;
    (void)p2;
    (void)p3;
    (void)channels;
    (void)lanes;
    (void)step;
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "mov r4, #0x00010001\n"
        "mov r5, #0x01000100\n"
        "usub8 r4, r4, r5\n" /* the flags of SEL */
        "ldrd r12, r5, [sp, #36]\n"
        "ldr r4, [sp, #48]\n"
        "sub r4, r4, r5\n" /* the way to the next lane */
        "str r4, [sp, #48]\n"
        "1:\n"
        "ldr lr, [sp, #40]\n"
        "sub lr, #4\n"
        "2:\n"
        "ldr r4, [r1], #4\n"
        "ldr r5, [r2], #4\n"
        "ldr r6, [r3], #4\n"
        "ldr r7, [r12], #4\n"
        "lsl r8, r6, #8\n"
        "sel r8, r4, r8\n"
        "lsl r9, r7, #8\n"
        "sel r9, r5, r9\n"
        "lsr r10, r4, #8\n"
        "sel r10, r10, r6\n"
        "lsr r11, r5, #8\n"
        "sel r11, r11, r7\n"
        "pkhbt r4, r8, r9, lsl #16\n"
        "pkhbt r5, r10, r11, lsl #16\n"
        "pkhtb r6, r9, r8, asr #16\n"
        "pkhtb r7, r11, r10, asr #16\n"
        "str r5, [r0, #4]\n"
        "str r6, [r0, #8]\n"
        "str r7, [r0, #12]\n"
        "str r4, [r0], #16\n"
        "subs lr, #4\n"
        "bge 2b\n"
        "adds lr, #4\n"
        "beq 3f\n"
        "rsb lr, lr, #4\n" /* 1 to 3 channels are left: some more of them once more */
        "sub r0, r0, lr, lsl #2\n"
        "sub r1, r1, lr\n"
        "sub r2, r2, lr\n"
        "sub r3, r3, lr\n"
        "sub r12, r12, lr\n"
        "mov lr, #0\n"
        "b 2b\n"
        "3:\n"
        "ldrd r4, r5, [sp, #44]\n"
        "add r1, r5\n"
        "add r2, r5\n"
        "add r3, r5\n"
        "add r12, r5\n"
        "subs r4, #1\n"
        "str r4, [sp, #44]\n"
        "bne 1b\n"
        "pop {r4-r11, pc}\n" ::: FN_ASM_CLOBBERS);
}
#else
#define fn_lanes fn_narrow_lanes
#endif

/* The same for any number of channels. */
static inline void fn_narrow_lanes(int8_t *to, const int8_t *p0, const int8_t *p1, const int8_t *p2, const int8_t *p3, int32_t channels, int32_t lanes, int32_t step)
{
    for (; lanes > 0; lanes--, p0 += step, p1 += step, p2 += step, p3 += step) {
        for (int32_t c = 0; c < channels; c++) {
            *to++ = p0[c];
            *to++ = p2[c];
            *to++ = p1[c];
            *to++ = p3[c];
        }
    }
}

/* How many of a window's `taps`, `gap` rows from one to the next, come before row `end` (counted from the first). */
static inline int32_t fn_taps_before(int32_t taps, int32_t gap, int32_t end)
{
    const int32_t count = end <= 0 ? 0 : (end + gap - 1) / gap;
    return count < taps ? count : taps;
}

/* acc + sum of n products. */
static inline int32_t fn_dot(const int8_t *a, const int8_t *b, int32_t n, int32_t acc)
{
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        acc = fn_dot4(a + i, b + i, acc);
    }
    for (; i < n; i++) {
        acc += a[i] * b[i];
    }
    return acc;
}

/* Instructions that int16 activations are computed with, one by one: the compiler chooses their registers. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
static inline uint32_t fn_sxtb16(uint32_t w)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(w));
    return r;
}
static inline uint32_t fn_sxtb16_odd(uint32_t w) /* of bytes 1 and 3 */
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(w));
    return r;
}
static inline int32_t fn_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline int32_t fn_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline int32_t fn_smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlatt %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline uint32_t fn_sxtab16(uint32_t a, uint32_t w) /* a + fn_sxtb16(w), in both halves */
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(w));
    return r;
}
static inline uint32_t fn_sxtab16_odd(uint32_t a, uint32_t w)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(a), "r"(w));
    return r;
}
static inline uint32_t fn_uqsub8(uint32_t a, uint32_t b) /* a - b in every byte, at least 0 */
{
    uint32_t r;
    __asm__("uqsub8 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static inline uint32_t fn_larger(uint32_t a, uint32_t b) /* of each byte, signed */
{
    uint32_t r;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(r) : "r"(a), "r"(b));
    return r;
}
static inline uint32_t fn_uxtb16(uint32_t w)
{
    uint32_t r;
    __asm__("uxtb16 %0, %1" : "=r"(r) : "r"(w));
    return r;
}
static inline int32_t fn_usada8(uint32_t a, uint32_t b, int32_t acc) /* acc + the distances of four bytes */
{
    int32_t r;
    __asm__("usada8 %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}
static inline int32_t fn_smlawb(int32_t a, uint32_t b, int32_t acc) /* acc + a product of 32 and 16 bits without its last 16 */
{
    int32_t r;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}
static inline int32_t fn_smlawt(int32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}
static inline int64_t fn_smlald(uint32_t a, uint32_t b, int64_t acc) /* acc + two products */
{
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline int64_t fn_smlalbb(uint32_t a, uint32_t b, int64_t acc)
{
    __asm__("smlalbb %Q0, %R0, %1, %2" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline int64_t fn_smlaltt(uint32_t a, uint32_t b, int64_t acc)
{
    __asm__("smlaltt %Q0, %R0, %1, %2" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline uint32_t fn_pair(int32_t low, int32_t high) /* two int16 */
{
    uint32_t r;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(low), "r"(high));
    return r;
}
static inline int32_t fn_smmla(int32_t a, int32_t b, int32_t acc) /* acc + the upper 32 bits of a product */
{
    int32_t r;
    __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}
static inline int32_t fn_ssat8(int32_t v)
{
    int32_t r;
    __asm__("ssat %0, #8, %1" : "=r"(r) : "r"(v) : "cc");
    return r;
}
static inline int32_t fn_ssat16(int32_t v)
{
    int32_t r;
    __asm__("ssat %0, #16, %1" : "=r"(r) : "r"(v) : "cc");
    return r;
}
static inline int32_t fn_usat15(int32_t v)
{
    int32_t r;
    __asm__("usat %0, #15, %1" : "=r"(r) : "r"(v) : "cc");
    return r;
}
#else
static inline int32_t fn_smmla(int32_t a, int32_t b, int32_t acc)
{
    return acc + (int32_t)((int64_t)a * b >> 32);
}
static inline int32_t fn_ssat8(int32_t v)
{
    return v < -128 ? -128 : v > 127 ? 127 : v;
}
static inline int32_t fn_ssat16(int32_t v)
{
    return v < -32768 ? -32768 : v > 32767 ? 32767 : v;
}
static inline int32_t fn_usat15(int32_t v)
{
    return v < 0 ? 0 : v > 32767 ? 32767 : v;
}
static inline int32_t fn_bottom(uint32_t w)
{
    return (int16_t)(uint16_t)w;
}
static inline uint32_t fn_sxtb16(uint32_t w)
{
    const int32_t low = (int8_t)(uint8_t)w, high = (int8_t)(uint8_t)(w >> 16);
    return ((uint32_t)low & 0xffffu) | (uint32_t)high << 16;
}
static inline uint32_t fn_sxtb16_odd(uint32_t w)
{
    return fn_sxtb16(w >> 8);
}
static inline uint32_t fn_sxtab16(uint32_t a, uint32_t w)
{
    const uint32_t spread = fn_sxtb16(w);
    return ((a + spread) & 0xffffu) | ((a & 0xffff0000u) + (spread & 0xffff0000u));
}
static inline uint32_t fn_sxtab16_odd(uint32_t a, uint32_t w)
{
    return fn_sxtab16(a, w >> 8);
}
static inline uint32_t fn_uqsub8(uint32_t a, uint32_t b)
{
    uint32_t r = 0;
    for (int32_t at = 0; at < 32; at += 8) {
        const uint32_t one = a >> at & 0xffu, other = b >> at & 0xffu;
        r |= (one > other ? one - other : 0) << at;
    }
    return r;
}
static inline uint32_t fn_larger(uint32_t a, uint32_t b)
{
    uint32_t r = 0;
    for (int32_t at = 0; at < 32; at += 8) {
        const int8_t one = (int8_t)(uint8_t)(a >> at), other = (int8_t)(uint8_t)(b >> at);
        r |= (uint32_t)(uint8_t)(one > other ? one : other) << at;
    }
    return r;
}
static inline uint32_t fn_uxtb16(uint32_t w)
{
    return w & 0x00ff00ffu;
}
static inline int32_t fn_usada8(uint32_t a, uint32_t b, int32_t acc)
{
    const uint32_t apart = fn_uqsub8(a, b) | fn_uqsub8(b, a);
    return acc + (int32_t)((apart & 0xffu) + (apart >> 8 & 0xffu) + (apart >> 16 & 0xffu) + (apart >> 24));
}
static inline int32_t fn_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + fn_bottom(a) * fn_bottom(b);
}
static inline int32_t fn_smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + fn_bottom(a >> 16) * fn_bottom(b >> 16);
}
static inline int32_t fn_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return fn_smlatt(a, b, fn_smlabb(a, b, acc));
}
static inline int32_t fn_smlawb(int32_t a, uint32_t b, int32_t acc)
{
    return acc + (int32_t)((int64_t)a * fn_bottom(b) >> 16);
}
static inline int32_t fn_smlawt(int32_t a, uint32_t b, int32_t acc)
{
    return fn_smlawb(a, b >> 16, acc);
}
static inline int64_t fn_smlalbb(uint32_t a, uint32_t b, int64_t acc)
{
    return acc + fn_bottom(a) * fn_bottom(b);
}
static inline int64_t fn_smlaltt(uint32_t a, uint32_t b, int64_t acc)
{
    return fn_smlalbb(a >> 16, b >> 16, acc);
}
static inline int64_t fn_smlald(uint32_t a, uint32_t b, int64_t acc)
{
    return fn_smlaltt(a, b, fn_smlalbb(a, b, acc));
}
static inline uint32_t fn_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xffffu) | (uint32_t)high << 16;
}
#endif

/* Four bytes, wherever they lie. */
static inline uint32_t fn_load_word(const int8_t *x)
{
    uint32_t word;
    memcpy(&word, x, sizeof word);
    return word;
}

/* Two inputs of one or two columns with the weights of two channels, as often as it is written: x0, x1 and w walk on.
 * 10 cycles of 8 multiply-accumulates, and 7 of 4. One block of assembly keeps its order and its registers. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define FN_TILE \
    "ldr %[u], [%[w]], #4\n" \
    "ldr %[a], [%[x0]], #4\n" \
    "ldr %[b], [%[x1]], #4\n" \
    "sxtb16 %[v], %[u], ror #8\n" \
    "sxtb16 %[u], %[u]\n" \
    "smlad %[s0], %[a], %[u], %[s0]\n" \
    "smlad %[s1], %[a], %[v], %[s1]\n" \
    "smlad %[s2], %[b], %[u], %[s2]\n" \
    "smlad %[s3], %[b], %[v], %[s3]\n"
#define FN_STEP_2X2(steps) \
    uint32_t u, v, a, b; \
    __asm__ volatile(steps : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [x0] "+r"(x0), [x1] "+r"(x1), \
                     [w] "+r"(w), [u] "=&r"(u), [v] "=&r"(v), [a] "=&r"(a), [b] "=&r"(b)::"memory");
#define FN_COLUMN \
    "ldr %[u], [%[w]], #4\n" \
    "ldr %[a], [%[x0]], #4\n" \
    "sxtb16 %[v], %[u], ror #8\n" \
    "sxtb16 %[u], %[u]\n" \
    "smlad %[s0], %[a], %[u], %[s0]\n" \
    "smlad %[s1], %[a], %[v], %[s1]\n"
#define FN_STEP_1X2(steps) \
    uint32_t u, v, a; \
    __asm__ volatile(steps : [s0] "+r"(s0), [s1] "+r"(s1), [x0] "+r"(x0), [w] "+r"(w), [u] "=&r"(u), [v] "=&r"(v), \
                     [a] "=&r"(a)::"memory");
#else
#define FN_TILE \
    { \
        const uint32_t a = fn_load_pair(x0), b = fn_load_pair(x1), u = fn_sxtb16((uint32_t)*w), v = fn_sxtb16_odd((uint32_t)*w); \
        s0 = fn_smlad(a, u, s0); \
        s1 = fn_smlad(a, v, s1); \
        s2 = fn_smlad(b, u, s2); \
        s3 = fn_smlad(b, v, s3); \
        x0 += 2, x1 += 2, w++; \
    }
#define FN_STEP_2X2(steps) steps
#define FN_COLUMN \
    { \
        const uint32_t a = fn_load_pair(x0), u = fn_sxtb16((uint32_t)*w), v = fn_sxtb16_odd((uint32_t)*w); \
        s0 = fn_smlad(a, u, s0); \
        s1 = fn_smlad(a, v, s1); \
        x0 += 2, w++; \
    }
#define FN_STEP_1X2(steps) steps
#endif

/* Two int16 that lie one behind the other. */
static inline uint32_t fn_load_pair(const int16_t *x)
{
    uint32_t pair;
    memcpy(&pair, x, sizeof pair);
    return pair;
}

/* sums + products of n inputs of two columns, x0 and x1, with the weights of two channels: x0 c0, x0 c1, x1 c0, x1 c1.
 * Bytes of a word of weights: c0k0, c1k0, c0k1, c1k1; an input that has no partner has half a word. */
static inline void fn_dot_2x2(const int16_t *x0, const int16_t *x1, const int32_t *w, int32_t n, int32_t *sums)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
#pragma GCC unroll 1
    for (; n >= 8; n -= 8) {
        FN_STEP_2X2(FN_TILE FN_TILE FN_TILE FN_TILE)
    }
#pragma GCC unroll 1
    for (; n >= 2; n -= 2) {
        FN_STEP_2X2(FN_TILE)
    }
    if (n) {
        const int32_t c0 = (int8_t)(uint8_t)w[0], c1 = (int8_t)(uint8_t)(w[0] >> 8);
        s0 += x0[0] * c0;
        s1 += x0[0] * c1;
        s2 += x1[0] * c0;
        s3 += x1[0] * c1;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* The same of one column. */
static inline void fn_dot_1x2(const int16_t *x0, const int32_t *w, int32_t n, int32_t *sums)
{
    int32_t s0 = sums[0], s1 = sums[1];
#pragma GCC unroll 1
    for (; n >= 8; n -= 8) {
        FN_STEP_1X2(FN_COLUMN FN_COLUMN FN_COLUMN FN_COLUMN)
    }
#pragma GCC unroll 1
    for (; n >= 2; n -= 2) {
        FN_STEP_1X2(FN_COLUMN)
    }
    if (n) {
        s0 += x0[0] * (int8_t)(uint8_t)w[0];
        s1 += x0[0] * (int8_t)(uint8_t)(w[0] >> 8);
    }
    sums[0] = s0;
    sums[1] = s1;
}

/* sums + products of n int16 with two others each, in 64 bits: 6 cycles of 4 multiply-accumulates. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define FN_LONG \
    "ldr %[a], [%[x]], #4\n" \
    "ldr %[b], [%[w0]], #4\n" \
    "ldr %[c], [%[w1]], #4\n" \
    "smlald %Q[s0], %R[s0], %[a], %[b]\n" \
    "smlald %Q[s1], %R[s1], %[a], %[c]\n"
#define FN_STEP_LONG(steps) \
    __asm__ volatile(steps \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [x] "+r"(x), [w0] "+r"(w0), [w1] "+r"(w1), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c) \
                     : \
                     : "memory");
static inline void fn_dot_long(const int16_t *x, const int16_t *w0, const int16_t *w1, int32_t n, int64_t *sums)
{
    int64_t s0 = sums[0], s1 = sums[1];
    uint32_t a, b, c;
#pragma GCC unroll 1
    for (; n >= 8; n -= 8) {
        FN_STEP_LONG(FN_LONG FN_LONG FN_LONG FN_LONG)
    }
#pragma GCC unroll 1
    for (; n >= 2; n -= 2) {
        FN_STEP_LONG(FN_LONG)
    }
    if (n) {
        s0 += *x * *w0;
        s1 += *x * *w1;
    }
    sums[0] = s0;
    sums[1] = s1;
}
#else
static inline void fn_dot_long(const int16_t *x, const int16_t *w0, const int16_t *w1, int32_t n, int64_t *sums)
{
    for (int32_t i = 0; i < n; i++) {
        sums[0] += x[i] * w0[i];
        sums[1] += x[i] * w1[i];
    }
}
#endif

/* acc + sum of n products of int16 and int8. */
static inline int32_t fn_dot_int16(const int16_t *x, const int8_t *w, int32_t n, int32_t acc)
{
    for (int32_t i = 0; i < n; i++) {
        acc += x[i] * w[i];
    }
    return acc;
}

/* The same where the sum may take more than 32 bits. */
static inline int64_t fn_dot_int16_long(const int16_t *x, const int8_t *w, int32_t n, int64_t acc)
{
    for (int32_t i = 0; i < n; i++) {
        acc += x[i] * w[i];
    }
    return acc;
}

/* The largest of some scores, at least one. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define FN_LARGER(v) "cmp " v ", r2\n" "it gt\n" "movgt r2, " v "\n"
FN_ASM static int32_t fn_top_score(const int32_t *scores, int32_t count)
{
    (void)scores;
    (void)count;
    __asm__ volatile(
        "push {r4-r6, lr}\n"
        "ldr r2, [r0]\n"
        "subs r1, #4\n"
        "blt 2f\n"
        "1:\n"
        "ldm r0!, {r3-r6}\n"
        FN_LARGER("r3") FN_LARGER("r4") FN_LARGER("r5") FN_LARGER("r6")
        "subs r1, #4\n"
        "bge 1b\n"
        "2:\n"
        "adds r1, #4\n"
        "beq 4f\n"
        "3:\n"
        "ldr r3, [r0], #4\n"
        FN_LARGER("r3")
        "subs r1, #1\n"
        "bne 3b\n"
        "4:\n"
        "mov r0, r2\n"
        "pop {r4-r6, pc}\n" ::: FN_ASM_CLOBBERS);
}
#else
static inline int32_t fn_top_score(const int32_t *scores, int32_t count)
{
    int32_t top = scores[0];
    for (int32_t n = 1; n < count; n++) {
        top = scores[n] > top ? scores[n] : top;
    }
    return top;
}
#endif

/* fn_weight of each of some scores, and their sum; `weights` lie at a word. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define FN_WEIGH_TWO(a, b) /* a, b: scores, then weights; r8, r9 */ \
    "sub " a ", r3, " a "\n" \
    "sub " b ", r3, " b "\n" \
    "usat " a ", #13, " a "\n" \
    "usat " b ", #13, " b "\n" \
    "uxtb r8, " a "\n" \
    "uxtb r9, " b "\n" \
    "ldrh r8, [r2, r8, lsl #1]\n" \
    "ldrh r9, [r2, r9, lsl #1]\n" \
    "lsr " a ", " a ", #8\n" \
    "lsr " b ", " b ", #8\n" \
    "lsr r8, r8, " a "\n" \
    "lsr r9, r9, " b "\n" \
    "add r8, #1\n" \
    "add r9, #1\n" \
    "lsr " a ", r8, #1\n" \
    "lsr " b ", r9, #1\n"
FN_ASM static uint32_t fn_weigh(const int32_t *scores, int16_t *weights, const uint16_t *powers, int32_t top, int32_t count)
{
    (void)scores;
    (void)weights;
    (void)powers;
    (void)top;
    (void)count;
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "ldr lr, [sp, #36]\n"
        "mov r12, #0\n"
        "mov r10, #0x00010001\n"
        "subs lr, #4\n"
        "blt 2f\n"
        "1:\n"
        "ldm r0!, {r4-r7}\n"
        FN_WEIGH_TWO("r4", "r5") FN_WEIGH_TWO("r6", "r7")
        "pkhbt r4, r4, r5, lsl #16\n"
        "pkhbt r5, r6, r7, lsl #16\n"
        "smlad r12, r4, r10, r12\n"
        "smlad r12, r5, r10, r12\n"
        "stm r1!, {r4, r5}\n"
        "subs lr, #4\n"
        "bge 1b\n"
        "2:\n"
        "adds lr, #4\n"
        "beq 4f\n"
        "3:\n"
        "ldr r4, [r0], #4\n"
        "mov r5, r4\n"
        FN_WEIGH_TWO("r4", "r5")
        "strh r4, [r1], #2\n"
        "add r12, r12, r4\n"
        "subs lr, #1\n"
        "bne 3b\n"
        "4:\n"
        "mov r0, r12\n"
        "pop {r4-r11, pc}\n" ::: FN_ASM_CLOBBERS);
}
#else
static inline uint32_t fn_weigh(const int32_t *scores, int16_t *weights, const uint16_t *powers, int32_t top, int32_t count)
{
    uint32_t sum = 0;
    for (int32_t n = 0; n < count; n++) {
        const int32_t weight = fn_weight(powers, (uint32_t)(top - scores[n]));
        weights[n] = (int16_t)weight;
        sum += (uint32_t)weight;
    }
    return sum;
}
#endif

/* The same of fn_fine_weight, whose weights take the place of the scores; `down`: one more than it drops. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define FN_WEIGH_FINE_AT(d, at, next) /* d: the score's distance, of which its entry is read with the next */ \
    "ubfx " at ", " d ", #8, #8\n" \
    "ldr " next ", [r11, " at ", lsl #2]\n" \
    "ldr " at ", [r1, " at ", lsl #2]\n"
#define FN_WEIGH_FINE_OF(d, at, next) /* d: the distance, then the weight; r10 */ \
    "uxtb r10, " d "\n" \
    "sub " next ", " at ", " next "\n" \
    "mul " next ", " next ", r10\n" \
    "usat " d ", #5, " d ", asr #16\n" \
    "sub " at ", " at ", " next ", lsr #8\n" \
    "lsr " at ", " at ", " d "\n" \
    "lsrs " at ", " at ", lr\n" \
    "adc " d ", " at ", #0\n" \
    "add r12, r12, " d "\n"
#define FN_WEIGH_FINE_TWO \
    "ldm r0, {r4, r5}\n" \
    "sub r4, r2, r4\n" \
    "sub r5, r2, r5\n" \
    "ubfx r8, r5, #8, #8\n" \
    FN_WEIGH_FINE_AT("r4", "r6", "r7") \
    "ldr r9, [r11, r8, lsl #2]\n" \
    "ldr r8, [r1, r8, lsl #2]\n" \
    FN_WEIGH_FINE_OF("r4", "r6", "r7") FN_WEIGH_FINE_OF("r5", "r8", "r9") \
    "stm r0!, {r4, r5}\n"
FN_ASM static uint32_t fn_weigh_fine(int32_t *scores, const uint32_t *powers, int32_t top, int32_t count, uint32_t down)
{
    (void)scores;
    (void)powers;
    (void)top;
    (void)count;
    (void)down;
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "ldr lr, [sp, #36]\n"
        "add r11, r1, #4\n"
        "mov r12, #0\n"
        "subs r3, #4\n"
        "blt 2f\n"
        "1:\n"
        FN_WEIGH_FINE_TWO FN_WEIGH_FINE_TWO
        "subs r3, #4\n"
        "bge 1b\n"
        "2:\n"
        "adds r3, #4\n"
        "beq 4f\n"
        "3:\n"
        "ldr r4, [r0]\n"
        "sub r4, r2, r4\n"
        FN_WEIGH_FINE_AT("r4", "r6", "r7") FN_WEIGH_FINE_OF("r4", "r6", "r7")
        "str r4, [r0], #4\n"
        "subs r3, #1\n"
        "bne 3b\n"
        "4:\n"
        "mov r0, r12\n"
        "pop {r4-r11, pc}\n" ::: FN_ASM_CLOBBERS);
}
#else
static inline uint32_t fn_weigh_fine(int32_t *scores, const uint32_t *powers, int32_t top, int32_t count, uint32_t down)
{
    uint32_t sum = 0;
    for (int32_t n = 0; n < count; n++) {
        scores[n] = fn_fine_weight(powers, (uint32_t)(top - scores[n]), down - 1u);
        sum += (uint32_t)scores[n];
    }
    return sum;
}
#endif

#endif
