/* Reads the strings of JSON: escapes replaced, UTF-8 and control characters checked.
 *
 * All take the place behind the opening quote and return the one behind the closing quote.
 * Faults: control-character at the byte; utf8 at the first byte of the bad sequence; escape at
 * the backslash; syntax at the end of the line.
 */
#ifndef PENSTOCK_TEXT_H
#define PENSTOCK_TEXT_H

#include "pool.h"
#include "scan.h"

/* Bytes that are appended to; `used` of them are settled. */
typedef struct Text {
    Pool *pool;
    uint8_t *data;
    size_t used;
    size_t capacity;
    size_t hint; /* the least capacity worth growing to */
} Text;

/* Room for `more` bytes behind the first `used`. False: no memory, and nothing has changed. */
bool text_reserve(Text *text, size_t used, size_t more);

/* Where the first sequence that is not UTF-8 starts; NULL if there is none. */
const uint8_t *utf8_fault(const uint8_t *at, const uint8_t *end);

/* Check a string without keeping it. */
const uint8_t *text_skip(const uint8_t *at, Fault *fault);

/* What text_read leaves to it: strings with escapes or faults. */
const uint8_t *text_read_slowly(const uint8_t *at, Text *text, size_t *length, Fault *fault);

/* Read a string behind the settled bytes of `text`, without settling it: the caller adds
 * `*length` to `used`, or leaves it.
 */
static inline const uint8_t *text_read(const uint8_t *at, Text *text, size_t *length, Fault *fault)
{
    const uint8_t *start = at;
    size_t used = text->used;
    uint64_t high = 0;
    for (;;) {
        if (UNLIKELY(text->capacity - used < SCAN_WIDTH) &&
            !text_reserve(text, used, SCAN_WIDTH)) {
            return fail(fault, ERROR_NO_MEMORY, start);
        }
        const Scan block = scan_copy(at, text->data + used);
        if (LIKELY(block.stop != 0)) {
            const unsigned first = scan_first(block.stop);
            high |= scan_high_before_stop(block);
            at += first;
            used += first;
            break;
        }
        high |= block.high;
        at += SCAN_WIDTH;
        used += SCAN_WIDTH;
    }
    if (UNLIKELY(*at != '"') || (high != 0 && utf8_fault(start, at) != NULL)) {
        return text_read_slowly(start, text, length, fault);
    }
    *length = used - text->used;
    return at + 1;
}

#endif
