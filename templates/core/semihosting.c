/* semihosting.c: files through the debugger's (here: QEMU's) semihosting calls, by their numbers in Arm's specification. */
#include <string.h>

#include "core.h"
#include "runner.h"

enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };
enum { APPLICATION_EXIT = 0x20026 };
enum { BLOCK = 1 << 14 };

static uintptr_t requests, results;

/* Results wait here: one call to the host per block, not per inference. */
static uint8_t block[BLOCK];
static uint32_t filled;

static uintptr_t call(uintptr_t operation, const void *arguments)
{
#ifdef __riscv
    register uintptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    __asm__ volatile(".option push\n .option norvc\n .balign 16\n slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n .option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
#else
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt #0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
#endif
}

static uintptr_t open_file(const char *name, uintptr_t mode)
{
    const uintptr_t arguments[3] = { (uintptr_t)name, mode, strlen(name) };
    return call(SYS_OPEN, arguments);
}

static void flush(void)
{
    const uintptr_t arguments[3] = { results, (uintptr_t)block, filled };
    if (filled && call(SYS_WRITE, arguments) != 0) {
        core_exit("cannot write results.bin\n", CORE_NO_FILES);
    }
    filled = 0;
}

void core_exit(const char *message, uintptr_t code)
{
    if (message) {
        call(SYS_WRITE0, message);
    }
    const uintptr_t arguments[2] = { APPLICATION_EXIT, code };
    for (;;) {
        call(SYS_EXIT_EXTENDED, arguments);
    }
}

int runner_read(void *data, uint32_t bytes)
{
    const uintptr_t arguments[3] = { requests, (uintptr_t)data, bytes };
    return call(SYS_READ, arguments) == 0;
}

void runner_write(const void *data, uint32_t bytes)
{
    const uint8_t *from = data;
    while (bytes) {
        const uint32_t room = BLOCK - filled;
        const uint32_t part = bytes < room ? bytes : room;
        memcpy(block + filled, from, part);
        filled += part;
        from += part;
        bytes -= part;
        if (filled == BLOCK) {
            flush();
        }
    }
}

int main(void)
{
    requests = open_file("requests.bin", READ_BINARY);
    results = open_file("results.bin", WRITE_BINARY);
    if (requests == (uintptr_t)-1 || results == (uintptr_t)-1) {
        core_exit("cannot open requests.bin and results.bin\n", CORE_NO_FILES);
    }
    const int code = runner_main();
    flush();
    core_exit(0, (uintptr_t)code);
}
