/* stdio.c: the runner as a program of the host, for sanitizers. */
#include <stdio.h>

#include "runner.h"

static FILE *requests, *results;

int runner_read(void *data, uint32_t bytes)
{
    return fread(data, 1, bytes, requests) == bytes;
}

void runner_write(const void *data, uint32_t bytes)
{
    fwrite(data, 1, bytes, results);
}

uint32_t runner_ticks(void)
{
    return 0;
}

int main(void)
{
    requests = fopen("requests.bin", "rb");
    results = fopen("results.bin", "wb");
    if (!requests || !results) {
        return 74;
    }
    const int code = runner_main();
    return fclose(results) == 0 ? code : 74;
}
