/* Looks at a block of bytes at once: the ends of strings, the names of fields, packed bits.
 *
 * Two versions with equal results: SSE2, which every x86-64 has, and plain C on 8-byte words.
 * PENSTOCK_PLAIN chooses the plain one. Values are short, so wider vectors bring nothing.
 */
#ifndef PENSTOCK_SCAN_H
#define PENSTOCK_SCAN_H

#include "base.h"

#if defined(__SSE2__) && !defined(PENSTOCK_PLAIN)
#define SCAN_SSE2 1
#include <emmintrin.h>
#endif

/* What a block of SCAN_WIDTH bytes holds. One bit or one byte per byte, first byte lowest. */
typedef struct Scan {
    uint64_t stop; /* quotes, backslashes, control characters; exact up to the first */
    uint64_t high; /* bytes above 0x7F */
} Scan;

/* How the name of a field stands in a line: `"name":`, compared KEY_BLOCK bytes at a time.
 * A block matches when (bytes & mask) == text. A text with bits outside of its mask never does.
 */
#define KEY_BLOCK 16
#define KEY_SIZE 64

typedef struct KeyText {
    uint8_t text[KEY_SIZE];
    uint8_t mask[KEY_SIZE];
    uint32_t length;
    uint32_t blocks;
} KeyText;

#ifdef SCAN_SSE2

#define SCAN_WIDTH 16

static inline Scan scan_vector(__m128i bytes)
{
    const __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    const __m128i stops = _mm_or_si128(_mm_or_si128(quotes, slashes), controls);
    return (Scan){(uint32_t)_mm_movemask_epi8(stops), (uint32_t)_mm_movemask_epi8(bytes)};
}

static inline Scan scan(const uint8_t *at)
{
    return scan_vector(_mm_loadu_si128((const __m128i *)at));
}

/* Scan and copy the whole block. */
static inline Scan scan_copy(const uint8_t *at, uint8_t *out)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    _mm_storeu_si128((__m128i *)out, bytes);
    return scan_vector(bytes);
}

static inline unsigned scan_first(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static inline __m128i key_block_matches(const KeyText *key, const uint8_t *at, uint32_t block)
{
    const uint32_t place = block * KEY_BLOCK;
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(at + place));
    const __m128i mask = _mm_loadu_si128((const __m128i *)(key->mask + place));
    const __m128i text = _mm_loadu_si128((const __m128i *)(key->text + place));
    return _mm_cmpeq_epi8(_mm_and_si128(bytes, mask), text);
}

static inline bool key_matches(const KeyText *key, const uint8_t *at)
{
    __m128i same = key_block_matches(key, at, 0);
    for (uint32_t block = 1; UNLIKELY(block < key->blocks); block++) {
        same = _mm_and_si128(same, key_block_matches(key, at, block));
    }
    return _mm_movemask_epi8(same) == 0xFFFF;
}

/* The top bits of 8 bytes as one byte. */
static inline uint8_t pack_top_bits(const uint8_t *bytes)
{
    return (uint8_t)_mm_movemask_epi8(_mm_loadl_epi64((const __m128i *)bytes));
}

#else

#define SCAN_WIDTH 8
#define EACH_BYTE UINT64_C(0x0101010101010101)

/* The top bit of each byte that is zero; exact up to the first. */
static inline uint64_t scan_zeros(uint64_t word)
{
    return (word - EACH_BYTE) & ~word & (EACH_BYTE << 7);
}

static inline Scan scan_word(uint64_t word)
{
    const uint64_t quotes = scan_zeros(word ^ EACH_BYTE * '"');
    const uint64_t slashes = scan_zeros(word ^ EACH_BYTE * '\\');
    const uint64_t controls = (word - EACH_BYTE * 0x20) & ~word & (EACH_BYTE << 7);
    return (Scan){quotes | slashes | controls, word & (EACH_BYTE << 7)};
}

static inline Scan scan(const uint8_t *at)
{
    return scan_word(load8(at));
}

static inline Scan scan_copy(const uint8_t *at, uint8_t *out)
{
    const uint64_t word = load8(at);
    memcpy(out, &word, sizeof word);
    return scan_word(word);
}

static inline unsigned scan_first(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits) / 8;
}

static inline bool key_matches(const KeyText *key, const uint8_t *at)
{
    uint64_t differences = 0;
    for (uint32_t half = 0; half < 2 * key->blocks; half++) {
        const uint64_t bytes = load8(at + half * 8) & load8(key->mask + half * 8);
        differences |= bytes ^ load8(key->text + half * 8);
    }
    return differences == 0;
}

static inline uint8_t pack_top_bits(const uint8_t *bytes)
{
    const uint64_t bits = (load8(bytes) >> 7) & EACH_BYTE;
    return (uint8_t)(bits * UINT64_C(0x0102040810204080) >> 56);
}

#endif

/* The high bits before the first stop; all of them if there is none. */
static inline uint64_t scan_high_before_stop(Scan block)
{
    return block.high & (block.stop - 1) & ~block.stop;
}

#endif
