#include "walk.h"

#include "base64.h"
#include "instant.h"
#include "number.h"
#include "real.h"
#include "skip.h"

static const uint8_t *value_read(Walk *walk, Column *column, size_t row, const uint8_t *at);

/* A value of another kind than its column's, or none at all. */
static COLD const uint8_t *mismatch(Walk *walk, const uint8_t *at)
{
    return value_check_start(at, &walk->fault) == NULL ? NULL
                                                       : fail(&walk->fault, ERROR_TYPE, at);
}

static const uint8_t *null_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (!is_null(at)) {
        return mismatch(walk, at);
    }
    if (!column->field->nullable) {
        return fail(&walk->fault, ERROR_NULL, at);
    }
    column->marks[row] = MARK_NULL;
    return at + 4;
}

/* --- numbers ---------------------------------------------------------------------------- */

static const uint8_t *any_number_read(Walk *walk, const uint8_t *at, Number *number)
{
    if (LIKELY(is_digit(*at) || (*at == '-' && is_digit(at[1])))) {
        return number_read(at, number, &walk->fault);
    }
    if (*at != '-' || value_check_start(at, &walk->fault) == NULL) {
        return mismatch(walk, at);
    }
    return number_read(at, number, &walk->fault);
}

static const uint8_t *integer_read(Walk *walk, const uint8_t *at, int bits, int64_t *value)
{
    const uint8_t *end = short_integer_read(at, value);
    if (LIKELY(end != NULL) && (bits == 64 || *value == (int32_t)*value)) {
        return end;
    }
    Number number;
    end = any_number_read(walk, at, &number);
    if (end == NULL) {
        return NULL;
    }
    if (!number.integral) {
        return fail(&walk->fault, ERROR_TYPE, at);
    }
    const int64_t most = bits == 64 ? INT64_MAX : INT32_MAX;
    return number_to_integer(&number, -most - 1, most, value)
               ? end
               : fail(&walk->fault, ERROR_RANGE, at);
}

static const uint8_t *int32_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    int64_t value = 0;
    at = integer_read(walk, at, 32, &value);
    ((int32_t *)column->values)[row] = (int32_t)value;
    return at;
}

static const uint8_t *int64_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    return integer_read(walk, at, 64, (int64_t *)column->values + row);
}

static const uint8_t *float32_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Number number;
    const uint8_t *end = any_number_read(walk, at, &number);
    if (end != NULL && !number_to_float32(&number, (float *)column->values + row)) {
        return fail(&walk->fault, ERROR_RANGE, at);
    }
    return end;
}

static const uint8_t *float64_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Number number;
    const uint8_t *end = short_real_read(at, (double *)column->values + row);
    if (LIKELY(end != NULL)) {
        return end;
    }
    end = any_number_read(walk, at, &number);
    if (end != NULL && !number_to_float64(&number, (double *)column->values + row)) {
        return fail(&walk->fault, ERROR_RANGE, at);
    }
    return end;
}

static const uint8_t *boolean_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (is_true(at)) {
        ((uint8_t *)column->values)[row] = MARK_VALUE;
        return at + 4;
    }
    return is_false(at) ? at + 5 : mismatch(walk, at);
}

/* --- text ------------------------------------------------------------------------------- */

static void text_settle(Column *column, size_t row, size_t length)
{
    column->text.used += length;
    *column_length(column, row) = (int32_t)length;
}

static const uint8_t *string_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (UNLIKELY(*at != '"')) {
        return mismatch(walk, at);
    }
    size_t length = 0;
    at = text_read(at + 1, &column->text, &length, &walk->fault);
    if (LIKELY(at != NULL)) {
        text_settle(column, row, length);
    }
    return at;
}

static const uint8_t *binary_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (UNLIKELY(*at != '"')) {
        return mismatch(walk, at);
    }
    size_t length = 0;
    const uint8_t *end = text_read(at + 1, &column->text, &length, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    /* The column's text may have no memory yet if nothing was ever put into it. */
    if (length > 0 && !base64_decode(column->text.data + column->text.used, length, &length)) {
        return fail(&walk->fault, ERROR_TYPE, at);
    }
    text_settle(column, row, length);
    return end;
}

static const uint8_t *json_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Text *text = &column->text;
    const uint8_t *end =
        value_skip(at, walk->brackets, walk->options.max_depth - walk->depth, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    const size_t length = (size_t)(end - at);
    if (text->capacity - text->used < length && !text_reserve(text, text->used, length)) {
        return fail(&walk->fault, ERROR_NO_MEMORY, at);
    }
    memcpy(text->data + text->used, at, length);
    text_settle(column, row, length);
    return end;
}

/* --- times ------------------------------------------------------------------------------ */

