/* startup_riscv.c: from reset to main on a RISC-V core, what a trap says, and the functions of string.h. */
#include "core.h"
#include "runner.h"
#include "string.h"

#undef memcpy
#undef memset

extern uint32_t core_data_load, core_data_start, core_data_end, core_bss_start, core_bss_end;

void core_reset(void);
void core_start(void);
void core_fault(void);

uint32_t runner_ticks(void)
{
    return 0;
}

/* QEMU begins at the lowest address, so this comes first. */
__attribute__((section(".vectors"), naked, used)) void core_reset(void)
{
    __asm__ volatile(".option arch, +zicsr\n la sp, core_stack_top\n la t0, core_fault\n csrw mtvec, t0\n j core_start");
}

void core_start(void)
{
    const uint32_t *from = &core_data_load;
    for (uint32_t *to = &core_data_start; to < &core_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &core_bss_start; to < &core_bss_end;) {
        *to++ = 0;
    }
    core_exit(0, (uintptr_t)main());
}

static void put_hex(char *text, uint32_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 4) {
        text[i] = "0123456789abcdef"[value & 15u];
    }
}

__attribute__((aligned(4))) void core_fault(void)
{
    static char message[] = "fault at pc 0x........, mcause 0x........\n";
    uint32_t pc, cause;
    __asm__ volatile(".option push\n .option arch, +zicsr\n csrr %0, mepc\n csrr %1, mcause\n .option pop" : "=r"(pc), "=r"(cause));
    put_hex(message + 14, pc);
    put_hex(message + 33, cause);
    core_exit(message, CORE_FAULT);
}

/* GCC must not take these loops for calls of the functions themselves. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to <= (uintptr_t)from) {
        return memcpy(to, from, bytes);
    }
    while (bytes--) {
        ((unsigned char *)to)[bytes] = ((const unsigned char *)from)[bytes];
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((unsigned char *)to)[i] = (unsigned char)value;
    }
    return to;
}

size_t strlen(const char *text)
{
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}
