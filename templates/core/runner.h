/* runner.h: what the runner asks of the place where it runs: files, a clock, an end. */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdint.h>

/* Reads exactly `bytes` from requests.bin; 0 at its end. */
int runner_read(void *data, uint32_t bytes);
/* Appends to results.bin. */
void runner_write(const void *data, uint32_t bytes);
/* A counter of instructions, or 0 where there is none. */
uint32_t runner_ticks(void);

/* Answers requests until there are none left; returns the exit code. */
int runner_main(void);

#endif
