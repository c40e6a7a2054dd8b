/* Rounds a number of any length: its decimal digits are shifted by powers of two, in full,
 * until the binary mantissa stands before the point.
 *
 * Only for numbers of more than 19 digits that lie next to the middle of two neighbours.
 */
#include "real.h"

/* No half-way point of two doubles has more than 767 significant digits. */
#define DIGITS 800
/* digit * 2^SHIFT + carry stays within 64 bits. */
#define SHIFT 58
/* Digits that one shift can add: 2^58 has 18. */
#define GROWTH 18

/* 0.d1d2d3... * 10^point */
typedef struct Decimal {
    int count;
    int64_t point;
    bool more; /* nonzero digits beyond were dropped */
    uint8_t digits[DIGITS + GROWTH];
} Decimal;

static void trim(Decimal *decimal)
{
    if (decimal->count > DIGITS) {
        for (int index = DIGITS; index < decimal->count; index++) {
            decimal->more |= decimal->digits[index] != 0;
        }
        decimal->count = DIGITS;
    }
    while (decimal->count > 0 && decimal->digits[decimal->count - 1] == 0) {
        decimal->count--;
    }
}

static void append(Decimal *decimal, uint8_t digit)
{
    if (decimal->count < DIGITS) {
        decimal->digits[decimal->count++] = digit;
    } else {
        decimal->more |= digit != 0;
    }
}

/* The digits as written, without leading zeros. */
static void collect(Decimal *decimal, const Number *number)
{
    bool leading = true;
    for (const uint8_t *at = number->digits; is_digit(*at) || *at == '.'; at++) {
        leading = leading && (*at == '0' || *at == '.');
        if (!leading && *at != '.') {
            append(decimal, (uint8_t)(*at - '0'));
        }
    }
    decimal->point = number->exponent + MANTISSA_DIGITS;
    trim(decimal);
}

/* Divide by 2^bits. */
static void shift_right(Decimal *decimal, int bits)
{
    const uint64_t mask = (UINT64_C(1) << bits) - 1;
    uint64_t rest = 0;
    int read = 0;
    int written = 0;
    while (rest >> bits == 0) {
        if (read >= decimal->count && rest == 0) {
            decimal->count = 0;
            return;
        }
        rest = rest * 10 + (read < decimal->count ? decimal->digits[read] : 0);
        read++;
    }
    decimal->point -= read - 1;
    for (; read < decimal->count; read++) {
        decimal->digits[written++] = (uint8_t)(rest >> bits);
        rest = (rest & mask) * 10 + decimal->digits[read];
    }
    decimal->count = written;
    for (; rest > 0; rest = (rest & mask) * 10) {
        append(decimal, (uint8_t)(rest >> bits));
    }
    trim(decimal);
}

/* Multiply by 2^bits. */
static void shift_left(Decimal *decimal, int bits)
{
    uint8_t shifted[DIGITS + GROWTH];
    int start = decimal->count + GROWTH;
    const int end = start;
    uint64_t carry = 0;
    for (int index = decimal->count - 1; index >= 0; index--) {
        carry += (uint64_t)decimal->digits[index] << bits;
        shifted[--start] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry > 0; carry /= 10) {
        shifted[--start] = (uint8_t)(carry % 10);
    }
    decimal->point += end - start - decimal->count;
    decimal->count = end - start;
    memcpy(decimal->digits, shifted + start, (size_t)decimal->count);
    trim(decimal);
}

/* Shift to [1/2, 1) and return the binary exponent that was taken out. */
static int normalize(Decimal *decimal)
{
    int exponent = 0;
    while (decimal->point > 0) {
        const int step = decimal->point > GROWTH ? SHIFT : decimal->point > 1 ? 3 : 1;
        shift_right(decimal, step);
        exponent += step;
    }
    while (decimal->point < 0 || (decimal->count > 0 && decimal->digits[0] < 5)) {
        const int step = decimal->point < -GROWTH ? SHIFT : decimal->point < 0 ? 3 : 1;
        shift_left(decimal, step);
        exponent -= step;
    }
    return exponent;
}

/* To the nearest integer, ties to even. */
static uint64_t to_integer(const Decimal *decimal)
{
    uint64_t value = 0;
    for (int64_t index = 0; index < decimal->point; index++) {
        value = value * 10 + (index < decimal->count ? decimal->digits[index] : 0);
    }
    if (decimal->point < 0 || decimal->point >= decimal->count) {
        return value;
    }
    const uint8_t next = decimal->digits[decimal->point];
    const bool exactly_five = next == 5 && decimal->point + 1 == decimal->count && !decimal->more;
    return value + (exactly_five ? value & 1 : next >= 5);
}

uint64_t decimal_round(const Number *number, const RealFormat *format)
{
    const uint64_t infinity = (uint64_t)format->infinite << format->mantissa_bits;
    Decimal decimal = {0};
    collect(&decimal, number);
    if (decimal.point > 400) {
        return infinity;
    }
    if (decimal.point < -400) {
        return 0;
    }
    int exponent = normalize(&decimal) - 1 + format->bias;
    int bits = format->mantissa_bits + 1;
    if (exponent < 1) {
        bits -= 1 - exponent;
        exponent = 1;
    }
    for (; bits < 0; bits++) {
        shift_right(&decimal, 1);
    }
    if (bits > 0) {
        shift_left(&decimal, bits);
    }
    const uint64_t mantissa = to_integer(&decimal);
    /* A mantissa without its hidden bit is a subnormal's; one that was rounded up to the next
     * power of two carries into the exponent by itself. */
    const uint64_t result = ((uint64_t)(exponent - 1) << format->mantissa_bits) + mantissa;
    return result > infinity ? infinity : result;
}
