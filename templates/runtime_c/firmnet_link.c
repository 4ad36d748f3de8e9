/* firmnet_link.c: how does a board without an interpreter answer the host's frames? (Twins: generator/firmnet/devices/frames.py,
 * runtime_micropython/firmnet_link.py.)
 *
 * It serves for ever: whatever arrives damaged is answered by NAK and changes nothing, and a hello opens a session at any time.
 * A request to run says which step it is since the model was reset: the next one is computed, one of the last ones, repeated,
 * is answered from memory, in another session too, and every other one refused. So no step is ever computed twice; only a
 * dump, for which there is no memory, is made once more from what the model remembered before it.
 *
 * Where the port can, the host may raise its rate; the rate of the board file holds again as soon as nobody speaks the other.
 */
#include "firmnet_link.h"

#include <stddef.h>
#include <string.h>

#include "fn_board_config.h"
#include "fn_crc.h"
#include "fn_run.h"
#include "fn_served.h"

enum { VERSION = 6, ANSWER = 0x80 };
enum { HELLO = 1, RUN, CHECKSUMS, DUMP, COUNTERS, RESET, AGAIN, IMAGE, RESTART, PREDICT, INFO, BAUD, STATE, SET_STATE };
enum { NAK = 0x15, READY, STRANGER, FAULT };

#define GAP_MS 250u  /* so much silence inside a frame means its rest is lost */
#define QUIET_MS 30u /* so much silence after damage means the host has stopped sending */
#define EXAMINED_MS 1500u /* so much silence ends a test of the line; or so many bytes: */
#define EXAMINED_BYTES 300u
#define IDLE_MS 5000u /* so much silence, or so many damaged frames in a row, mean that nobody speaks at a faster rate */
#define STRIKES 3u
#define TRIAL_MS 700u /* a new rate at which no second request has come by then is given up */
#define PACKET_BYTES 64u /* of USB: a frame that fills its last one is followed by a zero, else the host's USB waits for more */
#define TIMES 2u     /* so often a model that remembers is given a sample: that it does shows in the second answer */

#define HEAD_BYTES 20u
#define COVERED_BYTES 14u /* of the header, behind the magic: what its CRC covers */
#define ASKED_BYTES 12u   /* how the payload of a step begins: its number, a layer, the CRC-32 of the inputs */

#ifndef FN_STATE_COUNT
#define FN_STATE_COUNT 0u
#endif

static const uint8_t MAGIC[2] = {0xF1, 0x4E};

uint32_t fn_link_free_bytes = UINT32_MAX;
uint32_t fn_link_window = 1u;
uint32_t fn_link_clock_hz;
uintptr_t fn_stack_bottom;

typedef struct asked {
    uint8_t bytes[ASKED_BYTES];
} asked;

static struct {
    uint8_t head[HEAD_BYTES];
    asked asked; /* how its payload begins */
    uint8_t tail[4];
    uint32_t at; /* bytes that have come of it */
    uint32_t crc;
    uint8_t *to; /* where the next value of the payload goes, unless NULL */
    uint32_t room_bytes;
    uint32_t input; /* the one that is there */
    uint32_t heard_ms;
    uint8_t damaged;
} request;

static uint32_t examined; /* bytes that may still come of a test of the line, each of which is told; 0: there is none */

/* The last answers. What they say is in fn_kept: microseconds or the checksums of the layers, and behind them the outputs; where
 * that has room for one answer alone, its outputs are those of the model, until the next input comes. */
static struct {
    uint32_t number; /* 0: of another session */
    uint8_t kind;    /* 0: none */
    uint32_t asked_crc;
    asked asked;
} kept[FN_MOST_KEPT];
static uint32_t latest;      /* the place of the last one */
static uint32_t last_number; /* and its number; 0: none in this session */

static struct {
    uint8_t valid;
    asked asked;
} dumped;

static uint32_t session; /* the host's, by its hello; 0 since the board began */
static uint32_t session_before;
static uint32_t runs, bad_frames;

static uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint8_t kind(void)
{
    return request.head[2];
}

static uint32_t number(void)
{
    return word(request.head + 8);
}

static uint32_t length(void)
{
    return word(request.head + 12);
}

/* ---- answers: their parts are put twice, first to be counted ---- */

