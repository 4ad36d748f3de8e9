/* fn_dsp.h: the Armv7E-M DSP extension: dot products, with the same results in plain C everywhere else. */
#ifndef FN_DSP_H
#define FN_DSP_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
/* Marks a function that is one block of assembly and saves what it must by itself. It may not be inlined or
 * lose arguments that no C reads, and its callers must know what it overwrites. */
#define FN_ASM __attribute__((naked, noinline, noclone, unused))
#define FN_ASM_CLOBBERS "r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory"

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
static inline int32_t fn_dot4(const int8_t *a, const int8_t *b, int32_t acc)
{
    return acc + a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}
#endif

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

#endif
