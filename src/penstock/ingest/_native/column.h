/* Columns while they are filled.
 *
 * Columns that have a value per row share a Rows: the top level has one, and so has the content
 * of each list. A value is written by its row's number into memory that is zero beforehand, and
 * of strings and lists only the *length* is noted. So a member that is not there costs nothing,
 * and a row is taken back by zeroing it and subtracting its lengths.
 */
#ifndef PENSTOCK_COLUMN_H
#define PENSTOCK_COLUMN_H

#include "pool.h"
#include "schema.h"
#include "text.h"

/* What a row holds in one column. The top bit becomes the validity bit. */
enum { MARK_ABSENT = 0, MARK_NULL = 1, MARK_VALUE = 0x81 };

struct Column;

typedef struct Rows {
    size_t count;
    size_t capacity;
} Rows;

/* A key as it was met before, and which keys followed it, the latest first. */
typedef struct Key {
    KeyText text;
    struct Column *column; /* NULL: the schema lacks it */
    uint32_t likely[2];
} Key;

/* What an object's keys were so far: first the opening brace, then the schema's members, then
 * one for all that cannot be remembered, then unknown ones.
 */
typedef struct Keys {
    Key *keys;
    uint32_t count;
    uint32_t room;
} Keys;

typedef struct Column {
    const Field *field;
    Type type;      /* the field's, close at hand */
    bool nullable;  /* too */
    Rows *rows;     /* shared with the columns beside it */
    uint8_t *marks; /* per row */
    /* Per row: a number; a byte whose top bit is a boolean; or, one place later, a length. */
    void *values;
    Text text;                /* of string, json, binary, rescue */
    Rows items;               /* of a list */
    struct Column *children;  /* of a struct or a list */
    Keys keys;                /* of a struct */
} Column;

/* The columns of one chunk. */
typedef struct Batch {
    Pool *pool;
    Column root;
    Rows rows;
    size_t size;     /* bytes of the chunk */
    size_t consumed; /* of them, before the current line: what is still to come is estimated */
} Batch;

/* False: no memory; clear it all the same. */
bool batch_open(Batch *batch, Pool *pool, const Field *schema, size_t size);
void batch_clear(Batch *batch);

/* Make room for one more row. False: no memory, and no row is lost. */
bool rows_reserve(Batch *batch, Rows *rows, Column *top);

/* Forget row `row` of a column, and of all that is inside it. Whatever is missing is skipped. */
void column_clear_row(Column *column, size_t row);

/* Shorten the content of a list to `count` items. */
void list_truncate(Column *list, size_t count);

/* The length of the value of `row` in a string, binary or list column. */
static inline int32_t *column_length(Column *column, size_t row)
{
    return (int32_t *)column->values + row + 1;
}

/* What a growing column should grow to, judged by the share of the chunk that is done. */
size_t batch_estimate(const Batch *batch, size_t used);

#endif
