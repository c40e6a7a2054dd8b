#include "real.h"

#include "powers.h"

const RealFormat FLOAT64 = {52, 1023, 0x7FF, -342, 308, -4, 23};
const RealFormat FLOAT32 = {23, 127, 0xFF, -64, 38, -17, 10};

typedef struct Wide {
    uint64_t low;
    uint64_t high;
} Wide;

static Wide multiply(uint64_t left, uint64_t right)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 Product;
    const Product product = (Product)left * right;
    return (Wide){(uint64_t)product, (uint64_t)(product >> 64)};
#else
    const uint64_t low = (left & UINT32_MAX) * (right & UINT32_MAX);
    const uint64_t cross = (left >> 32) * (right & UINT32_MAX) + (low >> 32);
    const uint64_t middle = (left & UINT32_MAX) * (right >> 32) + (cross & UINT32_MAX);
    return (Wide){middle << 32 | (low & UINT32_MAX),
                  (left >> 32) * (right >> 32) + (cross >> 32) + (middle >> 32)};
#endif
}

/* The top of mantissa * 5^power, with `precision` bits right. */
static Wide product_with_power(uint64_t mantissa, int power, int precision)
{
    const Power five = POWERS_OF_FIVE[power - SMALLEST_POWER];
    const uint64_t mask = UINT64_MAX >> precision;
    Wide product = multiply(mantissa, five.high);
    if ((product.high & mask) == mask) {
        const Wide rest = multiply(mantissa, five.low);
        product.low += rest.high;
        product.high += product.low < rest.high;
    }
    return product;
}

/* A mantissa with its hidden bit, twice too large, to the bits of the format. */
static uint64_t assemble(uint64_t mantissa, int exponent, const RealFormat *format)
{
    const uint64_t hidden = UINT64_C(1) << format->mantissa_bits;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= hidden << 1) {
        mantissa = hidden;
        exponent++;
    }
    if (exponent >= format->infinite) {
        return (uint64_t)format->infinite << format->mantissa_bits;
    }
    return (mantissa & (hidden - 1)) | (uint64_t)exponent << format->mantissa_bits;
}

/* Below the smallest normal value: the mantissa loses bits; rounding may make it normal. */
static uint64_t assemble_small(uint64_t mantissa, int exponent)
{
    const int shift = 1 - exponent;
    if (shift >= 64) {
        return 0;
    }
    mantissa >>= shift;
    return (mantissa + (mantissa & 1)) >> 1;
}

static uint64_t round_product(uint64_t mantissa, int64_t power, const RealFormat *format)
{
    if (mantissa == 0 || power < format->least_power) {
        return 0;
    }
    if (power > format->most_power) {
        return (uint64_t)format->infinite << format->mantissa_bits;
    }
    const int ten = (int)power;
    const int zeros = __builtin_clzll(mantissa);
    const Wide product =
        product_with_power(mantissa << zeros, ten, format->mantissa_bits + 3);
    const int top = (int)(product.high >> 63);
    const int shift = top + 64 - format->mantissa_bits - 3;
    uint64_t rounded = product.high >> shift;
    /* floor(ten * log2(5)) + ten, by a fraction that is exact in this range */
    const int exponent = (217706 * ten >> 16) + 63 + top - zeros + format->bias;
    if (exponent <= 0) {
        return assemble_small(rounded, exponent);
    }
    if (product.low <= 1 && ten >= format->least_tie && ten <= format->most_tie &&
        (rounded & 3) == 1 && rounded << shift == product.high) {
        rounded &= ~UINT64_C(1); /* exactly half-way: to even */
    }
    return assemble(rounded, exponent, format);
}

uint64_t real_round(const Number *number, const RealFormat *format)
{
    const uint64_t bits = round_product(number->mantissa, number->exponent, format);
    if (!number->cut) {
        return bits;
    }
    /* The digits cut off lie between nothing and one more in the last place kept. */
    if (bits == round_product(number->mantissa + 1, number->exponent, format)) {
        return bits;
    }
    return decimal_round(number, format);
}
