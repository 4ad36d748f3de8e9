/* fn_run.h: how long does a run of the deployed model take, and how deep does the stack go? For the one file that runs it. */
#ifndef FN_RUN_H
#define FN_RUN_H

#include "fn_model.h"

extern const fn_model *const fn_deployed;
extern uintptr_t fn_stack_bottom; /* below it lies other memory, such as the heap; 0: not known, and nothing is painted */

static uint32_t last_us;
static uint32_t stack_peak_bytes;
static uint32_t steps; /* runs since the model was reset */

#define PAINT 0x5AFEC0DEu
#define PAINTED_BYTES 4096u

static void timed_run(fn_observer observer, void *context)
{
    const uint32_t start = fn_board_us();
    fn_deployed->run(observer, context);
    last_us = fn_board_us() - start;
    steps++;
}

#if defined(__arm__)
static uintptr_t stack_pointer(void)
{
    uintptr_t sp;
    __asm volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

/* Takes some thousand instructions more, so not every run is one: a model takes the same stack every time. */
static __attribute__((noinline)) void painted_run(fn_observer observer, void *context)
{
    if (!fn_stack_bottom) {
        timed_run(observer, context);
        return;
    }
    const uintptr_t sp = stack_pointer();
    const uintptr_t bottom = sp - fn_stack_bottom > PAINTED_BYTES ? sp - PAINTED_BYTES : fn_stack_bottom;
    volatile uint32_t *low = (volatile uint32_t *)((bottom + 3u) & ~(uintptr_t)3);
    volatile uint32_t *high = (volatile uint32_t *)(sp & ~(uintptr_t)3);
    for (volatile uint32_t *word = low; word < high; word++) {
        *word = PAINT;
    }
    timed_run(observer, context);
    volatile uint32_t *word = low;
    while (word < high && *word == PAINT) {
        word++;
    }
    const uint32_t used = (uint32_t)((uintptr_t)high - (uintptr_t)word);
    if (used > stack_peak_bytes) {
        stack_peak_bytes = used;
    }
}
#else
#define painted_run timed_run /* another machine's stack is not looked at */
#endif

#endif
