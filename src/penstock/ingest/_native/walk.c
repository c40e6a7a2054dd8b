#include "walk.h"

#include "scalar.h"

static const uint8_t *value_read(Walk *walk, Column *column, size_t row, const uint8_t *at);

/* --- objects ---------------------------------------------------------------------------- */

static const uint8_t *field_fail(Walk *walk, Error error, const Field *field, const uint8_t *at)
{
    walk->fault.field = field;
    return fail(&walk->fault, error, at);
}

/* At the closing brace: is any member missing that is not nullable? */
static COLD const uint8_t *missing_check(Walk *walk, const Column *column, size_t row,
                                         const uint8_t *at)
{
    for (uint32_t index = 0; index < column->field->children_count; index++) {
        const Column *child = &column->children[index];
        if (!child->nullable && child->marks[row] == MARK_ABSENT) {
            return field_fail(walk, ERROR_MISSING, child->field, at);
        }
    }
    return at;
}

/* The key at `at` is of a member that was read before: forget that one, or refuse this. */
static COLD bool repeats(Walk *walk, Column *member, size_t row, const uint8_t *at)
{
    if (!allows(walk, KEEP_LAST)) {
        field_fail(walk, ERROR_DUPLICATE_KEY, member->field, at);
        return false;
    }
    column_clear_row(member, row);
    return true;
}

/* The index of a key that the schema lacks. One that stands plainly is remembered. */
static uint32_t unknown_key(Column *column, const uint8_t *start, size_t size, size_t raw_size)
{
    Keys *keys = &column->keys;
    const uint32_t others = column->field->children_count + 1;
    for (uint32_t index = others + 1; index < keys->count; index++) {
        if (key_matches(&keys->keys[index].text, start)) {
            return index;
        }
    }
    const bool plain = raw_size == size + 2 && size + 3 <= KEY_SIZE && start[raw_size] == ':';
    if (!plain || keys->count == keys->room) {
        return others;
    }
    Key *key = &keys->keys[keys->count];
    key_text_set(&key->text, start + 1, size);
    key->column = NULL;
    key->likely[0] = key->likely[1] = keys->count;
    return keys->count++;
}

