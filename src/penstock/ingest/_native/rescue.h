/* Writes the rescue column: what of a line the schema has no place for, as one JSON object.
 *
 * The object is shaped like the line. A bracket is written only when something inside of it is
 * rescued, and a list becomes an object with the items' numbers as keys. Keys and values stand
 * as they do in the line, byte for byte. Nothing is settled before the line is known to be good.
 */
#ifndef PENSTOCK_RESCUE_H
#define PENSTOCK_RESCUE_H

#include "column.h"

/* An object or list that is being read, with those around it. It lives in its reader's call. */
typedef struct Frame {
    struct Frame *above; /* NULL: this is the row */
    const uint8_t *key;  /* the quote of the key whose value is read; NULL in a list */
    const Rows *items;   /* of a list: the item that is read is the one behind these */
    size_t first;        /* of them, those of other rows */
    bool open;           /* its bracket was written */
} Frame;

typedef struct Rescue {
    Column *column; /* NULL: nothing is rescued */
    Frame *inmost;
    size_t length; /* bytes written for this line */
} Rescue;

/* Keep the value from `at` to `end`, which is read in the inmost frame. False: no memory. */
bool rescue_value(Rescue *rescue, const uint8_t *at, const uint8_t *end);

/* The inmost frame is done and was open. False: no memory. */
bool rescue_close(Rescue *rescue);

/* The line is good, and is row `row`. */
void rescue_settle(Rescue *rescue, size_t row);

#endif
