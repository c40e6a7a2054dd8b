/* The declared schema as the walk needs it: built once, then only read, by any thread. */
#ifndef PENSTOCK_SCHEMA_H
#define PENSTOCK_SCHEMA_H

#include "base.h"
#include "scan.h"

/* The numbers are known to _compiled_decoder.py. */
typedef enum Type {
    TYPE_STRING,
    TYPE_JSON,
    TYPE_BINARY,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_BOOLEAN,
    TYPE_TIMESTAMP,
    TYPE_DATE,
    TYPE_STRUCT,
    TYPE_LIST,
    TYPE_RESCUE, /* of the row: no key has its name */
    TYPES,
} Type;

/* One column, member or list item. The row itself is a struct that is not nullable. */
typedef struct Field {
    Type type;
    bool nullable;
    uint32_t path;     /* its place among the dotted paths of the schema */
    const char *name;  /* UTF-8 */
    size_t name_size;
    KeyText key;
    uint32_t children_count; /* a struct's members; a list has one: its item */
    struct Field *children;
    uint32_t required;       /* members that are not nullable */
    uint32_t *names;         /* a hash table of members: index + 1, 0 is empty */
    uint32_t names_mask;
} Field;

/* No member has the name. */
#define NO_CHILD UINT32_MAX

/* How `"name":` stands in a line, for key_matches; one that never matches if the name has to be
 * escaped or is too long.
 */
void key_text_set(KeyText *key, const uint8_t *name, size_t size);
void key_text_set_none(KeyText *key);

/* Ready a struct whose children are set; a rescue column is none of its members. False: no
 * memory.
 */
bool field_index(Field *field);

/* The member with this name, or NO_CHILD. */
uint32_t field_find(const Field *field, const uint8_t *name, size_t size);

/* Free all below and inside a field; one that is all zeros has nothing to free. */
void field_clear(Field *field);

#endif
