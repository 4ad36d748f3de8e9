/* fn_served.h: the one model of this firmware and the memory that the link needs for it; deployed.c defines them. */
#ifndef FN_SERVED_H
#define FN_SERVED_H

#include "fn_board_config.h"
#include "fn_model.h"

extern const fn_model *const fn_deployed;
extern const char *const fn_version; /* of firmnet */
extern const char *const fn_labels[]; /* of the output's values, if there are any */
extern const uint32_t fn_label_count;

extern uint32_t fn_kept[];           /* what the last answers said, */
extern const uint32_t fn_kept_words; /* each in so many words, */
extern const uint32_t fn_kept_count; /* and so many, FN_MOST_KEPT at most. Of one alone the outputs stay where they are */
extern uint8_t fn_ring[];            /* room for all requests under way but one, or for what comes meanwhile */
extern const uint32_t fn_ring_bytes;
#define FN_LEAST_RING_BYTES 256u
extern uint32_t fn_states_before[]; /* what the model remembered before the last dump, that it can be made once more */
extern float fn_sample[];           /* room for real numbers: the inputs, then an output */
extern const uint32_t fn_sample_bytes; /* 0: there is none */

#endif
