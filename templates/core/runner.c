/* runner.c: runs the models of this program on inputs from a file. Python twin: devices/runner.py.
 *
 * A request is five words (model, kind, layer, count, resumed), the model's states where it is resumed (else it is reset),
 * then count times its inputs; what follows each inference in the results depends on the kind, and at last come the states.
 * All words are little-endian uint32. */
#include "runner.h"

#include <string.h>

#include "fn_crc.h"
#include "models.h"

enum { RUN, CHECK, DUMP, COUNT, PROFILE, IDENTIFY };

typedef struct request {
    uint32_t model;
    uint32_t kind;
    uint32_t layer;
    uint32_t count;
    uint32_t resumed;
} request;

typedef struct session {
    const fn_model *model;
    request asked;
    uint32_t before; /* ticks when the piece that is being computed began */
} session;

/* Large enough for any model: fits the linker's RAM or the image does not build. */
static uint32_t words[MODELS_MOST_LAYERS];

static void after_piece(void *context, uint32_t layer, const void *output, uint32_t bytes)
{
    session *s = context;
    const uint32_t now = runner_ticks();
    if (s->asked.kind == CHECK) {
        words[layer] = fn_crc32(words[layer], output, bytes);
    } else if (s->asked.kind == PROFILE) {
        words[layer] += now - s->before;
    } else if (s->asked.kind == DUMP && s->asked.layer == layer) {
        runner_write(output, bytes);
    }
    s->before = runner_ticks();
}

static int infer(session *s)
{
    const fn_model *model = s->model;
    for (uint32_t i = 0; i < model->input_count; i++) {
        if (!runner_read(model->inputs[i].data, model->inputs[i].bytes)) {
            return 0;
        }
    }
    const int observed = s->asked.kind == CHECK || s->asked.kind == DUMP || s->asked.kind == PROFILE;
    memset(words, 0, sizeof words);
    const uint32_t start = runner_ticks();
    s->before = start;
    model->run(observed ? after_piece : 0, s);
    const uint32_t ticks = runner_ticks() - start;
    if (s->asked.kind == DUMP) {
        return 1;
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        runner_write(model->outputs[i].data, model->outputs[i].bytes);
    }
    if (s->asked.kind == CHECK || s->asked.kind == PROFILE) {
        runner_write(words, 4u * model->layer_count);
        for (uint32_t i = 0; s->asked.kind == CHECK && i < model->state_count; i++) {
            const uint32_t crc = fn_crc32(0u, model->states[i].data, model->states[i].bytes);
            runner_write(&crc, 4u);
        }
    } else if (s->asked.kind == COUNT) {
        runner_write(&ticks, 4u);
    }
    return 1;
}

/* Its states from the request, or as at the beginning. A reset comes first in any case: run() makes none then. */
static int begin(const session *s)
{
    s->model->reset();
    for (uint32_t i = 0; s->asked.resumed && i < s->model->state_count; i++) {
        if (!runner_read(s->model->states[i].data, s->model->states[i].bytes)) {
            return 0;
        }
    }
    return 1;
}

int runner_main(void)
{
    session s;
    while (runner_read(&s.asked, sizeof s.asked)) {
        if (s.asked.model >= MODELS_COUNT) {
            return 2;
        }
        s.model = models[s.asked.model];
        if (s.asked.kind == IDENTIFY) {
            runner_write(s.model->fingerprint, 32);
            continue;
        }
        if (!begin(&s)) {
            return 3;
        }
        for (uint32_t i = 0; i < s.asked.count; i++) {
            if (!infer(&s)) {
                return 3;
            }
        }
        for (uint32_t i = 0; i < s.model->state_count; i++) {
            runner_write(s.model->states[i].data, s.model->states[i].bytes);
        }
    }
    return 0;
}
