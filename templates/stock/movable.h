/* movable.h: how does a model run wherever it is loaded? Its memory and its constants are given with every request. */
#ifndef FN_MOVABLE_H
#define FN_MOVABLE_H

#include <stdint.h>

#include "fn_crc.h"

/* Twin: templates/stock/native.py.j2. */
enum { FN_ADDRESS, FN_CRC, FN_RESET, FN_RUN, FN_CHECKSUMS, FN_DUMP, FN_QUANTIZE, FN_ARRANGE, FN_PIXELS, FN_DEQUANTIZE, FN_BEST };

#pragma GCC visibility push(hidden)
#if !defined(FN_ENTRY)
extern int8_t *const arena; /* entry.c writes both before anything else runs: the model may take them for constants */
extern const uint8_t *const fn_constants;
#endif
uint32_t fn_asked(uint32_t *asked, void *buffer);
#pragma GCC visibility pop

#endif
