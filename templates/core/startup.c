/* startup.c: from reset to main on any Cortex-M, and what a fault says before it ends the emulator. */
#include "core.h"
#include "runner.h"

extern uint32_t core_stack_top, core_data_load, core_data_start, core_data_end, core_bss_start, core_bss_end;

void core_reset(void);
void core_fault(void);
void core_report(const uint32_t *frame);

#define CPACR (*(volatile uint32_t *)0xe000ed88u)
#define CFSR (*(volatile uint32_t *)0xe000ed28u)

#ifdef CORE_TIM2 /* STM32F405 on QEMU with -icount shift=0: one tick per instruction */
#define TIM2_CR1 (*(volatile uint32_t *)0x40000000u)
#define TIM2_CNT (*(volatile uint32_t *)0x40000024u)
#define TIM2_PSC (*(volatile uint32_t *)0x40000028u)
#define TIM2_ARR (*(volatile uint32_t *)0x4000002cu)

static void start_ticks(void)
{
    TIM2_PSC = 0;
    TIM2_ARR = 0xffffffffu;
    TIM2_CR1 = 1;
}

uint32_t runner_ticks(void)
{
    return TIM2_CNT;
}
#else
static void start_ticks(void)
{
}

uint32_t runner_ticks(void)
{
    return 0;
}
#endif

void core_reset(void)
{
#ifdef __ARM_FP
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n isb");
#endif
    const uint32_t *from = &core_data_load;
    for (uint32_t *to = &core_data_start; to < &core_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &core_bss_start; to < &core_bss_end;) {
        *to++ = 0;
    }
    start_ticks();
    core_exit(0, (uintptr_t)main());
}

static void put_hex(char *text, uint32_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 4) {
        text[i] = "0123456789abcdef"[value & 15u];
    }
}

/* frame: r0-r3, r12, lr, pc, xpsr as the core stacked them. */
void core_report(const uint32_t *frame)
{
    static char message[] = "fault at pc 0x........, called from 0x........, CFSR 0x........\n";
    put_hex(message + 14, frame[6]);
    put_hex(message + 38, frame[5]);
    put_hex(message + 55, CFSR);
    core_exit(message, CORE_FAULT);
}

__attribute__((naked)) void core_fault(void)
{
    __asm__ volatile("mrs r0, msp\n b core_report");
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &core_stack_top, core_reset, core_fault, core_fault, core_fault, core_fault, core_fault, core_fault,
    core_fault, core_fault, core_fault, core_fault, core_fault, core_fault, core_fault, core_fault,
};
