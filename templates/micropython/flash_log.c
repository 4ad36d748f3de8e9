/* flash_log.c: how is a piece of a few bytes written anew where flash is erased in sectors of 128 KB or more? At the end of a log.
 *
 * Of two sectors one holds the log: a header, then records, each one piece and which piece it is; the last of a piece counts.
 * When the sector is full, what counts is copied to the other one, whose header is written last. So whenever the supply
 * fails, one of them is whole.
 */
#include "fn_files.h"

__attribute__((weak)) int fn_flash_is_sound(uint32_t address, uint32_t bytes)
{
    (void)address, (void)bytes;
    return 1;
}

#if defined(FN_LOG_BYTES)

#include <string.h>

#define ERASED 0xFFFFFFFFu
#define MAGIC 0x676F6C66u /* "flog" */
#define NOWHERE 0xFFFFu

/* What is written at once, or four words where that is less. */
#define HEADER_BYTES (FN_WRITE_BYTES < 16u ? 16u : FN_WRITE_BYTES)

typedef struct {
    uint8_t data[FN_LOG_PIECE_BYTES];
    union {
        struct {
            uint32_t piece, check; /* written last; check is ~piece */
        };
        uint32_t tail[FN_WRITE_BYTES / 4u];
    };
} record;

typedef union {
    struct {
        uint32_t magic, sequence, check; /* check is ~sequence */
    };
    uint32_t words[HEADER_BYTES / 4u];
} header;

#define RECORDS ((FN_ERASE_BYTES - sizeof(header)) / sizeof(record))

static uint32_t active, sequence, count; /* the sector in use, and the records in it */
static uint16_t *newest;                 /* of each piece, the record that counts */

static uint32_t sector(uint32_t number)
{
    return FN_FILES_ORIGIN + number * FN_ERASE_BYTES;
}

static const header *head(uint32_t number)
{
    return (const header *)sector(number);
}

static uint32_t place(uint32_t of, uint32_t number)
{
    return sector(of) + (uint32_t)sizeof(header) + number * (uint32_t)sizeof(record);
}

static const record *at(uint32_t of, uint32_t number)
{
    return (const record *)place(of, number);
}

static int is_whole(uint32_t number)
{
    return fn_flash_is_sound(sector(number), sizeof(header)) && head(number)->magic == MAGIC
        && head(number)->check == ~head(number)->sequence;
}

static int write_record(uint32_t of, uint32_t number, uint32_t piece, const uint8_t *data)
{
    const uint32_t tail[FN_WRITE_BYTES / 4u] = {piece, ~piece};
    return fn_flash_write(place(of, number), data, FN_LOG_PIECE_BYTES)
        || fn_flash_write(place(of, number) + FN_LOG_PIECE_BYTES, tail, sizeof tail);
}

/* Copies the pieces that count, of which an empty log has none, and writes the header. */
static int fill_sector(uint32_t other, uint32_t number)
{
    uint32_t copied = 0;
    if (fn_flash_erase(sector(other))) {
        return -1;
    }
    for (uint32_t piece = 0; piece < FN_LOG_PIECES; piece++) {
        if (newest[piece] != NOWHERE) {
            uint8_t data[FN_LOG_PIECE_BYTES]; /* flash is not read while it is written */
            memcpy(data, at(active, newest[piece])->data, sizeof data);
            if (write_record(other, copied, piece, data)) {
                return -1;
            }
            newest[piece] = (uint16_t)copied++;
        }
    }
    const header made = {.words = {MAGIC, number, ~number}};
    if (fn_flash_write(sector(other), &made, sizeof made)) {
        return -1;
    }
    active = other;
    sequence = number;
    count = copied;
    return 0;
}

static int is_untouched(const record *it)
{
    const uint32_t *words = (const uint32_t *)it;
    for (uint32_t i = 0; i < sizeof *it / 4u; i++) {
        if (words[i] != ERASED) {
            return 0;
        }
    }
    return 1;
}

/* A record that was cut short has no right tail, or cannot be read, and is passed over. */
static void read_log(void)
{
    memset(newest, 0xFF, FN_LOG_PIECES * sizeof *newest);
    for (count = 0; count < RECORDS; count++) {
        const record *it = at(active, count);
        if (!fn_flash_is_sound(place(active, count), sizeof *it)) {
            continue;
        }
        if (is_untouched(it)) {
            return;
        }
        if (it->piece < FN_LOG_PIECES && it->check == ~it->piece) {
            newest[it->piece] = (uint16_t)count;
        }
    }
}

static int begin_sector(uint32_t other, uint32_t number)
{
    if (fill_sector(other, number)) {
        read_log(); /* all is as it was */
        return -1;
    }
    return 0;
}

int fn_log_begin(uint16_t memory[FN_LOG_PIECES])
{
    newest = memory;
    memset(newest, 0xFF, FN_LOG_PIECES * sizeof *newest);
    const int whole[2] = {is_whole(0), is_whole(1)};
    if (!whole[0] && !whole[1]) {
        active = 0;
        return begin_sector(0, 1) == 0;
    }
    const int second_is_newer = whole[1] && (!whole[0] || (int32_t)(head(1)->sequence - head(0)->sequence) > 0);
    active = second_is_newer ? 1u : 0u;
    sequence = head(active)->sequence;
    read_log();
    return 1;
}

/* What was never written, or was forgotten, reads as erased flash. */
void fn_log_read(uint32_t from, uint8_t *to, uint32_t bytes)
{
    while (bytes > 0) {
        const uint32_t piece = from / FN_LOG_PIECE_BYTES, inside = from % FN_LOG_PIECE_BYTES;
        const uint32_t some = bytes < FN_LOG_PIECE_BYTES - inside ? bytes : FN_LOG_PIECE_BYTES - inside;
        if (newest[piece] == NOWHERE) {
            memset(to, 0xFF, some);
        } else {
            memcpy(to, at(active, newest[piece])->data + inside, some);
        }
        from += some;
        to += some;
        bytes -= some;
    }
}

int fn_log_write(uint32_t to, const uint8_t *from, uint32_t bytes)
{
    if (to % FN_LOG_PIECE_BYTES || bytes % FN_LOG_PIECE_BYTES) {
        return -1;
    }
    for (; bytes > 0; bytes -= FN_LOG_PIECE_BYTES, to += FN_LOG_PIECE_BYTES, from += FN_LOG_PIECE_BYTES) {
        if (count == RECORDS && begin_sector(1u - active, sequence + 1u)) {
            return -1;
        }
        const uint32_t piece = to / FN_LOG_PIECE_BYTES, number = count++;
        if (write_record(active, number, piece, from)) {
            return -1;
        }
        newest[piece] = (uint16_t)number;
    }
    return 0;
}

void fn_log_forget(uint32_t from, uint32_t bytes)
{
    for (uint32_t piece = from / FN_LOG_PIECE_BYTES; bytes >= FN_LOG_PIECE_BYTES; bytes -= FN_LOG_PIECE_BYTES) {
        newest[piece++] = NOWHERE;
    }
}

#endif
