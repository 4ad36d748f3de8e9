/* rp2040_boot2.h: how does an RP2040 come from its boot ROM to the firmware in flash? By these first 256 bytes of it.
 *
 * The ROM reads them slowly, compares their CRC, copies them to the end of RAM and calls them there: they must run at any
 * address. They make the flash readable at 0x10000000, four bits at a time, and go on at the vectors behind them. For chips
 * that know the commands of Winbond's W25Q (also GigaDevice's, ISSI's). Sections are those of the RP2040's data sheet.
 */
#ifndef FN_RP2040_BOOT2_H
#define FN_RP2040_BOOT2_H

#define FN_BOOT2_CRC "0xf18277f4" /* of the 252 bytes before it (2.8.1.3.1); a test compares it, and tells the right one */

__asm__(
    ".pushsection .boot2, \"ax\"\n"
    ".syntax unified\n"
    ".thumb\n"
    ".thumb_func\n"
    ".global fn_boot2\n"
    ".type fn_boot2, %function\n"
    "fn_boot2:\n"
    /* the pins for 62.5 MHz: a strong clock, data without the delay of Schmitt triggers (2.19.6.4) */
    "    ldr r3, .Lpads_qspi\n"
    "    movs r0, #0x21\n"
    "    str r0, [r3, #0x04]\n"
    "    movs r1, #2\n"
    "    ldr r0, [r3, #0x08]\n"
    "    bics r0, r1\n"
    "    str r0, [r3, #0x08]\n"
    "    str r0, [r3, #0x0c]\n"
    "    str r0, [r3, #0x10]\n"
    "    str r0, [r3, #0x14]\n"
    /* the controller (4.10): half of the core's clock, the first slave, data taken a little later */
    "    ldr r3, .Lssi\n"
    "    movs r0, #0\n"
    "    str r0, [r3, #0x08]\n" /* SSIENR: off */
    "    movs r0, #2\n"
    "    str r0, [r3, #0x14]\n" /* BAUDR */
    "    movs r0, #1\n"
    "    str r0, [r3, #0x10]\n" /* SER */
    "    movs r1, #0xf0\n"
    "    str r0, [r3, r1]\n" /* RX_SAMPLE_DLY */
    /* four data lines must be allowed, in status register 2 of the flash: most are delivered so */
    "    ldr r0, .Lone_by_one\n"
    "    str r0, [r3, #0x00]\n" /* CTRLR0 */
    "    movs r0, #1\n"
    "    str r0, [r3, #0x08]\n" /* SSIENR: on */
    "    movs r0, #0x35\n"
    "    bl .Lstatus\n"
    "    movs r2, #2\n"
    "    tst r0, r2\n"
    "    bne 2f\n"
    "    movs r0, #0x06\n" /* may be written */
    "    str r0, [r3, #0x60]\n"
    "    bl .Lidle\n"
    "    ldr r0, [r3, #0x60]\n"
    "    movs r0, #0x01\n" /* both status registers */
    "    str r0, [r3, #0x60]\n"
    "    movs r0, #0\n"
    "    str r0, [r3, #0x60]\n"
    "    str r2, [r3, #0x60]\n"
    "    bl .Lidle\n"
    "    ldr r0, [r3, #0x60]\n"
    "    ldr r0, [r3, #0x60]\n"
    "    ldr r0, [r3, #0x60]\n"
    "1:  movs r0, #0x05\n" /* until it is no longer busy */
    "    bl .Lstatus\n"
    "    movs r1, #1\n"
    "    tst r0, r1\n"
    "    bne 1b\n"
    /* one read with its command, after which the flash expects addresses alone (W25Q: "continuous read") */
    "2:  movs r0, #0\n"
    "    str r0, [r3, #0x08]\n"
    "    str r0, [r3, #0x04]\n" /* CTRLR1: one word at a time */
    "    ldr r0, .Lby_fours\n"
    "    str r0, [r3, #0x00]\n"
    "    movs r1, #0xf4\n"
    "    ldr r0, .Lwith_command\n"
    "    str r0, [r3, r1]\n" /* SPI_CTRLR0 */
    "    movs r0, #1\n"
    "    str r0, [r3, #0x08]\n"
    "    movs r0, #0xeb\n"
    "    str r0, [r3, #0x60]\n"
    "    movs r0, #0xa0\n"
    "    str r0, [r3, #0x60]\n"
    "    bl .Lidle\n"
    "    movs r0, #0\n"
    "    str r0, [r3, #0x08]\n"
    "    ldr r0, .Lwithout_command\n"
    "    str r0, [r3, r1]\n"
    "    movs r0, #1\n"
    "    str r0, [r3, #0x08]\n"
    /* on to the firmware */
    "    ldr r0, .Lvectors\n"
    "    ldr r1, .Lvtor\n"
    "    str r0, [r1]\n"
    "    ldm r0, {r0, r1}\n"
    "    msr msp, r0\n"
    "    bx r1\n"
    /* until all has been sent */
    ".Lidle:\n"
    "    ldr r0, [r3, #0x28]\n"
    "    movs r4, #4\n"
    "    tst r0, r4\n"
    "    beq .Lidle\n"
    "    movs r4, #1\n"
    "    tst r0, r4\n"
    "    bne .Lidle\n"
    "    bx lr\n"
    /* r0: a command → the byte behind it */
    ".Lstatus:\n"
    "    mov r5, lr\n"
    "    str r0, [r3, #0x60]\n"
    "    str r0, [r3, #0x60]\n"
    "    bl .Lidle\n"
    "    ldr r0, [r3, #0x60]\n"
    "    ldr r0, [r3, #0x60]\n"
    "    bx r5\n"
    "    .balign 4, 0\n"
    ".Lpads_qspi: .word 0x40020000\n"
    ".Lssi: .word 0x18000000\n"
    ".Lvtor: .word 0xe000ed08\n"
    ".Lvectors: .word 0x10000100\n"
    ".Lone_by_one: .word 7 << 16\n"                      /* eight bits, there and back */
    ".Lby_fours: .word 2 << 21 | 31 << 16 | 3 << 8\n"    /* four lines, 32 bits, an address goes before */
    ".Lwith_command: .word 2 << 8 | 4 << 11 | 8 << 2 | 1\n" /* 8 bits of command; address and mode on four lines; 4 cycles */
    ".Lwithout_command: .word 0xa0 << 24 | 4 << 11 | 8 << 2 | 2\n" /* the mode says: no command next time either */
    "    .org fn_boot2 + 252\n"
    "    .word " FN_BOOT2_CRC "\n"
    ".popsection\n");

#endif
