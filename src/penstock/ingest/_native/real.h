/* Rounds numbers to float64 and float32, each directly and to the nearest, ties to even.
 *
 * Three methods, the cheapest that is exact first: one multiplication or division of exact
 * doubles (W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990); a
 * 128-bit product with a power of five (see powers.h); decimal digits shifted in full
 * (decimal.c). None depends on the locale or on the compiler's strtod.
 */
#ifndef PENSTOCK_REAL_H
#define PENSTOCK_REAL_H

#include "number.h"

/* A binary format. */
typedef struct RealFormat {
    int mantissa_bits; /* without the hidden one */
    int bias;
    int infinite; /* the biased exponent of infinity */
    int least_power, most_power; /* of ten; beyond them all is zero or infinite */
    int least_tie, most_tie;     /* powers of ten between which a product may be half-way */
} RealFormat;

extern const RealFormat FLOAT64;
extern const RealFormat FLOAT32;

/* The bits of |number|, without the sign. The exponent's bits are all ones if it is too large. */
uint64_t real_round(const Number *number, const RealFormat *format);

/* The same for a number that was cut, from its digits as written; slow, and always exact. */
uint64_t decimal_round(const Number *number, const RealFormat *format);

/* Read a number of at most 7 digits on each side of the point, and no exponent: the common case.
 * NULL, without a fault: it may be another number, or none; see number_read.
 */
static inline const uint8_t *short_real_read(const uint8_t *at, double *value)
{
    const bool negative = *at == '-';
    const uint8_t *first = at + negative;
    const Digits whole = digits_at(first);
    if (whole.count == 0 || whole.count == 8 || (*first == '0' && whole.count > 1)) {
        return NULL;
    }
    uint64_t mantissa = digits_value(whole);
    unsigned places = 0;
    const uint8_t *end = first + whole.count;
    if (*end == '.') {
        const Digits fraction = digits_at(end + 1);
        places = fraction.count;
        if (places == 0 || places == 8) {
            return NULL;
        }
        mantissa = mantissa * POWERS_OF_TEN[places] + digits_value(fraction);
        end += 1 + places;
    }
    if ((*end | 0x20) == 'e') {
        return NULL;
    }
    /* Both are exact doubles, so their quotient is rounded once. */
    const double magnitude = (double)mantissa / (double)POWERS_OF_TEN[places];
    *value = negative ? -magnitude : magnitude;
    return end;
}

/* False: beyond the largest finite value. */
static inline bool number_to_float64(const Number *number, double *value)
{
    static const double EXACT[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (number->mantissa <= UINT64_C(1) << 53 && number->exponent >= -22 &&
        number->exponent <= 22 && !number->cut) {
        const double mantissa = (double)number->mantissa;
        const double magnitude = number->exponent < 0 ? mantissa / EXACT[-number->exponent]
                                                      : mantissa * EXACT[number->exponent];
        *value = number->negative ? -magnitude : magnitude;
        return true;
    }
    const uint64_t bits = real_round(number, &FLOAT64) | (uint64_t)number->negative << 63;
    memcpy(value, &bits, sizeof bits);
    return (bits >> 52 & 0x7FF) != 0x7FF;
}

static inline bool number_to_float32(const Number *number, float *value)
{
    const uint32_t bits =
        (uint32_t)real_round(number, &FLOAT32) | (uint32_t)number->negative << 31;
    memcpy(value, &bits, sizeof bits);
    return (bits >> 23 & 0xFF) != 0xFF;
}

#endif
