/* fn_files.h: where do the board's own files lie, and who erases and writes there? */
#ifndef FN_FILES_H
#define FN_FILES_H

#include <stdint.h>

#include "fn_board_config.h"

/* Finds the places, once; returns where the heap ends then, of which files take a part where no flash can be written. */
uint32_t *fn_files_begin(uint32_t *heap_start, uint32_t *heap_end);

/* Where the firmware ends in flash, all that is copied to RAM included; of main.c and arduino.cpp. */
uint32_t fn_image_end(void);

/* The chip's flash, of glue/…_flash.c. Begin: whether it takes commands, which an emulator's may not. Erase and write return
 * 0, or -1 where the chip says that it has failed. Writes are multiples of FN_WRITE_BYTES, to places that were erased before. */
#if !defined(FN_WRITE_BYTES)
#define FN_WRITE_BYTES 8u
#endif
int fn_flash_begin(void);
int fn_flash_erase(uint32_t address); /* the FN_ERASE_BYTES that begin there */
int fn_flash_write(uint32_t address, const void *data, uint32_t bytes);

/* Whether it can be read: what was cut short by the supply is a fault to read on some chips. flash_log.c answers for all others. */
int fn_flash_is_sound(uint32_t address, uint32_t bytes);

#if defined(FN_LOG_BYTES)
/* flash_log.c: FN_LOG_BYTES that can be written over, on two sectors that can not. Reads and writes are whole pieces.
 * It keeps the memory that it begins with. */
#define FN_LOG_PIECE_BYTES 128u
#define FN_LOG_PIECES (FN_LOG_BYTES / FN_LOG_PIECE_BYTES)
int fn_log_begin(uint16_t memory[FN_LOG_PIECES]);
void fn_log_read(uint32_t at, uint8_t *to, uint32_t bytes);
int fn_log_write(uint32_t at, const uint8_t *from, uint32_t bytes);
void fn_log_forget(uint32_t at, uint32_t bytes); /* what is there needs not be kept */
#endif

#endif
