#include "number.h"

/* Appends digits to `*mantissa`, modulo 2^64. */
static const uint8_t *run_read(const uint8_t *at, uint64_t *mantissa)
{
    Digits digits = digits_at(at);
    while (digits.count == 8) {
        *mantissa = *mantissa * 100000000 + digits_all(digits.word);
        at += 8;
        digits = digits_at(at);
    }
    for (unsigned index = 0; index < digits.count; index++) {
        *mantissa = *mantissa * 10 + (uint64_t)(at[index] - '0');
    }
    return at + digits.count;
}

static const uint8_t *exponent_read(const uint8_t *at, int64_t *exponent, Fault *fault)
{
    const bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    if (!is_digit(*at)) {
        return fail(fault, ERROR_SYNTAX, at);
    }
    int64_t value = 0;
    for (; is_digit(*at); at++) {
        /* Beyond this any mantissa of a line is zero or infinite. */
        if (value < INT64_C(1) << 40) {
            value = value * 10 + (*at - '0');
        }
    }
    *exponent += negative ? -value : value;
    return at;
}

/* More than 19 digits were read modulo 2^64: keep the first 19 significant ones. */
static void mantissa_cut(Number *number, const uint8_t *point, const uint8_t *end)
{
    const uint8_t *at = number->digits;
    while (*at == '0' || at == point) {
        at++;
    }
    uint64_t mantissa = 0;
    int kept = 0;
    int64_t rest = 0;
    for (; at < end; at++) {
        if (at == point) {
            continue;
        }
        if (kept < MANTISSA_DIGITS) {
            mantissa = mantissa * 10 + (uint64_t)(*at - '0');
            kept++;
        } else {
            rest++;
        }
    }
    if (rest > 0) {
        number->cut = true;
        number->exponent += rest;
        number->mantissa = mantissa;
    }
}

const uint8_t *number_read(const uint8_t *at, Number *number, Fault *fault)
{
    *number = (Number){.negative = *at == '-', .integral = true};
    at += number->negative;
    number->digits = at;
    if (!is_digit(*at)) {
        return fail(fault, ERROR_SYNTAX, at);
    }
    /* A zero is followed by no digit of the same number. */
    at = *at == '0' ? at + 1 : run_read(at, &number->mantissa);
    const uint8_t *point = at;
    if (*at == '.') {
        number->integral = false;
        at = run_read(at + 1, &number->mantissa);
        if (at == point + 1) {
            return fail(fault, ERROR_SYNTAX, at);
        }
        number->exponent = point + 1 - at;
    }
    if (UNLIKELY(at - number->digits > MANTISSA_DIGITS)) {
        mantissa_cut(number, point, at);
    }
    if ((*at | 0x20) == 'e') {
        number->integral = false;
        at = exponent_read(at + 1, &number->exponent, fault);
    }
    number->end = at;
    return at;
}

bool number_to_integer(const Number *number, int64_t least, int64_t most, int64_t *value)
{
    const uint64_t limit = number->negative ? (uint64_t)0 - (uint64_t)least : (uint64_t)most;
    if (number->cut || number->mantissa > limit) {
        return false;
    }
    const uint64_t sign = number->negative;
    *value = (int64_t)((number->mantissa ^ -sign) + sign);
    return true;
}

/* Whether a digit that was cut off is not zero. */
static bool rest_counts(const Number *number)
{
    int significant = 0;
    for (const uint8_t *at = number->digits; is_digit(*at) || *at == '.'; at++) {
        significant += *at != '.' && (significant > 0 || *at != '0');
        if (significant > MANTISSA_DIGITS && *at != '.' && *at != '0') {
            return true;
        }
    }
    return false;
}

bool number_scale(const Number *number, int power, int64_t least, int64_t most, int64_t *value,
                  bool *fraction)
{
    const uint64_t limit = number->negative ? (uint64_t)0 - (uint64_t)least : (uint64_t)most;
    const uint64_t sign = number->negative;
    uint64_t mantissa = number->mantissa;
    int64_t exponent = number->exponent + power;
    *fraction = number->cut && rest_counts(number);
    for (; exponent < 0 && mantissa > 0; exponent++) {
        *fraction = *fraction || mantissa % 10 != 0;
        mantissa /= 10;
    }
    for (; exponent > 0 && mantissa > 0; exponent--) {
        if (mantissa > limit / 10) {
            return false;
        }
        mantissa *= 10;
    }
    *value = (int64_t)((mantissa ^ -sign) + sign);
    return mantissa <= limit;
}