/* A string with its escapes replaced, and a quote behind it, in walk->scratch. */
static const uint8_t *scratch_read(Walk *walk, const uint8_t *at, size_t *length)
{
    if (*at != '"') {
        return mismatch(walk, at);
    }
    const uint8_t *end = text_read(at + 1, &walk->scratch, length, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    if (walk->scratch.capacity - *length < PADDING &&
        !text_reserve(&walk->scratch, *length, PADDING)) {
        return fail(&walk->fault, ERROR_NO_MEMORY, at);
    }
    walk->scratch.data[*length] = '"';
    return end;
}

/* Any time that cannot be read as it stands: it has escapes, or a fault. */
static COLD const uint8_t *time_read_slowly(Walk *walk, Column *column, size_t row,
                                            const uint8_t *at)
{
    size_t length = 0;
    const uint8_t *end = scratch_read(walk, at, &length);
    if (end == NULL) {
        return NULL;
    }
    const uint8_t *text = walk->scratch.data;
    Error error = ERROR_TYPE;
    const uint8_t *text_end =
        column->field->type == TYPE_DATE
            ? date_read(text, (int32_t *)column->values + row, &error)
            : timestamp_read(text, walk->options.cut, (int64_t *)column->values + row, &error);
    if (text_end == NULL) {
        return fail(&walk->fault, error, at);
    }
    return text_end == text + length ? end : fail(&walk->fault, ERROR_TYPE, at);
}

static const uint8_t *timestamp_value_read(Walk *walk, Column *column, size_t row,
                                           const uint8_t *at)
{
    Error error;
    int64_t *micros = (int64_t *)column->values + row;
    const uint8_t *end =
        LIKELY(*at == '"') ? timestamp_read(at + 1, walk->options.cut, micros, &error) : NULL;
    return LIKELY(end != NULL) ? end + 1 : time_read_slowly(walk, column, row, at);
}

static const uint8_t *date_value_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Error error;
    int32_t *days = (int32_t *)column->values + row;
    const uint8_t *end = LIKELY(*at == '"') ? date_read(at + 1, days, &error) : NULL;
    return LIKELY(end != NULL) ? end + 1 : time_read_slowly(walk, column, row, at);
}

/* --- objects ---------------------------------------------------------------------------- */

static const uint8_t *field_fail(Walk *walk, Error error, const Field *field, const uint8_t *at)
{
    walk->fault.field = field;
    return fail(&walk->fault, error, at);
}

static COLD const uint8_t *missing_fail(Walk *walk, const Column *column, size_t row,
                                        const uint8_t *at)
{
    uint32_t index = 0;
    while (column->children[index].field->nullable ||
           column->children[index].marks[row] != MARK_ABSENT) {
        index++;
    }
    return field_fail(walk, ERROR_MISSING, column->children[index].field, at);
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
    key->child = NO_CHILD;
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
    if (child != NO_CHILD && column->children[child].marks[row] != MARK_ABSENT) {
        return field_fail(walk, ERROR_DUPLICATE_KEY, column->children[child].field, at);
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
    if (next->child != NO_CHILD &&
        UNLIKELY(column->children[next->child].marks[row] != MARK_ABSENT)) {
        return field_fail(walk, ERROR_DUPLICATE_KEY, column->children[next->child].field, at);
    }
    *key = next;
    return at + next->text.length;
}

/* The members of an object, up to its closing brace. */
static const uint8_t *members_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Key *key = column->keys.keys;
    uint32_t required = 0;
    for (;;) {
        at = likely_key_read(walk, column, row, at, &key);
        if (UNLIKELY(at == NULL)) {
            return NULL;
        }
        at = skip_blanks(at);
        if (key->child == NO_CHILD) {
            walk->unknown++;
            at = value_skip(at, walk->brackets, walk->options.max_depth - walk->depth,
                            &walk->fault);
        } else {
            Column *child = &column->children[key->child];
            required += !child->field->nullable;
            at = value_read(walk, child, row, at);
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
    return LIKELY(required == column->field->required) ? at
                                                       : missing_fail(walk, column, row, at);
}

static const uint8_t *bracket_open(Walk *walk, const uint8_t *at)
{
    if (UNLIKELY(walk->depth >= walk->options.max_depth)) {
        return fail(&walk->fault, ERROR_DEPTH, at);
    }
    walk->depth++;
    return skip_blanks(at + 1);
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
    if (LIKELY(*at != '}')) {
        at = members_read(walk, column, row, at);
    } else if (column->field->required > 0) {
        at = missing_fail(walk, column, row, at);
    }
    walk->depth--;
    return at == NULL ? NULL : at + 1;
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
    if (at != NULL && *at != ']') {
        at = items_read(walk, column, at);
    }
    if (UNLIKELY(at == NULL)) {
        list_truncate(column, start);
        return NULL;
    }
    walk->depth--;
    *column_length(column, row) = (int32_t)(column->items.count - start);
    return at + 1;
}

/* --- values and lines ------------------------------------------------------------------- */

static const uint8_t *typed_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    switch (column->field->type) {
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
    case TYPES:
        break;
    }
    __builtin_unreachable();
}

static const uint8_t *value_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    column->marks[row] = MARK_VALUE;
    at = *at == 'n' ? null_read(walk, column, row, at) : typed_read(walk, column, row, at);
    /* The innermost column is the one at fault. */
    if (UNLIKELY(at == NULL) && walk->fault.field == NULL) {
        walk->fault.field = column->field;
    }
    return at;
}

const uint8_t *line_read(Walk *walk, const uint8_t *at, bool first_of_file, bool *holds_row)
{
    walk->fault.field = NULL;
    walk->unknown = 0;
    walk->depth = 0;
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
    return *at == '\n' ? at : fail(&walk->fault, ERROR_TRAILING, at);
}
