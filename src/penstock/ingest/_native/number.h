/* Reads JSON numbers: integers exactly, and the parts of any other number.
 *
 * The grammar is JSON's: no plus, digits on both sides of the point, and a number that starts
 * with 0 has no further digit before the point: it ends there, and what follows is the caller's
 * to check.
 */
#ifndef PENSTOCK_NUMBER_H
#define PENSTOCK_NUMBER_H

#include "base.h"

/* Up to 8 digits at once. */
typedef struct Digits {
    uint64_t word;  /* the bytes less '0', first byte lowest */
    unsigned count; /* of leading digits, 0 to 8 */
} Digits;

static inline Digits digits_at(const uint8_t *at)
{
    const uint64_t word = load8(at) ^ UINT64_C(0x3030303030303030);
    const uint64_t others =
        ((word + UINT64_C(0x7676767676767676)) | word) & UINT64_C(0x8080808080808080);
    return (Digits){word, others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8};
}

/* The value of all 8 digits: pairs, then fours, then eight, by multiplication. */
static inline uint32_t digits_all(uint64_t word)
{
    word = word * 10 + (word >> 8);
    const uint64_t outer = (word & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064);
    const uint64_t inner =
        ((word >> 16) & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001);
    return (uint32_t)((outer + inner) >> 32);
}

/* The value of the `count` leading digits, 1 to 8. */
static inline uint32_t digits_value(Digits digits)
{
    return digits_all(digits.word << (64 - 8 * digits.count));
}

/* Digits that always fit into 64 bits. */
#define MANTISSA_DIGITS 19

/* A number as it is written: (-1)^negative * mantissa * 10^exponent. */
typedef struct Number {
    bool negative;
    bool integral; /* neither point nor exponent */
    bool cut;      /* `mantissa` holds only the first 19 significant digits */
    uint64_t mantissa;
    int64_t exponent;
    const uint8_t *digits; /* the first digit */
    const uint8_t *end;
} Number;

static const uint32_t POWERS_OF_TEN[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

/* Read an integer of at most 15 digits, the common case. NULL, without a fault: it may be
 * another number, or none; see number_read.
 */
static inline const uint8_t *short_integer_read(const uint8_t *at, int64_t *value)
{
    const uint64_t negative = *at == '-';
    const uint8_t *first = at + negative;
    Digits digits = digits_at(first);
    if (digits.count == 0 || (*first == '0' && digits.count > 1)) {
        return NULL;
    }
    uint64_t magnitude = digits_value(digits);
    const uint8_t *end = first + digits.count;
    if (digits.count == 8) {
        digits = digits_at(end);
        if (digits.count == 8) {
            return NULL;
        }
        if (digits.count > 0) {
            magnitude = magnitude * POWERS_OF_TEN[digits.count] + digits_value(digits);
            end += digits.count;
        }
    }
    if (*end == '.' || (*end | 0x20) == 'e') {
        return NULL;
    }
    *value = (int64_t)((magnitude ^ -negative) + negative);
    return end;
}

/* Read any number. Faults: syntax, where a digit had to stand. */
const uint8_t *number_read(const uint8_t *at, Number *number, Fault *fault);

/* The exact value of an integral number, if it lies between `least` and `most`. */
bool number_to_integer(const Number *number, int64_t least, int64_t most, int64_t *value);

/* What stands before the point of number * 10^power. False: it does not lie between `least` and
 * `most`. `*fraction` tells whether something stands behind the point.
 */
bool number_scale(const Number *number, int power, int64_t least, int64_t most, int64_t *value,
                  bool *fraction);

#endif