/* The key at `at`, whatever it is; `*key` is the one before it, and becomes it. */
static const uint8_t *key_read(Walk *walk, Column *column, size_t row, const uint8_t *at,
                               Key **key)
{
    if (*at != '"') {
        return fail(&walk->fault, ERROR_SYNTAX, at);
    }
    size_t size = 0;
    const uint8_t *end = text_read(at + 1, &walk->scratch, &size, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    const uint32_t child = field_find(column->field, walk->scratch.data, size);
    if (child != NO_CHILD && column->children[child].marks[row] != MARK_ABSENT &&
        !repeats(walk, &column->children[child], row, at)) {
        return NULL;
    }
    const uint8_t *colon = skip_blanks(end);
    if (*colon != ':') {
        return fail(&walk->fault, ERROR_SYNTAX, colon);
    }
    const uint32_t index =
        child == NO_CHILD ? unknown_key(column, at, size, (size_t)(end - at)) : child + 1;
    (*key)->likely[1] = (*key)->likely[0];
    (*key)->likely[0] = index;
    *key = &column->keys.keys[index];
    return colon + 1;
}

/* The key that followed the last key before, if it follows again: one comparison instead of a
 * search. Anything else is left to key_read.
 */
static inline const uint8_t *likely_key_read(Walk *walk, Column *column, size_t row,
                                             const uint8_t *at, Key **key)
{
    Key *last = *key;
    Key *next = &column->keys.keys[last->likely[0]];
    if (!key_matches(&next->text, at)) {
        const uint32_t second = last->likely[1];
        next = &column->keys.keys[second];
        if (!key_matches(&next->text, at)) {
            return key_read(walk, column, row, at, key);
        }
        last->likely[1] = last->likely[0];
        last->likely[0] = second;
    }
    if (next->column != NULL && UNLIKELY(next->column->marks[row] != MARK_ABSENT) &&
        !repeats(walk, next->column, row, at)) {
        return NULL;
    }
    *key = next;
    return at + next->text.length;
}

/* The value of a key that the schema lacks. */
static const uint8_t *unknown_read(Walk *walk, const uint8_t *at)
{
    const uint8_t *end =
        value_skip(at, walk->brackets, walk->options.max_depth - walk->depth, &walk->fault);
    if (walk->rescue.column != NULL && end != NULL && !rescue_value(&walk->rescue, at, end)) {
        return fail(&walk->fault, ERROR_NO_MEMORY, at);
    }
    return end;
}

/* The members of an object, up to its closing brace. */
static const uint8_t *members_read(Walk *walk, Column *column, size_t row, const uint8_t *at,
                                   Frame *frame)
{
    Key *key = column->keys.keys;
    uint32_t required = 0;
    for (;;) {
        frame->key = at;
        at = likely_key_read(walk, column, row, at, &key);
        if (UNLIKELY(at == NULL)) {
            return NULL;
        }
        at = skip_blanks(at);
        if (key->column == NULL) {
            walk->unknown++;
            at = unknown_read(walk, at);
        } else {
            required += !key->column->nullable;
            at = value_read(walk, key->column, row, at);
        }
        if (UNLIKELY(at == NULL)) {
            return NULL;
        }
        at = skip_blanks(at);
        if (*at != ',') {
            break;
        }
        at = skip_blanks(at + 1);
    }
    if (UNLIKELY(*at != '}')) {
        return fail(&walk->fault, ERROR_SYNTAX, at);
    }
    /* A member that repeats was counted more than once. */
    const bool whole = required == column->field->required && !allows(walk, KEEP_LAST);
    return LIKELY(whole) ? at : missing_check(walk, column, row, at);
}

static const uint8_t *bracket_open(Walk *walk, const uint8_t *at)
{
    if (UNLIKELY(walk->depth >= walk->options.max_depth)) {
        return fail(&walk->fault, ERROR_DEPTH, at);
    }
    walk->depth++;
    return skip_blanks(at + 1);
}

/* Leave a frame whose value ends with the bracket at `at`, or is faulty if NULL. */
static const uint8_t *frame_leave(Walk *walk, const Frame *frame, const uint8_t *at)
{
    walk->rescue.inmost = frame->above;
    if (UNLIKELY(at == NULL)) {
        return NULL;
    }
    if (UNLIKELY(frame->open) && !rescue_close(&walk->rescue)) {
        return fail(&walk->fault, ERROR_NO_MEMORY, at);
    }
    walk->depth--;
    return at + 1;
}

static const uint8_t *struct_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (UNLIKELY(*at != '{')) {
        return mismatch(walk, at);
    }
    at = bracket_open(walk, at);
    if (at == NULL) {
        return NULL;
    }
    Frame frame; /* without what only lists need */
    frame.above = walk->rescue.inmost;
    frame.open = false;
    walk->rescue.inmost = &frame;
    if (LIKELY(*at != '}')) {
        at = members_read(walk, column, row, at, &frame);
    } else if (column->field->required > 0) {
        at = missing_check(walk, column, row, at);
    }
    return frame_leave(walk, &frame, at);
}

/* --- lists ------------------------------------------------------------------------------ */

/* The items of an array, up to its closing bracket. */
static const uint8_t *items_read(Walk *walk, Column *column, const uint8_t *at)
{
    Column *item = &column->children[0];
    Rows *items = &column->items;
    for (;;) {
        if (UNLIKELY(!rows_reserve(walk->batch, items, item))) {
            return fail(&walk->fault, ERROR_NO_MEMORY, at);
        }
        at = value_read(walk, item, items->count, at);
        if (UNLIKELY(at == NULL)) {
            column_clear_row(item, items->count);
            return NULL;
        }
        items->count++;
        at = skip_blanks(at);
        if (*at != ',') {
            return LIKELY(*at == ']') ? at : fail(&walk->fault, ERROR_SYNTAX, at);
        }
        at = skip_blanks(at + 1);
    }
}

static const uint8_t *list_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (UNLIKELY(*at != '[')) {
        return mismatch(walk, at);
    }
    const size_t start = column->items.count;
    at = bracket_open(walk, at);
    Frame frame = {.above = walk->rescue.inmost, .items = &column->items, .first = start};
    walk->rescue.inmost = &frame;
    if (at != NULL && *at != ']') {
        at = items_read(walk, column, at);
    }
    at = frame_leave(walk, &frame, at);
    if (UNLIKELY(at == NULL)) {
        list_truncate(column, start);
        return NULL;
    }
    *column_length(column, row) = (int32_t)(column->items.count - start);
    return at;
}

