/* edges.c: counts how often each basic block followed each other one, as a callback of the simulator (`firmnet profile`).
 *
 * A table with open addressing, which grows; nothing here calls the simulator. Blocks are known by address and size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct edge {
    uint32_t from, from_bytes, to, to_bytes;
    uint64_t count;
} edge;

enum { START = 1 << 12 };

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

/* Bytes read below `flash_end`, as a callback for every load. */
static uint64_t flash_read;
static uint32_t flash_end;

void reads_reset(uint32_t end)
{
    flash_end = end;
    flash_read = 0;
}

void reads_load(void *simulator, int type, uint64_t address, int bytes, int64_t value, void *context)
{
    (void)simulator;
    (void)type;
    (void)value;
    (void)context;
    if (address < flash_end) {
        flash_read += (uint32_t)bytes;
    }
}

uint64_t reads_taken(void)
{
    return flash_read;
}
