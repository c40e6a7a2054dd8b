/* Walks one line and writes its values into the columns: the heart of the decoder.
 *
 * The schema says what may come next, so the bytes are read once, left to right, and the first
 * fault is the line's fault. What it means is decided in _reference_decoder.py; its table is
 * the specification of this file.
 */
#ifndef PENSTOCK_WALK_H
#define PENSTOCK_WALK_H

#include "column.h"

typedef struct Options {
    size_t max_depth; /* brackets open at once */
    size_t max_line;  /* bytes of a line */
    bool cut;         /* drop digits finer than a microsecond */
} Options;

typedef struct Walk {
    Batch *batch;
    Options options;
    uint8_t *brackets; /* a bit for each that may be open */
    Text scratch;      /* the key, or the time with escapes, that is being read */
    size_t depth;
    uint64_t unknown;  /* keys of this line that the schema lacks */
    Fault fault;
} Walk;

/* Read the line at `at` into the row behind the last one.
 *
 * Returns the place of its newline, and whether it holds a row; NULL with a fault. The row is
 * not counted, and after a fault not taken back: both are the caller's.
 */
const uint8_t *line_read(Walk *walk, const uint8_t *at, bool first_of_file, bool *holds_row);

#endif
