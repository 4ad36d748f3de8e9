/* stm32h7_flash.c: how is the second bank of an STM32H743's flash erased and written? Sections are those of RM0433.
 *
 * The core goes on: it reads its code from the first bank. 256 bits are written at once, with a code that corrects errors: what the supply
 * cuts short may be a bus fault to read, so everything is looked at first (fn_flash_is_sound).
 */
#include "fn_files.h"
#include "m7_cache.h"
#include "registers.h"

#define BANK_2 0x08100000u
#define SECTOR_BYTES 0x20000u
#define WORD_BYTES 32u

#define OPTCR REG(0x52002018u) /* 4.9.7 */
#define KEYR2 REG(0x52002104u) /* 4.9.24 */
#define CR2 REG(0x5200210Cu)   /* 4.9.25 */
#define SR2 REG(0x52002110u)   /* 4.9.26 */
#define CCR2 REG(0x52002114u)  /* 4.9.27 */
#define OPTCR_SWAP_BANK (1u << 31)
enum { CR_LOCK = 1u << 0, CR_PG = 1u << 1, CR_SER = 1u << 2, CR_64_BITS = 3u << 4, CR_START = 1u << 7, CR_SECTOR = 8 };
enum { SR_BUSY = 1u << 0 | 1u << 2, SR_FAILED = 7u << 17 | 3u << 21, SR_UNREADABLE = 1u << 26, FLAGS = 0x1FEF0000u };

/* Arm's architecture manual: Configuration and Control Register, Configurable Fault Status Register. */
#define SCB_CCR REG(0xE000ED14u)
#define SCB_CFSR REG(0xE000ED28u)
enum { IGNORE_BUS_FAULTS = 1u << 8, BUS_FAULTS = 0xFF00u };

int fn_flash_begin(void)
{
    return (CR2 & CR_LOCK) && !(OPTCR & OPTCR_SWAP_BANK);
}

static int ends(void)
{
    while (SR2 & SR_BUSY) {
    }
    return (SR2 & SR_FAILED) ? -1 : 0;
}

static void unlock(void)
{
    if (CR2 & CR_LOCK) {
        KEYR2 = 0x45670123u;
        KEYR2 = 0xCDEF89ABu;
    }
    CCR2 = FLAGS; /* an error that is left stops what follows */
}

/* 4.3.10; a sector takes one to two seconds. */
int fn_flash_erase(uint32_t address)
{
    int failed = 0;
    unlock();
    for (uint32_t done = 0; done < FN_ERASE_BYTES && !failed; done += SECTOR_BYTES) {
        const uint32_t sector = (address + done - BANK_2) / SECTOR_BYTES;
        CR2 = CR_SER | CR_64_BITS | sector << CR_SECTOR;
        CR2 |= CR_START;
        failed = ends();
    }
    CR2 = CR_LOCK;
    changed(address, FN_ERASE_BYTES);
    return failed;
}

int fn_flash_write(uint32_t address, const void *data, uint32_t bytes) /* 4.3.9 */
{
    const uint8_t *from = data;
    int failed = 0;
    unlock();
    CR2 = CR_PG | CR_64_BITS;
    for (uint32_t done = 0; done < bytes && !failed; done += WORD_BYTES) {
        uint32_t words[WORD_BYTES / 4u];
        for (uint32_t i = 0; i < WORD_BYTES; i++) {
            ((uint8_t *)words)[i] = from[done + i];
        }
        for (uint32_t i = 0; i < WORD_BYTES / 4u; i++) {
            REG(address + done + 4u * i) = words[i];
        }
        __asm volatile("dsb" ::: "memory"); /* all of it is there before the controller is asked */
        failed = ends();
    }
    CR2 = CR_LOCK;
    changed(address, bytes);
    return failed;
}

/* 4.7.7: an error of two bits is flagged; with faults masked, a bus fault of the core's own reading is passed over. */
int fn_flash_is_sound(uint32_t address, uint32_t bytes)
{
    const uint32_t kept = SCB_CCR;
    CCR2 = FLAGS;
#if defined(__ARM_ARCH_7EM__)
    uint32_t masked;
    __asm volatile("mrs %0, faultmask\n cpsid f" : "=r"(masked)::"memory");
#endif
    SCB_CCR = kept | IGNORE_BUS_FAULTS;
    __asm volatile("dsb\n isb" ::: "memory");
    for (uint32_t at = address & ~(WORD_BYTES - 1u); at < address + bytes; at += WORD_BYTES) {
        (void)REG(at);
    }
    __asm volatile("dsb\n isb" ::: "memory");
    SCB_CFSR = BUS_FAULTS;
    SCB_CCR = kept;
#if defined(__ARM_ARCH_7EM__)
    __asm volatile("msr faultmask, %0" ::"r"(masked) : "memory");
#endif
    const int sound = !(SR2 & SR_UNREADABLE);
    CCR2 = FLAGS;
    return sound;
}
