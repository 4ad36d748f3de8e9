/* entry.c: where does Python enter? At the first instruction, with four addresses, wherever this was loaded. */
#define FN_ENTRY
#include "movable.h"

#pragma GCC visibility push(hidden)
int8_t *arena;
const uint8_t *fn_constants;
#pragma GCC visibility pop

__attribute__((section(".text.entry"), used)) uint32_t fn_entry(
    uint32_t *asked, int8_t *memory, const uint8_t *constants, void *buffer)
{
    arena = memory;
    fn_constants = constants;
    return fn_asked(asked, buffer);
}