static struct {
    uint8_t counting;
    uint32_t bytes;
    uint32_t crc;
} answer;

static void write(const void *data, uint32_t n)
{
    fn_board_write((const uint8_t *)data, n);
}

static void put(const void *data, uint32_t n)
{
    answer.bytes += n;
    if (!answer.counting) {
        answer.crc = fn_crc32(answer.crc, data, n);
        write(data, n);
    }
}

static void put_word(uint32_t value)
{
    put(&value, sizeof value);
}

/* As the C library's, which is unrolled and takes ten times the flash; and GCC would call it, did it recognise it. */
static uint32_t length_of(const char *text)
{
    uint32_t n = 0u;
    while (text[n]) {
        n++;
        FN_UNKNOWN(n);
    }
    return n;
}

static void put_text(const char *text)
{
    put(text, length_of(text));
}

static void begin(uint8_t what, uint32_t to, uint32_t bytes)
{
    uint8_t head[HEAD_BYTES];
    memcpy(head, MAGIC, sizeof MAGIC);
    head[2] = what;
    head[3] = VERSION;
    memcpy(head + 4, &session, 4u);
    memcpy(head + 8, &to, 4u);
    memcpy(head + 12, &bytes, 4u);
    answer.counting = 0;
    answer.bytes = 0u;
    answer.crc = fn_crc32(0u, head + 2, COVERED_BYTES);
    memcpy(head + 16, &answer.crc, 4u);
    write(head, sizeof head);
}

static void end(void)
{
    const uint32_t crc = answer.crc;
    write(&crc, sizeof crc);
    if ((HEAD_BYTES + sizeof crc + answer.bytes) % PACKET_BYTES == 0u) {
        write("", 1u);
    }
}

typedef void (*parts)(void);

static void nothing(void)
{
}

/* A frame that answers no request. */
static void tell(uint8_t what, uint32_t to)
{
    begin(what, to, 0u);
    end();
}

static uint32_t counted(parts body)
{
    answer.counting = 1;
    answer.bytes = 0u;
    body();
    return answer.bytes;
}

/* An answer's payload begins with the CRC-32 of the request that it answers. */
static void send(uint8_t what, uint32_t asked_crc, parts body)
{
    begin(what, number(), 4u + counted(body));
    put_word(asked_crc);
    body();
    end();
}

static void reply(parts body)
{
    send((uint8_t)(kind() | ANSWER), request.crc, body);
}

static const char *complaint;

static void complain(void)
{
    put_text(complaint);
}

static void refuse(const char *why)
{
    complaint = why;
    send(FAULT, request.crc, complain);
}

/* ---- at which rate ---- */

/* A number that is an answer by itself. */
static uint32_t told;

static void put_told(void)
{
    put_word(told);
}

#if FN_HAS_UART
static struct {
    uint32_t baud;  /* that the host has asked for; 0: it is the board's own */
    uint32_t trial; /* of that rate: 1 until something comes, then one more than the number of that request */
    uint32_t heard_ms; /* a frame that was whole, and is no second one of a trial */
    uint32_t strikes; /* damaged frames in a row */
} rate;

/* Of a board that does not say otherwise. */
__attribute__((weak)) uint32_t fn_board_baud(uint32_t baud, int take)
{
    (void)baud;
    (void)take;
    return 0u;
}

static uint32_t own_baud(void)
{
    return fn_board_baud(FN_BAUD, 0);
}

static void slow_down(void)
{
    if (rate.baud) {
        fn_board_baud(FN_BAUD, 1);
    }
    rate.baud = rate.trial = 0u;
}

/* The answer comes at the old rate. */
static void change_rate(void)
{
    const uint32_t wanted = word(request.asked.bytes);
    told = wanted ? fn_board_baud(wanted, 0) : 0u;
    reply(put_told);
    if (told) {
        fn_board_baud(wanted, 1);
        rate.baud = wanted;
        rate.trial = 1u;
    }
}

/* What is whole proves a new rate once it is a second request: the host has had the answer to the first then. */
static void note_frame(void)
{
    rate.strikes = 0u;
    if (rate.trial && kind() != BAUD) {
        rate.trial = rate.trial == 1u || rate.trial == number() + 1u ? number() + 1u : 0u;
    }
    if (!rate.trial || kind() == BAUD) {
        rate.heard_ms = fn_board_ms();
    }
}

