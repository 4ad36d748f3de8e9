/* fn_board.h: what does a firmware need from a board? A serial port and a clock; each glue file answers it. */
#ifndef FN_BOARD_H
#define FN_BOARD_H

#include <stdint.h>

#include "fn_board_config.h"

#ifdef __cplusplus
extern "C" {
#endif

void fn_board_init(void);
void fn_board_write(const uint8_t *data, uint32_t n); /* returns when all bytes are on their way */
void fn_board_poll(void);                             /* hands over what arrived, where no interrupt does */
void fn_board_idle(void);                             /* sleeps until something may have happened, at most 1 ms */
uint32_t fn_board_ms(void);
uint32_t fn_board_us(void);
uint32_t fn_board_clock_hz(void); /* of the core, as it is set; 0 where an emulator does not tell */

/* `baud` where the port can have that rate, within 2 %, else 0: as where it has none. With `take` what was written is sent, and
 * from then on it has that rate. */
uint32_t fn_board_baud(uint32_t baud, int take);

/* So many bytes may come while nobody looks: with an interrupt, whatever the ring holds. */
#if defined(ARDUINO) && FN_HAS_UART && defined(SERIAL_RX_BUFFER_SIZE)
#define FN_UNATTENDED_BYTES (SERIAL_RX_BUFFER_SIZE - 1u)
#elif defined(ARDUINO)
#define FN_UNATTENDED_BYTES 0u
#else
#define FN_UNATTENDED_BYTES UINT32_MAX
#endif

/* The glue calls this for every byte that arrives, in an interrupt or from fn_board_poll(). */
void fn_received(uint8_t byte);

/* Whether fn_received() has a place for one more byte: a glue that can make the sender wait asks first. */
int fn_receives(void);

/* Runs for ever, MicroPython or the C runtime, on the memory that is left. */
void fn_runtime(uint32_t *heap_start, uint32_t *heap_end, uint32_t stack_bytes);

#ifdef __cplusplus
}
#endif

#endif
