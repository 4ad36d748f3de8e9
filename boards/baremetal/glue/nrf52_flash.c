/* nrf52_flash.c: how is the flash of an nRF52 erased and written? By its NVMC; sections of the nRF52840's specification. */
#include "fn_files.h"
#include "registers.h"

#define READY REG(0x4001E400u)     /* 4.3.9.1 */
#define CONFIG REG(0x4001E504u)    /* 4.3.9.3 */
#define ERASEPAGE REG(0x4001E508u) /* 4.3.9.4 */

enum { READ = 0, WRITE = 1, ERASE = 2 };

int fn_flash_begin(void)
{
    return (READY & 1u) != 0;
}

/* The core waits while it erases (some 90 ms) or writes: it reads its code from the same flash. */
static void allow(uint32_t what)
{
    CONFIG = what;
    while (!(READY & 1u)) {
    }
}

int fn_flash_erase(uint32_t address) /* 4.3.4 */
{
    allow(ERASE);
    ERASEPAGE = address;
    allow(READ);
    return 0;
}

int fn_flash_write(uint32_t address, const void *data, uint32_t bytes) /* 4.3.2 */
{
    const uint8_t *from = data;
    allow(WRITE);
    for (uint32_t done = 0; done < bytes; done += 4u) {
        uint32_t word;
        for (uint32_t i = 0; i < 4u; i++) {
            ((uint8_t *)&word)[i] = from[done + i];
        }
        REG(address + done) = word;
        while (!(READY & 1u)) {
        }
    }
    allow(READ);
    return 0;
}