static void note_damage(void)
{
    if (++rate.strikes >= STRIKES) {
        slow_down();
    }
}

static void give_up_rate(void)
{
    if (rate.baud && fn_board_ms() - rate.heard_ms >= (rate.trial ? TRIAL_MS : IDLE_MS)) {
        slow_down();
    }
}

#else /* USB has none */
static uint32_t own_baud(void)
{
    return 0u;
}

static void slow_down(void)
{
}

static void note_frame(void)
{
}

static void note_damage(void)
{
}

static void give_up_rate(void)
{
}
#endif

/* ---- who this is ---- */

static void every_byte(void (*give)(const void *data, uint32_t n))
{
    for (uint32_t value = 256u; value-- > 0u;) {
        const uint8_t byte = (uint8_t)value;
        give(&byte, 1u);
    }
}

static void put_number(uint32_t n)
{
    char digits[10];
    uint32_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10u);
        n /= 10u;
    } while (n);
    put(digits + i, (uint32_t)sizeof digits - i);
}

_Static_assert(offsetof(fn_input, dtype) == offsetof(fn_state, dtype), "inputs begin as states do");
_Static_assert(offsetof(fn_output, dtype) == offsetof(fn_state, dtype), "outputs begin as states do");

/* Of inputs, outputs or states, each so many bytes behind the one before. */
static void put_ports(const char *what, const void *ports, uint32_t count, uint32_t distance)
{
    static const char types[4][8] = {" int8 ", " uint8 ", " int16 ", " int32 "}; /* in the order of fn_dtype */
    const uint8_t *at = (const uint8_t *)ports;
    for (; count > 0u; count--, at += distance) {
        fn_state port;
        memcpy(&port, at, sizeof port);
        put("", 1u);
        put_text(what);
        put_text(port.name);
        put_text(types[port.dtype]);
        put_number(port.bytes);
    }
}

static void greet(void)
{
    const fn_model *const model = fn_deployed;
    uint32_t sizes = 0u;
    for (uint32_t i = 0; i < model->layer_count; i++) {
        sizes = fn_crc32(sizes, &model->layers[i].bytes, 4u);
    }
    put(model->fingerprint, 32u);
    put_word(model->layer_count);
    put_word(sizes);
    put_word(session_before);
    put_word(runs);
    put_word(FN_MOST_KEPT > 1u ? fn_link_window : 1u);
    put_word(own_baud());
    put(model->name, length_of(model->name) + 1u);
    put_text(fn_version);
    put_ports("input ", model->inputs, model->input_count, sizeof(fn_input));
    put_ports("output ", model->outputs, model->output_count, sizeof(fn_output));
    put_ports("state ", model->states, model->state_count, sizeof(fn_state));
    if (length()) { /* a hello with a payload tests the line */
        every_byte(put);
    }
}

static void hello(void)
{
    const uint32_t theirs = word(request.head + 4);
    if (theirs != session) {
        session_before = session;
        session = theirs;
        last_number = 0u;
        for (uint32_t i = 0; i < FN_MOST_KEPT; i++) {
            kept[i].number = 0u;
        }
    }
    reply(greet);
}

static void count(void)
{
    put_word(runs);
    put_word(bad_frames);
    put_word(fn_link_free_bytes);
    put_word(stack_peak_bytes);
    put_word(last_us);
}

static void inform(void)
{
    put_word(fn_deployed->arena_bytes);
    put_word(fn_sample_bytes);
    put_word(steps);
    put_word(fn_link_clock_hz);
    put_text(FN_BOARD_NAME);
    for (uint32_t i = 0; i < fn_label_count; i++) {
        put("", 1u);
        put_text(fn_labels[i]);
    }
}

/* ---- what lies in memory, so that the host can compare it with what was built ---- */

static int lies_in(uint32_t origin, uint32_t size)
{
    const uint32_t address = word(request.asked.bytes), bytes = word(request.asked.bytes + 4);
    return bytes <= size && address - origin <= size - bytes; /* below the origin the difference wraps round */
}

static void tell_image(void)
{
    const void *const at = (const void *)(uintptr_t)word(request.asked.bytes);
    told = fn_crc32(word(request.asked.bytes + 8), at, word(request.asked.bytes + 4));
    reply(put_told);
}