/* --- values and lines ------------------------------------------------------------------- */

static const uint8_t *typed_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    switch (column->type) {
    case TYPE_STRING:
        return string_read(walk, column, row, at);
    case TYPE_JSON:
        return json_read(walk, column, row, at);
    case TYPE_BINARY:
        return binary_read(walk, column, row, at);
    case TYPE_INT32:
        return int32_read(walk, column, row, at);
    case TYPE_INT64:
        return int64_read(walk, column, row, at);
    case TYPE_FLOAT32:
        return float32_read(walk, column, row, at);
    case TYPE_FLOAT64:
        return float64_read(walk, column, row, at);
    case TYPE_BOOLEAN:
        return boolean_read(walk, column, row, at);
    case TYPE_TIMESTAMP:
        return timestamp_value_read(walk, column, row, at);
    case TYPE_DATE:
        return date_value_read(walk, column, row, at);
    case TYPE_STRUCT:
        return struct_read(walk, column, row, at);
    case TYPE_LIST:
        return list_read(walk, column, row, at);
    case TYPE_RESCUE:
    case TYPES:
        break;
    }
    __builtin_unreachable();
}

/* A value cannot be read into its column: it is null instead if it may be, and rescued. */
static COLD const uint8_t *unfit_read(Walk *walk, Column *column, size_t row)
{
    const Error error = walk->fault.error;
    const bool unfit = error == ERROR_TYPE || error == ERROR_RANGE;
    const uint8_t *at = walk->fault.at; /* where a fault of a whole value stands: its first byte */
    const bool real = column->type == TYPE_FLOAT32 || column->type == TYPE_FLOAT64;
    if (error == ERROR_NOT_A_NUMBER && real && column->nullable && allows(walk, NULLIFY_NANS)) {
        column->marks[row] = MARK_NULL;
        return at + (*at == 'N' ? 3 : *at == 'I' ? 8 : 9);
    }
    if (unfit && walk->rescue.column != NULL && column->nullable) {
        const uint8_t *end = value_skip(
            at, walk->brackets, walk->options.max_depth - walk->depth, &walk->fault);
        if (end != NULL && !rescue_value(&walk->rescue, at, end)) {
            end = fail(&walk->fault, ERROR_NO_MEMORY, at);
        }
        if (end != NULL) {
            /* Nothing is settled of a value that fits badly; a number may lie below the null. */
            column->marks[row] = MARK_NULL;
            return end;
        }
    }
    walk->fault.field = column->field;
    return NULL;
}

static const uint8_t *value_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    column->marks[row] = MARK_VALUE;
    at = *at == 'n' ? null_read(walk, column, row, at) : typed_read(walk, column, row, at);
    /* The innermost column is the one at fault. */
    if (UNLIKELY(at == NULL) && walk->fault.field == NULL) {
        at = unfit_read(walk, column, row);
    }
    return at;
}

const uint8_t *line_read(Walk *walk, const uint8_t *at, bool first_of_file, bool *holds_row)
{
    walk->fault.field = NULL;
    walk->unknown = 0;
    walk->depth = 0;
    walk->rescue.inmost = NULL;
    walk->rescue.length = 0;
    if (UNLIKELY(at[0] == 0xEF && at[1] == 0xBB && at[2] == 0xBF)) {
        if (!first_of_file) {
            return fail(&walk->fault, ERROR_BOM, at);
        }
        at += 3;
    }
    at = skip_blanks(at);
    *holds_row = *at != '\n';
    if (!*holds_row) {
        return at;
    }
    if (UNLIKELY(*at != '{')) {
        return value_check_start(at, &walk->fault) == NULL
                   ? NULL
                   : fail(&walk->fault, ERROR_NOT_AN_OBJECT, at);
    }
    at = struct_read(walk, &walk->batch->root, walk->batch->rows.count, at);
    if (UNLIKELY(at == NULL)) {
        return NULL;
    }
    at = skip_blanks(at);
    if (UNLIKELY(*at != '\n')) {
        return fail(&walk->fault, ERROR_TRAILING, at);
    }
    if (UNLIKELY(walk->rescue.length > 0)) {
        rescue_settle(&walk->rescue, walk->batch->rows.count);
    }
    return at;
}
