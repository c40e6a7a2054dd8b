/* What every file here builds on: faults, unaligned loads, branch hints.
 *
 * Every line that is decoded ends with a newline, and at least PADDING bytes may be read after
 * it (decode.c sees to both). A newline is never part of a value, so loops over a line need no
 * other bound: they stop at the newline as at any byte that does not belong there.
 *
 * Functions that read from a line take a pointer and return the one after what they read, or
 * NULL with a Fault filled in.
 */
#ifndef PENSTOCK_BASE_H
#define PENSTOCK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the compiled decoder is written for little-endian machines"
#endif

#define PADDING 64

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD __attribute__((cold, noinline))

/* In the order of LineError, then what is no line's fault. */
typedef enum Error {
    ERROR_SYNTAX,
    ERROR_NOT_AN_OBJECT,
    ERROR_TRAILING,
    ERROR_TYPE,
    ERROR_RANGE,
    ERROR_DUPLICATE_KEY,
    ERROR_NULL,
    ERROR_MISSING,
    ERROR_UTF8,
    ERROR_ESCAPE,
    ERROR_CONTROL_CHARACTER,
    ERROR_NOT_A_NUMBER,
    ERROR_BOM,
    ERROR_DEPTH,
    ERROR_TOO_LONG,
    ERROR_NO_MEMORY,
} Error;

struct Field;

typedef struct Fault {
    Error error;
    const uint8_t *at;         /* in the line, or at its newline */
    const struct Field *field; /* NULL: no column's fault */
} Fault;

static inline const uint8_t *fail(Fault *fault, Error error, const uint8_t *at)
{
    fault->error = error;
    fault->at = at;
    return NULL;
}

static inline uint64_t load8(const void *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint32_t load4(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10;
}

/* The first byte that is no blank; a newline is not skipped. */
static inline const uint8_t *skip_blanks(const uint8_t *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\r') {
        at++;
    }
    return at;
}

#endif
