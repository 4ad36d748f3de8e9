/* main.c: what runs after reset? The link, for ever. What arrives waits in a ring until the link takes it. */
#include "firmnet_link.h"
#include "fn_board.h"

/* A power of two. The host says nothing while it waits for an answer, but for a short question now and then. */
#define RING_BYTES 256u
#define STACK_ABOVE_BYTES 256u /* what main() and its callers hold of the stack already */

extern uintptr_t fn_stack_bottom;

static volatile uint8_t ring[RING_BYTES];
static volatile uint32_t ring_head; /* written by the receiver only */
static volatile uint32_t ring_tail; /* written by the reader only */

int fn_receives(void)
{
    return ring_head - ring_tail < RING_BYTES;
}

void fn_received(uint8_t byte)
{
    if (fn_receives()) { /* a full ring drops what comes; the link notices by its CRC */
        ring[ring_head % RING_BYTES] = byte;
        ring_head++;
    }
}

void fn_runtime(uint32_t *heap_start, uint32_t *heap_end, uint32_t stack_bytes)
{
    fn_stack_bottom = (uintptr_t)__builtin_frame_address(0) + STACK_ABOVE_BYTES - stack_bytes;
    if (heap_end > heap_start) {
        fn_link_free_bytes = (uint32_t)((uintptr_t)heap_end - (uintptr_t)heap_start);
    }
    fn_link_clock_hz = fn_board_clock_hz();
    fn_link_begin();
    for (;;) {
        fn_board_poll();
        if (ring_head == ring_tail) {
            fn_link_idle();
            fn_board_idle();
        } else {
            const uint8_t byte = ring[ring_tail % RING_BYTES];
            ring_tail++;
            fn_link_receive(byte);
        }
    }
}

#if !defined(ARDUINO)
extern uint32_t __heap_start[], __heap_end[], __stack_room_bytes[];

int main(void)
{
    fn_board_init();
    fn_runtime(__heap_start, __heap_end, (uint32_t)__stack_room_bytes);
    return 0;
}
#endif