/* ---- steps ---- */

static uint32_t input_bytes(void)
{
    uint32_t bytes = 0u;
    for (uint32_t i = 0; i < fn_deployed->input_count; i++) {
        bytes += fn_deployed->inputs[i].bytes;
    }
    return bytes;
}

static int is_step(void)
{
    return kind() >= RUN && kind() <= DUMP && length() == ASKED_BYTES + input_bytes();
}

static int is_asked(const asked *earlier)
{
    int same = 1;
    for (uint32_t i = 0; i < ASKED_BYTES; i++) {
        same &= earlier->bytes[i] == request.asked.bytes[i];
    }
    return same;
}

/* Whether the last step was this dump, whose answer got lost. */
static int is_dump_again(void)
{
    return dumped.valid && kind() == DUMP && word(request.asked.bytes) + 1u == steps
        && is_asked(&dumped.asked);
}

static int is_next(void)
{
    return word(request.asked.bytes) == steps || is_dump_again();
}

static uint32_t *words_of(uint32_t at)
{
    return FN_MOST_KEPT > 1u ? &fn_kept[at * fn_kept_words] : fn_kept;
}

/* Of layers and states. */
static uint32_t checksum_count(void)
{
    return fn_deployed->layer_count + FN_STATE_COUNT;
}

static uint32_t number_words(void)
{
    return checksum_count() ? checksum_count() : 1u;
}

static int keeps_copies(void)
{
    return FN_MOST_KEPT > 1u && fn_kept_count > 1u;
}

/* Each output of an answer, where it lies, is put, or copied there first. */
static void give_outputs(uint32_t at, int copy)
{
    uint8_t *kept_at = (uint8_t *)(words_of(at) + number_words());
    for (uint32_t i = 0; i < fn_deployed->output_count; i++) {
        const fn_output *const output = &fn_deployed->outputs[i];
        if (!copy) {
            put(keeps_copies() ? (const void *)kept_at : output->data, output->bytes);
            kept_at += output->bytes;
            continue;
        }
        for (uint32_t n = 0; n < output->bytes; n++) {
            *kept_at++ = ((const uint8_t *)output->data)[n];
            FN_UNKNOWN(n); /* the C library's memcpy is unrolled, and large */
        }
    }
}

static uint32_t sent; /* the place of the answer that is sent */

static void put_kept(void)
{
    if (kept[sent].kind < COUNTERS) {
        give_outputs(sent, 0);
        put(words_of(sent), kept[sent].kind == RUN ? 4u : 4u * checksum_count());
    }
}

static void send_kept(uint32_t at)
{
    sent = at;
    send(kept[at].kind | ANSWER, kept[at].asked_crc, put_kept);
}

/* The place of the answer to the request of that number, or, where that is 0, of one that asked the same; FN_MOST_KEPT: there is
 * none. */
static uint32_t place_of(uint32_t wanted)
{
    uint32_t at = 0u;
    for (; at < FN_MOST_KEPT; at++) {
        const int is_same = kept[at].kind == kind() && is_asked(&kept[at].asked);
        if (kept[at].kind && (wanted ? kept[at].number == wanted : is_same)) {
            break;
        }
    }
    return at;
}

static void forget(void)
{
    last_number = 0u;
    for (uint32_t i = 0; i < FN_MOST_KEPT; i++) {
        kept[i].kind = 0u;
    }
    dumped.valid = 0u;
}

/* Answer, and remember the answer, which is at that place. */
static void keep(uint32_t at)
{
    last_number = kept[at].number = number();
    kept[at].kind = kind();
    kept[at].asked_crc = request.crc;
    kept[at].asked = request.asked;
    send_kept(at);
}

static uint32_t next_place(void)
{
    latest = keeps_copies() && latest + 1u < fn_kept_count ? latest + 1u : 0u;
    kept[latest].kind = 0u;
    return latest;
}

static void continue_crc(void *context, uint32_t layer, const void *output, uint32_t bytes)
{
    uint32_t *const checksums = (uint32_t *)context;
    checksums[layer] = fn_crc32(checksums[layer], output, bytes);
}

