/* firmnet_link.h: how does a program in C let the host verify its model? It hands over the bytes that come, and answers go out.
 *
 *     fn_link_begin();
 *     for (;;) {
 *         while (a byte has come) fn_link_receive(byte);
 *         fn_link_idle();
 *     }
 *
 * The three functions fn_board_… are yours; include/fn_board.h is what firmnet's own boards have. Between requests the program
 * may do what it likes, but while a host verifies nobody else runs the model. */
#ifndef FIRMNET_LINK_H
#define FIRMNET_LINK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the link wants of a board. */
void fn_board_write(const uint8_t *data, uint32_t n); /* returns when all bytes are on their way */
/* `baud` where the port can have that rate, within 2 %, else 0: as where it has none. With `take` what was written is sent, and
 * from then on it has that rate. Yours may be left out: then the rate stays. */
uint32_t fn_board_baud(uint32_t baud, int take);
uint32_t fn_board_ms(void);
uint32_t fn_board_us(void);

void fn_link_begin(void);           /* tells a host that waits */
void fn_link_receive(uint8_t byte); /* the last byte of a request has it computed and answered */
void fn_link_idle(void);            /* whenever no byte has come: a silence ends what was damaged on the way */

/* What the host may want to know, for a board to set. */
extern uint32_t fn_link_free_bytes; /* of RAM; UINT32_MAX where nobody knows */
extern uint32_t fn_link_window; /* requests that may be under way: at first 1, fn_kept_count where fn_ring waits for them */
extern uint32_t fn_link_clock_hz;   /* of the core; 0 where nobody knows */

#ifdef __cplusplus
}
#endif

#endif
