#include "export.h"

/* Validity, offsets or values, and text. */
#define MOST_BUFFERS 3

/* What one array owns. Children may be moved away by who imports, so each stands for itself. */
typedef struct Owned {
    const void *buffers[MOST_BUFFERS];
    struct ArrowArray **pointers;
    struct ArrowArray *children;
} Owned;

static void array_release(struct ArrowArray *array)
{
    Owned *owned = array->private_data;
    for (int64_t index = 0; index < array->n_children; index++) {
        struct ArrowArray *child = array->children[index];
        if (child->release != NULL) {
            child->release(child);
        }
    }
    for (int index = 0; index < MOST_BUFFERS; index++) {
        pool_give((void *)(uintptr_t)owned->buffers[index]);
    }
    memory_give(owned->pointers);
    memory_give(owned->children);
    memory_give(owned);
    array->release = NULL;
}

/* An empty array with so many children, which are not yet there. */
static bool array_open(struct ArrowArray *array, size_t children)
{
    Owned *owned = memory_take(sizeof *owned);
    if (owned == NULL) {
        return false;
    }
    memset(owned, 0, sizeof *owned);
    memset(array, 0, sizeof *array);
    array->private_data = owned;
    array->release = array_release;
    array->buffers = owned->buffers;
    if (children == 0) {
        return true;
    }
    owned->pointers = memory_take(children * sizeof *owned->pointers);
    owned->children = memory_take(children * sizeof *owned->children);
    if (owned->pointers == NULL || owned->children == NULL) {
        array_release(array);
        return false;
    }
    memset(owned->children, 0, children * sizeof *owned->children);
    for (size_t index = 0; index < children; index++) {
        owned->pointers[index] = &owned->children[index];
    }
    array->children = owned->pointers;
    array->n_children = (int64_t)children;
    return true;
}

/* Turn bytes into the bits of their top bits, in place; returns how many are set. */
static size_t pack(uint8_t *bytes, size_t count)
{
    size_t set = 0;
    for (size_t at = 0; at < count; at += 8) {
        const uint8_t bits = pack_top_bits(bytes + at);
        bytes[at / 8] = bits;
        /* Counting bits is a call on the baseline of x86-64, and mostly all are set. */
        set += bits == 0xff ? 8 : (size_t)__builtin_popcount(bits);
    }
    return set;
}

/* A column that is not nullable has no validity, though it holds nothing below a null struct. */
static void validity_export(Column *column, struct ArrowArray *array)
{
    if (!column->nullable) {
        return;
    }
    const size_t count = column->rows->count;
    array->null_count = (int64_t)(count - pack(column->marks, count));
    if (array->null_count > 0) {
        array->buffers[0] = column->marks;
        column->marks = NULL;
    }
}

/* The buffer now belongs to the array. */
static void values_move(Column *column, struct ArrowArray *array)
{
    array->buffers[1] = column->values;
    column->values = NULL;
}

static void offsets_export(Column *column, struct ArrowArray *array)
{
    int32_t *offsets = column->values;
    for (size_t row = 0; row < column->rows->count; row++) {
        offsets[row + 1] += offsets[row];
    }
    values_move(column, array);
}

static void content_export(Column *column, struct ArrowArray *array)
{
    switch (column->type) {
    case TYPE_STRUCT:
        array->n_buffers = 1;
        break;
    case TYPE_LIST:
        array->n_buffers = 2;
        offsets_export(column, array);
        break;
    case TYPE_STRING:
    case TYPE_JSON:
    case TYPE_BINARY:
    case TYPE_RESCUE:
        array->n_buffers = 3;
        offsets_export(column, array);
        array->buffers[2] = column->text.data;
        column->text.data = NULL;
        break;
    case TYPE_BOOLEAN:
        pack(column->values, column->rows->count);
        array->n_buffers = 2;
        values_move(column, array);
        break;
    default:
        array->n_buffers = 2;
        values_move(column, array);
    }
}

static bool column_export(Column *column, struct ArrowArray *array)
{
    const uint32_t children = column->field->children_count;
    if (!array_open(array, children)) {
        return false;
    }
    for (uint32_t index = 0; index < children; index++) {
        if (!column_export(&column->children[index], array->children[index])) {
            array_release(array);
            return false;
        }
    }
    array->length = (int64_t)column->rows->count;
    validity_export(column, array);
    content_export(column, array);
    return true;
}

bool batch_export(Batch *batch, struct ArrowArray *out)
{
    return column_export(&batch->root, out);
}
