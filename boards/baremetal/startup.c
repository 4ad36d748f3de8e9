/* startup.c: what happens between reset and main()? FPU, vector table and stack guard are set, variables filled, nothing else.
 *
 * The clock stays as the chip comes out of reset until main() calls the glue.
 */
#include <stdint.h>

#include "faults.h"
#include "fn_board_config.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define NVIC_ICER ((volatile uint32_t *)0xE000E180u)
#define INTERRUPT_WORDS 8u
#define VTOR (*(volatile uint32_t *)0xE000ED08u)

typedef void (*vector)(void);

extern uint32_t _estack[], __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern vector __init_array_start[], __init_array_end[];

int main(void);
void Reset_Handler(void);
void SysTick_Handler(void);
void fn_tick(void);
void fn_at_reset(void);
void fn_uart_isr(void);
void fn_second_uart_isr(void);

/* What else wants to know of every millisecond: MicroPython's Timers, if it is there. */
__attribute__((weak)) void fn_tick(void)
{
}

/* What comes before all else, while there are no variables yet: an STM32 may be asked for its bootloader (glue/stm32_pins.h). */
__attribute__((weak)) void fn_at_reset(void)
{
}

static void tick(void)
{
    fn_check_guard();
    SysTick_Handler();
    fn_tick();
}

/* 16 of the system, and interrupts up to the last that is ever enabled. */
#if defined(FN_SECOND_UART_IRQ) && FN_SECOND_UART_IRQ > FN_UART_IRQ
#define LAST_IRQ FN_SECOND_UART_IRQ
#else
#define LAST_IRQ FN_UART_IRQ
#endif

__attribute__((section(".vectors"), used)) static const vector vectors[16 + LAST_IRQ + 1] = {
    [0] = (vector)_estack,
    [1] = Reset_Handler,
    [2] = NMI_Handler,
    [3 ... 7] = fn_fault,
    [11 ... 12] = fn_fault,
#if FN_HEAP_BYTES
    [14] = PendSV_Handler,
#else
    [14] = fn_fault,
#endif
    [15] = tick,
    [16 ... 16 + LAST_IRQ] = fn_fault,
    [16 + FN_UART_IRQ] = fn_uart_isr, /* the later entry counts */
#if defined(FN_SECOND_UART_IRQ)
    [16 + FN_SECOND_UART_IRQ] = fn_second_uart_isr,
#endif
};

static __attribute__((used, noreturn)) void start(void)
{
    fn_at_reset();
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20; /* full access to the FPU */
#endif
    for (volatile uint32_t *enabled = NVIC_ICER; enabled < NVIC_ICER + INTERRUPT_WORDS; enabled++) {
        *enabled = ~0u; /* a bootloader may have left some */
        __asm volatile("" : "+r"(enabled)); /* else GCC writes eight stores */
    }
    VTOR = (uint32_t)vectors;
    __asm volatile("dsb\n isb" ::: "memory");
    const uint32_t *from = __data_load;
    for (uint32_t *to = __data_start; to < __data_end; to++) {
        *to = *from++;
        __asm volatile("" : "+r"(to)); /* else GCC calls memcpy, which the rest of a small firmware has no use for */
    }
    for (uint32_t *to = __bss_start; to < __bss_end; to++) {
        *to = 0;
        __asm volatile("" : "+r"(to));
    }
    fn_guard_stack();
    for (vector *constructor = __init_array_start; constructor < __init_array_end; constructor++) {
        (*constructor)();
    }
    main();
    __builtin_trap(); /* it never returns */
}

/* Sets the stack pointer itself: a bootloader, or an emulator told where to begin, may not have taken it from the table. */
__attribute__((section(".reset"), naked, used)) void Reset_Handler(void)
{
    __asm volatile("ldr r0, =_estack\n mov sp, r0\n ldr r0, =start\n bx r0\n .ltorg");
}