/* Layer by layer as they come: the answer is on its way while the model runs. */
static void put_piece(void *context, uint32_t layer, const void *output, uint32_t bytes)
{
    uint32_t *const missing = (uint32_t *)context;
    if (layer == word(request.asked.bytes + 4)) {
        if (*missing == fn_deployed->layers[layer].bytes) {
            begin(DUMP | ANSWER, number(), 4u + *missing);
            put_word(request.crc);
        }
        put(output, bytes);
        *missing -= bytes;
    }
}

static void copy_states(int back)
{
    uint8_t *copy = (uint8_t *)fn_states_before;
    for (uint32_t i = 0; i < fn_deployed->state_count; i++) {
        uint8_t *const state = (uint8_t *)fn_deployed->states[i].data;
        for (uint32_t n = 0; n < fn_deployed->states[i].bytes; n++) {
            uint8_t *const to = back ? &state[n] : copy, *const from = back ? copy : &state[n];
            *to = *from;
            copy++;
        }
    }
}

static void dump(void)
{
    uint32_t missing = fn_deployed->layers[word(request.asked.bytes + 4)].bytes;
    if (is_dump_again()) {
        copy_states(1);
        steps--;
    } else {
        copy_states(0);
        runs++;
    }
    forget();
    painted_run(put_piece, &missing);
    end();
    dumped.asked = request.asked;
    dumped.valid = 1u;
}

static void compute(void)
{
    if (kind() == DUMP) {
        if (word(request.asked.bytes + 4) < fn_deployed->layer_count) {
            dump();
        } else {
            refuse("the model has no such layer");
        }
        return;
    }
    dumped.valid = 0u;
    runs++;
    const uint32_t at = next_place();
    uint32_t *const words = words_of(at);
    if (kind() == RUN && stack_peak_bytes) {
        timed_run(0, 0);
    } else if (kind() == RUN) {
        painted_run(0, 0);
    } else {
        for (uint32_t i = 0; i < fn_deployed->layer_count; i++) {
            words[i] = 0u;
            FN_UNKNOWN(i);
        }
        painted_run(continue_crc, words);
#if FN_STATE_COUNT
        for (uint32_t i = 0; i < FN_STATE_COUNT; i++) {
            words[fn_deployed->layer_count + i] = fn_crc32(0u, fn_deployed->states[i].data, fn_deployed->states[i].bytes);
        }
#endif
    }
    if (kind() == RUN) {
        words[0] = last_us;
    }
    if (keeps_copies()) {
        give_outputs(at, 1);
    }
    keep(at);
}

/* ---- what the model remembers, read and set ---- */

#if FN_STATE_COUNT
static int is_state(void)
{
    uint32_t bytes = ASKED_BYTES;
    for (uint32_t i = 0; i < FN_STATE_COUNT; i++) {
        bytes += fn_deployed->states[i].bytes;
    }
    return kind() == SET_STATE && length() == bytes;
}

static void put_states(void)
{
    put_word(steps);
    for (uint32_t i = 0; i < FN_STATE_COUNT; i++) {
        put(fn_deployed->states[i].data, fn_deployed->states[i].bytes);
    }
}

/* It comes into the states themselves. Until all of it is there no step is the next one. */
static void unset_state(void)
{
    fn_deployed->reset(); /* run() makes none then */
    forget();
    steps = UINT32_MAX;
}
#endif

/* ---- a call with real numbers ---- */

static struct {
    uint32_t input_crc, output_crc, index;
    float score;
} predicted;

static void put_prediction(void)
{
    put(&predicted, sizeof predicted);
}

/* Whether the sample is of finite numbers; it is given to the model then. */
static int load_sample(void)
{
    const float *x = fn_sample;
    for (uint32_t i = 0; i < fn_deployed->input_count; i++) {
        const fn_input *const input = &fn_deployed->inputs[i];
        if (input->quantize(x) >= 0) {
            return 0;
        }
        x += input->bytes / fn_dtype_bytes(input->dtype);
    }
    return 1;
}

