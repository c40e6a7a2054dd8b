#include "column.h"

/* Keys beside the schema's that are remembered per object. */
#define LEARNED_KEYS 24
/* Rows to start with. */
#define FIRST_ROWS 64
/* Packing reads marks eight at a time, so there is always a multiple of so many rows. */
#define ROWS_STEP 8

/* Bytes per row in `values`. */
static const uint8_t WIDTHS[TYPES] = {
    [TYPE_STRING] = 4,  [TYPE_JSON] = 4,    [TYPE_BINARY] = 4,  [TYPE_INT32] = 4,
    [TYPE_INT64] = 8,   [TYPE_FLOAT32] = 4, [TYPE_FLOAT64] = 8, [TYPE_BOOLEAN] = 1,
    [TYPE_TIMESTAMP] = 8, [TYPE_DATE] = 4,  [TYPE_STRUCT] = 0,  [TYPE_LIST] = 4,
    [TYPE_RESCUE] = 4,
};

static bool has_text(Type type)
{
    return type == TYPE_STRING || type == TYPE_JSON || type == TYPE_BINARY ||
           type == TYPE_RESCUE;
}

static bool keys_open(Column *column)
{
    Keys *keys = &column->keys;
    const Field *field = column->field;
    keys->count = field->children_count + 2;
    keys->room = keys->count + LEARNED_KEYS;
    keys->keys = memory_take(keys->room * sizeof *keys->keys);
    if (keys->keys == NULL) {
        return false;
    }
    for (uint32_t index = 0; index < keys->count; index++) {
        const bool member = index > 0 && index <= field->children_count;
        Key *key = &keys->keys[index];
        key->column = member ? &column->children[index - 1] : NULL;
        /* Until something else is seen, the schema's order. */
        key->likely[0] = key->likely[1] = index + 1 < keys->count ? index + 1 : index;
        if (member) {
            key->text = field->children[index - 1].key;
        } else {
            key_text_set_none(&key->text);
        }
    }
    return true;
}

static bool column_open(Column *column, const Field *field, Rows *rows, Pool *pool)
{
    memset(column, 0, sizeof *column);
    column->field = field;
    column->type = field->type;
    column->nullable = field->nullable;
    column->rows = rows;
    column->text.pool = pool;
    if (field->children_count == 0) {
        return true;
    }
    column->children = memory_take(field->children_count * sizeof *column->children);
    if (column->children == NULL) {
        return false;
    }
    memset(column->children, 0, field->children_count * sizeof *column->children);
    Rows *inner = field->type == TYPE_LIST ? &column->items : rows;
    for (uint32_t index = 0; index < field->children_count; index++) {
        if (!column_open(&column->children[index], &field->children[index], inner, pool)) {
            return false;
        }
    }
    return field->type == TYPE_LIST || keys_open(column);
}

/* A buffer of `size` bytes in place of `old`, whose first `used` bytes it has; the rest is zero.
 * NULL: no memory, and `old` is as it was.
 */
static void *buffer_grow(Pool *pool, void *old, size_t used, size_t size)
{
    size_t capacity;
    uint8_t *grown = pool_take(pool, size, &capacity);
    if (grown == NULL) {
        return NULL;
    }
    used = old == NULL ? 0 : used;
    if (used > 0) {
        memcpy(grown, old, used);
    }
    memset(grown + used, 0, size - used);
    pool_give(old);
    return grown;
}

static bool buffers_grow(Pool *pool, Column *column, size_t rows, size_t capacity)
{
    const size_t width = WIDTHS[column->type];
    uint8_t *marks = buffer_grow(pool, column->marks, rows, capacity);
    if (marks == NULL) {
        return false;
    }
    column->marks = marks;
    if (width == 0) {
        return true;
    }
    /* One place more, for the first offset. */
    void *values =
        buffer_grow(pool, column->values, (rows + 1) * width, (capacity + 1) * width);
    if (values == NULL) {
        return false;
    }
    column->values = values;
    return true;
}

static bool column_grow(Batch *batch, Column *column, size_t rows, size_t capacity)
{
    const Type type = column->type;
    if (!buffers_grow(batch->pool, column, rows, capacity)) {
        return false;
    }
    if (type == TYPE_LIST && !rows_reserve(batch, &column->items, &column->children[0])) {
        return false;
    }
    column->text.hint = has_text(type) ? batch_estimate(batch, column->text.used) : 0;
    for (uint32_t index = 0; type == TYPE_STRUCT && index < column->field->children_count;
         index++) {
        if (!column_grow(batch, &column->children[index], rows, capacity)) {
            return false;
        }
    }
    return true;
}

size_t batch_estimate(const Batch *batch, size_t used)
{
    if (batch->consumed < batch->size / 64 || batch->consumed == 0) {
        return 2 * used;
    }
    const double all = (double)used * (double)batch->size / (double)batch->consumed;
    return (size_t)(all + all / 16) + FIRST_ROWS;
}

bool rows_reserve(Batch *batch, Rows *rows, Column *top)
{
    if (LIKELY(rows->count < rows->capacity)) {
        return true;
    }
    size_t capacity = batch_estimate(batch, rows->count);
    capacity = capacity < FIRST_ROWS ? FIRST_ROWS : capacity;
    capacity = (capacity + ROWS_STEP - 1) & ~(size_t)(ROWS_STEP - 1);
    /* A row that is being written lies behind the last counted one. */
    if (!column_grow(batch, top, rows->count, capacity)) {
        return false;
    }
    rows->capacity = capacity;
    return true;
}

bool batch_open(Batch *batch, Pool *pool, const Field *schema, size_t size)
{
    memset(batch, 0, sizeof *batch);
    batch->pool = pool;
    batch->size = size;
    return column_open(&batch->root, schema, &batch->rows, pool) &&
           rows_reserve(batch, &batch->rows, &batch->root);
}

static void column_close(Column *column)
{
    pool_give(column->marks);
    pool_give(column->values);
    pool_give(column->text.data);
    memory_give(column->keys.keys);
    for (uint32_t index = 0; column->children != NULL && index < column->field->children_count;
         index++) {
        column_close(&column->children[index]);
    }
    memory_give(column->children);
}

void batch_clear(Batch *batch)
{
    column_close(&batch->root);
}

void column_clear_row(Column *column, size_t row)
{
    const Type type = column->type;
    if (column->marks == NULL || row >= column->rows->capacity) {
        return;
    }
    column->marks[row] = MARK_ABSENT;
    if (type == TYPE_STRUCT) {
        for (uint32_t index = 0; index < column->field->children_count; index++) {
            column_clear_row(&column->children[index], row);
        }
        return;
    }
    if (type == TYPE_LIST) {
        list_truncate(column, column->items.count - (size_t)*column_length(column, row));
    }
    if (has_text(type)) {
        column->text.used -= (size_t)*column_length(column, row);
    }
    const size_t width = WIDTHS[type];
    const size_t place = has_text(type) || type == TYPE_LIST ? row + 1 : row;
    memset((uint8_t *)column->values + place * width, 0, width);
}

void list_truncate(Column *list, size_t count)
{
    while (list->items.count > count) {
        column_clear_row(&list->children[0], --list->items.count);
    }
}
