/* Checks a value of any kind without keeping it: unknown fields, and the text of json columns. */
#ifndef PENSTOCK_SKIP_H
#define PENSTOCK_SKIP_H

#include "base.h"
#include "text.h"

/* Check the value at `at` by the full grammar. At most `room` brackets may be open in it at
 * once; `brackets` holds a bit for each.
 */
const uint8_t *value_skip(const uint8_t *at, uint8_t *brackets, size_t room, Fault *fault);

/* Whether the value at `at` starts like one: its first byte, all of a literal.
 * Faults: syntax, not-a-number.
 */
const uint8_t *value_check_start(const uint8_t *at, Fault *fault);

/* `null` at `at`? */
static inline bool is_null(const uint8_t *at)
{
    return load4(at) == ('n' | 'u' << 8 | 'l' << 16 | (uint32_t)'l' << 24);
}

static inline bool is_true(const uint8_t *at)
{
    return load4(at) == ('t' | 'r' << 8 | 'u' << 16 | (uint32_t)'e' << 24);
}

static inline bool is_false(const uint8_t *at)
{
    return *at == 'f' && load4(at + 1) == ('a' | 'l' << 8 | 's' << 16 | (uint32_t)'e' << 24);
}

#endif