static void predict(void)
{
    if (!load_sample()) {
        refuse("a value is NaN or infinite: the model takes finite numbers");
        return;
    }
    predicted.input_crc = predicted.output_crc = 0u;
    for (uint32_t i = 0; i < fn_deployed->input_count; i++) {
        predicted.input_crc = fn_crc32(predicted.input_crc, fn_deployed->inputs[i].data, fn_deployed->inputs[i].bytes);
    }
    fn_deployed->reset();
    steps = 0u;
    for (uint32_t i = fn_deployed->state_count ? TIMES : 1u; i > 0u; i--) {
        load_sample();
        timed_run(0, 0);
        runs++;
    }
    predicted.index = fn_deployed->outputs[0].best(&predicted.score);
    for (uint32_t i = 0; i < fn_deployed->output_count; i++) {
        const fn_output *const output = &fn_deployed->outputs[i];
        output->dequantize(fn_sample);
        predicted.output_crc = fn_crc32(predicted.output_crc, fn_sample, 4u * (output->bytes / fn_dtype_bytes(output->dtype)));
    }
    reply(put_prediction);
}

static uint32_t sample_bytes(void)
{
    uint32_t bytes = 0u;
    for (uint32_t i = 0; i < fn_deployed->input_count; i++) {
        bytes += 4u * (fn_deployed->inputs[i].bytes / fn_dtype_bytes(fn_deployed->inputs[i].dtype));
    }
    return bytes;
}

static int is_sample(void)
{
    return kind() == PREDICT && length() == sample_bytes() && length() <= fn_sample_bytes;
}

/* ---- requests ---- */

static void respond(void)
{
    const uint32_t at = place_of(number()), same = place_of(0u);
    note_frame();
    if (kind() == HELLO) {
        hello();
    } else if (word(request.head + 4) != session) {
        tell(STRANGER, number());
    } else if (kind() == RESET) {
        reply(nothing);
        slow_down();
#if FN_HAS_UART
    } else if (kind() == BAUD && length() == 4u) {
        change_rate();
#endif
    } else if (kind() == COUNTERS) {
        reply(count);
    } else if (kind() == INFO) {
        reply(inform);
#if FN_STATE_COUNT
    } else if (kind() == STATE && !length()) {
        reply(put_states);
#endif
    } else if (kind() == IMAGE && length() == ASKED_BYTES) {
        if (lies_in(FN_FLASH_ORIGIN, FN_FLASH_BYTES) || lies_in(FN_RAM_ORIGIN, FN_RAM_BYTES)) {
            tell_image();
        } else {
            refuse("neither in flash nor in RAM");
        }
    } else if (at < FN_MOST_KEPT && (kind() == AGAIN || request.crc == kept[at].asked_crc)) {
        send_kept(at);
    } else if (kind() == AGAIN) {
        tell(NAK, last_number);
    } else if (at < FN_MOST_KEPT || !number()) {
        refuse("the number is taken or zero");
    } else if (kind() == RESTART && !length()) {
        fn_deployed->reset();
        steps = 0u;
        forget();
        keep(next_place());
#if FN_STATE_COUNT
    } else if (is_state()) {
        steps = word(request.asked.bytes);
        keep(next_place());
#endif
    } else if (is_sample()) {
        forget();
        predict();
    } else if (!is_step()) {
        refuse(kind() == PREDICT ? "there is no room for such a sample" : "no such request, or its payload has another length");
    } else if (same < FN_MOST_KEPT) {
        keep(same); /* asked once more, after the answer was lost */
    } else if (!is_next()) {
        refuse("another step was asked for than the next one of the model: reset it");
    } else {
        compute();
    }
}

/* ---- bytes ---- */

static void next_input(void)
{
#if FN_STATE_COUNT
    if (kind() == SET_STATE) {
        request.to = (uint8_t *)fn_deployed->states[request.input].data;
        request.room_bytes = fn_deployed->states[request.input].bytes;
        return;
    }
#endif
    const fn_input *const input = &fn_deployed->inputs[request.input];
    request.to = (uint8_t *)input->data;
    request.room_bytes = input->bytes;
}

static uint32_t inputs_that_come(void)
{
    return FN_STATE_COUNT && kind() == SET_STATE ? FN_STATE_COUNT : fn_deployed->input_count;
}

static int is_sound(void)
{
    request.crc = fn_crc32(0u, request.head + 2, COVERED_BYTES);
    return word(request.head + 16) == request.crc && request.head[3] == VERSION && length() < UINT32_MAX / 2u;
}

