/* record.c: notes what a simulated image does, in callbacks of the simulator (`firmnet profile`).
 *
 * Nothing here calls the simulator. Python twin: profile/recorders.py. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* How often one basic block followed another. Blocks are known by address and size. */
typedef struct edge {
    uint32_t from, from_bytes, to, to_bytes;
    uint64_t count;
} edge;

enum { START = 1 << 12 };

/* Open addressing; grows when it is half full. */
static edge *table;
static uint32_t room, used;
static uint32_t last, last_bytes;

static edge *find(edge *in, uint32_t slots, const edge *wanted)
{
    uint32_t at = (wanted->from * 2654435761u) ^ (wanted->to * 2246822519u) ^ (wanted->to_bytes * 40503u);
    for (at ^= at >> 15;; at++) {
        edge *slot = &in[at & (slots - 1)];
        if (!slot->count || memcmp(slot, wanted, 4 * sizeof(uint32_t)) == 0) {
            return slot;
        }
    }
}

static int grow(void)
{
    const uint32_t slots = room ? 2 * room : START;
    edge *larger = calloc(slots, sizeof(edge));
    if (!larger) {
        return 0;
    }
    for (uint32_t i = 0; i < room; i++) {
        if (table[i].count) {
            *find(larger, slots, &table[i]) = table[i];
        }
    }
    free(table);
    table = larger;
    room = slots;
    return 1;
}

/* Forget everything: the next block follows none. */
void edges_reset(void)
{
    if (table) {
        memset(table, 0, room * sizeof(edge));
    }
    used = last = last_bytes = 0;
}

/* A block of `bytes` at `address` begins. */
void edges_block(void *simulator, uint64_t address, uint32_t bytes, void *context)
{
    (void)simulator;
    (void)context;
    const edge wanted = { last, last_bytes, (uint32_t)address, bytes, 0 };
    last = wanted.to;
    last_bytes = bytes;
    if (2 * used >= room && !grow()) {
        return;
    }
    edge *slot = find(table, room, &wanted);
    if (!slot->count) {
        *slot = wanted;
        used++;
    }
    slot->count++;
}

uint32_t edges_used(void)
{
    return used;
}

/* Copies all edges to `out`, which has room for edges_used() of them, and forgets the counts but not the last block. */
void edges_take(edge *out)
{
    for (uint32_t i = 0; i < room; i++) {
        if (table[i].count) {
            *out++ = table[i];
        }
    }
    if (table) {
        memset(table, 0, room * sizeof(edge));
    }
    used = 0;
}

/* Bytes loaded from below flash_end; cycles that loads take for not being aligned. */
static uint64_t flash_bytes, unaligned;
static uint32_t flash_end;

void loads_reset(uint32_t end)
{
    flash_end = end;
    flash_bytes = unaligned = 0;
}

void loads_load(void *simulator, int type, uint64_t address, int bytes, int64_t value, void *context)
{
    (void)simulator;
    (void)type;
    (void)value;
    (void)context;
    if (address < flash_end) {
        flash_bytes += (uint32_t)bytes;
    }
    if (address & 1) {
        unaligned += bytes == 4 ? 2 : bytes == 2;
    } else if (address & 2) {
        unaligned += bytes == 4;
    }
}

/* What was added up since this was last asked. */
void loads_take(uint64_t out[2])
{
    out[0] = flash_bytes;
    out[1] = unaligned;
    flash_bytes = unaligned = 0;
}
