/* Decodes a chunk of whole lines: finds the lines, walks each, takes bad ones back. */
#ifndef PENSTOCK_DECODE_H
#define PENSTOCK_DECODE_H

#include "walk.h"

/* Decoding stops behind so many rejected lines; as in _decoder.py. */
#define MOST_REJECTED 16384

/* Chunks are smaller, so that a column's offsets fit into 32 bits. */
#define LARGEST_CHUNK ((size_t)INT32_MAX - PADDING)

typedef struct Chunk {
    const uint8_t *data;
    size_t size;
    uint64_t first_line;
    uint64_t offset; /* of the first byte, in the file */
} Chunk;

typedef struct Rejected {
    uint64_t line;
    uint64_t offset;
    size_t length;
    size_t position;
    Error error;
    uint32_t path; /* of the field at fault */
} Rejected;

typedef struct Decoded {
    Batch batch;
    Rejected *rejected;
    size_t rejected_count;
    size_t rejected_room;
    uint64_t lines;
    uint64_t unknown;
    size_t size; /* bytes of the chunk that were decoded */
} Decoded;

/* False: no memory. `decoded` is to be cleared in either case.
 * Keeps nothing but memory in the pool: any number of threads may decode with one schema and
 * pool at once.
 */
bool decode(Decoded *decoded, const Chunk *chunk, const Field *schema, const Options *options,
            Pool *pool);

void decoded_clear(Decoded *decoded);

#endif
