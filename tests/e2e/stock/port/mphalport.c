/* mphalport.c: how does the port reach its terminal, a clock and a partition for ROMFS? In place of the port's own file of
 * this name, which has neither a clock nor an answer to whether a key was pressed. For the nRF51. */
#include <string.h>

#include "py/mphal.h"
#include "py/objarray.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "extmod/vfs.h"
#include "uart.h"

typedef struct timer {
    volatile uint32_t start, unused0[15], capture0, unused1[304];
    volatile uint32_t mode, bits, unused2, prescaler, unused3[11], count0;
} timer;

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_INTENSET REGISTER(0x40002304)
#define UART_RXDRDY (1 << 2)
#define NVIC_ISER REGISTER(0xE000E100)
#define NVIC_ICER REGISTER(0xE000E180)
#define NVIC_ICPR REGISTER(0xE000E280)
#define UART_IRQ (1 << 2)

#define TIMER0 ((timer *)0x40008000)
#define MICROSECONDS 4 /* 16 MHz / 2^4 */
#define BITS_32 3

static int kept = UART_RX_NO_CHAR; /* what was read to find out whether there is something */

static int key(void)
{
    const int c = kept == UART_RX_NO_CHAR ? uart_rx_chr() : kept;
    kept = UART_RX_NO_CHAR;
    return c;
}

uintptr_t mp_hal_stdio_poll(uintptr_t wanted)
{
    if (kept == UART_RX_NO_CHAR) {
        kept = uart_rx_chr();
    }
    return (kept == UART_RX_NO_CHAR ? 0 : wanted & MP_STREAM_POLL_RD) | (wanted & MP_STREAM_POLL_WR);
}

/* Until a key was pressed: interrupts are off, so it wakes and is not served. An emulator then takes no time of the host's. */
static void sleep(void)
{
    __asm volatile("cpsid i");
    UART_INTENSET = UART_RXDRDY;
    NVIC_ISER = UART_IRQ;
    __asm volatile("wfi");
    NVIC_ICER = UART_IRQ;
    NVIC_ICPR = UART_IRQ;
    __asm volatile("cpsie i");
}

int mp_hal_stdin_rx_chr(void)
{
    int c;
    while ((c = key()) == UART_RX_NO_CHAR) {
        sleep();
    }
    return c;
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length)
{
    uart_tx_strn(text, length);
    return length;
}

mp_uint_t mp_hal_ticks_us(void)
{
    if (TIMER0->bits != BITS_32) {
        TIMER0->bits = BITS_32;
        TIMER0->prescaler = MICROSECONDS;
        TIMER0->start = 1;
    }
    TIMER0->capture0 = 1;
    return TIMER0->count0;
}

mp_uint_t mp_hal_ticks_ms(void)
{
    return mp_hal_ticks_us() / 1000; /* right for the first 71 minutes */
}

mp_uint_t mp_hal_ticks_cpu(void)
{
    return mp_hal_ticks_us();
}

uint64_t mp_hal_time_ns(void)
{
    return 0; /* no board here knows what day it is */
}

void mp_hal_delay_us(mp_uint_t us)
{
    const mp_uint_t began = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - began < us) {
    }
}

void mp_hal_delay_ms(mp_uint_t ms)
{
    mp_hal_delay_us(1000 * ms);
}

/* One partition for ROMFS, in RAM that a soft reset leaves alone; as flash it is erased as a whole and only then written.
 * Number 1, which nobody asks for unless he knows it, is memory for the tests' own file system (stock/disk.py). */
enum { PARTITION_BYTES = 32768, DISK_BYTES = 32768, ALIGNMENT = 1024 };
static uint8_t partition[PARTITION_BYTES] __attribute__((aligned(ALIGNMENT)));
static uint8_t disk[DISK_BYTES] __attribute__((aligned(ALIGNMENT)));

mp_obj_t mp_vfs_rom_ioctl(size_t count, const mp_obj_t *arguments)
{
    const mp_int_t what = mp_obj_get_int(arguments[0]);
    if (what == MP_VFS_ROM_IOCTL_GET_NUMBER_OF_SEGMENTS) {
        return MP_OBJ_NEW_SMALL_INT(1);
    }
    if (what == MP_VFS_ROM_IOCTL_GET_SEGMENT && count == 2 && mp_obj_get_int(arguments[1]) == 1) {
        return mp_obj_new_memoryview('B', sizeof disk, disk);
    }
    if (count < 2 || mp_obj_get_int(arguments[1]) != 0) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    if (what == MP_VFS_ROM_IOCTL_GET_SEGMENT) {
        return mp_obj_new_memoryview('B', sizeof partition, partition);
    }
    if (what == MP_VFS_ROM_IOCTL_WRITE_PREPARE && count == 3) {
        memset(partition, 0xFF, sizeof partition);
        return MP_OBJ_NEW_SMALL_INT(16);
    }
    if (what == MP_VFS_ROM_IOCTL_WRITE && count == 4) {
        mp_buffer_info_t given;
        mp_get_buffer_raise(arguments[3], &given, MP_BUFFER_READ);
        const mp_uint_t at = (mp_uint_t)mp_obj_get_int(arguments[2]);
        if (at + given.len > sizeof partition) {
            return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
        }
        for (size_t i = 0; i < given.len; i++) {
            partition[at + i] &= ((const uint8_t *)given.buf)[i];
        }
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    if (what == MP_VFS_ROM_IOCTL_WRITE_COMPLETE) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
}
