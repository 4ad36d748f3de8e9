/* rp2040_flash.c: how is the flash beside an RP2040 erased and written, and what is its number? By functions of its ROM, from RAM, with
 * nothing else running.
 *
 * The chip reads its code from that flash: meanwhile there is none to read. What the second stage (rp2040_boot2.h) has set up is
 * set up again afterwards: the pins, and a flash that expects addresses without commands. Sections are those of the data sheet.
 */
#include "fn_files.h"
#include "fn_machine.h"
#include "rp2040_rom.h"

#define FLASH 0x10000000u                       /* 2.6.3 */
#define SSI(offset) REG(0x18000000u + (offset)) /* 4.10.13 */
#define PADS(n) REG(0x40020004u + 4u * (n))     /* 2.19.6.4 */
#define SELECT REG(0x4001800Cu)                 /* 2.19.6.2: GPIO_QSPI_SS_CTRL */
enum { CTRLR0 = 0x00, CTRLR1 = 0x04, SSIENR = 0x08, SER = 0x10, BAUDR = 0x14, STATUS = 0x28, DR0 = 0x60 };
enum { RX_SAMPLE_DLY = 0xF0, SPI_CTRLR0 = 0xF4, IS_BUSY = 1u, ALL_SENT = 1u << 2, HAS_COME = 1u << 3, PAD_COUNT = 5 };
enum { DRIVEN = 3u << 8, DRIVEN_LOW = 2u << 8, DRIVEN_HIGH = 3u << 8 };
enum { WITH_COMMAND = 2u << 8 | 4u << 11 | 8u << 2 | 1u, READ_BY_FOURS = 0xEBu, GO_ON = 0xA0u };
enum { PAGE_BYTES = 256, BLOCK_BYTES = 65536, ERASE_BLOCK = 0xD8 };
enum { READ_ID = 0x4B, ID_BEGINS = 5, CHIP_ID_BYTES = 8, ID_ANSWER_BYTES = ID_BEGINS + CHIP_ID_BYTES };

typedef enum { ERASE, PROGRAM, IDENTIFY } deed;

/* Among the variables, which startup.c copies. The flags are theirs too: what GCC adds is a comment to the assembler. */
#define IN_RAM __attribute__((noinline, section(".data.in_ram,\"aw\",%progbits @")))

typedef struct {
    void (*connect)(void);  /* the pins to the controller, as they come out of reset */
    void (*exit_xip)(void); /* the flash takes commands */
    void (*erase)(uint32_t at, uint32_t bytes, uint32_t block_bytes, uint32_t command);
    void (*program)(uint32_t at, const uint8_t *data, uint32_t bytes);
    void (*flush)(void); /* the cache is empty, and the pin that selects the flash is the controller's again */
} rom;

static uint8_t page[PAGE_BYTES];

/* The flash takes and gives a byte at once (Winbond's data sheet: "Read Unique ID"): the command and four bytes that do not matter, then the
 * number. All of it fits into the controller's FIFO of 16 bytes. */
IN_RAM static void identify(volatile uint8_t *bytes)
{
    SELECT = (SELECT & ~(uint32_t)DRIVEN) | DRIVEN_LOW;
    for (uint32_t i = 0; i < ID_ANSWER_BYTES; i++) {
        SSI(DR0) = i ? 0u : READ_ID;
    }
    for (uint32_t i = 0; i < ID_ANSWER_BYTES; i++) {
        while (!(SSI(STATUS) & HAS_COME)) {
        }
        bytes[i] = (uint8_t)SSI(DR0);
    }
    SELECT = (SELECT & ~(uint32_t)DRIVEN) | DRIVEN_HIGH;
}

/* Also what is read from flash before the controller is as it was would stop the core for ever. */
IN_RAM static void with_flash(const rom *it, deed what, uint32_t at)
{
    uint32_t pads[PAD_COUNT];
    for (uint32_t i = 0; i < PAD_COUNT; i++) {
        pads[i] = PADS(i);
    }
    const uint32_t ctrlr0 = SSI(CTRLR0), baud = SSI(BAUDR), delay = SSI(RX_SAMPLE_DLY), without_command = SSI(SPI_CTRLR0);
    it->connect();
    it->exit_xip();
    if (what == ERASE) {
        it->erase(at, FN_ERASE_BYTES, BLOCK_BYTES, ERASE_BLOCK);
    } else if (what == PROGRAM) {
        it->program(at, page, PAGE_BYTES);
    } else {
        identify(page);
    }
    it->flush();
    for (uint32_t i = 0; i < PAD_COUNT; i++) {
        PADS(i) = pads[i];
    }
    SSI(SSIENR) = 0;
    SSI(BAUDR) = baud;
    SSI(SER) = 1;
    SSI(RX_SAMPLE_DLY) = delay;
    SSI(CTRLR1) = 0;
    SSI(CTRLR0) = ctrlr0;
    SSI(SPI_CTRLR0) = WITH_COMMAND;
    SSI(SSIENR) = 1;
    SSI(DR0) = READ_BY_FOURS; /* one read whose mode says that the next has no command */
    SSI(DR0) = GO_ON;
    while ((SSI(STATUS) & (ALL_SENT | IS_BUSY)) != ALL_SENT) {
    }
    SSI(SSIENR) = 0;
    SSI(SPI_CTRLR0) = without_command;
    SSI(SSIENR) = 1;
}

static void alone(deed what, uint32_t at)
{
    const rom it = {
        .connect = (void (*)(void))rom_function('I', 'F'),
        .exit_xip = (void (*)(void))rom_function('E', 'X'),
        .erase = (void (*)(uint32_t, uint32_t, uint32_t, uint32_t))rom_function('R', 'E'),
        .program = (void (*)(uint32_t, const uint8_t *, uint32_t))rom_function('R', 'P'),
        .flush = (void (*)(void))rom_function('F', 'C'),
    };
    void (*volatile call)(const rom *, deed, uint32_t) = with_flash; /* too far for a branch */
    uint32_t masked;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(masked)::"memory");
    call(&it, what, at);
    __asm volatile("msr primask, %0" ::"r"(masked) : "memory");
}

int fn_flash_begin(void)
{
    return on_a_chip();
}

int fn_flash_erase(uint32_t address)
{
    alone(ERASE, address - FLASH);
    return 0;
}

/* The ROM writes whole pages: what is not meant stays as it is where ones are written. */
int fn_flash_write(uint32_t address, const void *data, uint32_t bytes)
{
    const uint8_t *from = data;
    for (uint32_t done = 0; done < bytes;) {
        const uint32_t at = address + done - FLASH, first = at % PAGE_BYTES;
        for (uint32_t i = 0; i < PAGE_BYTES; i++) {
            page[i] = i >= first && done < bytes ? from[done++] : 0xFFu;
        }
        alone(PROGRAM, at - first);
    }
    return 0;
}

#if !defined(ARDUINO)

/* Of the flash, for the chip has none. */
uint32_t fn_unique_id(uint8_t *id)
{
    for (uint32_t i = 0; i < CHIP_ID_BYTES; i++) {
        id[i] = 0;
    }
    if (on_a_chip()) {
        alone(IDENTIFY, 0);
        for (uint32_t i = 0; i < CHIP_ID_BYTES; i++) {
            id[i] = page[ID_BEGINS + i];
        }
    }
    return CHIP_ID_BYTES;
}

#endif
