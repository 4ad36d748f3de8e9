/* main.c: what runs after reset? The link, for ever. What arrives waits in a ring until the link takes it: the next inputs too,
 * while the model runs. */
#include "firmnet_link.h"
#include "fn_board.h"
#include "fn_served.h"

#define STACK_ABOVE_BYTES 256u /* what main() and its callers hold of the stack already */

extern uintptr_t fn_stack_bottom;

static volatile uint32_t ring_head; /* where the receiver writes, and only it changes this */
static volatile uint32_t ring_tail; /* where the reader reads */

#if FN_MOST_KEPT > 1
#define RING_BYTES fn_ring_bytes
#else
#define RING_BYTES FN_LEAST_RING_BYTES
#endif

static uint32_t after(uint32_t at)
{
    return at + 1u < RING_BYTES ? at + 1u : 0u; /* one of its bytes stays free */
}

int fn_receives(void)
{
    return after(ring_head) != ring_tail;
}

void fn_received(uint8_t byte)
{
    if (fn_receives()) { /* a full ring drops what comes; the link notices by its CRC */
        *(volatile uint8_t *)&fn_ring[ring_head] = byte;
        ring_head = after(ring_head);
    }
}

void fn_runtime(uint32_t *heap_start, uint32_t *heap_end, uint32_t stack_bytes)
{
    fn_stack_bottom = (uintptr_t)__builtin_frame_address(0) + STACK_ABOVE_BYTES - stack_bytes;
    if (heap_end > heap_start) {
        fn_link_free_bytes = (uint32_t)((uintptr_t)heap_end - (uintptr_t)heap_start);
    }
#if FN_MOST_KEPT > 1
    if (fn_ring_bytes - 1u <= FN_UNATTENDED_BYTES) {
        fn_link_window = fn_kept_count;
    }
#endif
    fn_link_clock_hz = fn_board_clock_hz();
    fn_link_begin();
    for (;;) {
        fn_board_poll();
        if (ring_head == ring_tail) {
            fn_link_idle();
            fn_board_idle();
        } else {
            const uint8_t byte = *(volatile uint8_t *)&fn_ring[ring_tail];
            ring_tail = after(ring_tail);
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
