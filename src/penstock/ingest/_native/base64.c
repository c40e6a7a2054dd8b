#include "base64.h"

/* Above 63 for a byte outside the alphabet. */
static uint32_t sextet(uint8_t byte)
{
    if ((uint8_t)(byte - 'A') < 26) {
        return byte - 'A';
    }
    if ((uint8_t)(byte - 'a') < 26) {
        return byte - 'a' + 26u;
    }
    if (is_digit(byte)) {
        return byte - '0' + 52u;
    }
    return byte == '+' ? 62 : byte == '/' ? 63 : 64;
}

/* Decodes `digits` digits, 2 to 4, to one byte less. */
static bool group_decode(const uint8_t *from, unsigned digits, uint8_t *out)
{
    uint32_t bits = 0;
    uint32_t seen = 0;
    for (unsigned index = 0; index < 4; index++) {
        const uint32_t value = index < digits ? sextet(from[index]) : 0;
        seen |= value;
        bits = bits << 6 | (value & 63);
    }
    for (unsigned index = 0; index + 1 < digits; index++) {
        out[index] = (uint8_t)(bits >> (16 - 8 * index));
    }
    const uint32_t unused = digits == 4 ? 0 : (1u << (24 - 8 * (digits - 1))) - 1;
    return seen < 64 && (bits & unused) == 0;
}

bool base64_decode(uint8_t *bytes, size_t length, size_t *decoded)
{
    *decoded = 0;
    if (length % 4 != 0) {
        return false;
    }
    for (size_t at = 0; at < length; at += 4) {
        const bool last = at + 4 == length;
        const unsigned padding = !last || bytes[at + 3] != '=' ? 0 : bytes[at + 2] != '=' ? 1 : 2;
        if (!group_decode(bytes + at, 4 - padding, bytes + *decoded)) {
            return false;
        }
        *decoded += 3 - padding;
    }
    return true;
}