static void open_payload(void)
{
    request.to = 0;
    if (word(request.head + 4) == session && is_sample()) {
        forget();
        request.to = (uint8_t *)fn_sample;
        request.room_bytes = length();
        request.input = fn_deployed->input_count - 1u;
    }
}

/* Only the inputs of the next step go into the arena, for there they overwrite the answer to the last one. */
static void open_inputs(void)
{
    if (is_step() && word(request.head + 4) == session && place_of(number()) == FN_MOST_KEPT && is_next()) {
        if (!keeps_copies()) {
            last_number = 0u;
            kept[0].kind = 0u;
        }
        request.input = 0u;
        next_input();
    }
#if FN_STATE_COUNT
    if (is_state() && word(request.head + 4) == session && place_of(number()) == FN_MOST_KEPT) {
        unset_state();
        request.input = 0u;
        next_input();
    }
#endif
}

static void take(uint32_t offset, uint8_t byte)
{
    request.crc = fn_crc32(request.crc, &byte, 1u);
    if (request.to) {
        *request.to++ = byte;
        if (--request.room_bytes == 0u) {
            request.to = 0;
            if (++request.input < inputs_that_come()) {
                next_input();
            }
        }
    } else if (offset < ASKED_BYTES) {
        request.asked.bytes[offset] = byte;
        if (offset == ASKED_BYTES - 1u) {
            open_inputs();
        }
    }
}

/* In hex; after the last one the test ends. */
static void tell_byte(uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    write(&digits[byte >> 4], 1u);
    write(&digits[byte & 15u], 1u);
    if (--examined == 0u) {
        write("]", 1u);
    }
}

/* What is no frame: the host's question what the line makes of every byte, a person's Enter, or damage. */
static void answer_text(void)
{
    static const char question[] = "?line";
    static const char nobody[] = ": firmnet's C runtime has no prompt; `firmnet verify` talks to it\r\n";
    uint32_t same = 0u;
    while (same < sizeof question - 1u && (request.head[same] & 0x7Fu) == (uint8_t)question[same]) {
        same++;
    }
    if (same == sizeof question - 1u && request.at >= same) {
        write("<", 1u);
        every_byte(write);
            examined = EXAMINED_BYTES;
        return;
    }
    if (request.head[0] == '\r' || request.head[0] == '\n') {
        write(fn_deployed->name, length_of(fn_deployed->name));
        write(nobody, sizeof nobody - 1u);
    }
    tell(NAK, last_number);
}

void fn_link_receive(uint8_t byte)
{
    request.heard_ms = fn_board_ms();
    if (examined) {
        if (examined == EXAMINED_BYTES) {
            write("[", 1u);
        }
        tell_byte(byte);
        return;
    }
    const uint32_t at = request.at++;
    if (at < HEAD_BYTES) {
        request.head[at] = byte;
    }
    if (request.damaged) {
        return;
    }
    if (at < HEAD_BYTES) {
        request.damaged = at < sizeof MAGIC ? byte != MAGIC[at] : at == HEAD_BYTES - 1u && !is_sound();
        if (at == HEAD_BYTES - 1u && !request.damaged) {
            open_payload();
        }
    } else if (at - HEAD_BYTES < length()) {
        take(at - HEAD_BYTES, byte);
    } else {
        const uint32_t offset = at - HEAD_BYTES - length();
        request.tail[offset] = byte;
        if (offset == sizeof request.tail - 1u) {
            request.damaged = word(request.tail) != request.crc;
            if (!request.damaged) {
                request.at = 0u;
                respond();
            }
        }
    }
}

void fn_link_idle(void)
{
    const uint32_t silent_ms = fn_board_ms() - request.heard_ms;
    if (examined) {
        if (silent_ms >= EXAMINED_MS) {
            write(examined == EXAMINED_BYTES ? "[]" : "]", examined == EXAMINED_BYTES ? 2u : 1u);
                    examined = 0u;
        }
    } else if (request.damaged ? silent_ms >= QUIET_MS : request.at && silent_ms >= GAP_MS) {
        bad_frames++;
        note_damage();
        answer_text();
        request.at = 0u;
        request.damaged = 0u;
    }
    give_up_rate();
}

void fn_link_begin(void)
{
    tell(READY, 0u);
}
