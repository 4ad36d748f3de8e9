/* harness.c: from reset through one inference or more to the end, for `firmnet profile`. Nothing in here is measured.
 *
 * The simulator stops where run() begins and where it has returned. With profile_layers set (it is written before
 * run() begins) the observer marks the end of every piece of a layer; otherwise run() is called without one. Calls no
 * library, so that whatever the image has of libraries was asked for by the model. */
#include <stdint.h>

#include "profile_subject.h"

extern uint32_t profile_stack_top, profile_data_load, profile_data_start, profile_data_end, profile_bss_start,
    profile_bss_end;

void profile_reset(void);
void profile_fault(void);
void sim_mark(int id);
void sim_stop(void);
void profile_observe(void *context, uint32_t layer, const void *output, uint32_t bytes);

#define CPACR (*(volatile uint32_t *)0xe000ed88u)

/* What the simulator reads once the first mark is reached; see simulate.py. */
volatile uint32_t profile_run, profile_outputs;
/* Neither initialized nor cleared: whoever runs the image may set them before reset. There is one run at least. */
volatile uint32_t profile_layers, profile_runs;

/* 1: a run() begins; n + 2: what ran since the last mark was a piece of layer n; 0: run() has returned. */
__attribute__((naked, noinline, used)) void sim_mark(int id)
{
    (void)id;
    __asm__ volatile("bx lr");
}

__attribute__((naked, noinline, used)) void sim_stop(void)
{
    __asm__ volatile("bkpt #0xab\n b .");
}

/* In assembly: it takes no stack, so the model's own is what is seen. */
__attribute__((naked, noinline, used)) void profile_observe(void *context, uint32_t layer, const void *output,
    uint32_t bytes)
{
    (void)context;
    (void)layer;
    (void)output;
    (void)bytes;
    __asm__ volatile(".syntax unified\n adds r0, r1, #2\n b sim_mark");
}

static const uint8_t *infer(const fn_model *model, const uint8_t *from)
{
    for (uint32_t i = 0; i < model->input_count; i++) {
        volatile uint8_t *to = model->inputs[i].data;
        for (uint32_t left = model->inputs[i].bytes; left; left--) {
            *to++ = *from++;
        }
    }
    profile_run = (uint32_t)model->run;
    profile_outputs = (uint32_t)model->outputs;
    const fn_observer observer = profile_layers ? profile_observe : 0;
    sim_mark(1);
    model->run(observer, 0);
    sim_mark(0);
    return from;
}

void profile_reset(void)
{
#ifdef __ARM_FP
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n isb");
#endif
    const volatile uint32_t *from = &profile_data_load;
    for (volatile uint32_t *to = &profile_data_start; to < &profile_data_end;) {
        *to++ = *from++;
    }
    for (volatile uint32_t *to = &profile_bss_start; to < &profile_bss_end;) {
        *to++ = 0;
    }
    const uint8_t *next = profile_samples;
    uint32_t runs = 0;
    PROFILE_SUBJECT.reset();
    do {
        next = infer(&PROFILE_SUBJECT, next);
    } while (++runs < profile_runs);
    sim_stop();
}

void profile_fault(void)
{
    __asm__ volatile("bkpt #0xee");
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &profile_stack_top, profile_reset, profile_fault, profile_fault, profile_fault, profile_fault,
    profile_fault,      profile_fault, profile_fault, profile_fault, profile_fault, profile_fault,
    profile_fault,      profile_fault, profile_fault, profile_fault,
};
