/* Walks one line and writes its values into the columns: the heart of the decoder.
 *
 * The schema says what may come next, so the bytes are read once, left to right, and the first
 * fault is the line's fault. What it means is decided in _reference_decoder.py; its table is
 * the specification of this file.
 */
#ifndef PENSTOCK_WALK_H
#define PENSTOCK_WALK_H

#include "rescue.h"

/* What is let through; the bits are known to _compiled_decoder.py. */
typedef enum Leniency {
    CUT_FINER = 1,     /* digits finer than a microsecond are dropped */
    READ_QUOTED = 2,   /* a number in quotes is that number */
    READ_WHOLE = 4,    /* 1.0 and 1e3 are integers */
    READ_EPOCH = 8,    /* a number is a timestamp */
    KEEP_LAST = 16,    /* of a repeated key the last value counts */
    NULLIFY_NANS = 32, /* NaN and infinities are null in a column of floats */
} Leniency;

typedef struct Options {
    size_t max_depth; /* brackets open at once */
    size_t max_line;  /* bytes of a line */
    unsigned lenient; /* bits of Leniency */
    int epoch;        /* the power of ten that makes microseconds of a number */
} Options;

typedef struct Walk {
    Batch *batch;
    Options options;
    uint8_t *brackets; /* a bit for each that may be open */
    Text scratch;      /* the key, or the time with escapes, that is being read */
    size_t depth;
    uint64_t unknown;  /* keys of this line that the schema lacks */
    Rescue rescue;
    Fault fault;
} Walk;

/* Read the line at `at` into the row behind the last one.
 *
 * Returns the place of its newline, and whether it holds a row; NULL with a fault. The row is
 * not counted, and after a fault not taken back: both are the caller's.
 */
const uint8_t *line_read(Walk *walk, const uint8_t *at, bool first_of_file, bool *holds_row);

#endif
